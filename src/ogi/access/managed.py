"""AWS's managed policies, one JSON file each in `aws_managed/`: adding one is adding a file.

A file holds `Path`, `CreateDate`, `UpdateDate`, `DefaultVersionId`, `Description`, `Document` as
the AWS Managed Policy Reference has them; a `Comment` says where Ogi's text differs, and why.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files

from ogi.access.identities import ManagedPolicy, PolicyVersion

PREFIX = "arn:aws:iam::aws:policy/"


@cache
def policies() -> dict[str, ManagedPolicy]:
    """All of them, by ARN."""
    folder = files("ogi.access") / "aws_managed"
    read = (
        _read(file.name.removesuffix(".json"), file.read_text("utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    )
    return {policy.arn: policy for policy in sorted(read, key=lambda policy: policy.name)}


def _read(name: str, text: str) -> ManagedPolicy:
    facts = json.loads(text)
    number = int(facts["DefaultVersionId"].removeprefix("v"))
    updated = datetime.fromisoformat(facts["UpdateDate"]).timestamp()
    document = json.dumps(facts["Document"], indent=2)
    return ManagedPolicy(
        account="aws",
        name=name,
        # AWS's own ids are not in its reference; this one is stable and looks the same.
        id="ANPA" + sha256(name.encode()).hexdigest()[:17].upper(),
        path=facts["Path"],
        created=datetime.fromisoformat(facts["CreateDate"]).timestamp(),
        updated=updated,
        versions=(PolicyVersion(number, document, updated),),
        default=number,
        latest=number,
        description=facts["Description"],
    )

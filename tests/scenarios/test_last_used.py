"""Last-used facts and the credential report, as an administrator sees them."""

from __future__ import annotations

import csv
import io
from typing import Any

from tests.scenarios.conftest import REGION, Server, eventually


def test_an_administrator_sees_which_keys_are_used(server: Server, name: str) -> None:
    iam = server.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sqs = server.client(
        "sqs",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    try:
        sqs.list_queues()
    except sqs.exceptions.ClientError as refusal:
        # An attempt counts, too.
        assert "AccessDenied" in refusal.response["Error"]["Code"]

    def used() -> Any:
        got = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
        return got if "LastUsedDate" in got else None

    last = eventually(used)
    assert (last["ServiceName"], last["Region"]) == ("sqs", REGION)
    iam.generate_credential_report()
    report = iam.get_credential_report()
    lines = {row["user"]: row for row in csv.DictReader(io.StringIO(report["Content"].decode()))}
    if name in lines:  # Another story may have asked for the report before.
        assert lines[name]["access_key_1_last_used_service"] == "sqs"
    assert lines["<root_account>"]["arn"].endswith(":root")

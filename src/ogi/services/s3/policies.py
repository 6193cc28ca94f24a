"""Bucket policies: what is a valid one, which are public, and how access finds them."""

from __future__ import annotations

import json
from typing import Any

from ogi import arn as arns
from ogi.access.policy import PolicySyntax, compile
from ogi.services.s3 import grains
from ogi.services.s3.errors import MalformedPolicy
from ogi.services.s3.layout import bucket_named
from ogi.storage import Reader

POLICY_BYTES_MAX = 20 * 1024
"""docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""
FIXING_KEYS = frozenset({
    "aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner",
    "aws:sourceaccount", "aws:userid", "aws:principalorgid", "aws:principalorgpaths",
    "aws:principalaccount", "aws:principalarn", "aws:vpcsourceip",
    "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount",
})  # fmt: skip
"""A wildcard principal is not public if one of these has a fixed value, as "The meaning of public"
in docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html says."""
WIDE_NETWORK_BITS = 8
"""An aws:SourceIp range wider than /8 counts as public (same page)."""


def policy_of(tx: Reader, arn: str) -> str | None:
    """The policy of the bucket that `arn` names, or in which the object of that name lies."""
    parsed = arns.parse(arn)
    if parsed is None:
        return None
    bucket = bucket_named(tx, parsed.resource.partition("/")[0])
    return None if bucket is None else bucket.policy


def owner_of(tx: Reader, arn: str) -> str | None:
    """The account of the bucket that `arn` names, or in which the object of that name lies."""
    bucket = bucket_named(tx, arn.rpartition(":::")[2].partition("/")[0])
    return None if bucket is None else bucket.account


def check(text: str, bucket: str) -> dict[str, Any]:
    """The policy in `text` if a bucket of that name can have it."""
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise MalformedPolicy("Policy exceeds the maximum allowed document size.")
    if not text.startswith("{"):
        raise MalformedPolicy()
    try:
        policy = json.loads(text)
    except (RecursionError, ValueError):
        raise MalformedPolicy("This policy contains invalid Json") from None
    if policy.get("Version") not in (None, "2012-10-17", "2008-10-17"):
        raise MalformedPolicy("The policy must contain a valid version string")
    statements = _statements(policy)
    if not statements:
        raise MalformedPolicy("Missing required field Statement")
    for statement in statements:
        _check_statement(statement, bucket)
    try:
        compile(text)
    except PolicySyntax as error:
        raise MalformedPolicy(str(error)) from None
    return dict(policy)


def _check_statement(statement: Any, bucket: str) -> None:
    if not isinstance(statement, dict):
        raise MalformedPolicy("Policy has invalid statement")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicy("Missing required field Effect")
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise MalformedPolicy("Missing required field Principal")
    if not isinstance(statement.get("Principal", "*"), dict | str):
        raise MalformedPolicy("Invalid principal in policy")
    if isinstance(statement.get("Principal"), str) and statement["Principal"] != "*":
        raise MalformedPolicy("Invalid principal in policy")
    actions = _listed(statement.get("Action", statement.get("NotAction")))
    if not actions:
        raise MalformedPolicy("Missing required field Action")
    for action in actions:
        if action != "*" and not str(action).lower().startswith("s3:"):
            raise MalformedPolicy("Policy has invalid action")
    resources = _listed(statement.get("Resource", statement.get("NotResource")))
    if not resources:
        raise MalformedPolicy("Missing required field Resource")
    arn = f"arn:aws:s3:::{bucket}"
    for resource in resources:
        if resource != arn and not str(resource).startswith((arn + "/", arn + "*")):
            raise MalformedPolicy("Policy has invalid resource")
    if "Action" in statement and "Resource" in statement:
        for action in actions:
            if not grains.fits(str(action), map(str, resources)):
                raise MalformedPolicy("Action does not apply to any resource(s) in statement")


def is_public(policy: dict[str, Any]) -> bool:
    """Whether the policy grants something to everybody, in S3's sense."""
    return any(
        statement.get("Effect") == "Allow"
        and _for_everybody(statement)
        and not _fixed(statement.get("Condition", {}))
        for statement in _statements(policy)
    )


def _for_everybody(statement: dict[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        return any("*" in _listed(value) for value in principal.values())
    return principal == "*"


def _fixed(condition: dict[str, Any]) -> bool:
    """Whether a condition ties the statement to named accounts, networks or resources."""
    for operator, keys in condition.items():
        if operator.lower().startswith(("null", "stringnot", "arnnot", "notip", "bool")):
            continue
        for key, values in keys.items():
            if key.lower() in FIXING_KEYS and all(
                _narrow(key.lower(), str(value)) for value in _listed(values)
            ):
                return True
    return False


def _narrow(key: str, value: str) -> bool:
    if key == "aws:sourceip":
        bits = value.partition("/")[2]
        # Operators for texts may compare the key with what is no network.
        return not bits.isdecimal() or int(bits) >= WIDE_NETWORK_BITS
    if key in ("aws:sourcearn", "aws:principalarn"):
        # "arn:aws:iam::111122223333:role/*" names an account; "arn:*" names nobody. A bucket's
        # or topic's whole name does as well.
        fields = value.split(":", 5)
        return len(fields) == 6 and ("*" not in fields[4] if fields[4] else "*" not in fields[5])
    return "*" not in value and "?" not in value


def _statements(policy: dict[str, Any]) -> list[Any]:
    return _listed(policy.get("Statement"))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]

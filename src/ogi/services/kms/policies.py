"""Key policies: AWS's default, what a policy must look like, and the check against lock-out."""

from __future__ import annotations

import json
from typing import Any

from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.kms import conditions, keys
from ogi.services.kms.errors import LimitExceededException, MalformedPolicyDocumentException
from ogi.services.kms.records import Key
from ogi.services.kms.service import SERVICE
from ogi.storage import Transaction

POLICY_BYTES_MAX = 32 * 1024
"""docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html"""


def default(account: str) -> str:
    """docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    return json.dumps({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }],
    }, indent=2)  # fmt: skip


def attach(tx: Transaction, call: Call, key: Key, policy: str, *, bypass: bool) -> None:
    """Keep `key` under `policy`; unless bypassed, the caller must be able to change it again."""
    check(policy)
    keys.put(tx, key)
    if bypass:
        return
    # The question is put to the policy as it now stands in this transaction.
    try:
        call.ports.authorise(
            tx, call, SERVICE, ("kms:PutKeyPolicy",), (key.arn,),
            {**call.context, **conditions.of(call, key, {})},
        )  # fmt: skip
    except AwsError:
        raise MalformedPolicyDocumentException(
            "The new key policy will not allow you to update the key policy in the future."
        ) from None


def check(policy: str) -> None:
    """Refuse what is not a policy document with a principal in each statement."""
    if len(policy.encode()) > POLICY_BYTES_MAX:
        raise LimitExceededException
    try:
        document = json.loads(policy)
    except (ValueError, RecursionError):
        raise MalformedPolicyDocumentException("The policy is not valid JSON.") from None
    statements = document.get("Statement") if isinstance(document, dict) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        if not _well_formed(statement):
            raise MalformedPolicyDocumentException


def _well_formed(statement: Any) -> bool:
    return (
        isinstance(statement, dict)
        and statement.get("Effect") in ("Allow", "Deny")
        and ("Principal" in statement) != ("NotPrincipal" in statement)
    )

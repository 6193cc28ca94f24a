"""Key policies: AWS's default, what a policy must look like, and the check against lock-out."""

from __future__ import annotations

import json

import msgspec

from ogi.access import trusts
from ogi.access.policy import PolicySyntax, compile
from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.kms import conditions, keys
from ogi.services.kms.effects import completed
from ogi.services.kms.errors import LimitExceededException, MalformedPolicyDocumentException
from ogi.services.kms.records import Key
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader, Transaction

POLICY_BYTES_MAX = 32 * 1024
"""docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html"""
MALFORMED = MalformedPolicyDocumentException.__doc__
INVALID_PRINCIPALS = "Policy contains a statement with one or more invalid principals."
"""The principals "must exist and be visible to AWS KMS" (API page of PutKeyPolicy); the sentence
is the one that users of the SDKs quote."""


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
    check(tx, policy)
    key = msgspec.structs.replace(key, policy=trusts.fastened(tx, policy))
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


def check(tx: Reader, policy: str) -> None:
    """Refuse what is no policy, or names in a statement nobody or somebody who does not exist."""
    if len(policy.encode()) > POLICY_BYTES_MAX:
        raise LimitExceededException
    try:
        compiled = compile(completed(policy))
    except PolicySyntax as error:
        # The sentences of the grammar are IAM's; KMS's own documented one goes before them.
        raise MalformedPolicyDocumentException(f"{MALFORMED} {error}") from None
    for statement in compiled.statements:
        principals = statement.principals
        if principals is None:
            # KMS's answer in cdk-preflight, rules/kms/pf-kms-key-policy-statement
            raise MalformedPolicyDocumentException("Policy contains a statement with no principal.")
        if not all(kind != "AWS" or trusts.exists(tx, who) for kind, who in principals.entries):
            raise MalformedPolicyDocumentException(INVALID_PRINCIPALS)

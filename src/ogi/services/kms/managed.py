"""AWS-managed keys: `alias/aws/s3` and its like, with AWS's own policies.

AWS makes such a key when a service first uses it in an account and region. In Ogi they exist from
the beginning: the id is derived from account, region and service, the material from the vault too,
so that a first use writes nothing and may happen in any transaction. See
docs/decisions/0004-data-keys.md.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from functools import lru_cache

from ogi import arn as arns
from ogi.services.kms.records import Key, Material
from ogi.vault import Vault

ALIAS_PREFIX = "alias/aws/"
PLACES_MAX = 1024
"""Accounts and regions whose keys are kept in memory."""
CREATED_S = 1_415_750_400.0
"""KMS opened on 2014-11-12; keys that were always there say that they were made then."""

_USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"]

# Ids, statements and descriptions as AWS's own keys have them; they are listed for every service at
# github.com/FogSecurity/aws-managed-kms-keys.
_SERVICES: Mapping[str, tuple[str, str, str, list[str]]] = {
    "lambda": (
        "auto-awslambda", "AWS Lambda", "Lambda functions",
        [*_USE, "kms:CreateGrant", "kms:DescribeKey"],
    ),
    "s3": ("auto-s3-2", "S3", "S3 objects", [*_USE, "kms:DescribeKey"]),
    "sns": (
        "auto-sns-1", "SNS", "SNS data",
        ["kms:Decrypt", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:ListGrants",
         "kms:DescribeKey"],
    ),
    "sqs": (
        "auto-sqs-1", "Simple Queue Service (SQS)", "SQS messages",
        [*_USE, "kms:CreateGrant", "kms:DescribeKey"],
    ),
}  # fmt: skip


@lru_cache(maxsize=PLACES_MAX)
def all_of(account: str, region: str) -> Mapping[str, Key]:
    """The AWS-managed keys of an account in a region, by id."""
    keys = (_make(account, region, service) for service in _SERVICES)
    return {key.id: key for key in sorted(keys, key=lambda key: key.id)}


@lru_cache(maxsize=4 * PLACES_MAX)
def of_alias(account: str, region: str, alias: str) -> Key | None:
    """The key of `alias/aws/SERVICE`, or None if Ogi has no such service."""
    for key in all_of(account, region).values():
        if alias in key.aliases:
            return key
    return None


@lru_cache(maxsize=4 * PLACES_MAX)
def material(vault: Vault, arn: str, version: int) -> bytes:
    """What such a key encrypts with: it has a version for each generation of the vault."""
    return vault.key(f"kms/managed/{arn}", version)


def _make(account: str, region: str, service: str) -> Key:
    _, _, thing, _ = _SERVICES[service]
    digest = hashlib.sha256(f"ogi/kms/managed/{account}/{region}/{service}".encode())
    id = str(uuid.UUID(bytes=digest.digest()[:16], version=4))
    return Key(
        id=id,
        arn=arns.make("kms", region, account, f"key/{id}"),
        account=account,
        region=region,
        created=CREATED_S,
        policy=_policy(account, region, service),
        materials=(Material(digest.hexdigest(), CREATED_S, "CREATED", b""),),
        description=f"Default key that protects my {thing} when no other key is defined",
        manager="AWS",
        aliases=(f"{ALIAS_PREFIX}{service}",),
    )


def _policy(account: str, region: str, service: str) -> str:
    id, words, _, actions = _SERVICES[service]
    metadata = ["kms:Describe*", "kms:Get*", "kms:List*"]
    if "kms:CreateGrant" in actions:
        metadata.append("kms:RevokeGrant")
    return json.dumps({
        "Version": "2012-10-17",
        "Id": id,
        "Statement": [
            {
                "Sid": f"Allow access through {words} for all principals in the account that are"
                f" authorized to use {words.replace('Simple Queue Service (SQS)', 'SQS')}",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": actions,
                "Resource": "*",
                "Condition": {"StringEquals": {
                    "kms:CallerAccount": account,
                    "kms:ViaService": f"{service}.{region}.amazonaws.com",
                }},
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": metadata,
                "Resource": "*",
            },
        ],
    }, indent=2)  # fmt: skip

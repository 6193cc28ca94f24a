"""Grants: a key's owner lets a principal use it for some operations, without touching its policy.

A grant takes part in the decision as a statement behind the key's policy, so that an explicit deny
wins over it as over all else, and a revoked grant is gone at once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag

from ogi import arn as arns
from ogi.access import trusts
from ogi.service import Call, Principal
from ogi.services.kms import conditions, keys, specs
from ogi.services.kms.effects import in_effect
from ogi.services.kms.errors import (
    AccessDeniedException,
    InvalidArnException,
    InvalidGrantIdException,
    InvalidGrantTokenException,
    LimitExceededException,
    ValidationException,
)
from ogi.services.kms.records import GRANTED, GRANTS, Grant, Granted, Key
from ogi.storage import Home, Reader, Transaction, control
from ogi.vault import NONCE_BYTES

GRANTS_PER_KEY_MAX = 1000
"""AWS's quota is 50,000; a key's grants are looked at together in Ogi."""
CONSTRAINT_PAIRS_MAX = 8
CONSTRAINT_CHARACTERS_MAX = 384
POLICIES_MAX = 1024
"""Key policies with grants kept in memory."""

_ALWAYS = ("DescribeKey", "CreateGrant", "RetireGrant")
_BY_USAGE: Mapping[str, tuple[str, ...]] = {
    "ENCRYPT_DECRYPT": ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"),
    "SIGN_VERIFY": ("Sign", "Verify"),
    "GENERATE_VERIFY_MAC": ("GenerateMac", "VerifyMac"),
    "KEY_AGREEMENT": ("DeriveSharedSecret",),
    "ENCAPSULATE_DECAPSULATE": ("Encapsulate", "Decapsulate"),
}
_DATA_KEYS = (
    "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
)  # fmt: skip
_WITH_CONTEXT = frozenset({*_DATA_KEYS, *_BY_USAGE["ENCRYPT_DECRYPT"]})
"""Operations that have an encryption context, for which constraints on it count."""


def operations_of(key: Key) -> frozenset[str]:
    """docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-grant-operations"""
    found = [*_ALWAYS, *_BY_USAGE[key.usage]]
    if specs.algorithms(key.spec, key.usage) == ("SYMMETRIC_DEFAULT",):
        found += _DATA_KEYS
    elif key.usage != "GENERATE_VERIFY_MAC":
        found.append("GetPublicKey")
    return frozenset(found)


def check(tx: Reader, key: Key, grant: Grant) -> None:
    wrong = set(grant.operations) - operations_of(key)
    if wrong:
        raise ValidationException(
            f"Operations {', '.join(sorted(wrong))} are not valid for a grant on {key.arn}."
        )
    if set(grant.operations) == {"CreateGrant"}:
        # AWS's answer in github.com/ansible/ansible/pull/31960
        raise ValidationException("Grants must not contain only the CreateGrant operation.")
    if grant.service and not (grant.source_arn and grant.retiring):
        raise ValidationException(
            "A grant for a service principal needs the constraint SourceArn, and a"
            " RetiringPrincipal or RetiringServicePrincipal."
        )
    for principal, is_service in (
        (grant.grantee, grant.service), (grant.retiring, grant.retiring_service),
    ):  # fmt: skip
        if is_service:
            continue
        arn = arns.parse(principal) if principal else None
        known = arn is not None and arn.service in ("iam", "sts") and trusts.exists(tx, principal)
        if principal and not known:
            raise InvalidArnException(f"ARN does not refer to a valid principal: {principal}")
    if (grant.subset or grant.equal) and key.spec != "SYMMETRIC_DEFAULT":
        raise ValidationException(
            "An encryption context constraint is valid only for symmetric encryption KMS keys."
        )
    for pairs in (grant.subset or {}, grant.equal or {}):
        size = sum(len(name) + len(value) for name, value in pairs.items())
        if len(pairs) > CONSTRAINT_PAIRS_MAX or size > CONSTRAINT_CHARACTERS_MAX:
            raise ValidationException(
                f"A grant constraint can have at most {CONSTRAINT_PAIRS_MAX} encryption context"
                f" pairs and {CONSTRAINT_CHARACTERS_MAX} characters."
            )


def is_of(entry: str, principal: Principal) -> bool:
    """Whether the grantee or retiring principal of a grant is who asks; '' is nobody."""
    role_id = principal.id.partition(":")[0]
    return bool(entry) and entry in {
        principal.arn, f"{principal.arn} {principal.id}",
        principal.role_arn, f"{principal.role_arn} {role_id}",
    }  # fmt: skip


def require_parent(tx: Reader, call: Call, key: Key, grant: Grant) -> None:
    """Who may create grants by a grant passes on no more than that grant allows.

    docs.aws.amazon.com/kms/latest/developerguide/grant-authorization.html
    """
    for parent in of_key(tx, key):
        mine = is_of(parent.grantee, call.principal)
        if mine and "CreateGrant" in parent.operations and _within(grant, parent):
            return
    raise AccessDeniedException(
        f"User: {call.principal.arn} is not authorized to perform: kms:CreateGrant on resource:"
        f" {key.arn} because the grant that allows it does not allow what is to be granted"
    )


def _within(grant: Grant, parent: Grant) -> bool:
    """Whether a grant allows nothing that its parent does not."""
    wanted = parent.equal or parent.subset or {}
    given = grant.equal or grant.subset or {}
    if parent.equal and (grant.equal or {}) != parent.equal:
        return False
    return (
        set(grant.operations) <= set(parent.operations)
        and wanted.items() <= given.items()
        and parent.source_arn in ("", grant.source_arn)
    )


def create(tx: Transaction, call: Call, key: Key, grant: Grant) -> Grant:
    """Keep a grant; one of the same name that says the same is the same grant."""
    check(tx, key, grant)
    grant = msgspec.structs.replace(
        grant,
        grantee=trusts.fastened_entry(tx, grant.grantee),
        retiring=trusts.fastened_entry(tx, grant.retiring),
    )
    present = of_key(tx, key)
    if grant.name:
        for other in present:
            if msgspec.structs.replace(other, id=grant.id, created=grant.created) == grant:
                return other
    if len(present) >= GRANTS_PER_KEY_MAX:
        raise LimitExceededException
    home = control(key.account, key.region)
    GRANTS.put(tx, grant, home, key.id, grant.id)
    _settle(tx, key, [*present, grant])
    return grant


def remove(tx: Transaction, key: Key, grant: Grant) -> None:
    GRANTS.delete(tx, control(key.account, key.region), key.id, grant.id)
    _settle(tx, key, [other for other in of_key(tx, key) if other.id != grant.id])


def find(tx: Reader, key: Key, id: str) -> Grant:
    grant = GRANTS.get(tx, control(key.account, key.region), key.id, id)
    if grant is None:
        raise InvalidGrantIdException
    return grant


def of_key(tx: Reader, key: Key) -> list[Grant]:
    home = control(key.account, key.region)
    return [row for _, row in GRANTS.scan(tx, home, key.id, limit=GRANTS_PER_KEY_MAX)]


def forget(tx: Transaction, key: Key) -> None:
    """All grants of a key that is deleted."""
    home = control(key.account, key.region)
    for grant in of_key(tx, key):
        GRANTS.delete(tx, home, key.id, grant.id)
    GRANTED.delete(tx, home, key.id)


def _settle(tx: Transaction, key: Key, grants: list[Grant]) -> None:
    statements = [statement for grant in grants for statement in _statements(grant)]
    home = control(key.account, key.region)
    GRANTED.put(tx, Granted(json.dumps(statements)), home, key.id)
    keys.put(tx, msgspec.structs.replace(key, grants=len(grants)))


def _statements(grant: Grant) -> list[dict[str, Any]]:
    with_context = [name for name in grant.operations if name in _WITH_CONTEXT]
    without = [name for name in grant.operations if name not in _WITH_CONTEXT]
    source = {"ArnEquals": {"aws:SourceArn": grant.source_arn}} if grant.source_arn else {}
    context: dict[str, Any] = {}
    wanted = grant.subset or grant.equal
    if wanted:
        context["Null"] = {conditions.pair(*each): "false" for each in wanted.items()}
    if grant.equal:
        context["ForAllValues:StringEquals"] = {"kms:EncryptionContextKeys": list(grant.equal)}
    return [
        {
            "Sid": f"grant {grant.id}",
            "Effect": "Allow",
            "Principal": {"Service" if grant.service else "AWS": grant.grantee},
            "Action": [f"kms:{name}" for name in names],
            "Resource": "*",
            "Condition": {**source, **extra},
        }
        for names, extra in ((with_context, context), (without, {}))
        if names
    ]


def policy_with(tx: Reader, key: Key, home: Home) -> str:
    """The key's policy and its grants as one policy."""
    granted = GRANTED.get(tx, home, key.id)
    policy = in_effect(key.policy)
    return policy if granted is None else _joined(policy, granted.statements)


@lru_cache(maxsize=POLICIES_MAX)
def _joined(policy: str, statements: str) -> str:
    document = json.loads(policy)
    said = document["Statement"]
    document["Statement"] = [*(said if isinstance(said, list) else [said]), *json.loads(statements)]
    return json.dumps(document)


# -- tokens -------------------------------------------------------------------------------------


def token(call: Call, key: Key, grant: Grant) -> str:
    """What names a grant to who may know nothing else of it; sealed, so that none is guessed."""
    plain = msgspec.json.encode((key.arn, grant.id))
    nonce = call.entropy(NONCE_BYTES)
    return base64.b64encode(call.ports.vault.seal("kms/grant-token", plain, nonce)).decode()


def read_token(call: Call, text: str) -> tuple[str, str]:
    """(key ARN, grant id)"""
    try:
        raw = base64.b64decode(text, validate=True)
        return msgspec.json.decode(
            call.ports.vault.open("kms/grant-token", raw), type=tuple[str, str]
        )
    except (ValueError, InvalidTag):
        raise InvalidGrantTokenException from None

"""Which key a cryptographic request is about, and whether it may be used so.

For registering operations: `arn` and `facts` of the key that `KeyId` names, and
`own_arn` and `own_facts` where it must be one of the call's account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.service import Call, Fields
from ogi.services.kms import ciphertexts, conditions, grants, keys, specs, uses
from ogi.services.kms.errors import (
    DryRunOperationException,
    InvalidKeyUsageException,
    LimitExceededException,
)
from ogi.services.kms.records import Key
from ogi.storage import Reader


def key(tx: Reader, call: Call, request: Fields) -> Key:
    return keys.find(tx, call, request["KeyId"])


def arn(tx: Reader, call: Call, request: Fields) -> str:
    return key(tx, call, request).arn


def facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    return facts_of(call, key(tx, call, request), request)


def facts_of(call: Call, key: Key, request: Fields) -> Mapping[str, Any]:
    """The condition keys; a grant works at once, so its token need only be one."""
    for token in request.get("GrantTokens") or ():
        grants.read_token(call, token)
    return conditions.of(call, key, request)


def own_arn(tx: Reader, call: Call, request: Fields) -> str:
    return keys.find_own(tx, call, request["KeyId"]).arn


def own_facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    return conditions.of(call, keys.find_own(tx, call, request["KeyId"]), request)


def require_algorithm(key: Key, algorithm: str) -> None:
    """Refuse an algorithm that the key has not."""
    if algorithm not in specs.algorithms(key.spec, key.usage):
        raise InvalidKeyUsageException(
            f"Algorithm {algorithm} is incompatible with key spec {key.spec}."
        )


def encryption_context(request: Fields) -> Mapping[str, str]:
    context: Mapping[str, str] = request.get("EncryptionContext") or {}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in context.items())
    if size > ciphertexts.CONTEXT_BYTES_MAX:
        raise LimitExceededException
    return context


def dry(request: Fields) -> None:
    """The last check of an operation: a dry run ends here."""
    if request.get("DryRun"):
        raise DryRunOperationException


def note(call: Call, operation: str, key: Key, **more: Any) -> None:
    """A hop of the trace, and the key's last use; not where KMS only decided (`reused`)."""
    if operation != "GetPublicKey" and "reused" not in more:
        uses.note(call, operation, key)
    call.note(
        f"kms.{operation}", key=key.arn, principal=call.principal.arn,
        via=call.context.get("kms:ViaService", ""), **more,
    )  # fmt: skip

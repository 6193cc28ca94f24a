"""Encrypting and decrypting: operations that only read, so that any transaction may use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.service import Call, Fields
from ogi.services.kms import ciphertexts, conditions, keys
from ogi.services.kms.errors import (
    AccessDeniedException,
    DryRunOperationException,
    IncorrectKeyException,
    InvalidKeyUsageException,
    LimitExceededException,
    NotFoundException,
    ValidationException,
)
from ogi.services.kms.records import Key
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader

RANDOM_BYTES_MAX = 1024
DATA_KEY_BYTES: Mapping[str, int] = {"AES_128": 16, "AES_256": 32}

_NO_KEY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this"
    " region, or you are not allowed to access."
)


def _key(tx: Reader, call: Call, request: Fields) -> Key:
    return keys.find(tx, call, request["KeyId"])


def _key_arn(tx: Reader, call: Call, request: Fields) -> str:
    return _key(tx, call, request).arn


def _key_facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    return conditions.of(call, _key(tx, call, request), request)


def _source(tx: Reader, call: Call, request: Fields, member: str = "KeyId") -> Key:
    """The key that is to decrypt: the one that is named, else the one of the blob."""
    if member in request:
        return keys.find(tx, call, request[member])
    named = ciphertexts.names(request["CiphertextBlob"])
    place = call.in_place(named.account, call.region)
    try:
        return keys.find(tx, place, named.key_id)
    except NotFoundException:
        raise AccessDeniedException(_NO_KEY) from None


def _source_arn(tx: Reader, call: Call, request: Fields) -> str:
    return _source(tx, call, request).arn


def _source_facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    return conditions.of(call, _source(tx, call, request), request)


def _note(call: Call, operation: str, key: Key, **more: Any) -> None:
    call.note(
        f"kms.{operation}", key=key.arn, principal=call.principal.arn,
        via=call.context.get("kms:ViaService", ""), **more,
    )  # fmt: skip


def _context(request: Fields) -> Mapping[str, str]:
    context: Mapping[str, str] = request.get("EncryptionContext") or {}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in context.items())
    if size > ciphertexts.CONTEXT_BYTES_MAX:
        raise LimitExceededException
    return context


def _symmetric(key: Key, request: Fields, operation: str, member: str) -> None:
    """Refuse an algorithm that the key has not."""
    asked = request.get(member, "SYMMETRIC_DEFAULT")
    if key.spec != "SYMMETRIC_DEFAULT" or asked != "SYMMETRIC_DEFAULT":
        raise InvalidKeyUsageException(
            f"Algorithm {asked} and key spec {key.spec} are incompatible for {operation}."
        )


def _dry(request: Fields) -> None:
    if request.get("DryRun"):
        raise DryRunOperationException


@SERVICE.operation(on=_key_arn, keys=_key_facts, reads=True)
def encrypt(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _key(tx, call, request)
    keys.require_usable(key, "Encrypt")
    _symmetric(key, request, "Encrypt", "EncryptionAlgorithm")
    context = _context(request)
    _dry(request)
    blob = ciphertexts.encrypt(call, key, request["Plaintext"], context)
    _note(call, "Encrypt", key)
    return {
        "CiphertextBlob": blob,
        "KeyId": key.arn,
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }


@SERVICE.operation(
    on=_source_arn, keys=_source_facts, reads=True, unsupported=("Recipient", "DryRunModifiers")
)
def decrypt(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _source(tx, call, request)
    plain = _decrypt(call, key, request, "Decrypt", "EncryptionAlgorithm", _context(request))
    _dry(request)
    _note(call, "Decrypt", key)
    return {
        "KeyId": key.arn,
        "Plaintext": plain,
        "EncryptionAlgorithm": request.get("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
    }


def _decrypt(
    call: Call, key: Key, request: Fields, operation: str, member: str, context: Mapping[str, str]
) -> bytes:
    keys.require_usable(key, operation)
    _symmetric(key, request, operation, member)
    named = ciphertexts.names(request["CiphertextBlob"])
    if (named.key_id, named.account) != (key.id, key.account):
        raise IncorrectKeyException
    return ciphertexts.decrypt(call, key, request["CiphertextBlob"], context)


def _re_encrypt_source(tx: Reader, call: Call, request: Fields) -> Key:
    return _source(tx, call, request, "SourceKeyId")


@SERVICE.operation(
    on=lambda tx, call, request: _re_encrypt_source(tx, call, request).arn,
    keys=lambda tx, call, request: {
        **conditions.of(call, _re_encrypt_source(tx, call, request), _as_source(request)),
        "kms:ReEncryptOnSameKey": _same(tx, call, request),
    },
    action="ReEncryptFrom",
    reads=True,
)
def re_encrypt(tx: Reader, call: Call, request: Fields) -> Fields:
    source = _re_encrypt_source(tx, call, request)
    target = keys.find(tx, call, request["DestinationKeyId"])
    asked = {
        "KeyId": request["DestinationKeyId"],
        "EncryptionContext": request.get("DestinationEncryptionContext", {}),
        "EncryptionAlgorithm": request.get("DestinationEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
    }
    call.ports.authorise(
        tx, call, SERVICE, ("kms:ReEncryptTo",), (target.arn,),
        {**call.context, **conditions.of(call, target, asked),
         "kms:ReEncryptOnSameKey": _same(tx, call, request)},
    )  # fmt: skip
    plain = _decrypt(
        call, source, request, "ReEncrypt", "SourceEncryptionAlgorithm",
        _context(_as_source(request)),
    )  # fmt: skip
    keys.require_usable(target, "ReEncrypt")
    _symmetric(target, request, "ReEncrypt", "DestinationEncryptionAlgorithm")
    _dry(request)
    blob = ciphertexts.encrypt(call, target, plain, _context(asked))
    _note(call, "ReEncrypt", target, source=source.arn)
    return {
        "CiphertextBlob": blob,
        "SourceKeyId": source.arn,
        "KeyId": target.arn,
        "SourceEncryptionAlgorithm": request.get("SourceEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
        "DestinationEncryptionAlgorithm": asked["EncryptionAlgorithm"],
    }


def _as_source(request: Fields) -> Fields:
    return {"EncryptionContext": request.get("SourceEncryptionContext", {})}


def _same(tx: Reader, call: Call, request: Fields) -> str:
    target = keys.find(tx, call, request["DestinationKeyId"])
    return str(target.arn == _re_encrypt_source(tx, call, request).arn).lower()


@SERVICE.operation(on=_key_arn, keys=_key_facts, reads=True, unsupported=("Recipient",))
def generate_data_key(tx: Reader, call: Call, request: Fields) -> Fields:
    return _data_key(tx, call, request, "GenerateDataKey")


@SERVICE.operation(on=_key_arn, keys=_key_facts, reads=True)
def generate_data_key_without_plaintext(tx: Reader, call: Call, request: Fields) -> Fields:
    made = _data_key(tx, call, request, "GenerateDataKeyWithoutPlaintext")
    del made["Plaintext"]
    return made


def _data_key(tx: Reader, call: Call, request: Fields, operation: str) -> Fields:
    key = _key(tx, call, request)
    if ("KeySpec" in request) == ("NumberOfBytes" in request):
        raise ValidationException("Please specify either number of bytes or key spec.")
    size = request.get("NumberOfBytes") or DATA_KEY_BYTES[request["KeySpec"]]
    keys.require_usable(key, operation)
    if key.spec != "SYMMETRIC_DEFAULT":
        raise InvalidKeyUsageException(
            f"{key.arn} key spec is {key.spec} which is not valid for {operation}."
        )
    context = _context(request)
    _dry(request)
    plain = call.entropy(size)
    blob = ciphertexts.encrypt(call, key, plain, context)
    _note(call, operation, key)
    return {
        "CiphertextBlob": blob,
        "Plaintext": plain,
        "KeyId": key.arn,
        "KeyMaterialId": key.materials[-1].id,
    }


@SERVICE.operation(
    keys=lambda tx, call, request: conditions.of_request(call, request, {}),
    reads=True,
    unsupported=("CustomKeyStoreId", "Recipient"),
)
def generate_random(tx: Reader, call: Call, request: Fields) -> Fields:
    if "NumberOfBytes" not in request:
        raise ValidationException("NumberOfBytes is required.")
    call.note("kms.GenerateRandom", principal=call.principal.arn)
    return {"Plaintext": call.entropy(request["NumberOfBytes"])}


@SERVICE.duty(home=lambda call, request: call.home)
def permit(tx: Reader, call: Call, request: Fields) -> Fields:
    """Decide as for `Operation`, GenerateDataKey or Decrypt, but do no cryptography.

    For ogi.sealing, which has the data key at hand: key policy and state decide on every use.
    """
    operation = request["Operation"]
    key = (_source if operation == "Decrypt" else _key)(tx, call, request)
    call.ports.authorise(
        tx, call, SERVICE, (f"kms:{operation}",), (key.arn,),
        {**call.context, **conditions.of(call, key, request)},
    )  # fmt: skip
    keys.require_usable(key, operation)
    _note(call, operation, key, reused=True)
    return {"KeyId": key.arn}

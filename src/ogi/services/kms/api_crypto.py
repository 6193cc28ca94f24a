"""Encrypting and decrypting: operations that only read, so that any transaction may use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.service import Call, Fields
from ogi.services.kms import ciphertexts, conditions, keys, materials, signatures, targets, uses
from ogi.services.kms.errors import (
    AccessDeniedException,
    IncorrectKeyException,
    NotFoundException,
    ValidationException,
)
from ogi.services.kms.records import Key
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader

SYMMETRIC = "SYMMETRIC_DEFAULT"
DATA_KEY_BYTES: Mapping[str, int] = {"AES_128": 16, "AES_256": 32}

_NO_KEY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this"
    " region, or you are not allowed to access."
)


def _source(tx: Reader, call: Call, request: Fields, member: str = "KeyId") -> Key:
    """The key that is to decrypt: the one that is named, else the one of the blob."""
    if member in request:
        return keys.find(tx, call, request[member])
    if _ignores_blob(request):
        raise ValidationException(f"{member} is required with IGNORE_CIPHERTEXT.")
    named = ciphertexts.names(_blob(request))
    place = call.in_place(named.account, call.region)
    try:
        return keys.find(tx, place, named.key_id)
    except NotFoundException:
        raise AccessDeniedException(_NO_KEY) from None


def _ignores_blob(request: Fields) -> bool:
    """Whether only the permission is asked for: API_Decrypt, DryRunModifiers."""
    modifiers = request.get("DryRunModifiers") or ()
    return bool(request.get("DryRun")) and "IGNORE_CIPHERTEXT" in modifiers


def _blob(request: Fields) -> bytes:
    if "CiphertextBlob" not in request:
        raise ValidationException("CiphertextBlob is required.")
    blob: bytes = request["CiphertextBlob"]
    return blob


def _source_arn(tx: Reader, call: Call, request: Fields) -> str:
    return _source(tx, call, request).arn


def _source_facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    return targets.facts_of(call, _source(tx, call, request), request)


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def encrypt(tx: Reader, call: Call, request: Fields) -> Fields:
    key = targets.key(tx, call, request)
    algorithm = request.get("EncryptionAlgorithm", SYMMETRIC)
    context = _usable(key, request, "Encrypt", algorithm)
    targets.dry(request)
    blob = _encrypt(call, key, request["Plaintext"], algorithm, context)
    targets.note(call, "Encrypt", key)
    return {"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": algorithm}


@SERVICE.operation(on=_source_arn, keys=_source_facts, reads=True, unsupported=("Recipient",))
def decrypt(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _source(tx, call, request)
    algorithm = request.get("EncryptionAlgorithm", SYMMETRIC)
    context = _usable(key, request, "Decrypt", algorithm)
    if _ignores_blob(request):
        targets.dry(request)
    blob = _blob(request)
    plain = _decrypt(call, key, blob, algorithm, context)
    targets.dry(request)
    targets.note(call, "Decrypt", key)
    return {
        "KeyId": key.arn,
        "Plaintext": plain,
        "EncryptionAlgorithm": algorithm,
        **_material(call, "KeyMaterialId", key, blob),
    }


def _material(call: Call, member: str, key: Key, blob: bytes) -> Fields:
    """Which material of a symmetric key a blob, known to be of it, was made with."""
    if key.spec != SYMMETRIC:
        return {}
    return {member: materials.id(call.ports.vault, key, ciphertexts.names(blob).version)}


def _current(call: Call, key: Key) -> str:
    vault = call.ports.vault
    return materials.id(vault, key, materials.current(vault, key))


def _usable(key: Key, request: Fields, operation: str, algorithm: str) -> Mapping[str, str]:
    """Refuse what the key cannot do now; returns the encryption context."""
    keys.require_usable(key, operation)
    targets.require_algorithm(key, algorithm)
    context = targets.encryption_context(request)
    if context and algorithm != SYMMETRIC:
        raise ValidationException(
            "An encryption context is valid only with a symmetric encryption KMS key."
        )
    return context


def _encrypt(
    call: Call, key: Key, plain: bytes, algorithm: str, context: Mapping[str, str]
) -> bytes:
    if algorithm == SYMMETRIC:
        return ciphertexts.encrypt(call, key, plain, context)
    return signatures.encrypt(key.public, key.spec, algorithm, plain)


def _decrypt(
    call: Call, key: Key, blob: bytes, algorithm: str, context: Mapping[str, str]
) -> bytes:
    if algorithm != SYMMETRIC:
        secret = materials.secret(call.ports.vault, key, len(key.materials) - 1)
        return signatures.decrypt(secret, algorithm, blob)
    named = ciphertexts.names(blob)
    if (named.key_id, named.account) != (key.id, key.account):
        raise IncorrectKeyException
    return ciphertexts.decrypt(call, key, blob, context)


def _re_encrypt_source(tx: Reader, call: Call, request: Fields) -> Key:
    return _source(tx, call, request, "SourceKeyId")


@SERVICE.operation(
    on=lambda tx, call, request: _re_encrypt_source(tx, call, request).arn,
    keys=lambda tx, call, request: {
        **targets.facts_of(call, _re_encrypt_source(tx, call, request), _as_source(request)),
        "kms:ReEncryptOnSameKey": _same(tx, call, request),
    },
    action="ReEncryptFrom",
    reads=True,
)
def re_encrypt(tx: Reader, call: Call, request: Fields) -> Fields:
    source = _re_encrypt_source(tx, call, request)
    target = keys.find(tx, call, request["DestinationKeyId"])
    before, after = _as_source(request), _as_destination(request)
    call.ports.authorise(
        tx, call, SERVICE, ("kms:ReEncryptTo",), (target.arn,),
        {**call.context, **conditions.of(call, target, after),
         "kms:ReEncryptOnSameKey": _same(tx, call, request)},
    )  # fmt: skip
    old, new = before["EncryptionAlgorithm"], after["EncryptionAlgorithm"]
    context = _usable(source, before, "ReEncrypt", old)
    sealed = plain = b""
    if not _ignores_blob(request):
        sealed = _blob(request)
        plain = _decrypt(call, source, sealed, old, context)
    context = _usable(target, after, "ReEncrypt", new)
    targets.dry(request)
    blob = _encrypt(call, target, plain, new, context)
    targets.note(call, "ReEncrypt", target, source=source.arn)
    uses.note(call, "ReEncrypt", source)
    return {
        "CiphertextBlob": blob,
        "SourceKeyId": source.arn,
        "KeyId": target.arn,
        "SourceEncryptionAlgorithm": old,
        "DestinationEncryptionAlgorithm": new,
        **_material(call, "SourceKeyMaterialId", source, sealed),
        **_material(call, "DestinationKeyMaterialId", target, blob),
    }


def _as_source(request: Fields) -> Fields:
    return {
        "EncryptionContext": request.get("SourceEncryptionContext", {}),
        "EncryptionAlgorithm": request.get("SourceEncryptionAlgorithm", SYMMETRIC),
        "GrantTokens": request.get("GrantTokens", ()),
    }


def _as_destination(request: Fields) -> Fields:
    return {
        "KeyId": request["DestinationKeyId"],
        "EncryptionContext": request.get("DestinationEncryptionContext", {}),
        "EncryptionAlgorithm": request.get("DestinationEncryptionAlgorithm", SYMMETRIC),
    }


def _same(tx: Reader, call: Call, request: Fields) -> str:
    target = keys.find(tx, call, request["DestinationKeyId"])
    return str(target.arn == _re_encrypt_source(tx, call, request).arn).lower()


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True, unsupported=("Recipient",))
def generate_data_key(tx: Reader, call: Call, request: Fields) -> Fields:
    return _data_key(tx, call, request, "GenerateDataKey")


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def generate_data_key_without_plaintext(tx: Reader, call: Call, request: Fields) -> Fields:
    made = _data_key(tx, call, request, "GenerateDataKeyWithoutPlaintext")
    del made["Plaintext"]
    return made


def _data_key(tx: Reader, call: Call, request: Fields, operation: str) -> Fields:
    key = targets.key(tx, call, request)
    if ("KeySpec" in request) == ("NumberOfBytes" in request):
        raise ValidationException("Please specify either number of bytes or key spec.")
    size = request.get("NumberOfBytes") or DATA_KEY_BYTES[request["KeySpec"]]
    keys.require_usable(key, operation)
    targets.require_algorithm(key, SYMMETRIC)
    context = targets.encryption_context(request)
    targets.dry(request)
    plain = call.entropy(size)
    blob = ciphertexts.encrypt(call, key, plain, context)
    targets.note(call, operation, key)
    return {
        "CiphertextBlob": blob,
        "Plaintext": plain,
        "KeyId": key.arn,
        "KeyMaterialId": _current(call, key),
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
    key = (_source if operation == "Decrypt" else targets.key)(tx, call, request)
    call.ports.authorise(
        tx, call, SERVICE, (f"kms:{operation}",), (key.arn,),
        {**call.context, **conditions.of(call, key, request)},
    )  # fmt: skip
    keys.require_usable(key, operation)
    targets.note(call, operation, key, reused=True)
    return {"KeyId": key.arn}

"""Operations with key pairs and HMAC keys: sign, verify, agree, and data key pairs."""

from __future__ import annotations

import asyncio

from ogi.errors import unsupported
from ogi.service import Call, Fields
from ogi.services.kms import ciphertexts, keys, materials, pairs, signatures, specs, targets
from ogi.services.kms.errors import UnsupportedOperationException
from ogi.services.kms.records import Key
from ogi.services.kms.service import SERVICE
from ogi.storage import Reader


def _secret(call: Call, key: Key) -> bytes:
    return materials.secret(call.ports.vault, key, len(key.materials) - 1)


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def get_public_key(tx: Reader, call: Call, request: Fields) -> Fields:
    key = targets.key(tx, call, request)
    if key.spec not in pairs.SPECS:
        raise UnsupportedOperationException
    keys.require_enabled(key)
    targets.note(call, "GetPublicKey", key)
    return {
        "KeyId": key.arn,
        "PublicKey": key.public,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        specs.ALGORITHMS_MEMBER[key.usage]: list(specs.algorithms(key.spec, key.usage)),
    }


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def sign(tx: Reader, call: Call, request: Fields) -> Fields:
    key, algorithm, kind = _signing(tx, call, request, "Sign")
    targets.dry(request)
    made = signatures.sign(_secret(call, key), algorithm, request["Message"], kind)
    targets.note(call, "Sign", key)
    return {"KeyId": key.arn, "Signature": made, "SigningAlgorithm": algorithm}


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def verify(tx: Reader, call: Call, request: Fields) -> Fields:
    key, algorithm, kind = _signing(tx, call, request, "Verify")
    targets.dry(request)
    signatures.verify(key.public, algorithm, request["Message"], kind, request["Signature"])
    targets.note(call, "Verify", key)
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}


def _signing(tx: Reader, call: Call, request: Fields, operation: str) -> tuple[Key, str, str]:
    key = targets.key(tx, call, request)
    keys.require_usable(key, operation, "SIGN_VERIFY")
    algorithm: str = request["SigningAlgorithm"]
    targets.require_algorithm(key, algorithm)
    return key, algorithm, request.get("MessageType", "RAW")


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def generate_mac(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _coding(tx, call, request, "GenerateMac")
    code = signatures.mac(_secret(call, key), request["MacAlgorithm"], request["Message"])
    targets.note(call, "GenerateMac", key)
    return {"KeyId": key.arn, "Mac": code, "MacAlgorithm": request["MacAlgorithm"]}


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def verify_mac(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _coding(tx, call, request, "VerifyMac")
    signatures.verify_mac(
        _secret(call, key), request["MacAlgorithm"], request["Message"], request["Mac"]
    )
    targets.note(call, "VerifyMac", key)
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": request["MacAlgorithm"]}


def _coding(tx: Reader, call: Call, request: Fields, operation: str) -> Key:
    key = targets.key(tx, call, request)
    keys.require_usable(key, operation, "GENERATE_VERIFY_MAC")
    targets.require_algorithm(key, request["MacAlgorithm"])
    targets.dry(request)
    return key


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True, unsupported=("Recipient",))
def derive_shared_secret(tx: Reader, call: Call, request: Fields) -> Fields:
    key = targets.key(tx, call, request)
    keys.require_usable(key, "DeriveSharedSecret", "KEY_AGREEMENT")
    targets.require_algorithm(key, request["KeyAgreementAlgorithm"])
    targets.dry(request)
    secret = signatures.agree(_secret(call, key), request["PublicKey"])
    targets.note(call, "DeriveSharedSecret", key)
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "KeyAgreementAlgorithm": request["KeyAgreementAlgorithm"],
        "KeyOrigin": key.origin,
    }


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def encapsulate(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _encapsulating(tx, call, request, "Encapsulate")
    secret, blob = signatures.encapsulate(key.public)
    targets.note(call, "Encapsulate", key)
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "SharedSecretCiphertextBlob": blob,
        "EncapsulationAlgorithm": request["EncapsulationAlgorithm"],
    }


@SERVICE.operation(on=targets.arn, keys=targets.facts, reads=True)
def decapsulate(tx: Reader, call: Call, request: Fields) -> Fields:
    key = _encapsulating(tx, call, request, "Decapsulate")
    secret = signatures.decapsulate(_secret(call, key), request["SharedSecretCiphertextBlob"])
    targets.note(call, "Decapsulate", key)
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "EncapsulationAlgorithm": request["EncapsulationAlgorithm"],
    }


def _encapsulating(tx: Reader, call: Call, request: Fields, operation: str) -> Key:
    key = targets.key(tx, call, request)
    keys.require_usable(key, operation, "ENCAPSULATE_DECAPSULATE")
    targets.require_algorithm(key, request["EncapsulationAlgorithm"])
    targets.dry(request)
    return key


@SERVICE.operation(on=targets.arn, keys=targets.facts, unsupported=("Recipient",))
async def generate_data_key_pair(call: Call, request: Fields) -> Fields:
    return await _data_key_pair(call, request, "GenerateDataKeyPair")


@SERVICE.operation(on=targets.arn, keys=targets.facts)
async def generate_data_key_pair_without_plaintext(call: Call, request: Fields) -> Fields:
    made = await _data_key_pair(call, request, "GenerateDataKeyPairWithoutPlaintext")
    del made["PrivateKeyPlaintext"]
    return made


async def _data_key_pair(call: Call, request: Fields, operation: str) -> Fields:
    spec = request["KeyPairSpec"]
    if spec not in pairs.SPECS or spec.startswith("ML_DSA"):
        raise unsupported(f"the key pair spec {spec}")
    running = call.but(seed=call.ports.random(32)).begin()

    def usable(tx: Reader) -> Key:
        key = targets.key(tx, running, request)
        keys.require_usable(key, operation)
        targets.require_algorithm(key, "SYMMETRIC_DEFAULT")
        targets.encryption_context(request)
        targets.dry(request)
        return key

    await call.read(usable)
    pair = await asyncio.to_thread(pairs.make, spec)

    def sealed(tx: Reader) -> Fields:
        key = usable(tx)
        vault = call.ports.vault
        blob = ciphertexts.encrypt(running, key, pair.private, targets.encryption_context(request))
        targets.note(call, operation, key)
        return {
            "PrivateKeyCiphertextBlob": blob,
            "PrivateKeyPlaintext": pair.private,
            "PublicKey": pair.public,
            "KeyId": key.arn,
            "KeyPairSpec": spec,
            "KeyMaterialId": materials.id(vault, key, materials.current(vault, key)),
        }

    return await call.read(sealed)

"""Published vectors pass through KMS's own keys; vectors/published.json names their sources."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mlkem, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.kms import ciphertexts, keys, materials, signatures
from ogi.services.kms.records import KEYS
from ogi.storage import Transaction
from tests.services.kms.test_imports import bring, external
from tests.world import World

PUBLISHED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "published.json").read_text()
)
CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
}


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = PUBLISHED[name]["vectors"]
    assert found and PUBLISHED[name]["source"]
    return found


async def with_public(world: World, spec: str, public: Any) -> str:
    """A key of KMS whose public key is the vector's: such vectors tell no private key."""
    made = await world.call("kms", "CreateKey", KeySpec=spec, KeyUsage="SIGN_VERIFY")
    id: str = made["KeyMetadata"]["KeyId"]
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def body(tx: Transaction, call: Call) -> None:
        key = KEYS.get(tx, call.home, id)
        assert key is not None
        keys.put(tx, msgspec.structs.replace(key, public=der))

    call = world.caller()
    await call.transact(body, call.home)
    return id


async def outcome(awaitable: Any) -> str:
    try:
        await awaitable
    except AwsError as error:
        return error.shape
    return "valid"


async def test_ecdsa_signs_as_rfc_6979_says(world: World) -> None:
    for vector in vectors("ecdsa_sign"):
        id = await external(world, KeySpec=vector["spec"], KeyUsage="SIGN_VERIFY")
        await bring(world, id, bytes.fromhex(vector["private"]), "RSA_AES_KEY_WRAP_SHA_256")
        asked = {
            "KeyId": id, "Message": bytes.fromhex(vector["message"]),
            "SigningAlgorithm": vector["algorithm"],
        }  # fmt: skip
        made = await world.call("kms", "Sign", **asked)
        assert made["Signature"].hex() == vector["signature"]
        await world.call("kms", "Verify", Signature=made["Signature"], **asked)


async def test_ecdsa_signatures_are_valid_where_nist_says_so(world: World) -> None:
    results = set()
    for vector in vectors("ecdsa_verify"):
        point = (int(vector["x"], 16), int(vector["y"], 16))
        public = ec.EllipticCurvePublicNumbers(*point, CURVES[vector["spec"]]).public_key()
        id = await with_public(world, vector["spec"], public)
        signature = encode_dss_signature(int(vector["r"], 16), int(vector["s"], 16))
        found = await outcome(world.call(
            "kms", "Verify", KeyId=id, Message=bytes.fromhex(vector["message"]),
            Signature=signature, SigningAlgorithm=vector["algorithm"],
        ))  # fmt: skip
        right = "valid" if vector["result"].startswith("P") else "KMSInvalidSignatureException"
        assert found == right, vector["result"]
        results.add(found)
    assert len(results) == 2


@pytest.mark.parametrize("name", ["rsa_pss", "rsa_pkcs1"])
async def test_rsa_signatures_are_valid_and_changed_ones_are_not(world: World, name: str) -> None:
    for vector in vectors(name):
        numbers = rsa.RSAPublicNumbers(int(vector["e"], 16), int(vector["n"], 16))
        id = await with_public(world, "RSA_2048", numbers.public_key())
        message, signature = (bytes.fromhex(vector[each]) for each in ("message", "signature"))
        digest = hashlib.new(vector["algorithm"][-7:].replace("_", ""), message).digest()
        other = "RSASSA_PKCS1_V1_5_SHA_256" if name == "rsa_pss" else "RSASSA_PSS_SHA_256"
        wrong = "KMSInvalidSignatureException"
        for asked, right in (
            ({"Message": message}, "valid"),
            ({"Message": digest, "MessageType": "DIGEST"}, "valid"),
            ({"Message": message + b"x"}, wrong),
            ({"Message": message, "Signature": signature[:-1] + b"x"}, wrong),
            ({"Message": message, "Signature": signature[:-1]}, wrong),
            ({"Message": message, "SigningAlgorithm": other}, wrong),
        ):
            request = {"Signature": signature, "SigningAlgorithm": vector["algorithm"], **asked}
            assert await outcome(world.call("kms", "Verify", KeyId=id, **request)) == right


async def test_rsa_decrypts_what_others_encrypted(world: World) -> None:
    numbers = {name: int(text, 16) for name, text in PUBLISHED["rsa_oaep"]["key"].items()}
    p, q, d = numbers["p"], numbers["q"], numbers["d"]
    key = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(numbers["e"], numbers["n"]),
    ).private_key()  # fmt: skip
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    id = await external(world, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    await bring(world, id, der, "RSA_AES_KEY_WRAP_SHA_256")
    for vector in vectors("rsa_oaep"):
        blob = bytes.fromhex(vector["ciphertext"])
        asked = {"KeyId": id, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
        found = await world.call("kms", "Decrypt", CiphertextBlob=blob, **asked)
        assert found["Plaintext"].hex() == vector["message"]
        changed = blob[:-1] + bytes([blob[-1] ^ 1])
        refused = await outcome(world.call("kms", "Decrypt", CiphertextBlob=changed, **asked))
        assert refused == "InvalidCiphertextException"


@pytest.mark.parametrize("size", [768, 1024])
def test_ml_kem_decapsulates_as_published(size: int) -> None:
    made = {768: mlkem.MLKEM768PrivateKey, 1024: mlkem.MLKEM1024PrivateKey}[size]
    for vector in vectors(f"ml_kem_{size}"):
        key = made.from_seed_bytes(bytes.fromhex(vector["seed"]))
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        found = signatures.decapsulate(der, bytes.fromhex(vector["ciphertext"]))
        assert found.hex() == vector["secret"]


def test_ed25519_signs_as_rfc_8032_says() -> None:
    for vector in vectors("ed25519"):
        key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["private"]))
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        message = bytes.fromhex(vector["message"])
        made = signatures.sign(der, "ED25519_SHA_512", message, "RAW")
        assert made.hex() == vector["signature"]


def test_the_cipher_of_blobs_is_aes_gcm_as_nist_tests_it() -> None:
    failed = 0
    for vector in vectors("aes_gcm"):
        key, nonce, aad, blob = (
            bytes.fromhex(vector[name]) for name in ("key", "nonce", "aad", "ciphertext")
        )
        cipher = ciphertexts.AESGCM(key)
        if vector["plaintext"] is None:
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, blob, aad)
            failed += 1
        else:
            plain = bytes.fromhex(vector["plaintext"])
            assert cipher.decrypt(nonce, blob, aad) == plain
            assert cipher.encrypt(nonce, plain, aad) == blob
    assert failed


async def test_a_blob_is_what_its_format_says(world: World) -> None:
    """Opened by hand with nothing of Ogi's: HKDF-Expand (RFC 5869) of hmac alone, then AES-GCM."""
    made = await world.call("kms", "CreateKey")
    id = made["KeyMetadata"]["KeyId"]
    context = {"b": "2", "a": "1"}
    answer = await world.call(
        "kms", "Encrypt", KeyId=id, Plaintext=b"plain", EncryptionContext=context
    )
    blob = answer["CiphertextBlob"]
    home = world.caller().home
    key = await world.store.read(lambda tx: KEYS.get(tx, home, id))
    assert key is not None
    secret = materials.secret(world.ports.vault, key, 0)
    head, salt, nonce, body = blob[:55], blob[27:43], blob[43:55], blob[55:]
    derived = hmac.new(secret, b"ogi/kms/blob/" + salt + b"\x01", hashlib.sha256).digest()
    canonical = b"".join(
        len(text).to_bytes(4, "big") + text.encode()
        for pair in sorted(context.items())
        for text in pair
    )
    assert ciphertexts.AESGCM(derived).decrypt(nonce, body, head + canonical) == b"plain"

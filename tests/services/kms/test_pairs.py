"""Key pairs and HMAC keys: what they make is what others' libraries verify."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ogi.errors import AwsError
from ogi.services.kms import specs
from tests.world import World

SLOW_SPECS = ("RSA_3072", "RSA_4096")
WHOLE = ("ED25519_SHA_512", "ML_DSA_SHAKE_256")
"""Algorithms that sign messages, not digests."""
SIGNING = [
    (spec, algorithm)
    for spec, usages in specs.SPECS.items()
    for algorithm in usages.get("SIGN_VERIFY", ())
    if spec not in SLOW_SPECS and algorithm not in WHOLE
]
CODING = [
    (spec, usages["GENERATE_VERIFY_MAC"][0])
    for spec, usages in specs.SPECS.items()
    if "GENERATE_VERIFY_MAC" in usages
]


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


async def new_key(world: World, spec: str, usage: str) -> str:
    made = await world.call("kms", "CreateKey", KeySpec=spec, KeyUsage=usage)
    arn: str = made["KeyMetadata"]["Arn"]
    return arn


async def refusal(world: World, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await world.call("kms", operation, **request)
    return caught.value


async def test_every_signing_algorithm_verifies_here_and_by_the_public_key(world: World) -> None:
    made: dict[str, str] = {}
    for spec, algorithm in SIGNING:
        arn = made.get(spec) or await new_key(world, spec, "SIGN_VERIFY")
        made[spec] = arn
        hashing = getattr(hashes, algorithm[-7:].replace("_", ""))()
        digest = hashlib.new(hashing.name, b"message").digest()
        signed = await world.call(
            "kms", "Sign", KeyId=arn, Message=b"message", SigningAlgorithm=algorithm
        )
        asked = {"KeyId": arn, "Signature": signed["Signature"], "SigningAlgorithm": algorithm}
        assert (await world.call("kms", "Verify", Message=b"message", **asked))["SignatureValid"]
        found = await world.call("kms", "Verify", Message=digest, MessageType="DIGEST", **asked)
        assert found["SignatureValid"]
        error = await refusal(world, "Verify", Message=b"other", **asked)
        assert (error.shape, error.message) == ("KMSInvalidSignatureException", "")
        error = await refusal(world, "Verify", Message=b"x", MessageType="DIGEST", **asked)
        assert error.message == f"Digest is invalid length for algorithm {algorithm}."
        public = await world.call("kms", "GetPublicKey", KeyId=arn)
        key = serialization.load_der_public_key(public["PublicKey"])
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signed["Signature"], digest, ec.ECDSA(Prehashed(hashing)))
        else:
            assert isinstance(key, rsa.RSAPublicKey)
            pad: Any = padding.PKCS1v15()
            if "PSS" in algorithm:
                pad = padding.PSS(padding.MGF1(hashing), padding.PSS.DIGEST_LENGTH)
            key.verify(signed["Signature"], digest, pad, Prehashed(hashing))


async def test_rsa_encryption_is_oaep_that_anybody_can_make_with_the_public_key(
    world: World,
) -> None:
    arn = await new_key(world, "RSA_2048", "ENCRYPT_DECRYPT")
    public = await world.call("kms", "GetPublicKey", KeyId=arn)
    assert public["EncryptionAlgorithms"] == ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]
    key = serialization.load_der_public_key(public["PublicKey"])
    assert isinstance(key, rsa.RSAPublicKey)
    for algorithm, hashing in (
        ("RSAES_OAEP_SHA_1", hashes.SHA1()), ("RSAES_OAEP_SHA_256", hashes.SHA256()),
    ):  # fmt: skip
        asked = {"KeyId": arn, "EncryptionAlgorithm": algorithm}
        ours = await world.call("kms", "Encrypt", Plaintext=b"hello", **asked)
        theirs = key.encrypt(b"hello", padding.OAEP(padding.MGF1(hashing), hashing, None))
        for blob in (ours["CiphertextBlob"], theirs):
            found = await world.call("kms", "Decrypt", CiphertextBlob=blob, **asked)
            assert found["Plaintext"] == b"hello"
        error = await refusal(world, "Decrypt", CiphertextBlob=b"x" * 256, **asked)
        assert error.shape == "InvalidCiphertextException"
    error = await refusal(world, "Encrypt", KeyId=arn, Plaintext=b"x")
    assert error.shape == "InvalidKeyUsageException"
    assert error.message == "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."


@pytest.mark.parametrize(
    ("spec", "digest", "largest"),
    [
        ("RSA_2048", "1", 214), ("RSA_2048", "256", 190), ("RSA_3072", "1", 342),
        ("RSA_3072", "256", 318), ("RSA_4096", "1", 470), ("RSA_4096", "256", 446),
    ],
)  # fmt: skip
async def test_rsa_keys_encrypt_as_much_as_api_encrypt_lists(
    world: World, spec: str, digest: str, largest: int
) -> None:
    """The sentence is AWS's by the memory of its users; no page of AWS has it."""
    id = await new_key(world, spec, "ENCRYPT_DECRYPT")
    asked = {"KeyId": id, "EncryptionAlgorithm": f"RSAES_OAEP_SHA_{digest}"}
    await world.call("kms", "Encrypt", Plaintext=b"x" * largest, **asked)
    refused = await refusal(world, "Encrypt", Plaintext=b"x" * (largest + 1), **asked)
    assert refused.message == (
        f"Algorithm RSAES_OAEP_SHA_{digest} and key spec {spec} cannot encrypt data larger than"
        f" {largest} bytes."
    )


@pytest.mark.parametrize(("spec", "algorithm"), CODING)
async def test_macs_are_hmac_and_verify(world: World, spec: str, algorithm: str) -> None:
    arn = await new_key(world, spec, "GENERATE_VERIFY_MAC")
    asked = {"KeyId": arn, "Message": b"message", "MacAlgorithm": algorithm}
    made = await world.call("kms", "GenerateMac", **asked)
    assert len(made["Mac"]) * 8 == int(spec.removeprefix("HMAC_"))
    assert (await world.call("kms", "VerifyMac", Mac=made["Mac"], **asked))["MacValid"]
    error = await refusal(
        world, "VerifyMac", Mac=bytes([made["Mac"][0] ^ 1]) + made["Mac"][1:], **asked
    )
    assert (error.shape, error.message) == ("KMSInvalidMacException", "")


def test_macs_equal_the_published_vector() -> None:
    """RFC 4231, test case 2."""
    from ogi.services.kms import signatures

    code = signatures.mac(b"Jefe", "HMAC_SHA_256", b"what do ya want for nothing?")
    assert code.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert code == hmac.digest(b"Jefe", b"what do ya want for nothing?", "sha256")


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
async def test_two_keys_agree_on_one_secret(world: World, spec: str) -> None:
    arns = [await new_key(world, spec, "KEY_AGREEMENT") for _ in range(2)]
    publics = [(await world.call("kms", "GetPublicKey", KeyId=a))["PublicKey"] for a in arns]
    secrets = [
        (
            await world.call(
                "kms", "DeriveSharedSecret", KeyId=mine, PublicKey=theirs,
                KeyAgreementAlgorithm="ECDH",
            )
        )["SharedSecret"]
        for mine, theirs in zip(arns, reversed(publics), strict=True)
    ]  # fmt: skip
    assert secrets[0] == secrets[1]
    for wrong in (b"nonsense", publics[0][:-1]):
        error = await refusal(
            world, "DeriveSharedSecret", KeyId=arns[0], PublicKey=wrong,
            KeyAgreementAlgorithm="ECDH",
        )  # fmt: skip
        assert error.shape == "ValidationException"


async def test_a_data_key_pair_comes_back_from_its_blob(world: World) -> None:
    arn = (await world.call("kms", "CreateKey"))["KeyMetadata"]["Arn"]
    made = await world.call(
        "kms", "GenerateDataKeyPair", KeyId=arn, KeyPairSpec="ECC_NIST_P256",
        EncryptionContext={"a": "b"},
    )  # fmt: skip
    found = await world.call(
        "kms", "Decrypt", CiphertextBlob=made["PrivateKeyCiphertextBlob"],
        EncryptionContext={"a": "b"},
    )  # fmt: skip
    assert found["Plaintext"] == made["PrivateKeyPlaintext"]
    private = serialization.load_der_private_key(found["Plaintext"], None)
    assert private.public_key() == serialization.load_der_public_key(made["PublicKey"])
    without = await world.call(
        "kms", "GenerateDataKeyPairWithoutPlaintext", KeyId=arn, KeyPairSpec="ECC_SECG_P256K1"
    )
    assert "PrivateKeyPlaintext" not in without


async def test_a_key_does_only_what_it_is_for(world: World) -> None:
    signing = await new_key(world, "ECC_NIST_P256", "SIGN_VERIFY")
    error = await refusal(world, "Encrypt", KeyId=signing, Plaintext=b"x")
    assert error.shape == "InvalidKeyUsageException"
    assert error.message == f"{signing} key usage is SIGN_VERIFY which is not valid for Encrypt."
    error = await refusal(
        world, "Sign", KeyId=signing, Message=b"x", SigningAlgorithm="ECDSA_SHA_512"
    )
    assert error.message == "Algorithm ECDSA_SHA_512 is incompatible with key spec ECC_NIST_P256."
    symmetric = (await world.call("kms", "CreateKey"))["KeyMetadata"]["Arn"]
    error = await refusal(world, "GetPublicKey", KeyId=symmetric)
    assert error.shape == "UnsupportedOperationException"
    error = await refusal(world, "EnableKeyRotation", KeyId=signing)
    assert error.shape == "UnsupportedOperationException"
    for spec, usage in (("RSA_2048", "KEY_AGREEMENT"), ("HMAC_256", "SIGN_VERIFY")):
        error = await refusal(world, "CreateKey", KeySpec=spec, KeyUsage=usage)
        assert error.shape == "ValidationException"
    for unknown in ({"KeySpec": "SM2"}, {"MultiRegion": True}, {"Origin": "AWS_CLOUDHSM"}):
        assert (await refusal(world, "CreateKey", **unknown)).shape == "Unsupported"


@pytest.mark.slow
@pytest.mark.parametrize("spec", SLOW_SPECS)
async def test_large_rsa_keys_sign(world: World, spec: str) -> None:
    arn = await new_key(world, spec, "SIGN_VERIFY")
    asked = {"KeyId": arn, "Message": b"x", "SigningAlgorithm": "RSASSA_PSS_SHA_512"}
    signed = await world.call("kms", "Sign", **asked)
    assert len(signed["Signature"]) * 8 == int(spec.removeprefix("RSA_"))
    assert await world.call("kms", "Verify", Signature=signed["Signature"], **asked)


@pytest.mark.parametrize("spec", ["ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"])
async def test_messages_are_signed_whole_by_newer_algorithms(world: World, spec: str) -> None:
    arn = await new_key(world, spec, "SIGN_VERIFY")
    (algorithm,) = specs.algorithms(spec, "SIGN_VERIFY")
    asked = {"KeyId": arn, "SigningAlgorithm": algorithm}
    shown = await world.call("kms", "GetPublicKey", KeyId=arn)
    assert shown["SigningAlgorithms"] == [algorithm]
    public: Any = serialization.load_der_public_key(shown["PublicKey"])
    for message in (b"m", b"x" * 4096):
        made = await world.call("kms", "Sign", Message=message, **asked)
        public.verify(made["Signature"], message)
        await world.call("kms", "Verify", Message=message, Signature=made["Signature"], **asked)
        error = await refusal(
            world, "Verify", Message=message + b"x", Signature=made["Signature"], **asked
        )
        assert error.shape == "KMSInvalidSignatureException"
    error = await refusal(world, "Sign", Message=b"d" * 64, MessageType="DIGEST", **asked)
    assert error.shape == "ValidationException"
    if spec == "ECC_NIST_EDWARDS25519":
        error = await refusal(world, "Sign", Message=b"d" * 64, MessageType="EXTERNAL_MU", **asked)
        assert error.shape == "ValidationException"
        return
    # FIPS 204, algorithm 7, line 6, with an empty context, by hashlib alone.
    raw = public.public_bytes_raw()
    mu = hashlib.shake_256(hashlib.shake_256(raw).digest(64) + b"\0\0" + b"m").digest(64)
    made = await world.call("kms", "Sign", Message=mu, MessageType="EXTERNAL_MU", **asked)
    public.verify(made["Signature"], b"m")
    for kind, message in (("RAW", b"m"), ("EXTERNAL_MU", mu)):
        await world.call(
            "kms", "Verify", Message=message, MessageType=kind, Signature=made["Signature"], **asked
        )
    error = await refusal(world, "Sign", Message=mu[1:], MessageType="EXTERNAL_MU", **asked)
    assert error.shape == "ValidationException"


@pytest.mark.parametrize(("spec", "size"), [("ML_KEM_768", 1088), ("ML_KEM_1024", 1568)])
async def test_a_shared_secret_is_encapsulated_here_or_with_the_public_key(
    world: World, spec: str, size: int
) -> None:
    arn = await new_key(world, spec, "ENCAPSULATE_DECAPSULATE")
    asked = {"KeyId": arn, "EncapsulationAlgorithm": "ML_KEM"}
    shown = await world.call("kms", "GetPublicKey", KeyId=arn)
    assert shown["EncapsulationAlgorithms"] == ["ML_KEM"]
    made = await world.call("kms", "Encapsulate", **asked)
    assert (len(made["SharedSecret"]), len(made["SharedSecretCiphertextBlob"])) == (32, size)
    public: Any = serialization.load_der_public_key(shown["PublicKey"])
    secret, blob = public.encapsulate()
    pairs = ((secret, blob), (made["SharedSecret"], made["SharedSecretCiphertextBlob"]))
    for secret, blob in pairs:
        found = await world.call("kms", "Decapsulate", SharedSecretCiphertextBlob=blob, **asked)
        assert found["SharedSecret"] == secret
    # "In all other cases, Decapsulate returns a 32-byte pseudo-random value" (API_Decapsulate).
    bent = blob[:-1] + bytes([blob[-1] ^ 1])
    found = await world.call("kms", "Decapsulate", SharedSecretCiphertextBlob=bent, **asked)
    assert found["SharedSecret"] not in (secret, b"") and len(found["SharedSecret"]) == 32
    for wrong in (blob[:-1], blob + b"x", b"x"):
        error = await refusal(world, "Decapsulate", SharedSecretCiphertextBlob=wrong, **asked)
        assert error.shape == "InvalidCiphertextException"
    error = await refusal(
        world, "Sign", KeyId=arn, Message=b"m", SigningAlgorithm="ML_DSA_SHAKE_256"
    )
    assert error.shape == "InvalidKeyUsageException"


async def test_what_the_library_has_not_is_refused_by_name(world: World) -> None:
    asked = {"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}
    assert "ML_KEM_512" in (await refusal(world, "CreateKey", **asked)).message
    asked = {"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE", "Origin": "EXTERNAL"}
    assert "EXTERNAL" in (await refusal(world, "CreateKey", **asked)).message


async def test_no_ml_dsa_key_is_imported(world: World) -> None:
    asked = {"KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY", "Origin": "EXTERNAL"}
    error = await refusal(world, "CreateKey", **asked)
    assert error.shape == "ValidationException"
    assert error.message == "KeySpec ML_DSA_44 is not supported for Origin EXTERNAL"

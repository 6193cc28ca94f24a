"""Imported key material: in wrapped, kept sealed, gone when asked or when its time is over."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from ogi.errors import AwsError
from tests.world import World

DAY_S = 86_400
HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "256": hashes.SHA256()}


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


async def external(world: World, **more: Any) -> str:
    made = await world.call("kms", "CreateKey", Origin="EXTERNAL", **more)
    assert made["KeyMetadata"]["KeyState"] == "PendingImport"
    assert "CurrentKeyMaterialId" not in made["KeyMetadata"]
    id: str = made["KeyMetadata"]["KeyId"]
    return id


async def state(world: World, id: str) -> str:
    found: str = (await world.call("kms", "DescribeKey", KeyId=id))["KeyMetadata"]["KeyState"]
    return found


def wrap(public: bytes, algorithm: str, material: bytes) -> bytes:
    """What an importer does: developerguide/importing-keys-encrypt-key-material.html"""
    hashing = HASHES[algorithm.rpartition("_")[2]]
    oaep = padding.OAEP(mgf=padding.MGF1(hashing), algorithm=hashing, label=None)
    key = load_der_public_key(public)
    assert isinstance(key, rsa.RSAPublicKey)
    if algorithm.startswith("RSAES"):
        return key.encrypt(material, oaep)
    aes = os.urandom(32)
    return key.encrypt(aes, oaep) + aes_key_wrap_with_padding(aes, material)


async def parameters(
    world: World, id: str, algorithm: str = "RSAES_OAEP_SHA_256", spec: str = "RSA_2048"
) -> dict[str, Any]:
    return await world.call(
        "kms", "GetParametersForImport", KeyId=id, WrappingAlgorithm=algorithm,
        WrappingKeySpec=spec,
    )  # fmt: skip


async def bring(
    world: World, id: str, material: bytes, algorithm: str = "RSAES_OAEP_SHA_256", **more: Any
) -> str:
    """Import; the id of the material."""
    given = await parameters(world, id, algorithm)
    if "ValidTo" not in more:
        more["ExpirationModel"] = "KEY_MATERIAL_DOES_NOT_EXPIRE"
    answer = await world.call(
        "kms", "ImportKeyMaterial", KeyId=id, ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrap(given["PublicKey"], algorithm, material), **more,
    )  # fmt: skip
    found: str = answer.get("KeyMaterialId", "")
    return found


async def refused(awaitable: Any) -> str:
    with pytest.raises(AwsError) as caught:
        await awaitable
    return caught.value.shape


def private(key: Any) -> bytes:
    raw: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return raw


@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_3072", "RSA_4096"])
@pytest.mark.parametrize("digest", ["1", "256"])
@pytest.mark.parametrize("way", ["RSAES_OAEP", "RSA_AES_KEY_WRAP"])
async def test_material_comes_in_under_every_wrapping(
    world: World, spec: str, digest: str, way: str
) -> None:
    id = await external(world)
    algorithm = f"{way}_SHA_{digest}"
    given = await parameters(world, id, algorithm, spec)
    assert given["ParametersValidTo"] == int(world.clock.now()) + DAY_S
    public = load_der_public_key(given["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey) and public.key_size == int(spec[4:])
    await world.call(
        "kms", "ImportKeyMaterial", KeyId=id, ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrap(given["PublicKey"], algorithm, b"m" * 32),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )  # fmt: skip
    found = (await world.call("kms", "DescribeKey", KeyId=id))["KeyMetadata"]
    assert (found["KeyState"], found["Origin"]) == ("Enabled", "EXTERNAL")
    assert found["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"


@pytest.mark.parametrize(
    ("algorithm", "spec"), [("RSAES_PKCS1_V1_5", "RSA_2048"), ("SM2PKE", "SM2")]
)
async def test_wrappings_that_aws_gave_up_or_has_in_china_only_are_refused(
    world: World, algorithm: str, spec: str
) -> None:
    id = await external(world)
    assert await refused(parameters(world, id, algorithm, spec)) == "UnsupportedOperationException"


async def test_only_keys_without_material_of_their_own_take_some(world: World) -> None:
    id = (await world.call("kms", "CreateKey"))["KeyMetadata"]["KeyId"]
    assert await refused(parameters(world, id)) == "UnsupportedOperationException"
    gone = world.call("kms", "DeleteImportedKeyMaterial", KeyId=id)
    assert await refused(gone) == "UnsupportedOperationException"
    given = await parameters(world, await external(world))
    brought = world.call(
        "kms", "ImportKeyMaterial", KeyId=id, ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=b"x" * 256, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )  # fmt: skip
    assert await refused(brought) == "UnsupportedOperationException"


async def test_a_key_without_material_does_nothing(world: World) -> None:
    id = await external(world)
    for operation, more in (
        ("Encrypt", {"Plaintext": b"x"}), ("GenerateDataKey", {"KeySpec": "AES_256"}),
        ("EnableKey", {}), ("DisableKey", {}), ("RotateKeyOnDemand", {}),
    ):  # fmt: skip
        asked = world.call("kms", operation, KeyId=id, **more)
        assert await refused(asked) == "KMSInvalidStateException", operation
    enabled = world.call("kms", "EnableKeyRotation", KeyId=id)
    assert await refused(enabled) == "UnsupportedOperationException"
    assert await everything(world, id) == []


async def test_the_same_material_opens_again_what_it_encrypted(world: World) -> None:
    id = await external(world)
    first = await bring(world, id, b"m" * 32)
    blob = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"p"))["CiphertextBlob"]
    gone = await world.call("kms", "DeleteImportedKeyMaterial", KeyId=id)
    assert gone["KeyMaterialId"] == first and await state(world, id) == "PendingImport"
    asked = world.call("kms", "Decrypt", CiphertextBlob=blob)
    assert await refused(asked) == "KMSInvalidStateException"
    assert await refused(bring(world, id, b"n" * 32)) == "IncorrectKeyMaterialException"
    assert await bring(world, id, b"m" * 32, KeyMaterialId=first) == first
    opened = await world.call("kms", "Decrypt", CiphertextBlob=blob)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"p", first)
    other = await external(world)
    assert await bring(world, other, b"m" * 32) != first, "the id tells two keys of one material"


async def test_material_expires_when_it_was_to(world: World) -> None:
    id = await external(world)
    until = world.clock.now() + DAY_S
    await bring(world, id, b"m" * 32, ValidTo=until)
    found = (await world.call("kms", "DescribeKey", KeyId=id))["KeyMetadata"]
    assert (found["ExpirationModel"], found["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", until)
    world.clock.advance(DAY_S - 1)
    await world.deliver()
    assert await state(world, id) == "Enabled"
    # Imported anew, it is no longer bound to the day that was said first.
    await bring(world, id, b"m" * 32, ValidTo=until + DAY_S)
    world.clock.advance(1)
    await world.deliver()
    assert await state(world, id) == "Enabled"
    world.clock.advance(DAY_S)
    await world.deliver()
    assert await state(world, id) == "PendingImport"
    found = (await world.call("kms", "DescribeKey", KeyId=id))["KeyMetadata"]
    assert "ValidTo" not in found
    await bring(world, id, b"m" * 32)
    assert await state(world, id) == "Enabled"


async def test_an_expiry_is_said_whole_or_not_at_all(world: World) -> None:
    id, now = await external(world), world.clock.now()
    given = await parameters(world, id)
    wrapped = wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", b"m" * 32)
    cases: tuple[dict[str, Any], ...] = (
        {}, {"ExpirationModel": "KEY_MATERIAL_EXPIRES"},
        {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", "ValidTo": now + 9},
        {"ValidTo": now - 1}, {"ValidTo": now + 366 * DAY_S},
    )  # fmt: skip
    for more in cases:
        asked = world.call(
            "kms", "ImportKeyMaterial", KeyId=id, ImportToken=given["ImportToken"],
            EncryptedKeyMaterial=wrapped, **more,
        )  # fmt: skip
        assert await refused(asked) == "ValidationException", more


async def test_tokens_serve_their_key_and_their_day_only(world: World) -> None:
    id, other = await external(world), await external(world)
    given = await parameters(world, id)
    wrapped = wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", b"m" * 32)

    async def asked(key: str, token: bytes, material: bytes = wrapped) -> str:
        return await refused(world.call(
            "kms", "ImportKeyMaterial", KeyId=key, ImportToken=token,
            EncryptedKeyMaterial=material, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
        ))  # fmt: skip

    token = given["ImportToken"]
    assert await asked(other, token) == "InvalidImportTokenException"
    for bad in (b"x", token[:-1], token + b"x", bytes([token[0] ^ 1]) + token[1:], b"y" * 6144):
        assert await asked(id, bad) == "InvalidImportTokenException"
    foreign = wrap((await parameters(world, id))["PublicKey"], "RSAES_OAEP_SHA_256", b"m" * 32)
    for bad in (foreign, wrapped[:-1], wrapped + b"x", b"x", b"\xff" * 6144):
        assert await asked(id, token, bad) == "InvalidCiphertextException"
    for size in (0, 1, 16, 31, 33, 64):
        short = wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", b"m" * size)
        assert await asked(id, token, short) == "IncorrectKeyMaterialException"
    world.clock.advance(DAY_S)
    assert await asked(id, token) == "ExpiredImportTokenException"


@pytest.mark.parametrize("cut", [0, 255, 256, 257, 263, 272])
async def test_a_cut_aes_wrapping_is_refused(world: World, cut: int) -> None:
    id = await external(world)
    given = await parameters(world, id, "RSA_AES_KEY_WRAP_SHA_256")
    wrapped = wrap(given["PublicKey"], "RSA_AES_KEY_WRAP_SHA_256", b"m" * 32)[:cut] or b"\0"
    asked = world.call(
        "kms", "ImportKeyMaterial", KeyId=id, ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapped, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )  # fmt: skip
    assert await refused(asked) == "InvalidCiphertextException"


async def everything(world: World, id: str) -> list[dict[str, Any]]:
    found = await world.call(
        "kms", "ListKeyRotations", KeyId=id, IncludeKeyMaterial="ALL_KEY_MATERIAL"
    )
    rows: list[dict[str, Any]] = found["Rotations"]
    return rows


async def test_imported_keys_rotate_on_demand_to_material_that_came_before(world: World) -> None:
    id = await external(world)
    first = await bring(world, id, b"1" * 32, KeyMaterialDescription="the first")
    old = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"old"))["CiphertextBlob"]
    rotate = world.call("kms", "RotateKeyOnDemand", KeyId=id)
    assert await refused(rotate) == "KMSInvalidStateException"
    again = bring(world, id, b"1" * 32, ImportType="NEW_KEY_MATERIAL")
    assert await refused(again) == "IncorrectKeyMaterialException"
    until = world.clock.now() + DAY_S
    second = await bring(world, id, b"2" * 32, ImportType="NEW_KEY_MATERIAL", ValidTo=until)
    third = bring(world, id, b"3" * 32, ImportType="NEW_KEY_MATERIAL")
    assert await refused(third) == "KMSInvalidStateException"
    rows = await everything(world, id)
    assert [(r["KeyMaterialId"], r["KeyMaterialState"], r["ImportState"]) for r in rows] == [
        (first, "CURRENT", "IMPORTED"), (second, "PENDING_ROTATION", "IMPORTED"),
    ]  # fmt: skip
    assert rows[0]["KeyMaterialDescription"] == "the first" and "RotationDate" not in rows[1]
    assert (rows[1]["ExpirationModel"], rows[1]["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", until)
    blob = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"x"))["CiphertextBlob"]
    opened = await world.call("kms", "Decrypt", CiphertextBlob=blob)
    assert opened["KeyMaterialId"] == first, "what waits encrypts nothing"

    await world.call("kms", "RotateKeyOnDemand", KeyId=id)
    rows = await everything(world, id)
    assert [(r["KeyMaterialState"], r.get("RotationType")) for r in rows] == [
        ("NON_CURRENT", None), ("CURRENT", "ON_DEMAND"),
    ]  # fmt: skip
    listed = await world.call("kms", "ListKeyRotations", KeyId=id)
    assert [row["KeyMaterialId"] for row in listed["Rotations"]] == [second]
    new = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"new"))["CiphertextBlob"]
    for blob, plain, material in ((old, b"old", first), (new, b"new", second)):
        opened = await world.call("kms", "Decrypt", CiphertextBlob=blob)
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (plain, material)

    # Any missing material makes the key wait, all of it makes it whole again.
    await world.call("kms", "DeleteImportedKeyMaterial", KeyId=id, KeyMaterialId=first)
    assert await state(world, id) == "PendingImport"
    world.clock.advance(DAY_S)
    await world.deliver()
    assert [row["ImportState"] for row in await everything(world, id)] == 2 * ["PENDING_IMPORT"]
    assert await bring(world, id, b"1" * 32) == first
    assert await state(world, id) == "PendingImport"
    wrong = bring(world, id, b"2" * 32, KeyMaterialId=first)
    assert await refused(wrong) == "IncorrectKeyMaterialException"
    await bring(world, id, b"2" * 32, ImportType="EXISTING_KEY_MATERIAL")
    assert await state(world, id) == "Enabled"
    rows = await everything(world, id)
    assert rows[0]["KeyMaterialDescription"] == "the first", "kept unless another is given"
    assert rows[1]["RotationType"] == "ON_DEMAND"
    unknown = world.call("kms", "DeleteImportedKeyMaterial", KeyId=id, KeyMaterialId="0" * 64)
    assert await refused(unknown) == "NotFoundException"


async def test_material_that_waits_can_be_replaced_by_other(world: World) -> None:
    id = await external(world)
    await bring(world, id, b"1" * 32)
    second = await bring(world, id, b"2" * 32, ImportType="NEW_KEY_MATERIAL")
    await world.call("kms", "DeleteImportedKeyMaterial", KeyId=id, KeyMaterialId=second)
    assert await state(world, id) == "Enabled" and len(await everything(world, id)) == 1
    third = await bring(
        world, id, b"3" * 32, ImportType="NEW_KEY_MATERIAL", ValidTo=world.clock.now() + 9
    )
    assert (await everything(world, id))[1]["KeyMaterialId"] == third
    world.clock.advance(9)
    await world.deliver()
    assert await state(world, id) == "Enabled" and len(await everything(world, id)) == 1


async def test_a_deletion_of_a_key_without_material_can_be_cancelled(world: World) -> None:
    id = await external(world)
    await bring(world, id, b"1" * 32)
    await world.call("kms", "ScheduleKeyDeletion", KeyId=id)
    await world.call("kms", "DeleteImportedKeyMaterial", KeyId=id)
    assert await state(world, id) == "PendingDeletion"
    assert await refused(bring(world, id, b"1" * 32)) == "KMSInvalidStateException"
    await world.call("kms", "CancelKeyDeletion", KeyId=id)
    assert await state(world, id) == "PendingImport"
    await bring(world, id, b"1" * 32)
    assert await state(world, id) == "Enabled"


async def test_key_pairs_and_hmac_keys_are_imported(world: World) -> None:
    pair = ec.generate_private_key(ec.SECP256R1())
    id = await external(world, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    shown = world.call("kms", "GetPublicKey", KeyId=id)
    assert await refused(shown) == "KMSInvalidStateException"
    described = world.call("kms", "ImportKeyMaterial", KeyId=id, ImportToken=b"x",
                           EncryptedKeyMaterial=b"x", ImportType="NEW_KEY_MATERIAL")  # fmt: skip
    assert await refused(described) == "ValidationException"
    assert await bring(world, id, private(pair)) == ""
    made = await world.call("kms", "Sign", KeyId=id, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")
    pair.public_key().verify(made["Signature"], b"m", ec.ECDSA(hashes.SHA256()))
    other = ec.generate_private_key(ec.SECP256R1())
    assert await refused(bring(world, id, private(other))) == "IncorrectKeyMaterialException"
    await bring(world, id, private(pair))

    big = rsa.generate_private_key(65537, 2048)
    id = await external(world, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    assert await refused(parameters(world, id)) == "UnsupportedOperationException"
    await bring(world, id, private(big), "RSA_AES_KEY_WRAP_SHA_256")
    shown = await world.call("kms", "GetPublicKey", KeyId=id)
    assert load_der_public_key(shown["PublicKey"]) == big.public_key()

    id = await external(world, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    assert await refused(bring(world, id, b"h" * 31)) == "IncorrectKeyMaterialException"
    await bring(world, id, b"h" * 32)
    await world.call("kms", "GenerateMac", KeyId=id, Message=b"m", MacAlgorithm="HMAC_SHA_256")
    again = world.call("kms", "RotateKeyOnDemand", KeyId=id)
    assert await refused(again) == "UnsupportedOperationException"


async def test_private_keys_that_are_not_the_keys_kind_are_refused(world: World) -> None:
    wrong = ec.generate_private_key(ec.SECP384R1())
    right = ec.generate_private_key(ec.SECP256R1())
    older = right.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    id = await external(world, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    for bad in (private(wrong), older, private(right)[:-1], b"\x30", b"0" * 100):
        asked = bring(world, id, bad, "RSA_AES_KEY_WRAP_SHA_256")
        assert await refused(asked) == "IncorrectKeyMaterialException", bad
    assert await state(world, id) == "PendingImport"


async def test_a_wrapping_key_that_is_too_short_for_a_long_curve_is_refused(world: World) -> None:
    id = await external(world, KeySpec="ECC_NIST_P521", KeyUsage="SIGN_VERIFY")
    assert await refused(parameters(world, id)) == "UnsupportedOperationException"
    given = await parameters(world, id, "RSAES_OAEP_SHA_256", "RSA_3072")
    pair = ec.generate_private_key(ec.SECP521R1())
    await world.call(
        "kms", "ImportKeyMaterial", KeyId=id, ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", private(pair)),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )  # fmt: skip

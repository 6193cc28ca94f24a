"""The table of key states: which operation succeeds in which state, and what is said if not.

https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html, row by row
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.kms.test_imports import parameters, wrap
from tests.world import ACCOUNT, World

DAY_S = 86_400
GRANTEE = f"arn:aws:iam::{ACCOUNT}:root"
STATES = ("Enabled", "Disabled", "PendingImport", "PendingDeletion")

# The notes of the table.
DISABLED = "DisabledException: {arn} is disabled."
DELETION = "KMSInvalidStateException: {arn} is pending deletion."
NO_DELETION = "KMSInvalidStateException: {arn} is not pending deletion."
IMPORT = "KMSInvalidStateException: {arn} is pending import."
UNSUPPORTED = (
    "UnsupportedOperationException: {{arn}} origin is {} which is not valid for this operation."
)
EXTERNAL, AWS_KMS = UNSUPPORTED.format("EXTERNAL"), UNSUPPORTED.format("AWS_KMS")

Row = tuple[str | None, str | None, str | None, str | None]
FINE: Row = (None, None, None, None)
USE: Row = (None, DISABLED, IMPORT, DELETION)
CHANGE: Row = (None, None, None, DELETION)

TABLE: dict[str, tuple[dict[str, Any], Row]] = {
    "CancelKeyDeletion": ({}, (NO_DELETION, NO_DELETION, NO_DELETION, None)),
    "CreateAlias": ({"AliasName": "alias/new"}, CHANGE),
    "CreateGrant": ({"GranteePrincipal": GRANTEE, "Operations": ["Encrypt"]}, USE),
    "Decrypt": ({"CiphertextBlob": b"blob"}, USE),
    "DeleteAlias": ({"AliasName": "alias/{}"}, FINE),
    "DeleteImportedKeyMaterial": ({}, (AWS_KMS, AWS_KMS, None, AWS_KMS)),
    "DescribeKey": ({}, FINE),
    "DisableKey": ({}, (None, None, IMPORT, DELETION)),
    "DisableKeyRotation": ({}, (None, DISABLED, EXTERNAL, DELETION)),
    "EnableKey": ({}, (None, None, IMPORT, DELETION)),
    "EnableKeyRotation": ({}, (None, DISABLED, EXTERNAL, DELETION)),
    "Encrypt": ({"Plaintext": b"x"}, USE),
    "GenerateDataKey": ({"KeySpec": "AES_256"}, USE),
    "GenerateDataKeyPair": ({"KeyPairSpec": "ECC_NIST_P256"}, USE),
    "GenerateDataKeyPairWithoutPlaintext": ({"KeyPairSpec": "ECC_NIST_P256"}, USE),
    "GenerateDataKeyWithoutPlaintext": ({"KeySpec": "AES_256"}, USE),
    "GetKeyPolicy": ({}, FINE),
    # Of a key with imported material the table says UnsupportedOperationException, from before such
    # keys could be rotated on demand; the operation tells of those rotations now.
    "GetKeyRotationStatus": ({}, FINE),
    "GetParametersForImport": (
        {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
        (AWS_KMS, AWS_KMS, None, AWS_KMS),
    ),
    "ListAliases": ({}, FINE),
    "ListGrants": ({}, FINE),
    "ListKeyPolicies": ({}, FINE),
    "ListKeyRotations": ({}, FINE),
    "ListResourceTags": ({}, FINE),
    "PutKeyPolicy": ({}, FINE),
    "RotateKeyOnDemand": ({}, USE),
    "ScheduleKeyDeletion": ({}, CHANGE),
    "TagResource": ({"Tags": [{"TagKey": "k", "TagValue": "v"}]}, CHANGE),
    "UntagResource": ({"TagKeys": ["k"]}, CHANGE),
    "UpdateKeyDescription": ({"Description": "d"}, CHANGE),
}


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


async def key_in(world: World, state: str, **more: Any) -> str:
    origin = {"Origin": "EXTERNAL"} if state == "PendingImport" else {}
    made = await world.call("kms", "CreateKey", **origin, **more)
    arn: str = made["KeyMetadata"]["Arn"]
    if state == "Disabled":
        await world.call("kms", "DisableKey", KeyId=arn)
    await world.call("kms", "CreateAlias", AliasName=f"alias/{state}", TargetKeyId=arn)
    if state == "PendingDeletion":
        await world.call("kms", "ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    found = await world.call("kms", "DescribeKey", KeyId=arn)
    assert found["KeyMetadata"]["KeyState"] == state
    return arn


async def later(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    await world.deliver()


async def outcome(world: World, operation: str, **request: Any) -> str | None:
    try:
        await world.call("kms", operation, **request)
    except AwsError as error:
        return f"{error.shape}: {error.message}"
    return None


@pytest.mark.parametrize("state", STATES)
async def test_every_operation_does_in_every_state_what_the_table_says(
    world: World, state: str
) -> None:
    for operation, (members, row) in TABLE.items():
        arn = await key_in(world, state)
        request = dict(members)
        if operation == "PutKeyPolicy":
            request["Policy"] = (await world.call("kms", "GetKeyPolicy", KeyId=arn))["Policy"]
        if operation.endswith("Alias"):
            request["AliasName"] = request["AliasName"].format(state)
        if operation == "CreateAlias":
            request["TargetKeyId"] = arn
        elif operation != "DeleteAlias":
            request["KeyId"] = arn
        wanted = row[STATES.index(state)]
        said = await outcome(world, operation, **request)
        if operation == "Decrypt" and wanted is None:
            assert said == "InvalidCiphertextException: ", "the state is looked at first"
        else:
            assert said == (wanted and wanted.format(arn=arn)), operation
        for name in (f"alias/{state}", "alias/new"):
            await outcome(world, "DeleteAlias", AliasName=name)


async def test_an_alias_leaves_a_key_that_is_to_be_deleted_but_does_not_come_to_one(
    world: World,
) -> None:
    """Note 10 of the table."""
    gone, kept = await key_in(world, "PendingDeletion"), await key_in(world, "Enabled")
    said = await outcome(world, "UpdateAlias", AliasName="alias/Enabled", TargetKeyId=gone)
    assert said == DELETION.format(arn=gone)
    await world.call("kms", "UpdateAlias", AliasName="alias/PendingDeletion", TargetKeyId=kept)
    names = await world.call("kms", "ListAliases", KeyId=kept)
    assert len(names["Aliases"]) == 2


async def test_an_alias_moves_between_keys_of_one_type_and_usage(world: World) -> None:
    """API_UpdateAlias: "both symmetric or both asymmetric or both HMAC", "the same key usage"."""

    async def key(spec: str, usage: str) -> str:
        made = await world.call("kms", "CreateKey", KeySpec=spec, KeyUsage=usage)
        arn: str = made["KeyMetadata"]["Arn"]
        return arn

    rsa, ecc = await key("RSA_2048", "SIGN_VERIFY"), await key("ECC_NIST_P256", "SIGN_VERIFY")
    hmac, other = [await key(f"HMAC_{n}", "GENERATE_VERIFY_MAC") for n in (256, 512)]
    decrypting, symmetric = (
        await key("RSA_2048", "ENCRYPT_DECRYPT"), await key("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    )  # fmt: skip
    for start, good, bad in (
        (rsa, ecc, decrypting), (hmac, other, symmetric), (symmetric, symmetric, decrypting),
    ):  # fmt: skip
        await world.call("kms", "CreateAlias", AliasName="alias/a", TargetKeyId=start)
        assert await outcome(world, "UpdateAlias", AliasName="alias/a", TargetKeyId=good) is None
        said = await outcome(world, "UpdateAlias", AliasName="alias/a", TargetKeyId=bad)
        assert said is not None and said.startswith("ValidationException: ")
        await world.call("kms", "DeleteAlias", AliasName="alias/a")


async def test_the_rotation_of_keys_that_never_rotate_is_told_as_off(world: World) -> None:
    for spec, usage in (("RSA_2048", "SIGN_VERIFY"), ("HMAC_256", "GENERATE_VERIFY_MAC")):
        arn = await key_in(world, "Enabled", KeySpec=spec, KeyUsage=usage)
        found = await world.call("kms", "GetKeyRotationStatus", KeyId=arn)
        assert found == {"KeyId": arn, "KeyRotationEnabled": False}
        said = await outcome(world, "EnableKeyRotation", KeyId=arn)
        assert said is not None and said.startswith("UnsupportedOperationException: ")
        await world.call("kms", "DeleteAlias", AliasName="alias/Enabled")


async def test_a_key_pending_deletion_is_told_as_not_rotating_until_that_is_cancelled(
    world: World,
) -> None:
    arn = await key_in(world, "Enabled")
    await world.call("kms", "EnableKeyRotation", KeyId=arn, RotationPeriodInDays=90)
    before = await world.call("kms", "GetKeyRotationStatus", KeyId=arn)
    await world.call("kms", "ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    during = await world.call("kms", "GetKeyRotationStatus", KeyId=arn)
    assert during == {"KeyId": arn, "KeyRotationEnabled": False}
    await world.call("kms", "CancelKeyDeletion", KeyId=arn)
    assert await world.call("kms", "GetKeyRotationStatus", KeyId=arn) == before


async def test_a_key_that_missed_its_rotation_is_rotated_when_it_is_enabled_again(
    world: World,
) -> None:
    """API_GetKeyRotationStatus: "KMS rotates it immediately"; else the schedule goes on."""

    async def rotations(arn: str) -> int:
        return len((await world.call("kms", "ListKeyRotations", KeyId=arn))["Rotations"])

    arn = await key_in(world, "Enabled")
    await world.call("kms", "EnableKeyRotation", KeyId=arn, RotationPeriodInDays=90)
    await world.call("kms", "DisableKey", KeyId=arn)
    await later(world, 60 * DAY_S)
    await world.call("kms", "EnableKey", KeyId=arn)
    assert await rotations(arn) == 0
    await world.call("kms", "DisableKey", KeyId=arn)
    await later(world, 60 * DAY_S)
    assert await rotations(arn) == 0
    status = await world.call("kms", "GetKeyRotationStatus", KeyId=arn)
    assert status["KeyRotationEnabled"] and "NextRotationDate" not in status
    await world.call("kms", "EnableKey", KeyId=arn)
    assert await rotations(arn) == 1
    status = await world.call("kms", "GetKeyRotationStatus", KeyId=arn)
    assert status["NextRotationDate"] == world.clock.now() + 90 * DAY_S
    await later(world, 91 * DAY_S)
    assert await rotations(arn) == 2


async def test_a_key_can_be_imported_into_in_no_state_but_pending_deletion(world: World) -> None:
    arn = await key_in(world, "PendingImport")
    given = await parameters(world, arn)
    material = wrap(given["PublicKey"], "RSAES_OAEP_SHA_256", b"m" * 32)
    request = {
        "KeyId": arn, "ImportToken": given["ImportToken"], "EncryptedKeyMaterial": material,
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }  # fmt: skip
    assert await outcome(world, "ImportKeyMaterial", **request) is None
    await world.call("kms", "DisableKey", KeyId=arn)
    assert await outcome(world, "ImportKeyMaterial", **request) is None
    await world.call("kms", "ScheduleKeyDeletion", KeyId=arn)
    said = await outcome(world, "ImportKeyMaterial", **request)
    assert said == DELETION.format(arn=arn)

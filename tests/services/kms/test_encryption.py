"""Encrypting and decrypting: what a blob is bound to, which refusal comes when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.service import Principal
from tests.world import ACCOUNT, REGION, World

OTHER = "444455556666"


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


async def new_key(world: World, **more: Any) -> str:
    made = await world.call("kms", "CreateKey", **more)
    arn: str = made["KeyMetadata"]["Arn"]
    return arn


async def refusal(world: World, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await world.call("kms", operation, **request)
    return caught.value


async def test_what_was_encrypted_is_decrypted_without_naming_the_key(world: World) -> None:
    arn = await new_key(world)
    made = await world.call("kms", "Encrypt", KeyId=arn, Plaintext=b"hello")
    assert made["KeyId"] == arn
    assert made["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    assert b"hello" not in made["CiphertextBlob"]
    found = await world.call("kms", "Decrypt", CiphertextBlob=made["CiphertextBlob"])
    assert (found["Plaintext"], found["KeyId"]) == (b"hello", arn)


async def test_the_same_plaintext_never_makes_the_same_blob(world: World) -> None:
    arn = await new_key(world)
    blobs = {
        (await world.call("kms", "Encrypt", KeyId=arn, Plaintext=b"x"))["CiphertextBlob"]
        for _ in range(20)
    }
    assert len(blobs) == 20


async def test_a_blob_opens_only_under_its_encryption_context(world: World) -> None:
    arn = await new_key(world)
    context = {"aws:sqs:arn": "q", "b": "c"}
    made = await world.call("kms", "Encrypt", KeyId=arn, Plaintext=b"x", EncryptionContext=context)
    blob = made["CiphertextBlob"]
    reordered = dict(reversed(context.items()))
    found = await world.call("kms", "Decrypt", CiphertextBlob=blob, EncryptionContext=reordered)
    assert found["Plaintext"] == b"x"
    for wrong in ({}, {"aws:sqs:arn": "q"}, {**context, "b": "d"}, {"aws:sqs:arnq": "", "b": "c"}):
        error = await refusal(world, "Decrypt", CiphertextBlob=blob, EncryptionContext=wrong)
        assert (error.shape, error.message) == ("InvalidCiphertextException", "")


async def test_any_changed_byte_of_a_blob_is_refused(world: World) -> None:
    arn = await new_key(world)
    blob = (await world.call("kms", "Encrypt", KeyId=arn, Plaintext=b"abc"))["CiphertextBlob"]
    for at in range(len(blob)):
        bent = bytearray(blob)
        bent[at] ^= 0x41
        error = await refusal(world, "Decrypt", CiphertextBlob=bytes(bent))
        # A blob that names another key is refused as one of a key that does not exist.
        assert error.shape in ("InvalidCiphertextException", "AccessDeniedException")
    for cut in (blob[:-1], blob[:40], b"", blob + b"\x00"):
        error = await refusal(world, "Decrypt", CiphertextBlob=cut)
        assert error.shape == "InvalidCiphertextException"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blob=st.binary(max_size=200))
async def test_no_bytes_from_elsewhere_decrypt(world: World, blob: bytes) -> None:
    error = await refusal(world, "Decrypt", CiphertextBlob=blob)
    assert error.shape in ("InvalidCiphertextException", "AccessDeniedException")


async def test_another_key_does_not_decrypt(world: World) -> None:
    first, second = await new_key(world), await new_key(world)
    blob = (await world.call("kms", "Encrypt", KeyId=first, Plaintext=b"abc"))["CiphertextBlob"]
    error = await refusal(world, "Decrypt", CiphertextBlob=blob, KeyId=second)
    assert error.shape == "IncorrectKeyException"
    assert error.message == (
        "The key ID in the request does not identify a CMK that can perform this operation."
    )


async def test_a_key_is_found_by_id_arn_alias_and_alias_arn(world: World) -> None:
    arn = await new_key(world)
    await world.call("kms", "CreateAlias", AliasName="alias/mine", TargetKeyId=arn)
    forms = (
        arn, arn.rpartition("/")[2], "alias/mine", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/mine",
    )  # fmt: skip
    for form in forms:
        made = await world.call("kms", "GenerateDataKey", KeyId=form, KeySpec="AES_256")
        assert made["KeyId"] == arn
        assert len(made["Plaintext"]) == 32


async def test_unknown_keys_are_not_found_in_kmss_words(world: World) -> None:
    id = "12345678-1234-1234-1234-123456789012"
    wanted = {
        "alias/none": f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/none is not found.",
        "alias/aws/none": f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/none is not found.",
        id: f"Key 'arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}' does not exist",
        "mykey": "Invalid keyId 'mykey'",
        f"arn:aws:kms:us-west-2:{ACCOUNT}:key/{id}": "Invalid arn us-west-2",
    }
    for key_id, sentence in wanted.items():
        error = await refusal(world, "Encrypt", KeyId=key_id, Plaintext=b"x")
        assert (error.shape, error.message) == ("NotFoundException", sentence)


async def test_a_disabled_key_and_one_pending_deletion_do_nothing(world: World) -> None:
    arn = await new_key(world)
    blob = (await world.call("kms", "Encrypt", KeyId=arn, Plaintext=b"x"))["CiphertextBlob"]
    await world.call("kms", "DisableKey", KeyId=arn)
    error = await refusal(world, "Decrypt", CiphertextBlob=blob)
    assert (error.shape, error.message) == ("DisabledException", f"{arn} is disabled.")
    await world.call("kms", "ScheduleKeyDeletion", KeyId=arn)
    error = await refusal(world, "Decrypt", CiphertextBlob=blob)
    assert error.shape == "KMSInvalidStateException"
    assert error.message == f"{arn} is pending deletion."


async def test_the_key_of_another_account_is_used_by_its_arn(world: World) -> None:
    arn = await new_key(world)
    caller = world.caller(Principal("user", OTHER, f"arn:aws:iam::{OTHER}:user/u"), OTHER)
    made = await world.call_as(caller, "kms", "GenerateDataKey", KeyId=arn, KeySpec="AES_128")
    assert len(made["Plaintext"]) == 16
    found = await world.call_as(caller, "kms", "Decrypt", CiphertextBlob=made["CiphertextBlob"])
    assert (found["Plaintext"], found["KeyId"]) == (made["Plaintext"], arn)


async def test_re_encrypting_moves_to_another_key_and_context(world: World) -> None:
    first, second = await new_key(world), await new_key(world)
    made = await world.call(
        "kms", "Encrypt", KeyId=first, Plaintext=b"abc", EncryptionContext={"a": "1"}
    )
    moved = await world.call(
        "kms", "ReEncrypt", CiphertextBlob=made["CiphertextBlob"], DestinationKeyId=second,
        SourceEncryptionContext={"a": "1"}, DestinationEncryptionContext={"b": "2"},
    )  # fmt: skip
    assert (moved["SourceKeyId"], moved["KeyId"]) == (first, second)
    found = await world.call(
        "kms", "Decrypt", CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"}
    )
    assert (found["Plaintext"], found["KeyId"]) == (b"abc", second)


async def test_a_data_key_has_either_a_spec_or_a_size(world: World) -> None:
    arn = await new_key(world)
    for wrong in ({}, {"KeySpec": "AES_256", "NumberOfBytes": 8}):
        error = await refusal(world, "GenerateDataKey", KeyId=arn, **wrong)
        assert error.message == "Please specify either number of bytes or key spec."
    made = await world.call("kms", "GenerateDataKey", KeyId=arn, NumberOfBytes=100)
    assert len(made["Plaintext"]) == 100


async def test_a_data_key_without_plaintext_has_none(world: World) -> None:
    arn = await new_key(world)
    made = await world.call("kms", "GenerateDataKeyWithoutPlaintext", KeyId=arn, KeySpec="AES_256")
    assert "Plaintext" not in made
    found = await world.call("kms", "Decrypt", CiphertextBlob=made["CiphertextBlob"])
    assert len(found["Plaintext"]) == 32


async def test_a_dry_run_does_nothing_and_says_so(world: World) -> None:
    arn = await new_key(world)
    error = await refusal(world, "GenerateDataKey", KeyId=arn, KeySpec="AES_256", DryRun=True)
    assert error.shape == "DryRunOperationException"
    assert error.message == "The request would have succeeded, but the DryRun option is set."


async def test_random_bytes_have_the_size_asked_for_and_differ(world: World) -> None:
    first = await world.call("kms", "GenerateRandom", NumberOfBytes=33)
    second = await world.call("kms", "GenerateRandom", NumberOfBytes=33)
    assert len(first["Plaintext"]) == 33 and first != second


async def test_each_use_of_a_key_is_a_hop_of_the_trace(world: World) -> None:
    arn = await new_key(world)
    world.ports.traces.clear()
    caller = world.caller().via("sqs")
    await world.call_as(caller, "kms", "GenerateDataKey", KeyId=arn, KeySpec="AES_256")
    (hop,) = world.ports.traces.get("1-test")
    assert (hop["kind"], hop["key"]) == ("kms.GenerateDataKey", arn)
    assert hop["via"] == f"sqs.{REGION}.amazonaws.com"


async def test_a_dry_run_may_ask_for_the_permission_alone(world: World) -> None:
    arn = await new_key(world)
    dry = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    for operation, more in (
        ("Decrypt", {"KeyId": arn}),
        ("ReEncrypt", {"SourceKeyId": arn, "DestinationKeyId": arn}),
    ):
        error = await refusal(world, operation, **more, **dry)
        assert error.shape == "DryRunOperationException"
        for missing in (more, {**more, "DryRun": True}, {**more, "CiphertextBlob": b""}):
            shape = (await refusal(world, operation, **missing)).shape
            assert shape in ("ValidationException", "InvalidCiphertextException"), missing
        key = {name: value for name, value in more.items() if name == "DestinationKeyId"}
        assert (await refusal(world, operation, **key, **dry)).shape == "ValidationException"
        assert (await refusal(world, operation, **key)).shape == "ValidationException"

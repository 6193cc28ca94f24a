"""The last use of a key: known at once, kept over a restart, forgotten with the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.kms.uses import recorder
from tests.world import World

DAY_S = 86_400


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


async def usage(world: World, id: str) -> dict[str, Any]:
    return await world.call("kms", "GetKeyLastUsage", KeyId=id)


async def test_a_keys_last_successful_use_is_told(world: World) -> None:
    made = (await world.call("kms", "CreateKey"))["KeyMetadata"]
    id = made["KeyId"]
    found = await usage(world, id)
    assert found["KeyLastUsage"] == {} and found["KeyId"] == made["Arn"]
    assert found["TrackingStartDate"] == found["KeyCreationDate"] == made["CreationDate"]
    world.clock.advance(10)
    blob = (await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"x"))["CiphertextBlob"]
    used = world.clock.now()
    world.clock.advance(10)
    for refused in (
        world.call("kms", "Decrypt", CiphertextBlob=blob[:-1] + b"!", KeyId=id),
        world.call("kms", "Encrypt", KeyId=id, Plaintext=b"x", DryRun=True),
        world.call("kms", "Sign", KeyId=id, Message=b"m", SigningAlgorithm="ECDSA_SHA_256"),
    ):
        with pytest.raises(AwsError):
            await refused
    last = {"Operation": "Encrypt", "Timestamp": used, "KmsRequestId": "test"}
    assert (await usage(world, id))["KeyLastUsage"] == last
    # It is the same once it is written down.
    assert not await recorder(world.ports).work()
    assert world.ports.key_uses.first(1, str) == []
    assert (await usage(world, id))["KeyLastUsage"] == last
    await world.call("kms", "Decrypt", CiphertextBlob=blob)
    assert (await usage(world, id))["KeyLastUsage"]["Operation"] == "Decrypt"


async def test_both_keys_of_a_re_encryption_were_used(world: World) -> None:
    ids = [(await world.call("kms", "CreateKey"))["KeyMetadata"]["KeyId"] for _ in range(2)]
    blob = (await world.call("kms", "Encrypt", KeyId=ids[0], Plaintext=b"x"))["CiphertextBlob"]
    await world.call("kms", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=ids[1])
    for id in ids:
        assert (await usage(world, id))["KeyLastUsage"]["Operation"] == "ReEncrypt"


async def test_uses_in_several_regions_are_written_each_in_its_place(world: World) -> None:
    made = []
    for region in ("eu-west-1", "us-east-1", "eu-west-1"):
        caller = world.caller(region=region)
        id = (await world.call_as(caller, "kms", "CreateKey"))["KeyMetadata"]["KeyId"]
        await world.call_as(caller, "kms", "Encrypt", KeyId=id, Plaintext=b"x")
        await world.call_as(caller, "kms", "Encrypt", KeyId="alias/aws/s3", Plaintext=b"x")
        made.append((region, id))
    await recorder(world.ports).close()
    assert not world.ports.key_uses.noted.is_set()
    for region, id in made:
        found = await world.call_as(world.caller(region=region), "kms", "GetKeyLastUsage", KeyId=id)
        assert found["KeyLastUsage"]["Operation"] == "Encrypt"


async def test_a_deleted_key_leaves_no_use(world: World) -> None:
    id = (await world.call("kms", "CreateKey"))["KeyMetadata"]["KeyId"]
    await world.call("kms", "Encrypt", KeyId=id, Plaintext=b"x")
    await world.call("kms", "ScheduleKeyDeletion", KeyId=id, PendingWindowInDays=7)
    world.clock.advance(7 * DAY_S)
    await world.deliver()
    # What was noted before is not written for a key that is gone.
    await recorder(world.ports).close()
    with pytest.raises(AwsError):
        await usage(world, id)

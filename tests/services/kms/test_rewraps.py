"""Rotation of the root key: everything opens as before, under the vault's next generation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from ogi import sealing
from ogi.access import credentials
from ogi.access.identities import KEYS as ACCESS_KEYS
from ogi.service import Call
from ogi.services.kms import materials
from ogi.services.kms.records import KEYS, Key
from ogi.storage import CONTROL, Reader, Transaction, control
from ogi.vault import Vault
from tests.world import ACCOUNT, REGION, World

REGIONS = (REGION, "us-east-1", "ap-south-1")


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("kms")


def records(tx: Reader) -> list[Key]:
    return [
        key for region in REGIONS for _, key in KEYS.scan(tx, control(ACCOUNT, region), limit=1000)
    ]


async def rewrapped(world: World) -> int:
    rewrap = world.ports.services["kms"].rewrap
    assert rewrap is not None
    return await rewrap(world.ports)


async def test_keys_in_all_regions_come_under_the_next_generation_and_decrypt_as_before(
    world: World,
) -> None:
    blobs = []
    for region in REGIONS:
        for number in range(3):
            caller = world.caller(region=region)
            made = await world.call_as(caller, "kms", "CreateKey")
            id = made["KeyMetadata"]["KeyId"]
            for _ in range(number):
                await world.call_as(world.caller(region=region), "kms", "RotateKeyOnDemand",
                                    KeyId=id)  # fmt: skip
            plain = f"{region}{number}".encode()
            blob = await world.call_as(caller, "kms", "Encrypt", KeyId=id, Plaintext=plain)
            blobs.append((region, plain, blob["CiphertextBlob"]))
    first, vault = b"v" * 32, world.ports.vault
    assert await rewrapped(world) == 0, "nothing to do without a rotation"
    vault.renew(b"w" * 32)
    assert await rewrapped(world) == 9
    assert await rewrapped(world) == 0
    for key in await world.store.read(records):
        for version in range(len(key.materials)):
            assert materials.secret(vault, key, version)
            with pytest.raises(InvalidTag):
                materials.secret(Vault(first), key, version)
    for region, plain, blob in blobs:
        opened = await world.call_as(
            world.caller(region=region), "kms", "Decrypt", CiphertextBlob=blob
        )
        assert opened["Plaintext"] == plain


async def test_material_that_was_deleted_stays_so(world: World) -> None:
    from tests.services.kms.test_imports import bring, external, state

    id = await external(world)
    await bring(world, id, b"m" * 32)
    await bring(world, id, b"n" * 32, ImportType="NEW_KEY_MATERIAL")
    await world.call("kms", "DeleteImportedKeyMaterial", KeyId=id)
    world.ports.vault.renew(b"w" * 32)
    assert await rewrapped(world) == 1, "for the material that waits"
    assert await state(world, id) == "PendingImport"
    await bring(world, id, b"m" * 32)
    await world.call("kms", "RotateKeyOnDemand", KeyId=id)


async def test_aws_managed_keys_are_renewed_with_it_and_open_what_was_before(
    world: World,
) -> None:
    before = await world.call("kms", "Encrypt", KeyId="alias/aws/sqs", Plaintext=b"old")
    shown = (await world.call("kms", "DescribeKey", KeyId="alias/aws/sqs"))["KeyMetadata"]
    world.ports.vault.renew(b"w" * 32)
    after = await world.call("kms", "Encrypt", KeyId="alias/aws/sqs", Plaintext=b"new")
    now = (await world.call("kms", "DescribeKey", KeyId="alias/aws/sqs"))["KeyMetadata"]
    assert shown["CurrentKeyMaterialId"] != now["CurrentKeyMaterialId"]
    for blob, plain, material in (
        (before["CiphertextBlob"], b"old", shown["CurrentKeyMaterialId"]),
        (after["CiphertextBlob"], b"new", now["CurrentKeyMaterialId"]),
    ):
        opened = await world.call("kms", "Decrypt", CiphertextBlob=blob)
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (plain, material)


async def test_what_ogis_own_keys_sealed_names_its_generation(world: World) -> None:
    def seal(tx: Transaction, call: Call) -> bytes:
        return sealing.seal(tx, call, b"plain", purpose="p", key_id=None, context={})

    def opened(sealed: bytes) -> Callable[[Transaction, Call], bytes]:
        return lambda tx, call: sealing.open(tx, call, sealed, purpose="p", context={})

    async def run(body: Callable[[Transaction, Call], bytes]) -> bytes:
        return await world.caller().transact(body, CONTROL)

    before = await run(seal)
    world.ports.vault.renew(b"w" * 32)
    after = await run(seal)
    assert (before[1], after[1]) == (0, 1)
    for sealed in (before, after):
        assert await run(opened(sealed)) == b"plain"
        with pytest.raises(InvalidTag):
            await run(opened(sealed[:1] + bytes([1 - sealed[1]]) + sealed[2:]))
        with pytest.raises(InvalidTag):
            await run(opened(sealed[:1] + b"\xff" + sealed[2:]))


async def test_access_keys_come_under_the_next_generation_page_by_page(world: World) -> None:
    ports, made = world.ports, {}

    def body(tx: Transaction) -> Any:
        for _ in range(250):
            row, secret = credentials.mint_key(ports.vault, ports.random, ACCOUNT, "", 0.0)
            ACCESS_KEYS.put(tx, row, CONTROL, row.id)
            made[row.id] = secret

    await world.store.transact(body, CONTROL)
    ports.vault.renew(b"w" * 32)
    assert await credentials.rewrap(ports) >= 250
    assert await credentials.rewrap(ports) == 0

    def check(tx: Reader) -> None:
        for _, row in ACCESS_KEYS.scan(tx, CONTROL, limit=1000):
            if row.id in made:
                assert credentials.open_secret(ports.vault, row) == made[row.id]
            with pytest.raises(InvalidTag):
                credentials.open_secret(Vault(b"v" * 32), row)

    await world.store.read(check)

"""Sealing: what opens what, how long a data key is used, and that KMS decides on every use."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi import sealing
from ogi.chunks import ChunkCipher
from ogi.errors import AwsError
from ogi.service import Call
from tests.world import World

CONTEXT = {"aws:sqs:arn": "arn:aws:sqs:eu-west-1:111122223333:q"}
PURPOSE = "sqs/q"


@pytest.fixture
def world() -> World:
    return World("kms")


async def run(world: World, body: Callable[[Any, Call], Any], call: Call | None = None) -> Any:
    return await (call or world.caller()).transact(body, world.caller().home)


async def seal(world: World, plain: bytes, key_id: str | None, reuse_s: float = 0) -> bytes:
    sealed: bytes = await run(
        world,
        lambda tx, call: sealing.seal(
            tx, call, plain, purpose=PURPOSE, key_id=key_id, context=CONTEXT, bound=b"id",
            reuse_s=reuse_s,
        ),
    )  # fmt: skip
    return sealed


async def open_(world: World, sealed: bytes, **changed: Any) -> bytes:
    asked: dict[str, Any] = {"purpose": PURPOSE, "context": CONTEXT, "bound": b"id", **changed}
    plain: bytes = await run(world, lambda tx, call: sealing.open(tx, call, sealed, **asked))
    return plain


async def new_key(world: World) -> str:
    made = await world.call("kms", "CreateKey")
    arn: str = made["KeyMetadata"]["Arn"]
    return arn


def blob_of(sealed: bytes) -> bytes:
    return sealed[3 : 3 + int.from_bytes(sealed[1:3], "big")]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain=st.binary(max_size=300), owned=st.booleans())
async def test_what_is_sealed_opens(world: World, plain: bytes, owned: bool) -> None:
    sealed = await seal(world, plain, None if owned else "alias/aws/sqs")
    assert await open_(world, sealed) == plain
    assert len(plain) < 4 or plain not in sealed


@pytest.mark.parametrize("owned", [True, False])
async def test_it_opens_only_for_the_same_purpose_context_and_bound(
    world: World, owned: bool
) -> None:
    sealed = await seal(world, b"x", None if owned else await new_key(world))
    for changed in ({"purpose": "sqs/r"}, {"bound": b"other"}):
        with pytest.raises(InvalidTag):
            await open_(world, sealed, **changed)
    with pytest.raises((InvalidTag, AwsError)):
        await open_(world, sealed, context={"aws:sqs:arn": "another"})


@pytest.mark.parametrize("owned", [True, False])
async def test_any_changed_byte_is_refused(world: World, owned: bool) -> None:
    sealed = await seal(world, b"abcdef", None if owned else await new_key(world))
    for at in range(1, len(sealed)):
        bent = bytearray(sealed)
        bent[at] ^= 0x41
        with pytest.raises((InvalidTag, AwsError)):
            await open_(world, bytes(bent))


async def test_owned_keys_change_every_day_and_old_seals_open(world: World) -> None:
    first = await seal(world, b"x", None)
    world.clock.advance(86_400)
    second = await seal(world, b"x", None)
    assert first[1:5] != second[1:5]
    assert await open_(world, first) == await open_(world, second) == b"x"


async def test_a_data_key_is_used_again_for_the_reuse_period_only(world: World) -> None:
    key = await new_key(world)
    first, second = await seal(world, b"x", key, 300), await seal(world, b"y", key, 300)
    assert blob_of(first) == blob_of(second)
    world.clock.advance(301)
    third = await seal(world, b"z", key, 300)
    assert blob_of(third) != blob_of(first)
    assert blob_of(await seal(world, b"x", key)) != blob_of(await seal(world, b"x", key))
    for sealed, plain in ((first, b"x"), (second, b"y"), (third, b"z")):
        assert await open_(world, sealed) == plain


async def test_a_disabled_key_seals_and_opens_nothing_at_once_though_its_data_key_is_kept(
    world: World,
) -> None:
    key = await new_key(world)
    sealed = await seal(world, b"x", key, 300)
    assert await open_(world, sealed) == b"x"
    await world.call("kms", "DisableKey", KeyId=key)
    for refused in (seal(world, b"x", key, 300), open_(world, sealed)):
        with pytest.raises(AwsError) as caught:
            await refused
        assert caught.value.shape == "DisabledException"
    await world.call("kms", "EnableKey", KeyId=key)
    assert await open_(world, sealed) == b"x"


async def test_a_changed_decision_holds_at_once_though_the_data_key_is_kept() -> None:
    allowed = {"kms:GenerateDataKey", "kms:Decrypt", "kms:CreateKey"}

    def authorise(tx: Any, call: Any, service: Any, actions: Any, *_: Any) -> None:
        if not allowed.issuperset(actions):
            raise service.denied("no")

    world = World("kms", authorise=authorise)
    key = await new_key(world)
    sealed = await seal(world, b"x", key, 300)
    allowed.discard("kms:GenerateDataKey")
    with pytest.raises(AwsError):
        await seal(world, b"x", key, 300)
    assert await open_(world, sealed) == b"x"
    allowed.discard("kms:Decrypt")
    with pytest.raises(AwsError) as caught:
        await open_(world, sealed)
    assert caught.value.shape == "AccessDeniedException"


async def test_an_alias_that_moved_seals_under_its_new_key(world: World) -> None:
    first, second = await new_key(world), await new_key(world)
    await world.call("kms", "CreateAlias", AliasName="alias/a", TargetKeyId=first)
    before = await seal(world, b"x", "alias/a", 300)
    await world.call("kms", "UpdateAlias", AliasName="alias/a", TargetKeyId=second)
    after = await seal(world, b"y", "alias/a", 300)
    assert blob_of(before) != blob_of(after)
    await world.call("kms", "DisableKey", KeyId=first)
    assert await open_(world, after) == b"y"


async def test_the_memory_of_data_keys_is_never_a_source_of_truth(world: World) -> None:
    key = await new_key(world)
    sealed = await seal(world, b"x", key, 300)
    world.ports.data_keys.clear()
    assert await open_(world, sealed) == b"x"


async def test_every_sealing_and_opening_is_a_hop_of_the_trace(world: World) -> None:
    key = await new_key(world)
    world.ports.traces.clear()
    sealed = await seal(world, b"x", key, 300)
    await seal(world, b"x", key, 300)
    await open_(world, sealed)
    hops = world.ports.traces.get("1-test")
    assert [hop["kind"] for hop in hops] == ["kms.GenerateDataKey"] * 2 + ["kms.Decrypt"]
    assert {hop["key"] for hop in hops} == {key}


@pytest.mark.parametrize("owned", [True, False])
async def test_a_data_key_comes_back_from_its_blob(world: World, owned: bool) -> None:
    key = None if owned else await new_key(world)

    async def make() -> sealing.DataKey:
        made: sealing.DataKey = await run(
            world,
            lambda tx, call: sealing.data_key(
                tx, call, purpose="s3/b", key_id=key, context={"a": "b"}
            ),
        )
        return made

    async def reopen(context: dict[str, str]) -> sealing.DataKey:
        found: sealing.DataKey = await run(
            world,
            lambda tx, call: sealing.open_data_key(
                tx, call, made.blob, purpose="s3/b", context=context
            ),
        )
        return found

    made, again = await make(), await make()
    assert made.plain != again.plain
    found = await reopen({"a": "b"})
    assert (found.plain, found.key_arn) == (made.plain, key or "")
    assert made.plain.hex() not in repr(made)
    with pytest.raises((InvalidTag, AwsError)):
        await reopen({"a": "c"})


def _stream(cipher: ChunkCipher, plain: bytes) -> list[bytes]:
    width, last = cipher.chunk_bytes, cipher.last(len(plain))
    return [
        cipher.encrypt(index, plain[index * width : (index + 1) * width], index == last)
        for index in range(last + 1)
    ]


@given(plain=st.binary(max_size=200), chunk=st.integers(1, 64), data=st.data())
def test_any_chunk_of_a_stream_opens_by_itself(
    plain: bytes, chunk: int, data: st.DataObject
) -> None:
    cipher = ChunkCipher(os.urandom(32), chunk)
    sealed = _stream(cipher, plain)
    assert sum(map(len, sealed)) == cipher.sealed_size(len(plain))
    index = data.draw(st.integers(0, cipher.last(len(plain))))
    found = cipher.decrypt(index, sealed[index], index == cipher.last(len(plain)))
    assert found == plain[index * chunk : (index + 1) * chunk]


def test_chunks_cannot_be_moved_dropped_or_taken_from_elsewhere() -> None:
    cipher, plain = ChunkCipher(os.urandom(32), 100), os.urandom(300)
    first, second, third = _stream(cipher, plain)
    other, *_ = _stream(ChunkCipher(os.urandom(32), 100), plain)
    bound, *_ = _stream(ChunkCipher(os.urandom(32), 100, b"elsewhere"), plain)
    for index, sealed, final in (
        (0, second, False), (1, first, False), (1, second, True), (2, third, False),
        (0, other, False), (0, bound, False), (0, first[:-1], False),
        (0, bytes([first[0] ^ 1]) + first[1:], False),
    ):  # fmt: skip
        with pytest.raises(InvalidTag):
            cipher.decrypt(index, sealed, final)


def test_parts_of_one_upload_have_keys_of_their_own() -> None:
    key = sealing.DataKey(os.urandom(32), b"", "")
    assert key.derive(b"1") != key.derive(b"2") != key.plain
    assert key.derive(b"1") == key.derive(b"1")

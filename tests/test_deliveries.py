"""Deliveries: owed if and only if the transaction commits, made once, refusals told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ogi.courier import Courier
from ogi.deliveries import hand_over, post
from ogi.errors import AccessDenied, AwsError
from ogi.service import Service
from ogi.storage import Home
from tests.world import World

HOME = Home("arn:aws:test:::thing")


def _service() -> tuple[Service, list[Any]]:
    service = Service("test", "test.amazonaws.com", AccessDenied)
    seen: list[Any] = []

    @service.duty(home=lambda call, request: HOME)
    def write(tx: Any, call: Any, request: Any) -> dict[str, Any]:
        tx.set(HOME.encode() + b"\x00" + request["name"].encode(), b"here")
        return {}

    @service.duty(home=lambda call, request: HOME)
    def refuse(tx: Any, call: Any, request: Any) -> dict[str, Any]:
        raise AccessDenied("no")

    @service.duty(home=lambda call, request: HOME)
    def told(tx: Any, call: Any, request: Any) -> dict[str, Any]:
        tx.set(HOME.encode() + b"\x00told", request["code"].encode())
        return {}

    @service.duty(home=lambda call, request: HOME)
    async def outside(call: Any, request: Any) -> dict[str, Any]:
        seen.append(request)
        return {}

    return service, seen


@pytest.fixture
def world() -> World:
    world = World()
    service, seen = _service()
    world.ports.services["test"] = service  # type: ignore[index]
    world.seen = seen  # type: ignore[attr-defined]
    return world


async def _get(world: World, name: bytes) -> bytes | None:
    return await world.store.read(lambda tx: tx.get(HOME.encode() + b"\x00" + name))


async def test_what_a_committed_transaction_posts_is_made(world: World) -> None:
    call = world.caller()
    await world.store.transact(
        lambda tx: post(tx, call.begin(), HOME, "test", "write", {"name": "a"}), HOME
    )
    await world.deliver()
    assert await _get(world, b"a") == b"here"


async def test_what_a_failed_transaction_posts_is_not_owed(world: World) -> None:
    call = world.caller()

    def body(tx: Any) -> None:
        post(tx, call.begin(), HOME, "test", "write", {"name": "a"})
        raise AwsError("no")

    with pytest.raises(AwsError):
        await world.store.transact(body, HOME)
    await world.deliver()
    assert await _get(world, b"a") is None


async def test_a_delivery_waits_for_its_time(world: World) -> None:
    call = world.caller()
    due = world.clock.now() + 60
    await world.store.transact(
        lambda tx: post(tx, call.begin(), HOME, "test", "write", {"name": "a"}, due=due), HOME
    )
    await world.deliver()
    assert await _get(world, b"a") is None
    world.clock.advance(60)
    await world.deliver()
    assert await _get(world, b"a") == b"here"


async def test_a_refusal_is_told_to_the_sender_and_forgotten(world: World) -> None:
    call = world.caller()
    await world.store.transact(
        lambda tx: post(tx, call.begin(), HOME, "test", "refuse", {}, refused=("test", "told")),
        HOME,
    )
    await world.deliver()
    assert await _get(world, b"told") == b"AccessDenied"


async def test_an_async_target_is_made_outside_and_forgotten(world: World) -> None:
    call = world.caller()
    await world.store.transact(
        lambda tx: post(tx, call.begin(), HOME, "test", "outside", {"n": 1}), HOME
    )
    await world.deliver()
    await world.deliver()
    assert world.seen == [{"n": 1}]  # type: ignore[attr-defined]
    world.clock.advance(10_000)
    await world.deliver()
    assert world.seen == [{"n": 1}]  # type: ignore[attr-defined]


async def test_handing_over_is_part_of_the_transaction(world: World) -> None:
    call = world.caller()
    sender = Home("arn:aws:test:::sender")
    await world.store.transact(
        lambda tx: hand_over(tx, call.begin(), sender, "test", "write", {"name": "a"}), sender
    )
    assert await _get(world, b"a") == b"here"


async def test_a_refused_hand_over_tells_the_sender_and_keeps_its_work(world: World) -> None:
    call = world.caller()

    def body(tx: Any) -> None:
        tx.set(HOME.encode() + b"\x00mine", b"kept")
        hand_over(tx, call.begin(), HOME, "test", "refuse", {}, refused=("test", "told"))

    await world.store.transact(body, HOME)
    assert await _get(world, b"mine") == b"kept"
    assert await _get(world, b"told") == b"AccessDenied"


async def test_a_fault_in_a_hand_over_leaves_it_owed(world: World) -> None:
    call = world.caller()
    service = world.ports.services["test"]
    faults = [RuntimeError("ours")] * 2

    @service.duty(home=lambda call, request: HOME)
    def shaky(tx: Any, call: Any, request: Any) -> dict[str, Any]:
        tx.set(HOME.encode() + b"\x00shaky", b"here")
        if faults:
            raise faults.pop()
        return {}

    await world.store.transact(
        lambda tx: hand_over(tx, call.begin(), HOME, "test", "shaky", {}), HOME
    )
    for _ in range(3):
        world.clock.advance(10)
        await world.deliver()
    assert await _get(world, b"shaky") == b"here"


async def test_what_a_process_that_died_was_making_is_made_at_once_by_the_next(
    world: World,
) -> None:
    began, never = asyncio.Event(), asyncio.Event()
    service: Service = world.ports.services["test"]

    @service.duty(home=lambda call, request: HOME)
    async def hanging(call: Any, request: Any) -> dict[str, Any]:
        began.set()
        await never.wait()
        return {}

    call = world.caller()
    await world.store.transact(lambda tx: post(tx, call.begin(), HOME, "test", "hanging", {}), HOME)
    await world.courier.work()
    await began.wait()
    await world.courier.close()
    never.set()
    began.clear()
    world.courier = Courier(world.ports)
    await world.deliver()
    assert began.is_set()
    assert not await world.store.read(lambda tx: tx.scan(b"\x00", b"\x01", 10))


async def test_what_a_delivery_carries_is_ciphertext_on_disk(world: World) -> None:
    call = world.caller()
    request = {"name": "a", "secret": "plain-text"}
    await world.store.transact(
        lambda tx: post(tx, call.begin(), HOME, "test", "write", request, due=call.now + 60), HOME
    )
    everything = await world.store.read(lambda tx: tx.scan(b"", b"\xff", 100))
    assert everything
    assert all(b"plain-text" not in value for _, value in everything)


async def test_a_record_that_cannot_be_read_stops_no_other(world: World) -> None:
    call = world.caller()
    await world.store.transact(
        lambda tx: post(tx, call.begin(), HOME, "test", "write", {"name": "spoilt"}), HOME
    )
    found = await world.store.read(lambda tx: tx.scan(b"", b"\xff", 100))
    spoilt = next(key for key, _ in found)
    await world.store.transact(lambda tx: tx.set(spoilt, b"no delivery"), HOME)
    other = world.caller()
    await world.store.transact(
        lambda tx: post(tx, other.begin(), HOME, "test", "write", {"name": "a"}), HOME
    )
    await world.deliver()
    assert await _get(world, b"a") == b"here"
    kept = await world.store.read(lambda tx: tx.scan(b"", b"\xff", 100))
    assert b"no delivery" in [value for _, value in kept]

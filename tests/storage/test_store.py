"""Is it a store? One suite over every engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ogi.storage import CONTROL, Home, Store, StrayWrite
from ogi.storage.keys import after, key, text, texts

HOME = Home("arn:aws:test:::one")
OTHER = Home("arn:aws:test:::two")


def k(name: str, home: Home = HOME) -> bytes:
    return key(home, name)


async def put(store: Store, *names: str, home: Home = HOME, value: bytes = b"v") -> None:
    def body(tx: Any) -> None:
        for name in names:
            tx.set(k(name, home), value)

    await store.transact(body, home)


async def names(store: Store, **rest: Any) -> list[bytes]:
    prefix = key(HOME)
    found = await store.read(lambda tx: tx.scan(prefix, after(prefix), 100, **rest))
    return [entry[0] for entry in found]


async def test_what_was_written_is_read(store: Store) -> None:
    await put(store, "a")
    assert await store.read(lambda tx: tx.get(k("a"))) == b"v"
    assert await store.read(lambda tx: tx.get(k("b"))) is None


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 300_000])
async def test_values_of_every_size_come_back_whole_and_change_their_size(
    store: Store, size: int
) -> None:
    for length in (size, 10, size):
        await put(store, "a", value=b"x" * length)
        assert await store.read(lambda tx: tx.get(k("a"))) == b"x" * length
        assert await store.read(lambda tx: tx.scan(k(""), after(key(HOME)), 9)) == [
            (k("a"), b"x" * length)
        ]


async def test_a_deleted_key_is_gone(store: Store) -> None:
    await put(store, "a", "b")
    await store.transact(lambda tx: tx.delete(k("a")), HOME)
    assert await names(store) == [k("b")]


async def test_a_scan_is_ordered_limited_and_can_go_backwards(store: Store) -> None:
    await put(store, "c", "a", "b")
    begin, end = k("a"), after(k("b"))
    assert [e[0] for e in await store.read(lambda tx: tx.scan(begin, end, 9))] == [k("a"), k("b")]
    assert [e[0] for e in await store.read(lambda tx: tx.scan(begin, end, 1))] == [k("a")]
    down = await store.read(lambda tx: tx.scan(begin, end, 1, reverse=True))
    assert [e[0] for e in down] == [k("b")]


async def test_a_body_reads_its_own_writes(store: Store) -> None:
    await put(store, "a", "b", "c")

    def body(tx: Any) -> list[bytes]:
        tx.delete(k("a"))
        tx.set(k("aa"), b"new")
        assert tx.get(k("a")) is None
        assert tx.get(k("aa")) == b"new"
        return [e[0] for e in tx.scan(k("a"), after(k("c")), 2)]

    assert await store.transact(body, HOME) == [k("aa"), k("b")]


async def test_a_body_that_raises_leaves_nothing_and_its_error_arrives(store: Store) -> None:
    def body(tx: Any) -> None:
        tx.set(k("a"), b"v")
        raise KeyError("no")

    with pytest.raises(KeyError):
        await store.transact(body, HOME)
    assert await names(store) == []


async def test_a_failing_body_does_not_harm_its_neighbours(store: Store) -> None:
    def bad(tx: Any) -> None:
        tx.set(k("bad"), b"v")
        raise KeyError("no")

    results = await asyncio.gather(
        put(store, "a"), store.transact(bad, HOME), put(store, "b"), return_exceptions=True
    )
    assert isinstance(results[1], KeyError)
    assert await names(store) == [k("a"), k("b")]


async def test_large_transactions_of_one_turn_land_in_their_order(store: Store) -> None:
    """More than fit one write to the disk: each is read once it is durable, never in part, and
    never before one that came before it."""
    rounds, rows = 30, 50

    def body(tx: Any) -> int:
        number = int(tx.get(k("last")) or b"0") + 1
        tx.set(k("last"), b"%d" % number)
        for row in range(rows):
            tx.set(k(f"row-{row:02}"), b"%d" % number)
        return number

    def look(tx: Any) -> set[bytes]:
        return {value for _, value in tx.scan(k("row-"), k("row-~"), rows + 1)}

    async def one() -> None:
        number = await store.transact(body, HOME)
        (seen,) = await store.read(look)
        assert int(seen) >= number

    await asyncio.gather(*(one() for _ in range(rounds)))
    assert await store.read(look) == {b"%d" % rounds}


async def test_concurrent_takers_never_take_the_same(store: Store) -> None:
    """The heart of a queue: each scans from the front and takes away what it found."""
    await put(store, *(f"{n:03}" for n in range(100)))
    prefix = key(HOME)

    def take(tx: Any) -> list[bytes]:
        found = [e[0] for e in tx.scan(prefix, after(prefix), 3)]
        for name in found:
            tx.delete(name)
        return found

    async def taker() -> list[bytes]:
        taken: list[bytes] = []
        while got := await store.transact(take, HOME):
            taken += got
        return taken

    taken = [name for some in await asyncio.gather(*(taker() for _ in range(9))) for name in some]
    assert sorted(taken) == [k(f"{n:03}") for n in range(100)]


async def test_concurrent_increments_are_not_lost(store: Store) -> None:
    def increment(tx: Any) -> None:
        tx.set(k("n"), str(int(tx.get(k("n")) or b"0") + 1).encode())

    await asyncio.gather(*(store.transact(increment, HOME) for _ in range(200)))
    assert await store.read(lambda tx: tx.get(k("n"))) == b"200"


async def test_control_records_are_current_after_every_answer(store: Store) -> None:
    for n in range(20):
        await put(store, "c", home=CONTROL, value=str(n).encode())
        assert await store.read(lambda tx: tx.get(k("c", CONTROL))) == str(n).encode()
    await store.transact(lambda tx: tx.delete(k("c", CONTROL)), CONTROL)
    assert await store.read(lambda tx: tx.get(k("c", CONTROL))) is None


async def test_a_body_that_strays_from_its_home_is_refused(store: Store) -> None:
    with pytest.raises(StrayWrite):
        await store.transact(lambda tx: tx.set(k("a", OTHER), b"v"), HOME)
    assert await store.read(lambda tx: tx.get(k("a", OTHER))) is None


async def test_a_body_may_write_in_all_the_homes_it_names(store: Store) -> None:
    def body(tx: Any) -> None:
        tx.set(k("a"), b"v")
        tx.set(k("a", OTHER), b"v")

    await store.transact(body, HOME, OTHER)
    assert await store.read(lambda tx: tx.get(k("a", OTHER))) == b"v"


async def test_a_ring_after_listening_is_never_missed(store: Store) -> None:
    with store.listen(b"bell") as bell:
        assert not bell.event.is_set()

        def body(tx: Any) -> None:
            tx.set(k("a"), b"v")
            tx.ring(b"bell")

        await store.transact(body, HOME)
        assert bell.event.is_set()
        bell.clear()
        assert not bell.event.is_set()


async def test_a_body_that_raises_rings_nothing(store: Store) -> None:
    def body(tx: Any) -> None:
        tx.ring(b"bell")
        raise KeyError("no")

    with store.listen(b"bell") as bell:
        with pytest.raises(KeyError):
            await store.transact(body, HOME)
        assert not bell.event.is_set()


async def test_reset_forgets_everything(store: Store) -> None:
    await put(store, "a", value=b"x" * 5000)
    await put(store, "c", home=CONTROL)
    await store.read(lambda tx: tx.get(k("c", CONTROL)))
    await store.reset()
    assert await names(store) == []
    assert await store.read(lambda tx: tx.get(k("c", CONTROL))) is None
    await put(store, "b")
    assert await names(store) == [k("b")]


async def test_a_cancelled_caller_does_not_stop_the_others(store: Store) -> None:
    task = asyncio.create_task(put(store, "a"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await put(store, "b")
    assert k("b") in await names(store)


def test_keys_are_ordered_as_their_parts() -> None:
    parts = ["", "\x00", "\x00a", "a", "a\x00", "a\x00b", "aa", "b", "ü"]
    assert [key(HOME, p) for p in parts] == sorted(key(HOME, p) for p in parts)
    numbers = [0, 1, 255, 256, 2**40]
    assert [key(HOME, n) for n in numbers] == sorted(key(HOME, n) for n in numbers)


def test_text_parts_are_read_back() -> None:
    parts = ["", "\x00", "a\x00", "\x00\x00", "plain", "ü"]
    assert list(texts(b"".join(text(p) for p in parts))) == parts

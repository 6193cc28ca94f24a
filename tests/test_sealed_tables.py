"""Sealed tables: rows open at their own place only, and those of an older Ogi are read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from ogi.sealed_tables import SealedTable
from ogi.service import Call
from ogi.storage import Reader, Transaction
from ogi.storage.tables import Table
from tests.world import World


class Row(msgspec.Struct, frozen=True):
    text: str


SEALED, OTHER = SealedTable("test.rows", Row), SealedTable("test.others", Row)


async def write(world: World, body: Any) -> None:
    call = world.caller()
    await call.transact(body, call.home)


async def test_a_row_is_not_on_disk_in_the_clear_and_comes_back(world: World) -> None:
    def put(tx: Transaction, call: Call) -> None:
        for number in range(5):
            SEALED.put(tx, Row(f"secret {number}"), call, "a", str(number))

    await write(world, put)
    call = world.caller()

    def read(tx: Reader) -> None:
        for _, raw in tx.scan(b"", b"\xff", 100):
            assert b"secret" not in raw
        assert SEALED.get(tx, call, "a", "3") == Row("secret 3")
        assert SEALED.get(tx, call, "a", "9") is None
        rows = SEALED.scan(tx, call, "a", limit=2, reverse=True)
        assert [row.text for _, row in rows] == ["secret 4", "secret 3"]
        start = rows[-1][0]
        assert [r for _, r in SEALED.scan(tx, call, "a", limit=9, start=start)] == [
            Row("secret 3"), Row("secret 4"),
        ]  # fmt: skip

    await world.store.read(read)


async def test_a_row_that_was_moved_or_changed_does_not_open(world: World) -> None:
    def put(tx: Transaction, call: Call) -> None:
        SEALED.put(tx, Row("secret"), call, "a")
        raw = tx.get(SEALED.key(call.home, "a"))
        assert raw is not None
        tx.set(SEALED.key(call.home, "b"), raw)
        tx.set(OTHER.key(call.home, "a"), raw)
        tx.set(SEALED.key(call.home, "c"), raw[:-1] + bytes([raw[-1] ^ 1]))

    await write(world, put)
    call = world.caller()
    assert await world.store.read(lambda tx: SEALED.get(tx, call, "a")) == Row("secret")
    for table, place in ((SEALED, "b"), (OTHER, "a"), (SEALED, "c")):
        with pytest.raises(InvalidTag):
            await world.store.read(lambda tx, t=table, p=place: t.get(tx, call, p))


async def test_rows_of_an_older_ogi_are_read_and_sealed_when_written(world: World) -> None:
    plain = Table("test.rows", Row)

    def put(tx: Transaction, call: Call) -> None:
        plain.put(tx, Row("old"), call.home, "a")
        assert SEALED.get(tx, call, "a") == Row("old")
        SEALED.put(tx, Row("new"), call, "a")
        raw = tx.get(SEALED.key(call.home, "a"))
        assert raw is not None and b"new" not in raw
        assert SEALED.get(tx, call, "a") == Row("new")

    await write(world, put)


@pytest.fixture
def world() -> World:
    return World()

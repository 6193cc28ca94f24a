"""Any sequence of transactions leaves an engine as it leaves a dictionary."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.storage import Home, Store, layers, open, order, sqlite

HOME = Home("home")
PREFIX = HOME.encode() + b"\x00"

names = st.sampled_from(
    [PREFIX + bytes([c]) for c in b"abcd"] + [PREFIX + b"123456789" + bytes([c]) for c in b"efgh"]
)
values = st.sampled_from([b"", b"small", b"x" * 1025, b"y" * 3000])
step = st.one_of(
    st.tuples(st.just("set"), names, values),
    st.tuples(st.just("delete"), names, st.none()),
    st.tuples(st.just("get"), names, st.none()),
    st.tuples(st.just("scan"), st.tuples(names, names, st.integers(1, 9)), st.booleans()),
)
transaction = st.tuples(st.lists(step, max_size=8), st.booleans())


def run(steps: list[Any], tx: Any) -> list[Any]:
    seen: list[Any] = []
    for kind, what, rest in steps:
        if kind == "set":
            tx.set(what, rest)
        elif kind == "delete":
            tx.delete(what)
        elif kind == "get":
            seen.append(tx.get(what))
            seen.append(tx.get_many([what, PREFIX + b"a", PREFIX + b"none"]))
        else:
            seen.append(tx.scan(what[0], what[1], what[2], rest))
    return seen


class Model:
    """A dictionary that answers as a transaction does."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries = dict(entries)

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        return [self.entries.get(key) for key in keys]

    def set(self, key: bytes, value: bytes) -> None:
        self.entries[key] = value

    def delete(self, key: bytes) -> None:
        self.entries.pop(key, None)

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> list[Any]:
        found = [e for e in self.entries.items() if begin <= e[0] < end]
        return sorted(found, reverse=reverse)[:limit]


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_an_engine_answers_as_a_dictionary_does(engine: str) -> None:
    _hold(engine)


@pytest.mark.parametrize("keys", [1, 2, 5, 1000])
def test_so_it_does_while_it_folds(keys: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fold after every few keys: entries lie in all layers, and move while others read."""
    monkeypatch.setattr(sqlite, "FOLD_KEYS", keys)
    monkeypatch.setattr(order, "PENDING_MAX", 1)
    monkeypatch.setattr(order, "DEAD_MAX", 1)
    monkeypatch.setattr(layers, "EXTRA_ROWS", 0)
    _hold("sqlite")


def _hold(engine: str) -> None:
    @given(st.lists(st.lists(transaction, min_size=1, max_size=5), max_size=6))
    @settings(max_examples=60, deadline=None)
    def check(waves: list[list[Any]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_compare(engine, Path(folder), waves))

    check()


async def _compare(engine: str, folder: Path, waves: list[list[Any]]) -> None:
    """Each wave's transactions are asked for at once, so that they share a group."""
    model = Model({})
    store: Store = open(engine, folder)
    try:
        for wave in waves:
            expected = []
            for steps, fails in wave:
                attempt = Model(model.entries)
                expected.append(run(steps, attempt))
                if not fails:
                    model = attempt

            def body(tx: Any, steps: list[Any], fails: bool) -> list[Any]:
                seen = run(steps, tx)
                if fails:
                    raise _Planned(seen)
                return seen

            before = await store.read(lambda tx: tx.scan(PREFIX, PREFIX + b"\xff", 99))
            running = asyncio.gather(
                *(
                    store.transact(lambda tx, s=steps, f=fails: body(tx, s, f), HOME)  # type: ignore[misc]
                    for steps, fails in wave
                ),
                return_exceptions=True,
            )
            await asyncio.sleep(0)
            if engine == "sqlite":
                # Written, but not on disk: no reader sees it.
                seen = await store.read(lambda tx: _both(tx))
                assert seen == (before, before[::-1], [v for _, v in before])
            found = await running
            for e, f in zip(expected, found, strict=True):
                assert e == (f.seen if isinstance(f, _Planned) else f)
            everything = await store.read(lambda tx: tx.scan(PREFIX, PREFIX + b"\xff", 99))
            assert dict(everything) == model.entries
    finally:
        await store.close()


def _both(tx: Any) -> Any:
    up = tx.scan(PREFIX, PREFIX + b"\xff", 99)
    down = tx.scan(PREFIX, PREFIX + b"\xff", 99, True)
    names = [k for k, _ in up]
    assert tx.get_many(names) == [tx.get(k) for k in names]
    return up, down, [tx.get(k) for k in names]


class _Planned(Exception):
    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

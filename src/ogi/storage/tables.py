"""Typed records over the map: a table is a name inside a home, its rows are msgspec Structs.

Rows are immutable, so one that was decoded is kept and handed out again while its bytes are the
same: control records are read by every request and change rarely.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

from ogi.storage import Home, Reader, Transaction, keys
from ogi.storage.keys import Part, after, extended

Row = TypeVar("Row", bound=msgspec.Struct)

DECODED_MAX: Final = 4096
"""Decoded rows kept per table; the cache is emptied when it is full."""


class Table(Generic[Row]):
    """Rows of one type under `name`, found by their key parts. Rows must be frozen Structs."""

    def __init__(self, name: str, row: type[Row], cached: bool = True) -> None:
        self.name = name
        self._decoder = msgspec.msgpack.Decoder(row)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoded: dict[bytes, Row] | None = {} if cached else None

    def key(self, home: Home, *parts: Part) -> bytes:
        return extended(keys.start(home, self.name), parts)

    def get(self, tx: Reader, home: Home, *parts: Part) -> Row | None:
        raw = tx.get(extended(keys.start(home, self.name), parts))
        return None if raw is None else self.decode(raw)

    def put(self, tx: Transaction, row: Row, home: Home, *parts: Part) -> None:
        tx.set(extended(keys.start(home, self.name), parts), self._encoder.encode(row))

    def delete(self, tx: Transaction, home: Home, *parts: Part) -> None:
        tx.delete(extended(keys.start(home, self.name), parts))

    def scan(
        self,
        tx: Reader,
        home: Home,
        *parts: Part,
        limit: int,
        start: bytes | None = None,
        reverse: bool = False,
    ) -> list[tuple[bytes, Row]]:
        """Rows whose key begins with `parts`, as (rest of the key behind them, row).

        `start` is such a rest: the scan begins at the first key that is greater or equal.
        """
        prefix = extended(keys.start(home, self.name), parts)
        begin = prefix if start is None else prefix + start
        cut = len(prefix)
        entries = tx.scan(begin, after(prefix), limit, reverse)
        return [(k[cut:], self.decode(v)) for k, v in entries]

    def decode(self, raw: bytes) -> Row:
        cache = self._decoded
        if cache is None:
            return self._decoder.decode(raw)
        row = cache.get(raw)
        if row is None:
            row = self._decoder.decode(raw)
            if len(cache) >= DECODED_MAX:
                cache.clear()
            cache[raw] = row
        return row


def encode(value: Any) -> bytes:
    """Any plain value as msgpack."""
    return msgspec.msgpack.encode(value)


def decode(raw: bytes) -> Any:
    """The plain value that `encode` wrote."""
    return msgspec.msgpack.decode(raw)

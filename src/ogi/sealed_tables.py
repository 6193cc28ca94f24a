"""Tables whose rows are sealed under keys that Ogi owns, in the control home of the call.

A row opens only under its own key in its own table. One that an older Ogi wrote is not sealed, and
is read as it is.
"""

from __future__ import annotations

from typing import Generic

import msgspec

from ogi import sealing
from ogi.service import Call
from ogi.storage import Home, Reader, Transaction, keys
from ogi.storage.keys import Part, after, extended
from ogi.storage.tables import Row

OPENED_MAX = 1024
"""Opened rows kept per table; forgotten together when there are more."""


class SealedTable(Generic[Row]):
    """Rows of one type under `name`. Rows must be frozen Structs that are encoded as maps."""

    def __init__(self, name: str, row: type[Row]) -> None:
        self.name = name
        self._purpose = f"table/{name}"
        self._decoder = msgspec.msgpack.Decoder(row)
        self._encoder = msgspec.msgpack.Encoder()
        self._opened: dict[bytes, tuple[bytes, Row]] = {}

    def key(self, home: Home, *parts: Part) -> bytes:
        return extended(keys.start(home, self.name), parts)

    def get(self, tx: Reader, call: Call, *parts: Part) -> Row | None:
        key = self.key(call.home, *parts)
        raw = tx.get(key)
        return None if raw is None else self.open(tx, call, key, raw)

    def put(self, tx: Transaction, row: Row, call: Call, *parts: Part) -> None:
        key = self.key(call.home, *parts)
        plain = self._encoder.encode(row)
        tx.set(
            key,
            sealing.seal(
                tx, call, plain, purpose=self._purpose, key_id=None, context={}, bound=key
            ),
        )

    def delete(self, tx: Transaction, home: Home, *parts: Part) -> None:
        tx.delete(self.key(home, *parts))

    def scan(
        self,
        tx: Reader,
        call: Call,
        *parts: Part,
        limit: int,
        start: bytes | None = None,
        reverse: bool = False,
    ) -> list[tuple[bytes, Row]]:
        """As `ogi.storage.tables.Table.scan`."""
        prefix = self.key(call.home, *parts)
        begin = prefix if start is None else prefix + start
        entries = tx.scan(begin, after(prefix), limit, reverse)
        return [(key[len(prefix) :], self.open(tx, call, key, raw)) for key, raw in entries]

    def open(self, tx: Reader, call: Call, key: bytes, raw: bytes) -> Row:
        """The row of an entry of the store."""
        kept = self._opened.get(key)
        if kept is not None and kept[0] == raw:
            return kept[1]
        plain = raw
        if raw[:1] == sealing.OWNED:
            plain = sealing.open(tx, call, raw, purpose=self._purpose, context={}, bound=key)
        row = self._decoder.decode(plain)
        if len(self._opened) >= OPENED_MAX:
            self._opened.clear()
        self._opened[key] = (raw, row)
        return row

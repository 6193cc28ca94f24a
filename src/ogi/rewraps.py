"""Keys in records sealed anew after a rotation of the root key, a page of a table at a time."""

from __future__ import annotations

from collections.abc import Callable

from ogi.service import Ports, Run
from ogi.storage import Home, Transaction
from ogi.storage.keys import texts
from ogi.storage.tables import Row, Table

PAGE = 100
"""Rows in one transaction."""


async def table(ports: Ports, rows: Table[Row], home: Home, anew: Callable[[Run, Row], Row]) -> int:
    """Put each row of a home's table as `anew` returns it, if that differs; how many did.

    The rows' keys are texts. It may end between any two pages and be run again.
    """
    changed, start = 0, b""
    while True:
        seed = ports.random(32)

        def page(tx: Transaction, start: bytes = start, seed: bytes = seed) -> tuple[int, bytes]:
            run, found, last = Run(seed), 0, b""
            for rest, row in rows.scan(tx, home, limit=PAGE, start=start):
                made, last = anew(run, row), rest + b"\x00"
                if made != row:
                    rows.put(tx, made, home, *texts(rest))
                    found += 1
            return found, last

        count, start = await ports.store.transact(page, home)
        changed += count
        if not start:
            return changed

"""The worker that writes down what was noted in memory: a batch at a time, with a pause between.

Nothing that is answered or decided rests on such notes, so that a request writes nothing; those of
the seconds before a crash are lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from ogi.service import Ports
from ogi.storage import Home, Transaction
from ogi.uses import Notes

BATCH_MAX = 100
"""Notes written in one transaction."""

log = logging.getLogger("ogi.recorders")

K = TypeVar("K")
V = TypeVar("V")


class Recorder(Generic[K, V]):
    def __init__(
        self,
        ports: Ports,
        name: str,
        notes: Notes[K, V],
        pause_s: float,
        home: Callable[[K], Home],
        write: Callable[[Transaction, K, V], None],
    ) -> None:
        self.name = name
        self._ports = ports
        self._notes = notes
        self._pause_s = pause_s
        self._home = home
        self._write = write
        self._never = asyncio.Event()

    async def work(self) -> bool:
        found = self._notes.first(BATCH_MAX, self._home)
        if not found:
            return False

        def body(tx: Transaction) -> None:
            for about, note in found:
                self._write(tx, about, note)

        await self._ports.store.transact(body, self._home(found[0][0]))
        self._notes.done(found)
        return self._notes.noted.is_set()

    async def wait(self) -> None:
        """Let notes gather: at most one round in a pause."""
        await self._notes.noted.wait()
        clock = self._ports.clock
        await clock.wait(self._never, clock.now() + self._pause_s)

    async def close(self) -> None:
        """Write what is left: a server that is stopped in order forgets nothing."""
        try:
            while await self.work():
                pass
        except Exception:
            # The rest of the server must be stopped all the same.
            log.exception("notes are lost", extra={"worker": self.name})

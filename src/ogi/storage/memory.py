"""The memory engine: the contract at its plainest, for tests. Bodies run one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sortedcontainers import SortedDict

from ogi.storage import Bell, Done, Home, Reader, Transaction
from ogi.storage.bells import Bells
from ogi.storage.beside import Beside
from ogi.storage.writes import Snapshot, Writes

T = TypeVar("T")


class MemoryStore:
    """Keeps everything in one sorted dictionary; nothing survives the process."""

    def __init__(self, reruns: int = 0) -> None:
        """`reruns`: how often each body is run in vain before it counts, to find side effects."""
        self.reruns = reruns
        self._map = SortedDict()
        self._bells = Bells()
        self.beside = Beside()

    async def transact(self, body: Callable[[Transaction], T], home: Home, *also: Home) -> T:
        return self._run(body, (home, *also))

    def submit(
        self, body: Callable[[Transaction], Any], done: Done, home: Home, *also: Home
    ) -> None:
        try:
            result = self._run(body, (home, *also))
        except Exception as error:
            done(None, error)
        else:
            done(result, None)

    def _run(self, body: Callable[[Transaction], T], homes: tuple[Home, ...]) -> T:
        for _ in range(self.reruns):
            body(Writes(Snapshot(self._map), homes))
        writes = Writes(Snapshot(self._map), homes)
        result = body(writes)
        writes.check()
        for key, value in writes.changes.items():
            if value is None:
                self._map.pop(key, None)
            else:
                self._map[key] = value
        self._bells.ring(writes.bells)
        return result

    async def read(self, body: Callable[[Reader], T]) -> T:
        return body(Snapshot(self._map))

    def view(self) -> Reader:
        return Snapshot(self._map)

    def listen(self, bell: bytes) -> AbstractContextManager[Bell]:
        return self._bells.listen(bell)

    async def reset(self) -> None:
        self._map.clear()

    async def lost(self) -> BaseException:
        return await asyncio.Future[BaseException]()  # Never.

    async def close(self) -> None:
        return None

"""The memory engine: the contract at its plainest, for tests. Bodies run one at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sortedcontainers import SortedDict

from ogi.storage import Bell, Home, Reader, Transaction
from ogi.storage.bells import Bells
from ogi.storage.writes import Snapshot, Writes

T = TypeVar("T")


class MemoryStore:
    """Keeps everything in one sorted dictionary; nothing survives the process."""

    def __init__(self, reruns: int = 0) -> None:
        """`reruns`: how often each body is run in vain before it counts, to find side effects."""
        self.reruns = reruns
        self._map = SortedDict()
        self._bells = Bells()

    async def transact(self, body: Callable[[Transaction], T], home: Home, *also: Home) -> T:
        for _ in range(self.reruns):
            body(Writes(Snapshot(self._map), (home, *also)))
        writes = Writes(Snapshot(self._map), (home, *also))
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

    def view(self) -> Reader | None:
        return Snapshot(self._map)

    def listen(self, bell: bytes) -> AbstractContextManager[Bell]:
        return self._bells.listen(bell)

    async def reset(self) -> None:
        self._map.clear()

    async def close(self) -> None:
        return None

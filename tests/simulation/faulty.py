"""A store that misbehaves as the contract allows, by seed: it answers late and in another order,
runs bodies again, and fails before the commit or after it, when nobody knows whether it happened.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ogi.storage import Bell, Done, Home, Reader, Transaction
from ogi.storage.memory import MemoryStore

T = TypeVar("T")

FAULTS = 0.15
"""The share of transactions that fail before the commit, and of those that fail after it."""
TURNS_MAX = 4
"""How many turns of the loop others may take before a transaction begins, or is answered."""
RERUNS_MAX = 2


class Fault(Exception):
    """The store failed; whether the transaction committed is not known to whoever asked."""


class FaultyStore:
    """The memory engine behind a slow line that breaks: requests get lost, and answers do."""

    def __init__(self, seed: int, *, faulty: bool = True) -> None:
        self._random = random.Random(seed)
        self._store = MemoryStore()
        self.beside = self._store.beside
        self.faulty = faulty
        self._submitted: set[asyncio.Task[Any]] = set()

    async def transact(self, body: Callable[[Transaction], T], home: Home, *also: Home) -> T:
        await self._turns()
        self._fail("before")
        self._store.reruns = self._random.randint(0, RERUNS_MAX)
        result = await self._store.transact(body, home, *also)
        await self._turns()
        self._fail("after")
        return result

    async def read(self, body: Callable[[Reader], T]) -> T:
        await self._turns()
        return await self._store.read(body)

    def submit(
        self, body: Callable[[Transaction], Any], done: Done, home: Home, *also: Home
    ) -> None:
        def end(task: asyncio.Task[Any]) -> None:
            self._submitted.discard(task)
            failure = task.exception()
            done(None if failure else task.result(), failure)

        task = asyncio.ensure_future(self.transact(body, home, *also))
        self._submitted.add(task)
        task.add_done_callback(end)

    def view(self) -> Reader:
        return self._store.view()

    def listen(self, bell: bytes) -> AbstractContextManager[Bell]:
        return self._store.listen(bell)

    async def reset(self) -> None:
        await self._store.reset()

    async def lost(self) -> BaseException:
        return await self._store.lost()

    async def close(self) -> None:
        await self._store.close()

    async def _turns(self) -> None:
        for _ in range(self._random.randint(0, TURNS_MAX)):
            await asyncio.sleep(0)

    def _fail(self, when: str) -> None:
        if self.faulty and self._random.random() < FAULTS:
            raise Fault(when)


async def persist(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat until it is acknowledged or refused."""
    while True:
        try:
            return await ask()
        except Fault:
            continue

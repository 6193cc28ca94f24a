"""Writers: how a store on the event loop has its scribe write.

A writer appends one write-set at a time, and folds meanwhile. Two of them: threads of this process,
and a process of its own. The process costs memory and a start, and gives the interpreter's lock
back to the loop: a thread asks for it several times per commit, and each time the loop falls asleep
and wakes with cold caches.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from ogi.storage import Changes
from ogi.storage.journal import encode
from ogi.storage.scribe import Scribe

Appended = Callable[[int, BaseException | None], None]
"""The bytes that were written, or why they could not be."""
Folded = Callable[[Changes, BaseException | None], None]
"""The control records that were folded, or why nothing was."""


class Writer(Protocol):
    """All methods are called on the loop, and so is what they are given."""

    def append(self, changes: Changes, appended: Appended) -> None:
        """Put changes on disk, after those before. If that fails, so does every later one."""

    def fold(self, folded: Folded) -> None:
        """Bring what was appended into the tree; only once the fold before has ended."""

    async def empty(self) -> None:
        """Forget all entries; only while nothing is under way."""

    async def close(self, fold: bool) -> None:
        """End, after a last fold; only while nothing is under way."""


class ThreadWriter:
    """Two threads: one appends, one folds."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._scribe = Scribe(folder)
        self._appender = _Thread("ogi-commit")
        self._folder = _Thread("ogi-fold")

    def append(self, changes: Changes, appended: Appended) -> None:
        def work() -> None:
            written, failure = 0, None
            try:
                written = self._scribe.append(encode(changes))
            except BaseException as error:
                failure = error
            self._tell(appended, written, failure)

        self._appender.order(work)

    def fold(self, folded: Folded) -> None:
        turned = self._scribe.turn()

        def work() -> None:
            controls: Changes = {}
            failure = None
            try:
                controls = self._scribe.fold(turned)
            except BaseException as error:
                failure = error
            self._tell(folded, controls, failure)

        self._folder.order(work)

    async def empty(self) -> None:
        await self._folder.do(self._scribe.empty)

    async def close(self, fold: bool) -> None:
        if fold:
            await self._folder.do(lambda: self._scribe.fold(self._scribe.turn()))
        self._appender.end()
        self._folder.end()
        self._scribe.close()

    def _tell(self, callback: Callable[..., None], *values: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *values)
        except RuntimeError:
            return  # The loop was closed without `close`: the process is ending.


class _Thread:
    """Does what is ordered, one after the other. An executor, with its futures and locks, costs
    6 % more CPU per request."""

    def __init__(self, name: str) -> None:
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.order = self._orders.put
        self._thread = threading.Thread(target=self._obey, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], object]) -> None:
        """Order it and wait; raises what it raises."""
        done: Future[None] = Future()

        def act() -> None:
            try:
                work()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        self.order(act)
        await asyncio.wrap_future(done)

    def end(self) -> None:
        self.order(None)
        self._thread.join()

    def _obey(self) -> None:
        while (order := self._orders.get()) is not None:
            order()

"""The embedded durable engine: a journal, layers in memory, and a tree in SQLite.

Bodies run on the event loop, one after the other; what they write joins the group that is filling.
A writer puts the group before it into the journal: one write and one sync for all that arrived.
What a body did is answered when its group is on disk. Now and then what has piled up is folded into
the tree, where what came and went meanwhile is never seen.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, TypeVar

from ogi.storage import Bell, Changes, Done, Home, Reader, Transaction
from ogi.storage.bells import Bells
from ogi.storage.beside import Beside
from ogi.storage.layers import Layers
from ogi.storage.processes import ProcessWriter
from ogi.storage.scribe import TREE
from ogi.storage.tree import FORMAT, DataFolderError, Tree
from ogi.storage.writers import ThreadWriter, Writer
from ogi.storage.writes import Writes

__all__ = ["FORMAT", "DataFolderError", "SqliteStore"]

T = TypeVar("T")

log = logging.getLogger("ogi.storage")

FOLD_KEYS = 65_536
"""Changed keys that begin a fold."""
FOLD_BYTES: Final = 36 * 1024 * 1024
"""Bytes in the journal that begin a fold."""
FOLD_S: Final = 3.0
"""After the first change a fold begins at the latest, so that little is left when all is quiet."""
EARLY_KEYS: Final = 64
"""Changed keys of a group that does not wait for the end of the turn, nor for the disk."""
FLYING_MAX: Final = 4
"""Groups on their way to the disk."""
LOCK_S: Final = 1.0
"""How long a folder's lock is waited for."""
AHEAD_BYTES_MAX: Final = 2 * FOLD_BYTES
"""Bytes in the journal, while a fold runs, that make commits wait for its end."""


class _Group:
    """The transactions that share one commit."""

    __slots__ = ("bells", "changes", "waiters")

    def __init__(self) -> None:
        self.changes: Changes = {}
        self.bells: set[bytes] = set()
        self.waiters: list[tuple[Done, Any]] = []
        """Who waits until the group is on disk, and for what."""


class _Durable:
    """Reads what is on disk: good until the event loop goes on."""

    __slots__ = ("_layers", "_store")

    def __init__(self, store: SqliteStore, layers: Layers) -> None:
        self._store = store
        self._layers = layers

    def get(self, key: bytes) -> bytes | None:
        return self._layers.durable_get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._layers.durable_get_many(keys)

    def scan(
        self, begin: bytes, end: bytes, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        in_flight = self._store.in_flight()
        return self._layers.durable_scan(in_flight, begin, end, limit, reverse)


class SqliteStore:
    """One data folder. All methods are called on one event loop."""

    def __init__(self, folder: Path, *, process: bool = False) -> None:
        """process: a process of its own writes, not threads of this one."""
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder)
        self._writer: Writer
        try:
            self._writer = (
                ProcessWriter(folder, self._lock, self._fail) if process else ThreadWriter(folder)
            )
            self._tree = Tree(folder / TREE)
        except BaseException:
            os.close(self._lock)
            raise
        self._loop = asyncio.get_running_loop()
        self._bells = Bells()
        self.beside = Beside()
        self._layers = Layers(self._tree)
        self._durable = _Durable(self, self._layers)
        self._filling = _Group()
        self._flying: deque[_Group] = deque()
        self._scheduled = False
        self._folding = False
        self._fold_due = False
        self._fold_timer: asyncio.TimerHandle | None = None
        self._watchers: list[asyncio.Future[None]] = []
        self._journal_bytes = 0
        """Written since the last fold began."""
        self._closed = False
        self._failure: BaseException | None = None
        self._lost: asyncio.Future[BaseException] = self._loop.create_future()

    async def transact(self, body: Callable[[Transaction], T], home: Home, *also: Home) -> T:
        """Run atomically; return when durable.

        A caller that is cancelled while it waits for the disk leaves the transaction committed.
        """
        writes = Writes(self._layers, (home, *also))
        result = self._run(body, writes)
        if not writes.changes and self._is_at_rest():
            self._bells.ring(writes.bells)
            return result
        landed: asyncio.Future[T] = self._loop.create_future()

        def done(result: T, failure: BaseException | None) -> None:
            if landed.done():
                return
            if failure is None:
                landed.set_result(result)
            else:
                landed.set_exception(failure)

        self._join(writes, done, result)
        return await landed

    def submit(
        self, body: Callable[[Transaction], Any], done: Done, home: Home, *also: Home
    ) -> None:
        writes = Writes(self._layers, (home, *also))
        try:
            result = self._run(body, writes)
        except Exception as error:
            done(None, error)
            return
        if writes.changes or not self._is_at_rest():
            self._join(writes, done, result)
            return
        self._bells.ring(writes.bells)
        done(result, None)

    def _run(self, body: Callable[[Transaction], T], writes: Writes) -> T:
        if self._closed or self._failure is not None:
            closed = DataFolderError("the store is closed")
            closed.__cause__ = self._failure
            raise closed
        result = body(writes)
        if writes.changes:
            writes.check()
        return result

    def _is_at_rest(self) -> bool:
        """All that a body can read is on disk."""
        return not self._flying and not self._filling.waiters

    def _join(self, writes: Writes, done: Done, result: Any) -> None:
        """Make what a body did part of the group that is filling."""
        group = self._filling
        changes = writes.changes
        if changes:
            self._layers.join(changes)
            group.changes.update(changes)
        if writes.bells:
            group.bells |= writes.bells
        group.waiters.append((done, result))
        if len(group.changes) >= EARLY_KEYS and len(self._flying) < FLYING_MAX:
            # A long turn of the loop keeps the disk busy, and is answered by its end.
            self._launch()
        elif not self._flying and not self._scheduled:
            self._scheduled = True
            # Not at once: what else has arrived in this turn of the loop shares the commit.
            self._loop.call_soon(self._launch)

    async def read(self, body: Callable[[Reader], T]) -> T:
        """What is on disk, as one consistent view."""
        return body(self._durable)

    def view(self) -> Reader:
        """What `read` reads, good until the event loop goes on."""
        return self._durable

    def in_flight(self) -> Changes:
        """All changes that are not on disk yet."""
        if not self._flying:
            return self._filling.changes
        changes: Changes = {}
        for group in (*self._flying, self._filling):
            changes.update(group.changes)
        return changes

    def listen(self, bell: bytes) -> AbstractContextManager[Bell]:
        return self._bells.listen(bell)

    async def reset(self) -> None:
        await self._settle()
        self._layers.clear()
        await self._writer.empty()
        self._tree.forget()
        self._journal_bytes = 0

    async def lost(self) -> BaseException:
        """Return why nothing can be written any more, once that is so."""
        return await asyncio.shield(self._lost)

    async def close(self) -> None:
        if self._closed:
            return
        await self._settle()
        self._closed = True
        if self._fold_timer is not None:
            self._fold_timer.cancel()
        try:
            await self._writer.close(fold=self._failure is None and bool(self._layers.durable))
        finally:
            self._tree.close()
            os.close(self._lock)

    async def _settle(self) -> None:
        """Wait until nothing is on its way to the journal or the tree."""
        while self._flying or self._filling.waiters or self._folding:
            moved = self._loop.create_future()
            self._watchers.append(moved)
            await moved

    def _stir(self) -> None:
        """Something has arrived where it went."""
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
        self._watchers.clear()

    # -- a group's way to the journal -----------------------------------------------------------

    def _launch(self) -> None:
        """Send the group that is filling to the disk and begin the next."""
        self._scheduled = False
        group = self._filling
        changes = group.changes
        if not group.waiters or (self._flying and len(changes) < EARLY_KEYS):
            return  # What is flying launches it when it has landed.
        if self._fold_due or (self._folding and self._journal_bytes > AHEAD_BYTES_MAX):
            return  # The fold's beginning, or its end, launches it.
        self._flying.append(group)
        self._filling = _Group()
        if not changes:
            self._landed(0, None)
            return
        self._writer.append(changes, self._landed)

    def _landed(self, written: int, failure: BaseException | None) -> None:
        """On the loop: the first that flies is on disk (or failed, and all that came after)."""
        if not self._flying:
            return  # It failed with one before it.
        group = self._flying.popleft()
        if failure is not None:
            rest = tuple(self._flying)
            self._flying.clear()
            self._fail(failure, group, *rest)
            return
        self._layers.landed(group.changes)
        self._journal_bytes += written
        self._bells.ring(group.bells)
        if written or self._fold_due:
            self._plan_fold()
        if self._filling.waiters:
            self._launch()
        for done, result in group.waiters:
            try:
                done(result, None)
            except Exception:
                log.exception("an answer failed")  # The others have theirs.
        self._stir()

    def _fail(self, failure: BaseException, *groups: _Group) -> None:
        """Nothing can be promised any more: who waits hears it, and so does who comes."""
        if not self._lost.done():
            self._lost.set_result(failure)
        self._failure = failure
        for group in (*groups, self._filling):
            waiters, group.waiters = group.waiters, []
            for done, _ in waiters:
                done(None, failure)
        self._stir()

    # -- a fold ---------------------------------------------------------------------------------

    def _plan_fold(self) -> None:
        """A group has landed: fold now if there is enough, or have it done soon."""
        if self._folding:
            return
        if self._journal_bytes >= FOLD_BYTES or len(self._layers.durable) >= FOLD_KEYS:
            self._fold_due = True
        if self._fold_due:
            if not self._flying:
                self._fold()
        elif self._fold_timer is None:
            self._fold_timer = self._loop.call_later(FOLD_S, self._fold_in_time)

    def _fold_in_time(self) -> None:
        self._fold_timer = None
        if self._folding or self._closed or self._failure is not None:
            return
        self._fold_due = True
        if not self._flying:
            self._fold()

    def _fold(self) -> None:
        """Begin to bring into the tree what is on disk.

        Between two commits: all of the journal's current file is in `durable`, and the next record
        goes to the other file, of which nothing is needed any more.
        """
        self._fold_due = False
        if self._fold_timer is not None:
            self._fold_timer.cancel()
            self._fold_timer = None
        self._folding = True
        self._layers.freeze(self._filling.changes)
        self._journal_bytes = 0
        self._writer.fold(self._folded)

    def _folded(self, controls: Changes, failure: BaseException | None) -> None:
        self._folding = False
        if failure is not None:
            # What is in the journal stays there, and is brought into the tree at the next start.
            self._fail(failure)
            return
        self._tree.remember(controls)
        self._layers.folded()
        if self._filling.waiters:
            self._launch()
        self._stir()


def _lock(folder: Path) -> int:
    """Hold the folder against a second server; the lock goes with the process, and its scribe."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < until:
                time.sleep(0.005)  # The scribe of a server that was killed ends in a moment.
                continue
            os.close(fd)
            raise DataFolderError(
                f"{folder} is in use by another Ogi. Stop that one, or name another folder with"
                " --data."
            ) from None
        return fd

"""The embedded durable engine: SQLite in WAL mode, one commit and one sync for all that arrived.

Bodies run on the event loop against the group that is filling; a thread writes the group before it.
What a body did is answered when its group is on disk. Small values lie clustered by key, larger
ones in a table of their own, so that moving a small record never moves a large one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, closing
from functools import lru_cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from ogi.storage import Bell, Home, Reader, Transaction
from ogi.storage.bells import Bells
from ogi.storage.groups import Changes, Group
from ogi.storage.writes import Writes

T = TypeVar("T")

FORMAT = 1
"""The version of what the data folder holds; raise it together with a step in MIGRATIONS."""
MIGRATIONS: dict[int, tuple[str, ...]] = {}
"""Statements that bring the version that is the key to the next one."""

INLINE_BYTES_MAX = 1024
"""Larger values go to the table `large`."""
CACHED_MAX = 100_000
"""Control records kept in memory; the cache is emptied when it is full."""
CHECKPOINT_PAGES = 8_192
"""The log is folded into the database at about this length (32 MiB)."""
CACHE_KIB = 32 * 1024

_SCHEMA = (
    "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB, large INTEGER) WITHOUT ROWID",
    "CREATE TABLE large (id INTEGER PRIMARY KEY, v BLOB NOT NULL)",
    "CREATE TRIGGER large_gone AFTER DELETE ON kv WHEN old.large IS NOT NULL"
    " BEGIN DELETE FROM large WHERE id = old.large; END",
    "CREATE TRIGGER large_changed AFTER UPDATE ON kv WHEN old.large IS NOT NULL"
    " BEGIN DELETE FROM large WHERE id = old.large; END",
)
_GET = (
    "SELECT CASE WHEN large IS NULL THEN v ELSE (SELECT l.v FROM large l WHERE l.id = large) END"
    " FROM kv WHERE k = ?"
)
_SCAN = (
    "SELECT k, CASE WHEN large IS NULL THEN v ELSE (SELECT l.v FROM large l WHERE l.id = large)"
    " END FROM kv WHERE k >= ? AND k < ? ORDER BY k {} LIMIT ?"
)
_SCAN_UP, _SCAN_DOWN = _SCAN.format("ASC"), _SCAN.format("DESC")
_UPDATE = " ON CONFLICT (k) DO UPDATE SET v = excluded.v, large = excluded.large"
_ROWS = (128, 32)
"""Rows in one statement; what is left goes into one of exactly its size. A statement lets go of the
interpreter's lock once, so a commit of many rows asks for it a few times, not once a row: else a
busy event loop makes it wait for each."""
_STATEMENTS_MAX = 256
"""Prepared statements kept by a connection: three of each size up to the smallest of _ROWS."""


class DataFolderError(Exception):
    """The data folder cannot be opened; the message says what to do."""


class _Committed:
    """Reads committed entries through one connection; control records are kept in memory."""

    __slots__ = ("_cache", "_cursor")

    def __init__(self, connection: sqlite3.Connection, cache: dict[bytes, bytes | None]) -> None:
        self._cursor = connection.cursor()
        self._cache = cache

    def get(self, key: bytes) -> bytes | None:
        if not key.startswith(b"control"):
            return self._fetch(key)
        cache = self._cache
        if key in cache:
            return cache[key]
        value = self._fetch(key)
        if len(cache) >= CACHED_MAX:
            cache.clear()
        cache[key] = value
        return value

    def scan(
        self, begin: bytes, end: bytes, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        return self._rows(_SCAN_DOWN if reverse else _SCAN_UP, (begin, end, limit))

    def _fetch(self, key: bytes) -> bytes | None:
        rows = self._rows(_GET, (key,))
        return rows[0][0] if rows else None

    def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        return self._cursor.execute(statement, values).fetchall()


class _Snapshot(_Committed):
    """One consistent view from the first entry that memory does not hold, until `end`."""

    __slots__ = ("_connection", "_open")

    def __init__(self, connection: sqlite3.Connection, cache: dict[bytes, bytes | None]) -> None:
        super().__init__(connection, cache)
        self._connection = connection
        self._open = False

    def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        if not self._open:
            self._connection.execute("BEGIN")
            self._open = True
        return super()._rows(statement, values)

    def end(self) -> None:
        if self._open:
            self._open = False
            self._connection.execute("COMMIT")


class SqliteStore:
    """One data folder. All methods are called on one event loop."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder)
        self._path = folder / "ogi.db"
        self._bells = Bells()
        self._cache: dict[bytes, bytes | None] = {}
        with ExitStack() as opened:
            opened.callback(os.close, self._lock)
            self._writer = opened.enter_context(closing(_connect(self._path)))
            _migrate(self._writer, self._path)
            self._bodies = opened.enter_context(closing(_connect(self._path)))
            self._snapshots = opened.enter_context(closing(_connect(self._path)))
            opened.pop_all()
        found = self._writer.execute("SELECT max(id) FROM large").fetchone()[0]
        self._large_last = int(found or 0)
        self._committed = _Committed(self._bodies, self._cache)
        self._snapshot = _Snapshot(self._snapshots, self._cache)
        self._filling = Group(self._committed)
        self._flying: Group | None = None
        self._scheduled = False
        self._closed = False
        self._failure: BaseException | None = None
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._obey, name="ogi-commit", daemon=True)
        self._thread.start()

    async def transact(self, body: Callable[[Transaction], T], home: Home, *also: Home) -> T:
        """Run atomically; return when durable.

        A caller that is cancelled while it waits for the disk leaves the transaction committed.
        """
        if self._closed or self._failure is not None:
            raise DataFolderError("the store is closed") from self._failure
        group = self._filling
        writes = Writes(group, (home, *also))
        result = body(writes)
        if not writes.changes and not group.waiters and self._flying is None:
            self._bells.ring(writes.bells)
            return result  # It read nothing that is not on disk.
        writes.check()
        group.join(writes.changes, writes.bells)
        loop = asyncio.get_running_loop()
        landed: asyncio.Future[None] = loop.create_future()
        group.waiters.append(landed)
        if self._flying is None and not self._scheduled:
            self._scheduled = True
            # Not at once: what else has arrived in this turn of the loop shares the commit.
            loop.call_soon(self._launch, loop)
        await landed
        return result

    async def read(self, body: Callable[[Reader], T]) -> T:
        """A snapshot of all that is durable; control records may be one commit older than it."""
        snapshot = self._snapshot
        try:
            return body(snapshot)
        finally:
            snapshot.end()

    def listen(self, bell: bytes) -> AbstractContextManager[Bell]:
        return self._bells.listen(bell)

    async def reset(self) -> None:
        await self._drain()
        emptied: Future[None] = Future()
        self._orders.put(lambda: _settle(emptied, self._empty))
        await asyncio.wrap_future(emptied)
        self._cache.clear()

    async def close(self) -> None:
        if self._closed:
            return
        await self._drain()
        self._closed = True
        self._orders.put(None)
        self._thread.join()
        for connection in (self._snapshots, self._bodies, self._writer):
            connection.close()
        os.close(self._lock)

    async def _drain(self) -> None:
        while self._flying is not None or self._filling.waiters:
            landed = asyncio.get_running_loop().create_future()
            group = self._filling if self._filling.waiters else self._flying
            assert group is not None
            group.waiters.append(landed)
            await asyncio.gather(landed, return_exceptions=True)

    def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send the group that is filling to the disk and begin the next over it."""
        self._scheduled = False
        group = self._filling
        if self._flying is not None or not group.waiters:
            return
        self._flying = group
        self._filling = Group(group)
        self._orders.put(partial(self._commit, group.changes, loop))

    def _landed(self, loop: asyncio.AbstractEventLoop, failure: BaseException | None) -> None:
        """On the loop: the flying group is on disk (or failed, and with it all that came after)."""
        group = self._flying
        assert group is not None
        self._flying = None
        if failure is None:
            for key, value in group.changes.items():
                if key.startswith(b"control"):
                    self._cache[key] = value
            self._filling.rest_on(self._committed)
            self._bells.ring(group.bells)
            for waiter in group.waiters:
                if not waiter.done():
                    waiter.set_result(None)
        else:
            self._failure = failure
            for waiter in (*group.waiters, *self._filling.waiters):
                if not waiter.done():
                    waiter.set_exception(failure)
            self._filling.waiters.clear()
        if self._filling.waiters:
            self._launch(loop)

    # -- on the commit thread ---------------------------------------------------------------

    def _obey(self) -> None:
        """Commit what is ordered. An executor, with its futures and locks, costs 6 % more CPU."""
        while (order := self._orders.get()) is not None:
            order()

    def _commit(self, changes: Changes, loop: asyncio.AbstractEventLoop) -> None:
        failure: BaseException | None = None
        try:
            if changes:
                self._write(changes)
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(self._landed, loop, failure)
        except RuntimeError:
            return  # The loop was closed without `close`: the process is ending.

    def _write(self, changes: Changes) -> None:
        gone: list[bytes] = []
        puts: list[bytes | int | None] = []
        large: list[bytes | int] = []
        for key in sorted(changes):
            value = changes[key]
            if value is None:
                gone.append(key)
            elif len(value) <= INLINE_BYTES_MAX:
                puts += (key, value, None)
            else:
                self._large_last += 1
                large += (self._large_last, value)
                puts += (key, None, self._large_last)
        writer = self._writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            _in_chunks(writer, "DELETE FROM kv WHERE k IN ({})", "?", gone, 1)
            _in_chunks(writer, "INSERT INTO large VALUES {}", "(?,?)", large, 2)
            _in_chunks(writer, "INSERT INTO kv VALUES {}" + _UPDATE, "(?,?,?)", puts, 3)
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise

    def _empty(self) -> None:
        # Dropping is fast at any size; deleting rows would run the triggers for each.
        _atomically(self._writer, ("DROP TABLE kv", "DROP TABLE large", *_SCHEMA))


def _settle(future: Future[None], work: Callable[[], None]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(None)


def _in_chunks(
    connection: sqlite3.Connection, statement: str, row: str, values: list[Any], width: int
) -> None:
    """Run `statement` on all rows of `values`, which lie one after the other, `width` each."""
    at, end = 0, len(values)
    for rows in _ROWS:
        step = rows * width
        while end - at >= step:
            connection.execute(_of_rows(statement, row, rows), values[at : at + step])
            at += step
    if at < end:
        connection.execute(_of_rows(statement, row, (end - at) // width), values[at:])


@lru_cache(maxsize=_STATEMENTS_MAX)
def _of_rows(statement: str, row: str, rows: int) -> str:
    return statement.format(",".join([row] * rows))


def _atomically(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS_MAX
    )
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        # macOS: without it a sync does not reach the disk.
        "fullfsync = ON",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        f"cache_size = -{CACHE_KIB}",
        "temp_store = MEMORY",
        "busy_timeout = 10000",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the folder to FORMAT, or refuse what a newer Ogi wrote."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise DataFolderError(
            f"{path.parent} was written by a newer Ogi (its format is {found}, this Ogi reads up to"
            f" {FORMAT}). Install that version, or name another folder with --data."
        )
    if found == 0:
        _atomically(connection, (*_SCHEMA, f"PRAGMA user_version = {FORMAT}"))
        return
    for version in range(found, FORMAT):
        _atomically(connection, (*MIGRATIONS[version], f"PRAGMA user_version = {version + 1}"))


def _lock(folder: Path) -> int:
    """Hold the folder against a second server; the lock goes with the process."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise DataFolderError(
            f"{folder} is in use by another Ogi. Stop that one, or name another folder with --data."
        ) from None
    return fd

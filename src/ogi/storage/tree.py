"""The tree: all entries that were folded, in SQLite.

Small values lie clustered by key, larger ones in a table of their own, so that moving a small
record never moves a large one. One reads on the event loop, while another folds elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ogi.storage import Changes, Entries

FORMAT: Final = 2
"""The version of what the data folder holds; raise it together with a step in MIGRATIONS."""
_JOURNAL: Final = (
    "CREATE TABLE journal (applied INTEGER NOT NULL)",
    "INSERT INTO journal VALUES (0)",
)
MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    1: _JOURNAL,
}
"""Statements that bring the version that is the key to the next one."""

INLINE_BYTES_MAX: Final = 1024
"""Larger values go to the table `large`."""
CACHED_MAX: Final = 100_000
"""Control records kept in memory; the cache is emptied when it is full."""
SCANS_MAX: Final = 1_024
SCANNED_MAX: Final = 128
"""Scans of control records kept in memory, and entries of each."""
CHECKPOINT_PAGES: Final = 8_192
"""SQLite's own log is copied into the database at about this length (32 MiB)."""
CACHE_KIB: Final = 32 * 1024

_ENTRIES: Final = (
    "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB, large INTEGER) WITHOUT ROWID",
    "CREATE TABLE large (id INTEGER PRIMARY KEY, v BLOB NOT NULL)",
    "CREATE TRIGGER large_gone AFTER DELETE ON kv WHEN old.large IS NOT NULL"
    " BEGIN DELETE FROM large WHERE id = old.large; END",
    "CREATE TRIGGER large_changed AFTER UPDATE ON kv WHEN old.large IS NOT NULL"
    " BEGIN DELETE FROM large WHERE id = old.large; END",
)
_GET: Final = (
    "SELECT CASE WHEN large IS NULL THEN v ELSE (SELECT l.v FROM large l WHERE l.id = large) END"
    " FROM kv WHERE k = ?"
)
_GET_MANY: Final = (
    "SELECT k, CASE WHEN large IS NULL THEN v ELSE (SELECT l.v FROM large l WHERE l.id = large)"
    " END FROM kv WHERE k IN ({})"
)
_MANY_MAX: Final = 16
"""Keys fetched by one statement."""
_SCAN: Final = (
    "SELECT k, CASE WHEN large IS NULL THEN v ELSE (SELECT l.v FROM large l WHERE l.id = large)"
    " END FROM kv WHERE k >= ? AND k < ? ORDER BY k {} LIMIT ?"
)
_SCAN_UP, _SCAN_DOWN = _SCAN.format("ASC"), _SCAN.format("DESC")
_UPDATE: Final = " ON CONFLICT (k) DO UPDATE SET v = excluded.v, large = excluded.large"
_ROWS: Final = (128, 32)
"""Rows in one statement; what is left goes into one of exactly its size. A statement lets go of the
interpreter's lock once, so a fold of many rows asks for it a few times, not once a row: else a busy
event loop makes it wait for each."""
_STATEMENTS_MAX: Final = 256
"""Prepared statements kept by a connection: three of each size up to the smallest of _ROWS."""


class DataFolderError(Exception):
    """The data folder cannot be opened; the message says what to do."""


class Tree:
    """A reader of what was folded."""

    def __init__(self, path: Path) -> None:
        self._connection = _connect(path)
        self._cursor = self._connection.cursor()
        self._cache: dict[bytes, bytes | None] = {}
        self._scans: dict[tuple[bytes, bytes, int, bool], Entries] = {}
        """What scans of control records found: a topic's subscribers, with each message."""

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

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if len(keys) > _MANY_MAX:
            return [self.get(key) for key in keys]
        rows = self._cursor.execute(_of_rows(_GET_MANY, "?", len(keys)), keys).fetchall()
        found: Changes = dict(rows)
        return [found.get(key) for key in keys]

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Entries:
        if not begin.startswith(b"control"):
            return self._rows(begin, end, limit, reverse)
        asked = (begin, end, limit, reverse)
        found = self._scans.get(asked)
        if found is None:
            found = self._rows(*asked)
            if len(self._scans) >= SCANS_MAX:
                self._scans.clear()
            if len(found) <= SCANNED_MAX:
                self._scans[asked] = found
        return found

    def _rows(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> Entries:
        statement = _SCAN_DOWN if reverse else _SCAN_UP
        found: Entries = self._cursor.execute(statement, (begin, end, limit)).fetchall()
        return found

    def _fetch(self, key: bytes) -> bytes | None:
        rows = self._cursor.execute(_GET, (key,)).fetchall()
        return rows[0][0] if rows else None

    def remember(self, records: Changes) -> None:
        """Control records that a fold changed: what memory holds of them is their old value."""
        if records:
            self._cache.update(records)
            self._scans.clear()

    def forget(self) -> None:
        """Drop what memory holds: all entries are gone."""
        self._cache.clear()
        self._scans.clear()

    def close(self) -> None:
        self._connection.close()


class TreeWriter:
    """Who folds: one per folder."""

    def __init__(self, path: Path) -> None:
        # SQLite would make it readable to others.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with ExitStack() as opened:
            self._writer = opened.enter_context(closing(_connect(path)))
            _migrate(self._writer, path)
            self._opened = opened.pop_all()
        found = self._writer.execute("SELECT max(id) FROM large").fetchone()[0]
        self._large_last = int(found or 0)

    def close(self) -> None:
        self._opened.close()

    @property
    def applied(self) -> int:
        """The number of the journal's last record that the tree holds."""
        return int(self._writer.execute("SELECT applied FROM journal").fetchone()[0])

    def fold(self, changes: Changes, applied: int) -> Changes:
        """Bring a layer into the tree, durably; the control records in it."""
        gone: list[bytes] = []
        puts: list[bytes | int | None] = []
        large: list[bytes | int] = []
        controls: Changes = {}
        for key in _sorted(changes):
            value = changes[key]
            if key.startswith(b"control"):
                controls[key] = value
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
            writer.execute("UPDATE journal SET applied = ?", (applied,))
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise
        return controls

    def empty(self, applied: int) -> None:
        """Forget all entries. Dropping is fast at any size; deleting rows would run the triggers
        for each."""
        _atomically(
            self._writer,
            ("DROP TABLE kv", "DROP TABLE large", *_ENTRIES,
             f"UPDATE journal SET applied = {applied:d}"),
        )  # fmt: skip


def _sorted(changes: Changes) -> list[bytes]:
    """The keys in order. By home first: a home's keys come nearly in order, and many small sorts
    let other threads in between."""
    homes: dict[bytes, list[bytes]] = {}
    for key in changes:
        homes.setdefault(key[: key.find(b"\x00") + 1], []).append(key)
    ordered: list[bytes] = []
    for home in sorted(homes):
        ordered += sorted(homes[home])
    return ordered


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
        _atomically(connection, (*_ENTRIES, *_JOURNAL, f"PRAGMA user_version = {FORMAT}"))
        return
    for version in range(found, FORMAT):
        _atomically(connection, (*MIGRATIONS[version], f"PRAGMA user_version = {version + 1}"))

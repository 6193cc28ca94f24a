"""What only the durable engine promises: it survives, it locks, it knows its format."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ogi.storage import Home
from ogi.storage.sqlite import FORMAT, DataFolderError, SqliteStore

HOME = Home("home")
KEY = b"home\x00key"


async def test_what_was_answered_is_there_after_reopening(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.transact(lambda tx: tx.set(KEY, b"x" * 5000), HOME)
    await store.close()
    store = SqliteStore(tmp_path)
    assert await store.read(lambda tx: tx.get(KEY)) == b"x" * 5000
    await store.close()


async def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(DataFolderError, match="in use by another Ogi"):
        SqliteStore(tmp_path)
    await store.close()
    await SqliteStore(tmp_path).close()


async def test_a_newer_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    await SqliteStore(tmp_path).close()
    with sqlite3.connect(tmp_path / "ogi.db") as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(DataFolderError, match="newer Ogi"):
        SqliteStore(tmp_path)
    # The refusal lets go of the folder.
    with pytest.raises(DataFolderError, match="newer Ogi"):
        SqliteStore(tmp_path)


async def test_large_values_leave_nothing_behind(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.transact(lambda tx: tx.set(KEY, b"x" * 5000), HOME)
    await store.transact(lambda tx: tx.set(KEY, b"y" * 6000), HOME)
    await store.transact(lambda tx: tx.set(KEY + b"2", b"z" * 6000), HOME)
    await store.transact(lambda tx: tx.delete(KEY), HOME)
    await store.close()
    connection = sqlite3.connect(tmp_path / "ogi.db")
    assert connection.execute("SELECT count(*) FROM large").fetchone() == (1,)
    connection.close()

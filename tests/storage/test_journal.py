"""What the journal promises: write-sets on disk come back, torn ones do not, damage is said."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from ogi.storage import Home
from ogi.storage.journal import Journal, JournalBroken, JournalDamaged, encode, pack
from ogi.storage.sqlite import DataFolderError, SqliteStore

HOME = Home("home")


def key(name: int) -> bytes:
    return b"home\x00" + name.to_bytes(9, "big")


def replayed(folder: Path, applied: int = 0) -> list[dict[bytes, bytes | None]]:
    journal = Journal(folder)
    try:
        return list(journal.replay(applied))
    finally:
        journal.close()


def written(folder: Path, count: int, first: int = 1) -> Journal:
    journal = Journal(folder)
    journal.number = first - 1
    for number in range(first, first + count):
        journal.append(encode({key(number): b"x" * number, key(0): None}))
    return journal


def test_records_come_back_in_their_order(tmp_path: Path) -> None:
    written(tmp_path, 3).close()
    found = replayed(tmp_path)
    assert [next(iter(changes)) for changes in found] == [key(1), key(2), key(3)]
    assert found[1] == {key(2): b"xx", key(0): None}


def test_nothing_follows_a_record_that_could_not_be_written(tmp_path: Path) -> None:
    """What follows rests on it, and may be ordered before anybody hears that it failed."""
    journal = written(tmp_path, 1)
    file = journal._files[0]
    journal._files[0] = os.open(os.devnull, os.O_RDONLY)
    with pytest.raises(OSError):
        journal.append(encode({key(2): b"lost"}))
    os.close(journal._files[0])
    journal._files[0] = file
    with pytest.raises(JournalBroken):
        journal.append(encode({key(3): b"rests on it"}))
    journal.close()
    assert [next(iter(changes)) for changes in replayed(tmp_path)] == [key(1)]


def test_what_the_tree_holds_is_not_replayed(tmp_path: Path) -> None:
    written(tmp_path, 3).close()
    assert [next(iter(changes)) for changes in replayed(tmp_path, applied=2)] == [key(3)]


def test_both_files_are_read_in_order(tmp_path: Path) -> None:
    journal = written(tmp_path, 2)
    journal.turn()
    journal.append(encode({key(3): b""}))
    journal.close()
    assert [next(iter(changes)) for changes in replayed(tmp_path)] == [key(1), key(2), key(3)]


def test_records_of_an_earlier_turn_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    journal = written(tmp_path, 3)
    journal.turn()
    journal.append(encode({key(4): b""}))
    journal.turn()
    journal.append(encode({key(5): b""}))
    journal.close()
    assert [next(iter(changes)) for changes in replayed(tmp_path, applied=4)] == [key(5)]


@pytest.mark.parametrize("kept", range(0, 40, 3))
def test_a_torn_record_is_as_if_it_had_not_been_written(tmp_path: Path, kept: int) -> None:
    written(tmp_path, 2).close()
    path = tmp_path / "journal.0"
    whole = path.read_bytes()
    torn = pack(3, b"\x81\xc4\x05home\x00\xc4\x01x")
    path.write_bytes(whole + torn[: min(kept, len(torn) - 1)])
    assert len(replayed(tmp_path)) == 2


def test_a_damaged_record_before_others_is_said(tmp_path: Path) -> None:
    written(tmp_path, 3).close()
    path = tmp_path / "journal.0"
    raw = bytearray(path.read_bytes())
    raw[30] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(JournalDamaged, match="holds record 2, but not 1"):
        replayed(tmp_path)


def test_a_file_that_is_missing_in_the_midst_is_said(tmp_path: Path) -> None:
    journal = written(tmp_path, 2)
    journal.turn()
    journal.append(encode({key(3): b""}))
    journal.close()
    (tmp_path / "journal.0").unlink()
    with pytest.raises(JournalDamaged):
        replayed(tmp_path)


async def test_a_folder_with_a_damaged_journal_is_not_opened(tmp_path: Path) -> None:
    await SqliteStore(tmp_path).close()
    written(tmp_path, 3).close()
    raw = bytearray((tmp_path / "journal.0").read_bytes())
    raw[30] ^= 1
    (tmp_path / "journal.0").write_bytes(bytes(raw))
    with pytest.raises(DataFolderError, match="restore the folder from a backup"):
        SqliteStore(tmp_path)


async def test_what_a_killed_server_left_in_the_journal_is_there(tmp_path: Path) -> None:
    await SqliteStore(tmp_path).close()
    written(tmp_path, 3).close()
    store = SqliteStore(tmp_path)
    assert await store.read(lambda tx: tx.get(key(3))) == b"xxx"
    await store.close()
    connection = sqlite3.connect(tmp_path / "ogi.db")
    assert connection.execute("SELECT applied FROM journal").fetchone() == (3,)
    assert connection.execute("SELECT count(*) FROM kv").fetchone() == (3,)
    connection.close()


async def test_what_came_and_went_between_two_folds_never_reaches_the_tree(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    for number in range(50):
        await store.transact(lambda tx, n=number: tx.set(key(n), b"x"), HOME)  # type: ignore[misc]
        await store.transact(lambda tx, n=number: tx.delete(key(n)), HOME)  # type: ignore[misc]
    await store.close()
    connection = sqlite3.connect(tmp_path / "ogi.db")
    assert connection.execute("SELECT count(*) FROM kv").fetchone() == (0,)
    connection.close()


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    written(tmp_path, 1).close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}

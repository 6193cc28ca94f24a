"""What the scribe in a process of its own promises: it ends with its server, and is missed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from ogi.storage import Home
from ogi.storage.sqlite import DataFolderError, SqliteStore

HOME = Home("home")
KEY = b"home\x00key"

SERVER = """
import asyncio, pathlib, sys
from ogi.storage import Home
from ogi.storage.sqlite import SqliteStore

async def main():
    store = SqliteStore(pathlib.Path(sys.argv[1]), process=True)
    number = 0
    while True:
        value = b"%d" % number
        await store.transact(lambda tx: tx.set(b"home\\x00key", value), Home("home"))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def scribe_of(store: SqliteStore) -> int:
    return store._writer._process.pid  # type: ignore[attr-defined,no-any-return]


async def test_a_store_whose_scribe_is_gone_promises_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, process=True)
    await store.transact(lambda tx: tx.set(KEY, b"kept"), HOME)
    os.kill(scribe_of(store), signal.SIGKILL)
    with pytest.raises(Exception, match=r"has ended|closed"):
        for number in range(10_000):
            value = b"%d" % number
            await store.transact(lambda tx, v=value: tx.set(KEY, v), HOME)  # type: ignore[misc]
    with pytest.raises(DataFolderError, match="closed"):
        await store.transact(lambda tx: tx.set(KEY, b"lost"), HOME)
    await store.close()
    store = SqliteStore(tmp_path, process=True)
    assert await store.read(lambda tx: tx.get(KEY)) is not None
    await store.close()


async def test_whoever_waits_behind_a_write_that_is_lost_hears_it(tmp_path: Path) -> None:
    """Several groups may be on their way to the disk at once."""
    store = SqliteStore(tmp_path, process=True)
    os.kill(scribe_of(store), signal.SIGSTOP)

    def body(tx: Any, number: int) -> None:
        for row in range(100):
            tx.set(KEY + b"%d" % row, b"%d" % number)

    waiting = [
        asyncio.ensure_future(store.transact(lambda tx, n=number: body(tx, n), HOME))  # type: ignore[misc]
        for number in range(20)
    ]
    await asyncio.sleep(0)
    os.kill(scribe_of(store), signal.SIGKILL)
    heard = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, Exception) for one in heard)
    await store.close()
    store = SqliteStore(tmp_path, process=True)
    assert await store.read(lambda tx: tx.get(KEY + b"0")) is None
    await store.close()


@pytest.mark.parametrize("round", range(3))
def test_a_killed_server_leaves_a_folder_that_opens_at_once(tmp_path: Path, round: int) -> None:
    """The scribe holds the lock until it has ended, so that two never write one folder."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    until = time.monotonic() + 0.1 * (round + 1)
    acknowledged = int(server.stdout.readline())
    while time.monotonic() < until:
        acknowledged = int(server.stdout.readline())
    server.kill()
    for line in server.stdout.read().splitlines():
        acknowledged = int(line)
    server.wait()
    server.stdout.close()

    async def reopen() -> bytes | None:
        store = SqliteStore(tmp_path, process=True)
        try:
            return await store.read(lambda tx: tx.get(KEY))
        finally:
            await store.close()

    found = asyncio.run(reopen())
    assert found is not None and int(found) in (acknowledged, acknowledged + 1)


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_group_that_is_larger_than_the_line_arrives(tmp_path: Path, runner: Any) -> None:
    value = os.urandom(3 * 1024 * 1024)

    async def write() -> None:
        store = SqliteStore(tmp_path, process=True)
        homes = [
            store.transact(lambda tx, k=bytes([k]): tx.set(KEY + k, value), HOME)  # type: ignore[misc]
            for k in range(5)
        ]
        await asyncio.wait_for(asyncio.gather(*homes), 30)
        await store.transact(lambda tx: tx.set(KEY, b"small"), HOME)
        await store.close()
        store = SqliteStore(tmp_path, process=True)
        assert await store.read(lambda tx: tx.get(KEY + b"\x04")) == value
        assert await store.read(lambda tx: tx.get(KEY)) == b"small"
        await store.close()

    runner(write())


async def test_a_full_disk_is_told_to_whoever_waits(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, process=True)
    await store.transact(lambda tx: tx.set(KEY, b"x"), HOME)
    # The scribe may write no further than the file's first bytes: what a full disk answers.
    import resource

    resource.prlimit(scribe_of(store), resource.RLIMIT_FSIZE, (64, 64))
    with pytest.raises(Exception, match=r"OSError|has ended"):
        await store.transact(lambda tx: tx.set(KEY, b"y" * 10_000), HOME)
    with pytest.raises(DataFolderError, match="closed"):
        await store.transact(lambda tx: tx.get(KEY), HOME)
    await store.close()

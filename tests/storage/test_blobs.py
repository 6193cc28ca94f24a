"""Is it a blob store? What was written is read, from any place, and a crash leaves no rubbish."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ogi.storage import Blob
from ogi.storage.files import READ_BYTES, FileBlobs


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _read(blobs: FileBlobs, blob: Blob, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in blobs.open(blob, start, stop)])


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


async def test_what_was_written_is_read(blobs: FileBlobs) -> None:
    blob = await blobs.write(_pieces(b"ab", b"", b"cde"))
    assert blob.size == 5
    assert await _read(blobs, blob, 0, 5) == b"abcde"


async def test_an_empty_blob_can_be_written_and_read(blobs: FileBlobs) -> None:
    blob = await blobs.write(_pieces())
    assert blob.size == 0
    assert await _read(blobs, blob, 0, 0) == b""


async def test_any_range_of_a_large_blob_can_be_read(blobs: FileBlobs) -> None:
    whole = random.Random(1).randbytes(2 * READ_BYTES + 77)
    blob = await blobs.write(_pieces(whole[:5], whole[5:READ_BYTES], whole[READ_BYTES:]))
    for start, stop in [(0, 1), (5, 5), (3, READ_BYTES), (READ_BYTES - 1, 2 * READ_BYTES + 1)]:
        assert await _read(blobs, blob, start, stop) == whole[start:stop]
    assert await _read(blobs, blob, 0, len(whole)) == whole


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    blob = await FileBlobs(tmp_path).write(_pieces(b"kept"))
    assert await _read(FileBlobs(tmp_path), blob, 0, 4) == b"kept"


async def test_a_name_that_the_caller_chose_is_kept(blobs: FileBlobs) -> None:
    assert (await blobs.write(_pieces(b"x"), "ab" * 16)).name == "ab" * 16


async def test_a_deleted_blob_is_gone_and_deleting_again_is_harmless(
    blobs: FileBlobs, tmp_path: Path
) -> None:
    blob = await blobs.write(_pieces(b"x"))
    await blobs.delete(blob)
    await blobs.delete(blob)
    assert _files(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        await _read(blobs, blob, 0, 1)


async def test_a_reader_that_has_begun_outlives_the_blob(blobs: FileBlobs) -> None:
    whole = bytes(3 * READ_BYTES)
    blob = await blobs.write(_pieces(whole))
    reader = blobs.open(blob, 0, len(whole))
    first = await anext(reader)
    await blobs.delete(blob)
    rest = b"".join([piece async for piece in reader])
    assert first + rest == whole


async def test_a_write_whose_source_fails_leaves_nothing(blobs: FileBlobs, tmp_path: Path) -> None:
    async def torn() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await blobs.write(torn())
    assert _files(tmp_path) == []


async def test_a_cancelled_write_leaves_nothing(blobs: FileBlobs, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"begun"
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(blobs.write(stuck()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _files(tmp_path) == []


async def test_what_a_dead_process_had_begun_is_removed_at_the_start(tmp_path: Path) -> None:
    FileBlobs(tmp_path)
    (tmp_path / "incoming" / "torn").write_bytes(b"half")
    FileBlobs(tmp_path)
    assert _files(tmp_path) == []


_WRITER = """
import asyncio, hashlib, sys
from pathlib import Path
from ogi.storage.files import FileBlobs

async def pieces(n):
    for part in range(20):
        yield bytes([n % 251]) * 50_000

async def main():
    blobs = FileBlobs(Path(sys.argv[1]))
    for n in range(10_000):
        blob = await blobs.write(pieces(n))
        print(n, blob.name, blob.size, flush=True)

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_a_kill_and_nothing_torn_does(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    lines = [await child.stdout.readline() for _ in range(5)]
    child.kill()
    lines += (await child.stdout.read()).splitlines(keepends=True)
    await child.wait()
    blobs = FileBlobs(tmp_path)
    for line in lines:
        if line.endswith(b"\n"):
            n, name, size = line.decode().split()
            whole = await _read(blobs, Blob(name, int(size)), 0, int(size))
            assert whole == bytes([int(n) % 251]) * 1_000_000
    # At most the one that was written and not yet acknowledged; never a part of one.
    files = _files(tmp_path)
    assert len(files) <= len(lines) + 1
    assert {path.stat().st_size for path in files} == {1_000_000}


async def test_a_blob_that_lost_bytes_is_never_passed_off_as_whole(
    blobs: FileBlobs, tmp_path: Path
) -> None:
    blob = await blobs.write(_pieces(b"whole"))
    _files(tmp_path)[0].write_bytes(b"who")
    with pytest.raises(EOFError):
        await _read(blobs, blob, 0, 5)


async def test_reset_forgets_every_blob(blobs: FileBlobs, tmp_path: Path) -> None:
    await blobs.write(_pieces(b"x"))
    await blobs.reset()
    assert _files(tmp_path) == []
    assert (await blobs.write(_pieces(b"y"))).size == 1

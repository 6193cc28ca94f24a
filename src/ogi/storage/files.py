"""Blobs as files: the bytes that are too large for the map.

Laws: `write` returns when data and directory entry are on disk; what stands under a final name was
written completely; a name is used once, so a file never changes; unreferenced files are deleted by
who promised to (see `write`), leftovers of torn writes at the next start.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from ogi.storage import Blob
from ogi.storage.lanes import Lane

READ_BYTES = 1024 * 1024
"""Read at once, and read ahead: at most two such pieces per reader are in memory."""
WRITEBACK_BYTES = 8 * 1024 * 1024
"""A file is brought to the disk in windows of this size while it is written, so that the sync at
the end has little left to do. Behind the first window it is dropped from the system's cache: a
large object would push everything else out, and where memory grows slowly (a virtual machine gets
it from its host page by page) fresh memory costs more time than the disk."""


class FileBlobs:
    """One file per blob in 256 folders under `folder`. Opened by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._made: set[Path] = set()
        self._prepare()

    async def write(self, chunks: AsyncIterator[bytes], name: str | None = None) -> Blob:
        """Write all of `chunks`; durable on return.

        name: one that the caller made up and has promised, durably, to delete should it never be
        referenced. Without it a crash of the process right after the write leaks the file.
        """
        name = name or secrets.token_hex(16)
        file = await asyncio.to_thread(_Incoming, self._incoming / name)
        writing: Lane[None] = Lane()
        flushing: Lane[None] = Lane()
        passed = 0
        try:
            async for chunk in chunks:
                await writing.put(file.write, chunk)
                passed += len(chunk)
                if passed >= WRITEBACK_BYTES:
                    passed = 0
                    await flushing.put(file.flush)
            await writing.end()
            await flushing.end()
            await writing.put(file.keep, self._path(name), self._made)
            await writing.end()
        except BaseException:
            await writing.settle()
            await flushing.settle()
            await asyncio.shield(asyncio.to_thread(file.abandon))
            raise
        return Blob(name, file.size)

    async def open(
        self, blob: Blob, start: int, stop: int, piece_bytes: int = READ_BYTES
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to before `stop`, in pieces of `piece_bytes` but for the last.

        Once the first piece has come, deleting the blob does no harm to this reader.
        """
        fd = await asyncio.to_thread(os.open, self._path(blob.name), os.O_RDONLY)
        lane: Lane[bytes] = Lane()
        try:
            while start < stop:
                size = min(piece_bytes, stop - start)
                piece = await lane.put(_read, fd, size, start)
                start += size
                if piece is not None:
                    yield piece
            piece = await lane.end()
            if piece is not None:
                yield piece
        finally:
            await lane.settle()
            os.close(fd)

    async def delete(self, blob: Blob) -> None:
        """Remove it, wherever its write had come to; nothing happens if it is not there."""
        await asyncio.to_thread(self._unlink, blob.name)

    async def reset(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder)
        await asyncio.to_thread(self._prepare)

    def _prepare(self) -> None:
        """Make the folders; what is incoming now is left over from a process that died."""
        self._made.clear()
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]

    def _unlink(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)
        (self._incoming / name).unlink(missing_ok=True)


class _Incoming:
    """A file that is being written. Its methods run in threads; `flush` beside `write`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._synced = 0
        self.size = 0

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._fd, view) :]
        self.size += len(chunk)

    def flush(self) -> None:
        """Bring what is written so far to the disk, and out of memory but for the beginning."""
        start, stop = self._synced, self.size
        os.fdatasync(self._fd)
        self._synced = stop
        if start > 0 and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._fd, start, stop - start, os.POSIX_FADV_DONTNEED)

    def keep(self, path: Path, made: set[Path]) -> None:
        """Give it its final name, then put data and name on disk.

        Renamed before the sync, so that one commit of the file system's journal covers both; the
        caller references the file only after both syncs.
        """
        if path.parent not in made:
            path.parent.mkdir(exist_ok=True)
            _sync_folder(path.parent.parent)
            made.add(path.parent)
        self._path.rename(path)
        self._path = path
        self.flush()
        os.fsync(self._fd)
        _sync_folder(path.parent)
        os.close(self._fd)
        self._fd = -1

    def abandon(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._path.unlink(missing_ok=True)


def _read(fd: int, size: int, offset: int) -> bytes:
    piece = os.pread(fd, size, offset)
    if len(piece) == size:
        return piece
    pieces = [piece]
    got = len(piece)
    while got < size:
        piece = os.pread(fd, size - got, offset + got)
        if not piece:
            raise EOFError(f"a blob ends {size - got} bytes too early")
        pieces.append(piece)
        got += len(piece)
    return b"".join(pieces)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

"""The journal: the write-sets of groups that are on disk, and not yet in the tree.

Two files take turns. One takes the groups that are committed now; what the other holds is being
folded into the tree, and then that file is written again from its beginning, so that a write seldom
makes a file longer. A record is a header (magic, number, length, checksum) and the write-set as
msgpack. Numbers go up by one over the life of the folder: that tells a new record from what an
earlier turn left behind it.

Laws: a record is written only after the one before it is on disk, so a record that does not hold
ends the journal, unless one that came after it is found: then the file is damaged, which is said.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ogi.storage import Changes

MAGIC: Final = b"OGIj"
_HEADER: Final = struct.Struct(">4sQII")
"""Magic, number, bytes of the payload, CRC-32 of number, length and payload."""
_SUMMED: Final = struct.Struct(">QI")
encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(dict[bytes, bytes | None]).decode
"""A write-set as bytes, and back."""


class JournalDamaged(Exception):
    """Records are missing in the midst of the journal; the message names the file."""


class JournalBroken(Exception):
    """A record could not be written, so none may follow: what follows rests on it."""


class Found(NamedTuple):
    """A record that was read back."""

    number: int
    payload: bytes


class Turned(NamedTuple):
    """A file that nobody writes until it has been folded."""

    file: int
    size: int
    number: int
    """Of its last record."""

    def merged(self) -> Changes:
        """The effect of all its records."""
        changes: Changes = {}
        raw, at = os.pread(self.file, self.size, 0), 0
        while at < self.size:
            found = _parse(raw, at)
            if found is None:
                raise JournalDamaged(f"a record before {self.number} cannot be read back")
            changes.update(decode(found.payload))
            at += _HEADER.size + len(found.payload)
        return changes


class Journal:
    """Both files, as one writer has them."""

    def __init__(self, folder: Path) -> None:
        self._paths = [folder / "journal.0", folder / "journal.1"]
        self._files: list[int] = []
        try:
            for path in self._paths:
                self._files.append(_open(path))
        except BaseException:
            self.close()
            raise
        sync_folder(folder)
        self._current = 0
        self._at = 0
        self.number = 0
        """Of the last record."""
        self._broken = False

    def append(self, payload: bytes) -> int:
        """Put an encoded write-set on disk; the bytes that were written."""
        if self._broken:
            raise JournalBroken("an earlier record could not be written")
        number = self.number + 1
        record = pack(number, payload)
        try:
            _write(self._files[self._current], record, self._at)
        except BaseException:
            self._broken = True
            raise
        self._at += len(record)
        self.number = number
        return len(record)

    def turn(self) -> Turned:
        """Go on in the other file, whose records are all in the tree; what this one holds."""
        turned = Turned(self._files[self._current], self._at, self.number)
        self._current = 1 - self._current
        self._at = 0
        return turned

    def replay(self, applied: int) -> Iterator[Changes]:
        """The write-sets that follow number `applied`, in order; then go on behind them.

        The caller brings them into the tree before anything is appended.
        """
        self.number = applied
        runs = [run for path in self._paths if (run := _run(path, applied))]
        runs.sort(key=lambda run: run[0].number)
        for run in runs:
            for found in run:
                if found.number <= self.number:
                    continue
                if found.number != self.number + 1:
                    raise JournalDamaged(
                        f"the journal goes from record {self.number} to {found.number}"
                    )
                self.number = found.number
                yield decode(found.payload)
        self._current = self._at = 0

    def close(self) -> None:
        for fd in self._files:
            os.close(fd)
        self._files.clear()


def pack(number: int, payload: bytes) -> bytes:
    """A record as it stands in the file."""
    total = zlib.crc32(payload, zlib.crc32(_SUMMED.pack(number, len(payload))))
    return _HEADER.pack(MAGIC, number, len(payload), total) + payload


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _run(path: Path, applied: int) -> list[Found]:
    """The records that a file begins with, each the successor of the one before it.

    Behind them lie those of an earlier turn, all of which are in the tree.
    """
    raw = path.read_bytes()
    run: list[Found] = []
    at = 0
    while (found := _parse(raw, at)) is not None:
        if run and found.number != run[-1].number + 1:
            break
        run.append(found)
        at += _HEADER.size + len(found.payload)
    last = max(applied, run[-1].number if run else 0)
    while (at := raw.find(MAGIC, at)) >= 0:
        later = _parse(raw, at)
        if later is not None and later.number > last:
            raise JournalDamaged(f"{path.name} holds record {later.number}, but not {last + 1}")
        at += len(MAGIC)
    return run


def _parse(raw: bytes, at: int) -> Found | None:
    if len(raw) < at + _HEADER.size:
        return None
    magic, number, length, total = _HEADER.unpack_from(raw, at)
    payload = raw[at + _HEADER.size : at + _HEADER.size + length]
    if magic != MAGIC or len(payload) != length:
        return None
    found = zlib.crc32(payload, zlib.crc32(_SUMMED.pack(number, length)))
    return Found(number, payload) if found == total else None


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    if sys.platform == "linux":
        flags |= os.O_DSYNC  # One call writes and waits for the disk.
    return os.open(path, flags, 0o600)


def _write(fd: int, record: bytes, at: int) -> None:
    """Write it all and wait until it is on disk."""
    left = memoryview(record)
    while left:
        written = os.pwrite(fd, left, at)
        left, at = left[written:], at + written
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync does not empty the drive's cache there.
    elif sys.platform != "linux":
        os.fsync(fd)

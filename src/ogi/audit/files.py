"""A file of lines that is bounded: when it is full it is put aside, and the oldest goes.

Law: whoever reads these files sees whole lines, except while one is being written; what a process
that died has torn is cut off at the next start.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

LOOK_BACK_BYTES = 1024 * 1024
"""How far back the end of the last whole line is looked for: above the longest record."""


class RotatingFile:
    """`events.jsonl` is the newest, `events.1.jsonl` the one before. One writer at a time."""

    def __init__(self, folder: Path, bytes_max: int, files_max: int) -> None:
        """bytes_max: of one file. files_max: all of them together, the newest too."""
        self._folder = folder
        self._bytes_max, self._files_max = bytes_max, files_max
        self._fd = -1
        self._size = 0

    def append(self, lines: Sequence[bytes]) -> int:
        """Write whole lines (without their ends); blocks. Returns how many were written: all that
        fit into this file. Raises OSError, and then wrote none."""
        self._open()
        if self._size and self._size + len(lines[0]) + 1 > self._bytes_max:
            self._rotate()
        fit, size = 0, self._size
        for line in lines:
            size += len(line) + 1
            if fit and size > self._bytes_max:
                break
            fit += 1
        self._write(lines[:fit])
        return fit

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def clear(self) -> None:
        """Remove all of it."""
        self.close()
        for path in self._folder.glob("events*.jsonl"):
            path.unlink()

    def _path(self, age: int) -> Path:
        return self._folder / (f"events.{age}.jsonl" if age else "events.jsonl")

    def _open(self) -> None:
        if self._fd >= 0:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path(0), flags, 0o600)
        self._size = self._mended(os.fstat(self._fd).st_size)

    def _mended(self, size: int) -> int:
        """The size once a line that a crash has torn is gone."""
        start = max(0, size - LOOK_BACK_BYTES)
        tail = os.pread(self._fd, size - start, start)
        whole = start + tail.rfind(b"\n") + 1
        if whole < size:
            os.ftruncate(self._fd, whole)
        return whole

    def _write(self, lines: Sequence[bytes]) -> None:
        data = memoryview(b"\n".join(lines) + b"\n")
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += written

    def _rotate(self) -> None:
        """Oldest first, so that a crash in between loses none but the oldest."""
        self.close()
        aged = [(_age(path), path) for path in self._folder.glob("events*.jsonl")]
        for age, path in sorted(aged, reverse=True):
            if age >= self._files_max - 1:
                path.unlink()
            else:
                path.rename(self._path(age + 1))
        self._open()


def _age(path: Path) -> int:
    """Of `events.3.jsonl` 3, of `events.jsonl` 0."""
    number = path.name.removeprefix("events").removesuffix(".jsonl").removeprefix(".")
    return int(number) if number.isdigit() else 0

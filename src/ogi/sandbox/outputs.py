"""What a function prints: bytes in, log lines out, with limits on a line and on the volume."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ogi.sandbox import TAIL_BYTES, LogLine

LINE_BYTES_MAX = 256 * 1024 - 26
"""Longer lines are cut into events (CloudWatch Logs quotas page: 256 KB, 26 of them overhead)."""
VOLUME_BYTES_MAX = 16 * 1024 * 1024
"""What one invocation may print; what is beyond is dropped, and a line says so."""
RECORD = b"\x1e"
"""Joins the lines of one event inside (see inside/python_runtime.py)."""


class Output:
    """The log of one environment; `begin` starts an invocation's share of it."""

    def __init__(
        self, log: Callable[[Sequence[LogLine]], None], now: Callable[[], float] = time.time
    ) -> None:
        self._log = log
        self._now = now
        self._partial = b""
        self._tail = bytearray()
        self._volume = 0

    def begin(self) -> None:
        self._tail.clear()
        self._volume = 0

    def feed(self, data: bytes) -> None:
        """Bytes as they were read; complete lines are logged at once."""
        self._volume += len(data)
        if self._volume > VOLUME_BYTES_MAX:
            if self._volume - len(data) <= VOLUME_BYTES_MAX:
                self.flush()
                self.say(f"Ogi drops what is printed beyond {VOLUME_BYTES_MAX} bytes.")
            return
        *whole, self._partial = (self._partial + data).split(b"\n")
        self._emit(whole)
        while len(self._partial) > LINE_BYTES_MAX:
            self._emit([self._partial[:LINE_BYTES_MAX]])
            self._partial = self._partial[LINE_BYTES_MAX:]

    def flush(self) -> None:
        """What was printed without an end of line becomes a line."""
        if self._partial:
            whole, self._partial = [self._partial], b""
            self._emit(whole)

    def say(self, *texts: str) -> None:
        """Lines of Lambda's own."""
        self._emit([text.encode() for text in texts])

    def tail(self) -> bytes:
        return bytes(self._tail[-TAIL_BYTES:])

    def _emit(self, raw: Sequence[bytes]) -> None:
        at_ms = int(self._now() * 1000)
        lines: list[LogLine] = []
        for line in raw:
            for at in range(0, max(1, len(line)), LINE_BYTES_MAX):
                text = line[at : at + LINE_BYTES_MAX].replace(RECORD, b"\n")
                lines.append(LogLine(at_ms, text.decode("utf-8", "replace")))
                self._tail += text + b"\n"
        if len(self._tail) > 4 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        if lines:
            self._log(lines)

"""Lines: how the server and a process of its own speak, over a socket.

Both write frames: one letter, the length of what follows, and that. The process ends when the line
does, and imports little, since its memory counts as the server's.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

FRAME: Final = struct.Struct(">cI")
BUFFER_BYTES: Final = 1024 * 1024
"""What a line holds, so that what is said is handed over without waiting as a rule."""


def framed(letter: bytes, text: bytes | bytearray) -> bytes:
    return FRAME.pack(letter, len(text)) + text


def head(letter: bytes, text: bytes) -> bytes:
    """What stands before `text` in its frame."""
    return FRAME.pack(letter, len(text))


def spawn(
    module: str, arguments: Sequence[str], held: Sequence[int] = ()
) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start `python -m module FD ARGUMENTS...`, whose end of the line is FD; our end of it.

    held: file descriptors that it keeps open as long as it lives.
    """
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
            pass_fds=(theirs.fileno(), *held),
            # As Python: what it does is in C already, and the compiled modules are 3 MB.
            env={**os.environ, "OGI_COMPILED": "0"},
            stdin=subprocess.DEVNULL,
        )
    return ours, process


class Frames:
    """Frames out of bytes as they arrive."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The frames that are complete now."""
        arrived = self._arrived
        arrived += data
        while len(arrived) >= FRAME.size:
            letter, size = FRAME.unpack_from(arrived)
            end = FRAME.size + size
            if len(arrived) < end:
                return
            text = bytes(arrived[FRAME.size : end])
            del arrived[:end]
            yield letter, text


class End:
    """The server's end, on its event loop. What does not fit the line waits here, in order."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        line: socket.socket,
        heard: Callable[[bytes, bytes], None],
        lost: Callable[[], None],
    ) -> None:
        """heard: is given each frame. lost: called once, when the process is gone."""
        line.setblocking(False)
        self._loop = loop
        self._line: socket.socket | None = line
        self._heard = heard
        self._lost = lost
        self._frames = Frames()
        self._unsent = bytearray()
        loop.add_reader(line.fileno(), self._hear)

    def say(self, *parts: bytes) -> None:
        """Frames, in as many parts as there are at hand: long ones are not copied together."""
        line = self._line
        if line is None:
            return
        if self._unsent:
            self._unsent += b"".join(parts)
            return
        sent = self._sent(line, parts)
        if sent < sum(map(len, parts)) and self._line is not None:
            self._unsent += memoryview(b"".join(parts))[sent:]
            self._loop.add_writer(line.fileno(), self._go_on)

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            self._loop.remove_reader(line.fileno())
            if self._unsent:
                self._loop.remove_writer(line.fileno())
            line.close()

    def _go_on(self) -> None:
        line = self._line
        assert line is not None
        sent = self._sent(line, (self._unsent,))
        if self._line is None:
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(line.fileno())

    def _sent(self, line: socket.socket, parts: Sequence[bytes | bytearray]) -> int:
        try:
            return line.sendmsg(parts)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._end()
            return 0

    def _hear(self) -> None:
        assert self._line is not None
        try:
            data = self._line.recv(BUFFER_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        for letter, text in self._frames.feed(data):
            self._heard(letter, text)

    def _end(self) -> None:
        self.close()
        # Not from within `say`: who says something does not expect to hear.
        self._loop.call_soon(self._lost)


class Line:
    """The process's end."""

    def __init__(self, fd: int) -> None:
        # A terminal's ^C goes to all: the server decides when the line ends.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._socket = socket.socket(fileno=fd)
        self._lock = threading.Lock()
        self._frames = Frames()

    def hear(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """What is said, as it comes, until the line ends."""
        while data := self._socket.recv(BUFFER_BYTES):
            frames = list(self._frames.feed(data))
            if frames:
                yield frames

    def say(self, letter: bytes, text: bytes) -> None:
        self.pass_on(framed(letter, text))

    def pass_on(self, frames: bytes) -> None:
        try:
            with self._lock:
                self._socket.sendall(frames)
        except OSError:
            os._exit(0)  # Nobody hears it.

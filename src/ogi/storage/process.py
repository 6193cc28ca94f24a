"""The process in which a scribe writes. It imports little, since its memory counts as the server's.

Laws: it ends when the line does, so it never outlives its server for longer than a write takes; it
holds the folder's lock as long as it lives, so nobody opens the folder before. It answers an append
before it takes the next.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ogi.storage.frames import COUNT, FRAME
from ogi.storage.journal import Turned, encode
from ogi.storage.scribe import Scribe
from ogi.storage.tree import DataFolderError

SWITCH_S = 0.0005


class _Line:
    """The scribe's end."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lock = threading.Lock()

    def hear(self) -> tuple[bytes, bytes] | None:
        """The next order; None once the line has ended."""
        head = self._exactly(FRAME.size)
        if head is None:
            return None
        letter, size = FRAME.unpack(head)
        text = self._exactly(size)
        return None if text is None else (letter, bytes(text))

    def say(self, letter: bytes, text: bytes) -> None:
        try:
            with self._lock:
                self._socket.sendall(FRAME.pack(letter, len(text)) + text)
        except OSError:
            os._exit(0)  # Nobody hears it.

    def attempt(self, letter: bytes, work: Callable[[], bytes]) -> None:
        """Say what `work` returns, or that it failed."""
        try:
            said = work()
        except BaseException as error:
            self.say(b"X", letter + f"{type(error).__name__}: {error}".encode())
        else:
            self.say(letter, said)

    def _exactly(self, size: int) -> bytearray | None:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            count = self._socket.recv_into(view)
            if count == 0:
                return None
            view = view[count:]
        return buffer


def serve(line: _Line, scribe: Scribe) -> None:
    """Do what is ordered until the line ends."""
    folding: threading.Thread | None = None
    while (order := line.hear()) is not None:
        letter, text = order
        if letter == b"C":
            line.attempt(b"C", partial(_append, scribe, text))
            continue
        if folding is not None:
            folding.join()
            folding = None
        if letter == b"F":
            work = partial(_fold, scribe, scribe.turn())
            folding = threading.Thread(target=line.attempt, args=(b"F", work))
            folding.start()
        elif letter == b"R":
            line.attempt(b"R", partial(_empty, scribe))
        elif letter == b"Q":
            line.attempt(b"Q", partial(_end, scribe, text == b"1"))
            return


def _append(scribe: Scribe, payload: bytes) -> bytes:
    return COUNT.pack(scribe.append(payload))


def _fold(scribe: Scribe, turned: Turned) -> bytes:
    return encode(scribe.fold(turned))


def _empty(scribe: Scribe) -> bytes:
    scribe.empty()
    return b""


def _end(scribe: Scribe, fold: bool) -> bytes:
    if fold:
        scribe.fold(scribe.turn())
    scribe.close()
    return b""


def main() -> None:
    # A terminal's ^C goes to all: the server decides when the line ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_S)  # A fold lets appends in between.
    line = _Line(int(sys.argv[1]))
    try:
        scribe = Scribe(Path(sys.argv[2]))
    except DataFolderError as error:
        line.say(b"X", b"C" + str(error).encode())
        return
    serve(line, scribe)
    os._exit(0)  # A fold that is under way is begun again at the next start.


if __name__ == "__main__":
    main()

"""The process in which a scribe writes. It imports little, since its memory counts as the server's.

Laws: it ends when the line does, so it never outlives its server for longer than a write takes; it
holds the folder's lock as long as it lives, so nobody opens the folder before. It answers an append
before it takes the next.

It hears C (append a write-set), F (fold), R (forget all), Q (end; Q1 after a last fold). It answers
each with the same letter, or with X, that letter, and what went wrong.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

from ogi.lines import Line
from ogi.storage.journal import Turned, encode
from ogi.storage.scribe import Scribe
from ogi.storage.tree import DataFolderError

SWITCH_S = 0.0005
FOLD_NICE = 10
"""Nobody waits for a fold, and many for an append and for the server on the other processor."""


def attempt(line: Line, letter: bytes, work: Callable[[], bytes]) -> None:
    """Say what `work` returns, or that it failed."""
    try:
        said = work()
    except BaseException as error:
        line.say(b"X", letter + f"{type(error).__name__}: {error}".encode())
    else:
        line.say(letter, said)


def serve(line: Line, scribe: Scribe) -> None:
    """Do what is ordered until the line ends."""
    folding: threading.Thread | None = None
    for letter, text in chain.from_iterable(line.hear()):
        if letter == b"C":
            attempt(line, b"C", partial(_append, scribe, text))
            continue
        if folding is not None:
            folding.join()
            folding = None
        if letter == b"F":
            work = partial(_fold, scribe, scribe.turn())
            folding = threading.Thread(target=attempt, args=(line, b"F", work))
            folding.start()
        elif letter == b"R":
            attempt(line, b"R", partial(_empty, scribe))
        elif letter == b"Q":
            attempt(line, b"Q", partial(_end, scribe, text == b"1"))
            return


def _append(scribe: Scribe, payload: bytes) -> bytes:
    return scribe.append(payload).to_bytes(4, "big")


def _fold(scribe: Scribe, turned: Turned) -> bytes:
    if sys.platform == "linux":  # Where a thread has a priority of its own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), FOLD_NICE)
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
    sys.setswitchinterval(SWITCH_S)  # A fold lets appends in between.
    line = Line(int(sys.argv[1]))
    try:
        scribe = Scribe(Path(sys.argv[2]))
    except DataFolderError as error:
        line.say(b"X", b"C" + str(error).encode())
        return
    serve(line, scribe)
    os._exit(0)  # A fold that is under way is begun again at the next start.


if __name__ == "__main__":
    main()

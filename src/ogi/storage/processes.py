"""A scribe in a process of its own, as the store sees it (`process` is the other end)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from ogi.lines import End, head, spawn
from ogi.storage import Changes
from ogi.storage.journal import decode, encode
from ogi.storage.scribe import Scribe

END_S_MAX = 30.0
"""How long a server waits for its scribe to end."""

Answered = Callable[[bytes, BaseException | None], None]


class ScribeFailed(Exception):
    """The scribe could not write, or is gone; the message says what it said."""


class ProcessWriter:
    """See `ogi.storage.writers`."""

    def __init__(self, folder: Path, lock: int, gone: Callable[[BaseException], None]) -> None:
        """lock: the file descriptor that holds the folder; the scribe holds it, too. gone: told
        when the scribe has ended unasked, after whoever waited for it."""
        self._loop = asyncio.get_running_loop()
        # Here, so that a folder that cannot be opened is refused at once, and its journal is folded
        # while the scribe starts.
        Scribe(folder).close()
        line, self._process = spawn("ogi.storage.process", (str(folder),), held=(lock,))
        self._line = End(self._loop, line, self._hear, self._lost)
        self._waiting: dict[bytes, deque[Answered]] = {}
        """Who waits, by what was asked: answers come in the order of the questions."""
        self._gone = False
        self._closing = False
        self._tell_gone = gone

    def append(
        self, changes: Changes, appended: Callable[[int, BaseException | None], None]
    ) -> None:
        def answered(said: bytes, failure: BaseException | None) -> None:
            appended(0 if failure is not None else int.from_bytes(said, "big"), failure)

        self._ask(b"C", encode(changes), answered)

    def fold(self, folded: Callable[[Changes, BaseException | None], None]) -> None:
        def answered(said: bytes, failure: BaseException | None) -> None:
            folded({} if failure is not None else decode(said), failure)

        self._ask(b"F", b"", answered)

    async def empty(self) -> None:
        await self._request(b"R", b"")

    async def close(self, fold: bool) -> None:
        self._closing = True
        try:
            await self._request(b"Q", b"1" if fold else b"0")
        except ScribeFailed:
            if fold:
                raise
        finally:
            self._line.close()
            await asyncio.to_thread(self._process.wait, END_S_MAX)

    async def _request(self, letter: bytes, text: bytes) -> None:
        ended: asyncio.Future[None] = self._loop.create_future()

        def answered(said: bytes, failure: BaseException | None) -> None:
            if failure is None:
                ended.set_result(None)
            else:
                ended.set_exception(failure)

        self._ask(letter, text, answered)
        await ended

    def _ask(self, letter: bytes, text: bytes, answered: Answered) -> None:
        self._waiting.setdefault(letter, deque()).append(answered)
        self._line.say(head(letter, text), text)
        if self._gone:
            self._loop.call_soon(self._lost)

    def _hear(self, letter: bytes, text: bytes) -> None:
        failure = None
        if letter == b"X":
            letter, text = text[:1], text[1:]
            failure = ScribeFailed(text.decode(errors="replace"))
        waiting = self._waiting.get(letter)
        if waiting:
            waiting.popleft()(text, failure)

    def _lost(self) -> None:
        """The scribe is gone: nothing can be written any more."""
        self._gone = True
        failure = ScribeFailed("the process that writes the data folder has ended")
        waiting, self._waiting = self._waiting, {}
        for answered in chain.from_iterable(waiting.values()):
            answered(b"", failure)
        if not self._closing:
            self._tell_gone(failure)

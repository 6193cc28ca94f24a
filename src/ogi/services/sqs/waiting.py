"""Waiting: long polls of one queue stand in a line, and only its head listens.

When the bell rings, the head looks how many messages are ready and gives as many a turn, less those
who have one already; so ten thousand waiting polls cost nothing while idle, and one message wakes
one of them. A poll that goes away, for whatever reason, gives its turn and its place to the next.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from ogi.clock import Clock
from ogi.storage import Bell, Store

Look = Callable[[], Awaitable[tuple[int, float]]]
"""(messages that are ready now, when the next becomes ready in seconds since the epoch)"""


class Line:
    """Who waits for one queue of one store, first come first."""

    def __init__(self, store: Store, bell: bytes) -> None:
        self._listening: AbstractContextManager[Bell] = store.listen(bell)
        self._waiters: OrderedDict[asyncio.Event, None] = OrderedDict()
        self._trying = 0
        """How many have a turn and have not ended it."""
        self.bell = self._listening.__enter__()

    def __bool__(self) -> bool:
        return bool(self._waiters)

    def join(self, me: asyncio.Event) -> None:
        self._waiters[me] = None

    def stands(self, me: asyncio.Event) -> bool:
        return me in self._waiters

    def is_head(self, me: asyncio.Event) -> bool:
        return next(iter(self._waiters), None) is me

    def leave(self, me: asyncio.Event) -> None:
        """Go; if I was the head, the next is woken to listen in my place."""
        was_head = self.is_head(me)
        del self._waiters[me]
        if was_head:
            self._wake_head()

    def give_turns(self, ready: int) -> bool:
        """Let the first go for whom a message is ready; False if there is nobody."""
        count = min(ready - self._trying, len(self._waiters))
        for _ in range(count):
            self._waiters.popitem(last=False)[0].set()
            self._trying += 1
        if count > 0:
            self._wake_head()
        return count > 0

    def end_turn(self, more: bool) -> None:
        """Whoever had a turn is done; the head looks again if there may be `more`."""
        self._trying -= 1
        if more:
            self.bell.event.set()

    def _wake_head(self) -> None:
        for head in self._waiters:
            head.set()
            return

    def close(self) -> None:
        self._listening.__exit__(None, None, None)


class _Lines(dict[bytes, Line]):
    """The lines of one store, by their bell."""


async def turn(store: Store, clock: Clock, bell: bytes, until: float, look: Look) -> Line | None:
    """Wait for a turn to receive; the caller ends it. None when `until` has come."""
    lines = store.beside(_Lines)
    line = lines.get(bell)
    if line is None:
        line = lines[bell] = Line(store, bell)
    me = asyncio.Event()
    line.join(me)
    try:
        while line.stands(me) and clock.now() < until:
            me.clear()
            if line.is_head(me):
                await _listen(line, clock, until, look)
            else:
                await clock.wait(me, until)
        return None if line.stands(me) else line
    except BaseException:
        if not line.stands(me):
            line.end_turn(more=True)
        raise
    finally:
        if line.stands(me):
            line.leave(me)
        if not line:
            line.close()
            if lines.get(bell) is line:
                del lines[bell]


async def _listen(line: Line, clock: Clock, until: float, look: Look) -> None:
    """As the head: give turns; if there is nothing to have, wait for the bell."""
    line.bell.clear()
    ready, due = await look()
    if not line.give_turns(ready):
        await clock.wait(line.bell.event, min(until, due))

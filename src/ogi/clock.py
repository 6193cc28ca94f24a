"""Time: reading it and waiting for it. Tests replace the clock and jump."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    async def wait(self, event: asyncio.Event, until: float) -> None:
        """Return when `event` is set or the clock has reached `until`, whichever comes first."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    async def wait(self, event: asyncio.Event, until: float) -> None:
        delay = until - time.time()
        if delay <= 0 or event.is_set():
            # One turn of the loop, so that a caller in a loop never starves the others.
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(delay):
                await event.wait()
        except TimeoutError:
            return


class FakeClock:
    """A clock that stands still until a test moves it; `advance` wakes who waited long enough."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
        for until, moved in self._sleepers:
            if until <= self._now:
                moved.set()

    async def wait(self, event: asyncio.Event, until: float) -> None:
        if event.is_set() or until <= self._now:
            await asyncio.sleep(0)
            return
        moved = asyncio.Event()
        entry = (until, moved)
        self._sleepers.append(entry)
        first = asyncio.ensure_future(event.wait())
        second = asyncio.ensure_future(moved.wait())
        try:
            await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            first.cancel()
            second.cancel()
            self._sleepers.remove(entry)

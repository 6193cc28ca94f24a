"""Gates: how many postings an endpoint gets at once, so that one that hangs holds nobody else up.

A few wait in line, in memory, as long as the endpoint answers. Who finds no place is owed for a
little later; nothing depends on what a gate remembers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ogi.errors import AwsError
from ogi.storage import Store

EACH_MAX = 8
"""Postings to one endpoint at once."""
LINE_MAX = 24
"""Those that wait for one endpoint in memory."""
ALL_MAX = 256
"""Postings at once, in lines as well: half of what the courier makes at once."""
ALL_MAX_FOR_LINES = 128
"""Nobody waits in a line where there are more than so many: the rest is for other endpoints."""
WAIT_S = 1.0
"""Who is turned away comes back so much later, or when it may be his turn."""
WAIT_S_MAX = 600.0
PACE = 100
"""So many who were turned away come back in a second, if the endpoint is not known to fail; twice
as many as it took in a second of late, if that is more."""
KEPT_MAX = 4096


class Busy(AwsError):
    """The message is the number of seconds to wait."""

    status = 500


class _Door:
    """One endpoint: who is inside, who waits, and how it did of late."""

    __slots__ = ("back", "failures", "inside", "line", "rate", "since", "taken")

    def __init__(self) -> None:
        self.inside = 0
        self.line: deque[asyncio.Future[None]] = deque()
        self.failures = 0
        """In a row."""
        self.back = 0.0
        """When the last of those who were turned away comes back."""
        self.taken = 0
        """Since `since`: what succeeded."""
        self.since = 0.0
        self.rate = 0.0
        """What succeeded in a second of late."""

    def limit(self, steady: bool) -> int:
        """Half as many at once after each failure, until one succeeds: the dead must not take all
        places from the living."""
        return EACH_MAX if steady else max(1, EACH_MAX >> min(self.failures, EACH_MAX))

    def turned_away(self, now: float) -> Busy:
        """Comes back at a pace that is the same for a short line and for a long one, so that what
        is owed to an endpoint that stays shut costs others nothing."""
        if now - self.since >= 1.0:
            self.rate, self.taken, self.since = self.taken / (now - self.since), 0, now
        turn = max(self.back, now + WAIT_S)
        self.back = turn + 1 / (EACH_MAX if self.failures else max(PACE, 2 * self.rate))
        return Busy(f"{min(turn - now, WAIT_S_MAX):.3f}")

    async def wait(self, steady: bool) -> None:
        """Wait in line; who returns is inside."""
        place = asyncio.get_running_loop().create_future()
        self.line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self.line.remove(place)
            else:
                self.leave(steady)  # It was given the place in the same turn of the loop.
            raise

    def leave(self, steady: bool) -> None:
        self.inside -= 1
        while self.line and self.inside < self.limit(steady):
            place = self.line.popleft()
            if not place.done():
                self.inside += 1
                place.set_result(None)

    def send_away(self, now: float) -> None:
        """The endpoint fails: who is in line need not find out one by one."""
        while self.line:
            place = self.line.popleft()
            if not place.done():
                place.set_exception(self.turned_away(now))


class Gates:
    def __init__(self) -> None:
        self._doors: dict[str, _Door] = {}
        self._all = 0
        self._next: dict[str, float] = {}

    @asynccontextmanager
    async def enter(
        self,
        name: str,
        now: float,
        per_second: int | None,
        *,
        line_max: int = LINE_MAX,
        steady: bool = False,
    ) -> AsyncIterator[None]:
        """Be counted among the postings to `name`; raises Busy if it may not be now or soon.

        steady: refusals for good are not the endpoint's failures, and none lowers its limit.
        """
        door = self._doors.get(name) or self._new_door(name)
        full = bool(door.line) or door.inside >= door.limit(steady)
        if self._all >= ALL_MAX or (full and not self._may_wait(door, line_max)):
            raise door.turned_away(now)
        if per_second is not None:
            self._take_turn(name, now, per_second)
        self._all += 1
        try:
            if full:
                await door.wait(steady)
            else:
                door.inside += 1
            try:
                yield
            except AwsError as error:
                if not steady or (error.status or 400) >= 500:
                    door.failures += 1
                    door.send_away(now)
                raise
            else:
                door.failures = 0
                door.taken += 1
            finally:
                door.leave(steady)
        finally:
            self._all -= 1

    def _may_wait(self, door: _Door, line_max: int) -> bool:
        return len(door.line) < line_max and self._all < ALL_MAX_FOR_LINES and not door.failures

    def _new_door(self, name: str) -> _Door:
        if len(self._doors) >= KEPT_MAX:
            self._doors = {key: door for key, door in self._doors.items() if door.inside}
        door = self._doors[name] = _Door()
        return door

    def _take_turn(self, name: str, now: float, per_second: int) -> None:
        """Throttle: turns are 1 / per_second apart, and half a second of them may be let in."""
        turn = max(self._next.get(name, 0.0), now)
        if turn - now > 0.5:
            raise Busy(f"{turn - now:.3f}")
        if len(self._next) > KEPT_MAX:
            self._next.clear()
        self._next[name] = turn + 1 / per_second


def of(store: Store) -> Gates:
    """The gates of who delivers what lies in this store."""
    return store.beside(Gates)

"""Gates: how many postings an endpoint gets at once, so that one that hangs holds nobody else up.

What does not get in is owed for a little later; nothing depends on what a gate remembers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from ogi.errors import AwsError
from ogi.storage import Store

EACH_MAX = 8
"""Postings to one endpoint at once."""
ALL_MAX = 256
"""Postings at once: half of what the courier makes at once."""
WAIT_S = 1.0
"""Who does not get in comes back so much later, or when it may be his turn."""
WAIT_S_MAX = 600.0
KEPT_MAX = 4096


class Busy(AwsError):
    """The message is the number of seconds to wait."""

    status = 500


class Gates:
    def __init__(self) -> None:
        self._inside: dict[str, int] = {}
        self._all = 0
        self._next: dict[str, float] = {}
        self._limits: dict[str, int] = {}
        """Of endpoints whose latest posting failed."""
        self._back: dict[str, float] = {}
        """When the last of those who were turned away comes back."""

    @contextmanager
    def enter(
        self, name: str, now: float, per_second: int | None, each_max: int | None = None
    ) -> Iterator[None]:
        """Be counted among the postings to `name`; raises Busy if it may not be now.

        `each_max`: another bound than that of endpoints, which failures do not lower.
        """
        inside = self._inside.get(name, 0)
        limit = self._limits.get(name, EACH_MAX) if each_max is None else each_max
        if inside >= limit or self._all >= ALL_MAX:
            raise Busy(f"{self._turned_away(name, now, each_max or EACH_MAX):.3f}")
        if per_second is not None:
            self._take_turn(name, now, per_second)
        self._inside[name] = inside + 1
        self._all += 1
        try:
            yield
        except AwsError:
            if each_max is None:
                self._doubt(name)
            raise
        else:
            self._limits.pop(name, None)
        finally:
            self._all -= 1
            self._inside[name] -= 1
            if not self._inside[name]:
                del self._inside[name]

    def _doubt(self, name: str) -> None:
        """Half as many at once after each failure, until one succeeds: the dead must not take all
        places from the living."""
        if len(self._limits) > KEPT_MAX:
            self._limits.clear()
        self._limits[name] = max(1, self._limits.get(name, EACH_MAX) // 2)

    def _turned_away(self, name: str, now: float, each_max: int) -> float:
        """How long to wait: as many come back within WAIT_S as get in at once.

        So a long line at a door that stays shut costs no more than a short one.
        """
        turn = max(self._back.get(name, 0.0), now + WAIT_S)
        if len(self._back) > KEPT_MAX:
            self._back.clear()
        self._back[name] = turn + WAIT_S / each_max
        return min(turn - now, WAIT_S_MAX)

    def _take_turn(self, name: str, now: float, per_second: int) -> None:
        """Throttle: turns are 1 / per_second apart, and half a second of them may be let in."""
        turn = max(self._next.get(name, 0.0), now)
        if turn - now > 0.5:
            raise Busy(f"{turn - now:.3f}")
        if len(self._next) > KEPT_MAX:
            self._next.clear()
        self._next[name] = turn + 1 / per_second


_GATES: WeakKeyDictionary[Store, Gates] = WeakKeyDictionary()


def of(store: Store) -> Gates:
    """The gates of who delivers what lies in this store."""
    return _GATES.setdefault(store, Gates())

"""Who has been waited for too long: a queue per kind of wait, in the order of the deadlines.

All waits of one kind last equally long, so the oldest stands first and a look at the front is
enough: ten thousand idle connections cost nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Waits(Generic[K]):
    __slots__ = ("_limit_s", "_since")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since: dict[K, float] = {}

    def begin(self, key: K, now: float) -> None:
        """Start the time of `key`; a time that already runs goes on."""
        self._since.setdefault(key, now)

    def end(self, key: K) -> None:
        self._since.pop(key, None)

    def overdue(self, now: float) -> list[K]:
        """Those whose time is over; they are forgotten."""
        late: list[K] = []
        for key, since in self._since.items():
            if now - since < self._limit_s:
                break
            late.append(key)
        for key in late:
            del self._since[key]
        return late

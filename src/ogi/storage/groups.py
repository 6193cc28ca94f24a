"""A group: the write-set of all transactions that share one commit, read through to the engine.

Bodies run one after the other against the group that is filling; the group before it may still be
on its way to the disk. Both lie over the engine's committed entries, which do not lose or gain a
key that the group on its way does not name, so what a body reads is the same before and after that
commit.
"""

from __future__ import annotations

import asyncio

from sortedcontainers import SortedList

from ogi.storage import Reader

Changes = dict[bytes, bytes | None]

EXTRA_ROWS = 16
"""Rows asked for beyond the limit, since some may be overridden by the group."""


class Group:
    """Changes over a reader. `changes` is the whole effect of the group."""

    __slots__ = ("_below", "_live", "_skips", "_unsorted", "bells", "changes", "waiters")

    def __init__(self, below: Reader) -> None:
        self._below = below
        self.changes: Changes = {}
        self.bells: set[bytes] = set()
        self.waiters: list[asyncio.Future[None]] = []
        """Who waits until the group is on disk."""
        self._live: SortedList = SortedList()
        self._unsorted: list[bytes] = []
        self._skips: dict[bytes, bytes] = {}

    def rest_on(self, below: Reader) -> None:
        """The group below has become part of `below`: the same entries, one step less."""
        self._below = below

    def join(self, changes: Changes, bells: set[bytes]) -> None:
        """Make a finished body's changes part of the group."""
        self._unsorted.extend(changes)
        self.changes.update(changes)
        self.bells |= bells

    def get(self, key: bytes) -> bytes | None:
        changes = self.changes
        return changes[key] if key in changes else self._below.get(key)

    def scan(
        self, begin: bytes, end: bytes, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        if not self.changes:
            return self._below.scan(begin, end, limit, reverse)
        mine = self._mine(begin, end, limit, reverse)
        below = self._unchanged(begin, end, limit, reverse)
        if not mine:
            return below
        if below:
            mine.extend(below)
            mine.sort(reverse=reverse)
        return mine[:limit]

    def _mine(
        self, begin: bytes, end: bytes, limit: int, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        self._sort()
        found: list[tuple[bytes, bytes]] = []
        for key in self._live.irange(begin, end, inclusive=(True, False), reverse=reverse):
            value = self.changes[key]
            if value is not None:
                found.append((key, value))
            if len(found) == limit:
                break
        return found

    def _sort(self) -> None:
        """Bring the keys of entries in order: only scans need it, and many groups have none."""
        live, changes = self._live, self.changes
        for key in self._unsorted:
            if changes[key] is None:
                live.discard(key)
            elif key not in live:
                live.add(key)
        self._unsorted.clear()

    def _unchanged(
        self, begin: bytes, end: bytes, limit: int, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Entries below that the group does not override, at most `limit`.

        A queue's receivers all scan from the same key, and each takes away the entries that it
        found. So the first entry that is still unchanged is remembered by where a scan began: it
        can only move forward while the group lasts.
        """
        changes = self.changes
        found: list[tuple[bytes, bytes]] = []
        at, stop = begin, end
        if not reverse:
            at = self._skips.get(begin, begin)
        first = True
        while len(found) < limit:
            if at >= stop:
                break
            wanted = limit - len(found) + EXTRA_ROWS
            rows = self._below.scan(at, stop, wanted, reverse)
            fresh = [row for row in rows if row[0] not in changes]
            if not reverse and first and rows and (not fresh or fresh[0][0] != rows[0][0]):
                self._skips[begin] = fresh[0][0] if fresh else rows[-1][0] + b"\x00"
            first = first and not fresh
            found.extend(fresh)
            if len(rows) < wanted:
                break
            if reverse:
                stop = rows[-1][0]
            else:
                at = rows[-1][0] + b"\x00"
        return found[:limit]

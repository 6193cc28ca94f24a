"""Layers: what lies between a body and the tree, the newest first.

    latest   what bodies see beyond the tree: all that was written since the last fold began
    durable  the part of `latest` that is on disk; what `read` sees
    old      what is being folded into the tree, all of it on disk

A layer overrides those below it. While `old` is folded, the tree beneath changes only where `old`
hides it, so a reader needs no snapshot: it sees the same before and after the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ogi.storage import Changes, Entries, Reader
from ogi.storage.order import Order

EXTRA_ROWS = 4
"""Entries asked of a lower layer beyond the limit, since some may be overridden."""
SKIPS_MAX: Final = 4_096
"""Beginnings of scans that are remembered."""
_NONE: Final[Changes] = {}

_Scan = Callable[[bytes, bytes, int, bool], Entries]


class Layers:
    """The reader of bodies. `join`, `landed`, `freeze` and `fold` move changes downwards."""

    __slots__ = (
        "_old_order", "_old_skips", "_order", "_tree_skips", "durable", "latest", "old", "tree",
    )  # fmt: skip

    def __init__(self, tree: Reader) -> None:
        self.tree = tree
        self.latest: Changes = {}
        self.durable: Changes = {}
        self.old: Changes = {}
        self._order = Order(self.latest)
        self._old_order = Order(self.old)
        self._old_skips: dict[bytes, bytes] = {}
        self._tree_skips: dict[bytes, bytes] = {}

    # -- changes ----------------------------------------------------------------------------

    def join(self, changes: Changes) -> None:
        """What a finished body wrote."""
        self.latest.update(changes)
        self._order.add(changes)

    def landed(self, changes: Changes) -> None:
        """A group is on disk."""
        self.durable.update(changes)

    def freeze(self, filling: Changes) -> Changes:
        """Begin a fold: what is durable becomes `old`. `filling`: what is not, the only such."""
        self.old, self._old_order = self.durable, self._order
        self._old_order.layer = self.old
        self.durable = {}
        self.latest = dict(filling)
        self._order = Order(self.latest)
        return self.old

    def folded(self) -> None:
        """The tree holds all of `old`."""
        self.old = {}
        self._old_order = Order(self.old)
        self._old_skips.clear()
        self._tree_skips.clear()

    def clear(self) -> None:
        """Forget all (a reset)."""
        self.freeze({})
        self.folded()

    # -- as bodies see it -------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        latest = self.latest
        if key in latest:
            return latest[key]
        old = self.old
        if key in old:
            return old[key]
        return self.tree.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._get_many((self.latest, self.old), keys)

    def _get_many(
        self, layers: tuple[Changes, Changes], keys: Sequence[bytes]
    ) -> list[bytes | None]:
        found: Changes = {}
        missing: list[bytes] = []
        for key in keys:
            for layer in layers:
                if key in layer:
                    found[key] = layer[key]
                    break
            else:
                missing.append(key)
        if missing:
            found.update(zip(missing, self.tree.get_many(missing), strict=True))
        return [found[key] for key in keys]

    def scan(
        self, begin: bytes, end: bytes, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        mine = self._order.scan(begin, end, limit, reverse)
        older: Entries = []
        if self.old:
            older = self._ahead(self._old_skips, self._in_old, begin, end, limit, reverse)
        rows = self._ahead(self._tree_skips, self._in_tree, begin, end, limit, reverse)
        return _merged((mine, older, rows), limit, reverse)

    # -- as it is on disk -------------------------------------------------------------------

    def durable_get(self, key: bytes) -> bytes | None:
        durable = self.durable
        if key in durable:
            return durable[key]
        old = self.old
        if key in old:
            return old[key]
        return self.tree.get(key)

    def durable_get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._get_many((self.durable, self.old), keys)

    def durable_scan(
        self, in_flight: Changes, begin: bytes, end: bytes, limit: int, reverse: bool
    ) -> Entries:
        """As `scan`, without what is `in_flight`: all changes that are not on disk yet."""
        if not in_flight:
            return self.scan(begin, end, limit, reverse)
        touched = [key for key in in_flight if begin <= key < end]
        more = limit + len(touched)
        mine = [e for e in self._order.scan(begin, end, more, reverse) if e[0] not in in_flight]
        before: Entries = []
        for key in touched:
            value = self.durable_get(key)
            if value is not None:
                before.append((key, value))
        before.sort(reverse=reverse)
        scans = (self._old_order.scan, self.tree.scan)
        olds: tuple[Changes, ...] = (_NONE, self.old)
        below = [
            _unhidden(scan, self.durable, in_flight, old, begin, end, limit, reverse)
            for scan, old in zip(scans, olds, strict=True)
        ]
        return _merged((mine, before, *below), limit, reverse)

    # -- the layers below -------------------------------------------------------------------

    def _in_old(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> Entries:
        scan = self._old_order.scan
        return _unhidden(scan, self.latest, _NONE, _NONE, begin, end, limit, reverse)

    def _in_tree(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> Entries:
        scan = self.tree.scan
        return _unhidden(scan, self.latest, self.old, _NONE, begin, end, limit, reverse)

    def _ahead(
        self, skips: dict[bytes, bytes], scan: _Scan, begin: bytes, end: bytes, limit: int,
        reverse: bool,
    ) -> Entries:  # fmt: skip
        """Entries of a lower layer as bodies see them.

        A queue's receivers all scan from the same key, and each takes away what it found. So the
        first entry that is not overridden is remembered by where a scan began: until the next fold
        a lower layer stays and those above only grow, so it can only move forward.
        """
        if reverse:
            return scan(begin, end, limit, True)
        at = skips.get(begin, begin)
        if at >= end:
            return []
        found = scan(at, end, limit, False)
        first = found[0][0] if found else end
        if first != at:
            if len(skips) >= SKIPS_MAX:
                skips.clear()
            skips[begin] = first
        return found


def _unhidden(
    scan: _Scan, above: Changes, beside: Changes, between: Changes, begin: bytes, end: bytes,
    limit: int, reverse: bool,
) -> Entries:  # fmt: skip
    """Entries of a layer that no layer over it overrides."""
    found: Entries = []
    while True:
        wanted = limit - len(found) + EXTRA_ROWS
        page = scan(begin, end, wanted, reverse)
        found += [
            e for e in page if e[0] not in above and e[0] not in beside and e[0] not in between
        ]
        if len(found) >= limit or len(page) < wanted:
            return found[:limit]
        begin, end = _rest(page, begin, end, reverse)


def _rest(page: Entries, begin: bytes, end: bytes, reverse: bool) -> tuple[bytes, bytes]:
    """The part of a range that lies behind a page of it."""
    last = page[-1][0]
    return (begin, last) if reverse else (last + b"\x00", end)


def _merged(parts: tuple[Entries, ...], limit: int, reverse: bool) -> Entries:
    """Entries of several layers, none in two of them, in order."""
    filled = [part for part in parts if part]
    if not filled:
        return []
    if len(filled) == 1:
        return filled[0][:limit]
    together = [entry for part in filled for entry in part]
    together.sort(reverse=reverse)
    return together[:limit]

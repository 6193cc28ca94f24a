"""Order: the live keys of a layer, so that it can be scanned.

Keys lie in buckets by how they begin, each a sorted list. Most keys are greater than all of their
bucket, so that adding one is an append; what was deleted is dropped where a scan comes upon it.
Nothing is sorted before a scan asks: much is only ever written.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from sortedcontainers import SortedDict

from ogi.storage import Changes, Entries

BUCKET_BYTES: Final = 10
"""A bucket is a home, NUL, and the nine bytes behind it: about a table."""
PENDING_MAX = 4_096
"""Keys that wait for a scan, so that none has to place too many at once."""
DEAD_MAX = 512
"""Deleted keys at the front of a bucket before the list is cut."""


class _Bucket:
    __slots__ = ("head", "keys")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.head = 0
        """Where the keys begin: those before it are gone."""

    def add(self, key: bytes) -> None:
        keys = self.keys
        if not keys or key > keys[-1]:
            keys.append(key)
            return
        at = bisect_left(keys, key, self.head)
        if at == len(keys) or keys[at] != key:
            keys.insert(at, key)

    def up(self, layer: Changes, begin: bytes, end: bytes, limit: int) -> Entries:
        keys = self.keys
        first = at = bisect_left(keys, begin, self.head)
        found: Entries = []
        stop = len(keys)
        dead_until = first
        while at < stop:
            key = keys[at]
            if key >= end:
                break
            value = layer.get(key)
            at += 1
            if value is None:
                if not found:
                    dead_until = at
                continue
            found.append((key, value))
            if len(found) == limit:
                break
        if dead_until > first:
            self._bury(first, dead_until)
        return found

    def down(self, layer: Changes, begin: bytes, end: bytes, limit: int) -> Entries:
        keys = self.keys
        first = bisect_left(keys, begin, self.head)
        last = at = bisect_left(keys, end, first)
        found: Entries = []
        dead_from = last
        while at > first:
            at -= 1
            key = keys[at]
            value = layer.get(key)
            if value is None:
                if not found:
                    dead_from = at
                continue
            found.append((key, value))
            if len(found) == limit:
                break
        if dead_from < last:
            self._bury(dead_from, last)
        return found

    def _bury(self, begin: int, end: int) -> None:
        """Take out dead keys; at the front that costs nothing."""
        if begin == self.head:
            self.head = end
            if end > DEAD_MAX and end * 2 > len(self.keys):
                del self.keys[:end]
                self.head = 0
        else:
            del self.keys[begin:end]


class Order:
    """The keys of `layer` that have a value. Who changes the layer says which keys it gave one."""

    __slots__ = ("_buckets", "_pending", "layer")

    def __init__(self, layer: Changes) -> None:
        self.layer = layer
        self._buckets: SortedDict = SortedDict()
        self._pending: Changes = dict(layer)
        """What changed and was not placed yet; the values do not count."""

    def add(self, changes: Changes) -> None:
        """These keys changed in the layer."""
        pending = self._pending
        pending.update(changes)
        if len(pending) > PENDING_MAX:
            self._place()

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> Entries:
        """At most `limit` live entries of the layer with begin <= key < end."""
        if self._pending:
            self._place()
        nul = begin.find(b"\x00")
        name = begin[: nul + BUCKET_BYTES] if nul >= 0 else begin
        if nul >= 0 and len(begin) >= nul + BUCKET_BYTES and end.startswith(name):
            bucket = self._buckets.get(name)
            if bucket is None:
                return []
            if reverse:
                return bucket.down(self.layer, begin, end, limit)  # type: ignore[no-any-return]
            return bucket.up(self.layer, begin, end, limit)  # type: ignore[no-any-return]
        return self._scan_many(name, begin, end, limit, reverse)

    def _scan_many(
        self, first: bytes, begin: bytes, end: bytes, limit: int, reverse: bool
    ) -> Entries:
        # A bucket's name is the beginning of its keys, so `begin` may lie in one named before it.
        found: Entries = []
        for name in self._buckets.irange(first, end, (True, False), reverse=reverse):
            bucket: _Bucket = self._buckets[name]
            scan = bucket.down if reverse else bucket.up
            found += scan(self.layer, begin, end, limit - len(found))
            if len(found) == limit:
                break
        return found

    def _place(self) -> None:
        buckets, layer = self._buckets, self.layer
        bucket, before = None, b""
        for key in self._pending:
            if layer.get(key) is None:
                continue  # Come and gone.
            name = key[: key.find(b"\x00") + BUCKET_BYTES]
            if bucket is None or name != before:
                bucket = buckets.get(name)
                if bucket is None:
                    bucket = buckets[name] = _Bucket()
                before = name
            bucket.add(key)
        self._pending.clear()

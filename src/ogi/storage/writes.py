"""The write-set of a transaction, read through to what lies below it. The engines share it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from sortedcontainers import SortedDict

from ogi.storage import KEY_BYTES_MAX, VALUE_BYTES_MAX, Changes, Home, Reader, StrayWrite
from ogi.storage.keys import AGENDA, LEASES


class Writes:
    """A transaction: what a body wrote, over a reader. `changes` is its whole effect."""

    __slots__ = ("_below", "_homes", "bells", "changes")

    def __init__(self, below: Reader, homes: Sequence[Home]) -> None:
        self._below = below
        self._homes = tuple(homes)
        self.changes: dict[bytes, bytes | None] = {}
        self.bells: set[bytes] = set()

    def get(self, key: bytes) -> bytes | None:
        changes = self.changes
        return changes[key] if key in changes else self._below.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        changes = self.changes
        if changes.keys().isdisjoint(keys):
            return self._below.get_many(keys)
        return [self.get(key) for key in keys]

    def scan(
        self, begin: bytes, end: bytes, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        mine = {k: v for k, v in self.changes.items() if begin <= k < end}
        if not mine:
            return self._below.scan(begin, end, limit, reverse)
        gone = sum(1 for v in mine.values() if v is None)
        merged = dict(self._below.scan(begin, end, limit + gone, reverse))
        merged.update({k: v for k, v in mine.items() if v is not None})
        for k, v in mine.items():
            if v is None:
                merged.pop(k, None)
        return sorted(merged.items(), reverse=reverse)[:limit]

    def set(self, key: bytes, value: bytes) -> None:
        if len(key) > KEY_BYTES_MAX or len(value) > VALUE_BYTES_MAX:
            raise ValueError(f"a record of {len(key)} + {len(value)} bytes is too large")
        self.changes[key] = value

    def delete(self, key: bytes) -> None:
        self.changes[key] = None

    def take(self, changes: Changes, bells: Collection[bytes]) -> None:
        self.changes.update(changes)
        self.bells.update(bells)

    def ring(self, bell: bytes) -> None:
        self.bells.add(bell)

    def also(self, *homes: Home) -> bool:
        self._homes += homes
        return True

    def check(self) -> None:
        """Raise StrayWrite if the body wrote outside of its homes."""
        check_homes(self.changes, self._homes)


class Snapshot:
    """A reader of a sorted dictionary."""

    __slots__ = ("_map",)

    def __init__(self, entries: SortedDict) -> None:
        self._map = entries

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._map.get(key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._map.get(key) for key in keys]

    def scan(
        self, begin: bytes, end: bytes, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for key in self._map.irange(begin, end, inclusive=(True, False), reverse=reverse):
            if len(found) == limit:
                break
            found.append((key, self._map[key]))
        return found


def check_homes(keys: Iterable[bytes], homes: tuple[Home, ...]) -> None:
    """Raise StrayWrite if one of `keys` is neither in one of `homes` nor in the agenda."""
    prefixes = _prefixes(homes)
    for key in keys:
        if not key.startswith(prefixes):
            raise StrayWrite(f"{key!r} is not in {homes}")


@lru_cache(maxsize=16_384)
def _prefixes(homes: tuple[Home, ...]) -> tuple[bytes, ...]:
    return (AGENDA, LEASES, *(home.encode() + b"\x00" for home in homes))

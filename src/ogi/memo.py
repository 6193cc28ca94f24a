"""A memo: a bounded, thread-safe memory of what can be had again.

Law: nothing depends on what a memo holds; it may be emptied between any two lines.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Keeps at most `size` values; the oldest goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[K, V] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        with self._lock:
            values = self._values
            values.pop(key, None)
            values[key] = value
            while len(values) > self._size:
                del values[next(iter(values))]

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

"""Bells: how a transaction wakes waiters on the event loop once it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Listener:
    """One waiter's ear for one bell."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def clear(self) -> None:
        self.event.clear()


class Bells:
    """The bells of one store. Not thread-safe: `ring` is called on the event loop."""

    def __init__(self) -> None:
        self._listeners: dict[bytes, set[Listener]] = {}

    @contextmanager
    def listen(self, bell: bytes) -> Iterator[Listener]:
        listener = Listener()
        self._listeners.setdefault(bell, set()).add(listener)
        try:
            yield listener
        finally:
            ears = self._listeners[bell]
            ears.discard(listener)
            if not ears:
                del self._listeners[bell]

    def ring(self, bells: Iterable[bytes]) -> None:
        for bell in bells:
            for listener in self._listeners.get(bell, ()):
                listener.event.set()

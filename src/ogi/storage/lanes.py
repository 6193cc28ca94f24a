"""A lane: work that threads do one piece after the other, while the event loop goes on.

The loop hands over a piece and prepares the next one meanwhile; it waits only when it is a whole
piece ahead, so memory stays bounded. Large pieces of hashing, reading and writing release the
interpreter lock, so lanes run beside each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Lane(Generic[T]):
    """One piece of work at a time; the result of each is given to who brings the next."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: asyncio.Future[T] | None = None

    async def put(self, work: Callable[..., T], *arguments: Any) -> T | None:
        """Start `work` once the piece before has ended; returns that one's result."""
        before = await self.end()
        loop = asyncio.get_running_loop()
        self._last = cast("asyncio.Future[T]", loop.run_in_executor(None, work, *arguments))
        return before

    async def end(self) -> T | None:
        """The result of the last piece, once it has ended; raises what it raised."""
        last, self._last = self._last, None
        if last is None:
            return None
        try:
            await asyncio.wait({last})
        except asyncio.CancelledError:
            # The thread cannot be stopped: keep it, so that `settle` can wait for its end.
            self._last = last
            raise
        return last.result()

    async def settle(self) -> None:
        """Wait until no thread works any more, whatever became of the last piece."""
        last, self._last = self._last, None
        if last is not None:
            await asyncio.wait({last})
            last.exception()

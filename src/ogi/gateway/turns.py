"""The requests of one connection take turns: one is answered at a time, in the order they came.

The handler answers by a call, `answer`, now or later; or it says what is left to do in a task, by
calling `run`. A client that went away cancels the task (see `ogi.gateway.http`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ogi.gateway import heads, streams
from ogi.gateway.answers import Writer
from ogi.gateway.bodies import Disconnected, Stream
from ogi.gateway.heads import Refused
from ogi.http import Body, Request, Response

if TYPE_CHECKING:
    from ogi.gateway.connections import Connection
    from ogi.gateway.http import Server

PIPELINED_MAX: Final = 32
"""Requests that wait on one connection before its client is made to wait."""
DISCARDED_BYTES_MAX: Final = 256 * 1024
"""What is read and thrown away of a body that the handler did not want, to keep the connection."""

Rest = Callable[[], Awaitable[Response]]
_Turn = tuple[Request | Refused, bool, bool, Body]
"""A request, whether the connection is kept after it, whether it speaks HTTP/1.1, and its body as
it arrives: handlers put in its place what proves it as it is read."""

log = logging.getLogger("ogi.gateway")


class Turns:
    """Who is answered now, and who waits. To a handler: where its one answer goes."""

    __slots__ = (
        "_connection", "_held", "_now", "_rested", "_server", "_waiting", "task", "writer",
    )  # fmt: skip

    def __init__(self, connection: Connection, server: Server, writer: Writer) -> None:
        self._connection = connection
        self._server = server
        self.writer = writer
        self.task: asyncio.Task[None] | None = None
        self._now: _Turn | None = None
        self._waiting: deque[_Turn] = deque()
        self._held = False
        self._rested: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """A request is being answered."""
        return self._now is not None

    def ending(self) -> asyncio.Future[None] | None:
        """Something to wait for while this is busy; None if it is not."""
        if self._now is None:
            return None
        if self._rested is None or self._rested.done():
            self._rested = self._server.loop.create_future()
        return self._rested

    def take(self, request: Request | Refused, keep: bool, modern: bool) -> None:
        """A request has come."""
        turn = (request, keep, modern, request.body)
        if self._now is None:
            self._begin(turn)
            return
        self._waiting.append(turn)
        if len(self._waiting) >= PIPELINED_MAX and not self._held:
            self._held = True
            self._connection.hold()

    def _begin(self, turn: _Turn) -> None:
        self._now = turn
        request = turn[0]
        if isinstance(request, Refused):
            self.writer.whole(request.response(), "GET", False, turn[2])
            self._end()
            self._connection.finish()
            return
        try:
            self._server.handler(request, self)
        except Exception:
            log.exception("handler failed")
            self.answer(heads.plain(500, "The server failed."))

    # -- what a handler calls -------------------------------------------------------------------

    def answer(self, response: Response) -> None:
        """The answer; its body is bytes."""
        request, keep, modern, body = self._turn()
        writer = self.writer
        if writer.transport.is_closing():
            self._end()
            return
        keep = self._can_keep(body, keep)
        writer.whole(response, request.method, keep, modern)
        self._go_on(body, keep)

    def run(self, rest: Rest) -> None:
        """Answer with what `rest` returns, in a task."""
        if self.writer.transport.is_closing():
            self._end()
            return
        self.task = self._server.loop.create_task(self._run(rest))

    # -------------------------------------------------------------------------------------------

    async def _run(self, rest: Rest) -> None:
        request, keep, modern, body = self._turn()
        writer = self.writer
        try:
            response = await self._response(rest)
            keep = self._can_keep(body, keep)
            if isinstance(response.body, bytes):
                writer.whole(response, request.method, keep, modern)
            else:
                keep = await streams.send(writer, response, request.method, keep, modern)
        except BaseException:
            self.task = None
            self._end()
            raise
        self.task = None
        self._go_on(body, keep)

    async def _response(self, rest: Rest) -> Response:
        try:
            return await rest()
        except asyncio.CancelledError:
            task = self.task
            if task is None or task.cancelling():
                raise
            # Something within the handler was cancelled, not the request.
            log.exception("handler was cancelled from within")
        except Disconnected:
            raise asyncio.CancelledError from None
        except Exception:
            log.exception("handler failed")
        return heads.plain(500, "The server failed.")

    def _turn(self) -> tuple[Request, bool, bool, Body]:
        assert self._now is not None
        request, keep, modern, body = self._now
        assert isinstance(request, Request)
        return request, keep, modern, body

    def _go_on(self, body: Body, keep: bool) -> None:
        """A request was answered: the next, as soon as the client has taken most of the answer."""
        if not keep:
            self._end()
            self._connection.finish(lingers=isinstance(body, Stream) and not body.ended)
        elif self.writer.full:
            self.task = self._server.loop.create_task(self._when_writable())
        else:
            self._next()

    async def _when_writable(self) -> None:
        try:
            await self.writer.writable()
        except BaseException:
            self.task = None
            self._end()
            raise
        self.task = None
        self._next()

    def _next(self) -> None:
        waiting = self._waiting
        if not waiting:
            self._end()
            self._connection.at_rest()
            return
        turn = waiting.popleft()
        if self._held and len(waiting) < PIPELINED_MAX // 2:
            self._held = False
            self._connection.release()
        # Not at once: who answers at once would come back here, deeper with each that waits.
        self._now = turn
        self._server.loop.call_soon(self._begin, turn)

    def _end(self) -> None:
        self._now = None
        if self._rested is not None and not self._rested.done():
            self._rested.set_result(None)

    # -- after an answer ------------------------------------------------------------------------

    def _can_keep(self, body: Body, keep: bool) -> bool:
        """Whether the connection stays: not if what the handler left of the body is too much to be
        read for the next request's sake."""
        if isinstance(body, Stream):
            left = body.outstanding
            keep = keep and not body.expectant and left is not None and left <= DISCARDED_BYTES_MAX
            body.discard()
        return keep and not self._server.draining

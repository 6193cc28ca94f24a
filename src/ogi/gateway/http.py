"""The HTTP/1.1 server: listeners, limits, shutdown. `connections` speaks with one client.

A handler gets an `ogi.http.Request` and answers with an `ogi.http.Response`, by a call if it needs
no task, else in a task of the connection (`Handler`):

- `request.body` is bytes if the body was small or arrived at once; otherwise it is a
  `bodies.Stream`, read once, in order, which makes the client wait when the handler does.
  `bodies.collect` reads either to its end under a limit. `Stream.trailers` is complete after the
  last chunk. Header values are latin-1: one character is one byte as it came.
- What the handler leaves unread of the body is thrown away; the answer may be given before.
- `response.body` is bytes, or an async iterator of bytes: with a content-length header it must
  yield exactly that many, without one it goes out chunked. `Date`, `Content-Length`,
  `Connection` and `Transfer-Encoding` are the server's to write. An iterator that raises before
  its first chunk or later cuts the connection.

**Cancellation.** When the client goes away, the handler's task is cancelled: a long poll that
nobody waits for ends at once and takes no message. `CancelledError` arrives only where the
handler awaits, never within a transaction's body. A handler that awaits a commit is cancelled
from the waiting, not the commit: the store either commits all of it or nothing (law 1), and what
must happen next is a record in that commit (law 2). So a handler needs no shield; whoever must do
something after the await (give back a lease, close a file) does it in `finally`, without awaiting
the client. What is answered by a call has nothing to cancel. Work that must outlive its request is
a delivery or belongs to a worker.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from collections.abc import Callable
from pathlib import Path

from ogi.gateway.bodies import Disconnected, IncompleteBody, RequestTimeout, Stream, collect
from ogi.gateway.connections import Connection
from ogi.gateway.turns import Turns
from ogi.gateway.waits import Waits
from ogi.http import Request
from ogi.settings import Settings

__all__ = [
    "Disconnected", "Handler", "IncompleteBody", "RequestTimeout", "Server", "Stream", "collect",
    "serve",
]  # fmt: skip

BACKLOG = 4_096
"""Connections that the kernel keeps until they are accepted."""
SWEEP_S_MAX = 1.0
"""Between two looks at who has been waited for too long."""
SWEEPS_PER_LIMIT = 4

Handler = Callable[[Request, Turns], None]
"""handler(request, turns): calls `turns.answer` or `turns.run` once, now or later."""

log = logging.getLogger("ogi.gateway")


async def serve(
    handler: Handler,
    *,
    settings: Settings,
    host: str | None = None,
    port: int = 0,
    unix: Path | None = None,
    ssl: tls.SSLContext | None = None,
) -> Server:
    """Listen on `host` and `port` (0: a free one), on the socket file `unix`, or on both."""
    server = Server(handler, settings)
    if host is not None:
        await server.listen(host, port, ssl)
    if unix is not None:
        await server.listen_unix(unix)
    return server


class Server:
    """Listeners that share a handler. TCP_NODELAY is set on each connection by the loop."""

    def __init__(self, handler: Handler, settings: Settings) -> None:
        self.handler = handler
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.port = 0
        """The port of the TCP listener."""
        self.draining = False
        self._listeners: list[asyncio.AbstractServer] = []
        self._files: list[Path] = []
        self._connections: set[Connection] = set()
        self.idle: Waits[Connection] = Waits(settings.idle_s_max)
        self.heads: Waits[Connection] = Waits(settings.header_s_max)
        self.bodies: Waits[Connection] = Waits(settings.idle_s_max)
        self.writes: Waits[Connection] = Waits(settings.idle_s_max)
        shortest_s = min(settings.idle_s_max, settings.header_s_max)
        self._arrived: list[Connection] = []
        self._sweep_s = min(SWEEP_S_MAX, shortest_s / SWEEPS_PER_LIMIT)
        self._sweeper = self.loop.call_later(self._sweep_s, self._sweep)

    async def listen(self, host: str, port: int, ssl: tls.SSLContext | None = None) -> None:
        secure = ssl is not None
        listener = await self.loop.create_server(
            lambda: Connection(self, secure),
            host,
            port,
            ssl=ssl,
            backlog=BACKLOG,
            ssl_handshake_timeout=self.settings.header_s_max if secure else None,
        )
        self._listeners.append(listener)
        self.port = listener.sockets[0].getsockname()[1]

    async def listen_unix(self, path: Path) -> None:
        _remove(path)
        self._listeners.append(
            await self.loop.create_unix_server(
                lambda: Connection(self, False), str(path), backlog=BACKLOG
            )
        )
        self._files.append(path)

    def close(self) -> None:
        """Stop accepting, and close the connections on which nothing is in progress."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for file in self._files:
            _remove(file)
        self._files.clear()
        for connection in tuple(self._connections):
            connection.close_if_idle()

    async def drain(self, timeout_s: float) -> int:
        """Close, let requests in progress finish, then cancel the rest; how many those were."""
        self.close()
        until = self.loop.time() + timeout_s
        while busy := self._busy():
            left_s = until - self.loop.time()
            if left_s <= 0:
                break
            await asyncio.wait(busy, timeout=left_s)
        rest: list[asyncio.Task[None]] = []
        for connection in tuple(self._connections):
            connection.abort()
            task = connection.cancel()
            if task is not None:
                rest.append(task)
        if rest:
            await asyncio.wait(rest)
        self._sweeper.cancel()
        return len(rest)

    def _busy(self) -> list[asyncio.Future[None]]:
        return [ending for c in self._connections if (ending := c.ending()) is not None]

    # -- what connections ask for -----------------------------------------------------------

    def arrived(self, connection: Connection) -> None:
        """Parse what it has, with what else arrives in this turn of the loop: see Pipeline."""
        if not self._arrived:
            self.loop.call_soon(self._parse)
        self._arrived.append(connection)

    def _parse(self) -> None:
        arrived, self._arrived = self._arrived, []
        for connection in arrived:
            connection.receive()

    def admit(self, connection: Connection) -> bool:
        if len(self._connections) >= self.settings.connections_max:
            log.warning("too many connections", extra={"limit": self.settings.connections_max})
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        for waits in (self.idle, self.heads, self.bodies, self.writes):
            waits.end(connection)

    def _sweep(self) -> None:
        now = self.loop.time()
        for late in self.idle.overdue(now):
            late.idle_too_long()
        for late in self.heads.overdue(now):
            late.head_too_late()
        for late in self.bodies.overdue(now):
            late.body_too_late()
        for late in self.writes.overdue(now):
            late.unread_too_long()
        self._sweeper = self.loop.call_later(self._sweep_s, self._sweep)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)

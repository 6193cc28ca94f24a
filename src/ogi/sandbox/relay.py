"""The relay: connections to a listener inside of a sandbox go on to Ogi's own unix socket.

Bytes are passed both ways as they come; who reads slowly stops who writes to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, cast

CONNECTIONS_MAX = 256
"""Of one environment, at once; more are closed."""


class Closable(Protocol):
    def close(self) -> None: ...


Serve = Callable[[socket.socket], Awaitable[Closable]]
"""Answers as Ogi on a listening socket that lies inside of a sandbox, until closed."""


def to(path: Path) -> Serve:
    """Relay to the unix socket `path`."""

    async def serve(listener: socket.socket) -> Closable:
        relay = Relay(path)
        await relay.listen(listener)
        return relay

    return serve


class Relay:
    """The relay of one environment."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._server: asyncio.Server | None = None
        self._dialling: set[asyncio.Task[None]] = set()
        self._ends: set[End] = set()

    async def listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: End(self), sock=listener)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._dialling:
            task.cancel()
        for end in list(self._ends):
            end.abort()

    def accepted(self, near: End) -> None:
        self._ends.add(near)
        if len(self._ends) > CONNECTIONS_MAX:
            near.abort()
            return
        near.pause()
        task = asyncio.get_running_loop().create_task(self._dial(near))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    def lost(self, end: End) -> None:
        self._ends.discard(end)

    async def _dial(self, near: End) -> None:
        far = End(self, near)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: far, self._path)
        except OSError:
            near.abort()
            return
        self._ends.add(far)
        near.join(far)


class End(asyncio.Protocol):
    """One of the two ends of a relayed connection."""

    def __init__(self, relay: Relay, other: End | None = None) -> None:
        self._relay = relay
        self._other = other
        self._dialled = other is not None
        self._early = b""
        """What came before the other end was there: uvloop begins to read after connection_made,
        whatever was paused in it."""
        self._transport: asyncio.Transport | None = None

    def join(self, other: End) -> None:
        self._other = other
        if self._transport is None:
            other.abort()
            return
        early, self._early = self._early, b""
        if early:
            other.write(early)
        self.resume()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no such class, though they are of its kind.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        if not self._dialled:
            self._relay.accepted(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._relay.lost(self)
        if self._other is not None:
            self._other.finish()

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)
            return
        self._early += data
        self.pause()

    def eof_received(self) -> bool:
        """Half of the connection goes on."""
        other = self._other
        if other is None or other._transport is None:
            return False
        if other._transport.can_write_eof():
            other._transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.resume()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def finish(self) -> None:
        """Send what is left, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

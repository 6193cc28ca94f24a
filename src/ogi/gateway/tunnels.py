"""An HTTPS proxy for clients that have AWS's names in them: CONNECT leads to this very server.

A client with HTTPS_PROXY, and our authority among those that it trusts, reaches Ogi as
https://sns.eu-west-1.amazonaws.com although nothing resolves that name here. Laws: only AWS's names
are led, and only here: this is no way to anywhere else; a tunnel's client is judged by the address
that it comes from, like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from typing import TYPE_CHECKING, cast

from ogi.gateway.authority import is_aws
from ogi.gateway.connections import Connection

if TYPE_CHECKING:
    from ogi.gateway.http import Server

HEAD_BYTES_MAX = 8 * 1024
OPENING_MAX = 1_000
"""Clients that have not yet said, or not yet shaken hands about, where they go."""
_CONNECT = re.compile(rb"CONNECT ([A-Za-z0-9.-]{1,255}):443 HTTP/1\.[01]\r\n")

log = logging.getLogger("ogi.gateway")


class Tunnels:
    """The listener. What comes out of a tunnel belongs to the server and drains with it."""

    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self.server = server
        self.context = context
        self.opening: set[Entrance] = set()
        self.port = 0
        self._listener: asyncio.AbstractServer | None = None

    async def listen(self, host: str, port: int) -> None:
        self._listener = await self.server.loop.create_server(lambda: Entrance(self), host, port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Accept no more, and give up those that have not yet arrived."""
        if self._listener is not None:
            self._listener.close()
        for entrance in tuple(self.opening):
            entrance.abort()


class Entrance(asyncio.Protocol):
    """A client before it is in its tunnel."""

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels
        self._head = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        server = self._tunnels.server
        self._late = server.loop.call_later(server.settings.header_s_max, self.abort)
        if len(self._tunnels.opening) >= OPENING_MAX:
            self.abort()
            return
        self._tunnels.opening.add(self)

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            # Nobody speaks TLS before we have answered.
            self.abort()
            return
        self._head += data
        if len(self._head) > HEAD_BYTES_MAX:
            self._refuse("431 Request Header Fields Too Large", "")
        elif self._head.endswith(b"\r\n\r\n"):
            self._enter()

    def _enter(self) -> None:
        asked = _CONNECT.match(self._head)
        if asked is None or not is_aws(asked[1].decode()):
            self._refuse("403 Forbidden", "Only CONNECT to AWS's names at port 443 is led here.\n")
            return
        self._transport.pause_reading()
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._task = self._tunnels.server.loop.create_task(self._shake_hands())

    async def _shake_hands(self) -> None:
        tunnels = self._tunnels
        waiting = _Waiting()
        try:
            inside = await tunnels.server.loop.start_tls(
                self._transport, waiting, tunnels.context, server_side=True,
                ssl_handshake_timeout=tunnels.server.settings.header_s_max,
            )  # fmt: skip
        except (OSError, ssl.SSLError, ConnectionError) as error:
            log.info("no handshake in a tunnel", extra={"error": str(error)})
            self.abort()
            return
        finally:
            self._leave()
        if inside is None:
            return
        connection = Connection(tunnels.server, True)
        connection.connection_made(inside)
        inside.set_protocol(connection)
        if waiting.data:
            connection.data_received(bytes(waiting.data))
        if waiting.lost:
            connection.connection_lost(None)

    def _refuse(self, status: str, reason: str) -> None:
        self._transport.write(
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(reason)}\r\n\r\n"
            f"{reason}".encode()
        )
        self._transport.close()
        self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def _leave(self) -> None:
        self._late.cancel()
        self._tunnels.opening.discard(self)

    def abort(self) -> None:
        self._leave()
        with contextlib.suppress(RuntimeError):
            self._transport.abort()


class _Waiting(asyncio.Protocol):
    """Keeps what arrives between the handshake and the connection."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

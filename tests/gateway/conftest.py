"""A real server on a real socket, on asyncio's loop and on uvloop's, and a client that sends bytes.

Nothing here is faked: what is tested is what a socket's other end sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from ssl import SSLContext
from typing import Any

import pytest
import uvloop

from ogi.gateway import http
from ogi.http import Request, Response
from ogi.settings import Settings

PATIENCE_S = 5.0


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Client:
    """One connection, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(PATIENCE_S):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.removesuffix("\r\n\r\n").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return int(first.split(" ")[1]), headers

    async def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        if method == "HEAD":
            return status, headers, b""
        async with asyncio.timeout(PATIENCE_S):
            if headers.get("transfer-encoding") == "chunked":
                return status, headers, await self._chunks()
            length = int(headers.get("content-length", 0))
            return status, headers, await self.reader.readexactly(length)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readuntil(b"\r\n")
        return body

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        self.writer.close()


Serve = Callable[..., Awaitable[http.Server]]
Handler = Callable[[Request], Awaitable[Response]]


class Site:
    """Servers and clients of one test, all closed at its end."""

    def __init__(self) -> None:
        self.servers: list[http.Server] = []
        self.clients: list[Client] = []

    async def serve(
        self, handler: Handler, ssl: SSLContext | None = None, **settings: Any
    ) -> http.Server:
        """Each request is answered in a task, by a handler that is one coroutine."""
        return await self.serve_prompt(
            lambda request, turns: turns.run(partial(handler, request)), ssl, **settings
        )

    async def serve_prompt(
        self, handler: http.Handler, ssl: SSLContext | None = None, **settings: Any
    ) -> http.Server:
        server = await http.serve(
            handler, host="127.0.0.1", settings=replace(Settings(), **settings), ssl=ssl
        )
        self.servers.append(server)
        return server

    async def connect(self, server: http.Server) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
        self.clients.append(client)
        return client

    async def echo(self, **settings: Any) -> Client:
        return await self.connect(await self.serve(echo, **settings))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    yield site
    for client in site.clients:
        client.close()
    for server in site.servers:
        await server.drain(0)
    # Transports that were aborted are gone after a turn of the loop.
    await asyncio.sleep(0)


async def echo(request: Request) -> Response:
    """Says what it got."""
    body = await http.collect(request.body, 1 << 30, AssertionError)
    return Response(200, [("x-path", request.path), ("x-query", request.query)], body)


async def until(condition: Callable[[], bool]) -> None:
    """Turn the loop until `condition` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

"""The relay loses nothing that a client sends before Ogi's end of the connection is there."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import uvloop

from ogi.sandbox import relay

CONNECTIONS = 100


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(5))
    writer.close()


async def _talk(path: Path) -> list[bytes]:
    """All connect and speak before the relay's loop runs again."""
    server = await asyncio.start_unix_server(_echo, path)
    listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(CONNECTIONS)]
    for client in clients:
        client.sendall(b"hello")
        client.setblocking(False)
    running = await relay.to(path)(listener)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        heard = [await loop.sock_recv(client, 5) for client in clients]
    for client in clients:
        client.close()
    running.close()
    server.close()
    return heard


def test_what_is_sent_at_once_arrives_on_uvloop(tmp_path: Path) -> None:
    """uvloop reads as soon as a connection is made, even where its reading was paused."""
    assert uvloop.run(_talk(tmp_path / "echo.sock")) == [b"hello"] * CONNECTIONS


def test_what_is_sent_at_once_arrives_on_asyncios_loop(tmp_path: Path) -> None:
    assert asyncio.run(_talk(tmp_path / "echo.sock")) == [b"hello"] * CONNECTIONS

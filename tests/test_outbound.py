"""Requests to the world outside: what comes back is bounded, and where they may go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ogi import outbound
from ogi.outbound import Bounds, CutOff, NotAllowed, Unreachable
from ogi.settings import Settings

SETTINGS = Settings(endpoint="http://127.0.0.1:1")
BOUNDS = Bounds(seconds=2.0, body_bytes_max=1000)


class Peer:
    """A server that sends the same bytes whatever it is asked, then closes unless it is to stay."""

    def __init__(self) -> None:
        self.sends = b""
        self.stays = False
        self.asked: list[bytes] = []
        self.url = ""
        self.released = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.sends)
        await writer.drain()
        if self.stays:
            await self.released.wait()
        writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a?b=c"
    async with server:
        yield made
        made.released.set()
        await asyncio.sleep(0)


async def get(url: str, bounds: Bounds = BOUNDS, **rest: Any) -> outbound.Answer:
    return await outbound.request(SETTINGS, "GET", url, [("Accept", "x/y")], b"", bounds, **rest)


def _names(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, str], code: int = socket.EAI_NONAME
) -> None:
    """What the outside world says of names is the outside world's: so it is made up here."""

    async def look_up(host: str, *question: Any, **rest: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(code, "made up")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], 1))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)


async def test_a_name_that_nobody_has_is_told_from_a_machine_that_knows_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reach = outbound.reach(SETTINGS, "http://nobody.example/", BOUNDS)
    _names(monkeypatch, {outbound.ALWAYS_KNOWN: "192.0.2.1"})
    with pytest.raises(Unreachable) as caught:
        await reach
    assert not isinstance(caught.value, CutOff)
    for code in (socket.EAI_NONAME, socket.EAI_AGAIN):
        _names(monkeypatch, {}, code)
        with pytest.raises(CutOff):
            await outbound.reach(SETTINGS, "http://nobody.example/", BOUNDS)


async def test_an_address_that_is_there_and_refuses_is_not_out_of_sight() -> None:
    with pytest.raises(Unreachable) as caught:
        await outbound.reach(SETTINGS, "http://127.0.0.1:2/", BOUNDS)
    assert not isinstance(caught.value, CutOff)


@pytest.mark.parametrize(
    ("sends", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200,
         b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
         301, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000, 200, b"x" * 1000),
    ],
)  # fmt: skip
async def test_an_answer_arrives_whole(peer: Peer, sends: bytes, status: int, body: bytes) -> None:
    peer.sends = sends
    answer = await get(peer.url)
    assert (answer.status, answer.body) == (status, body)
    (asked,) = peer.asked
    assert asked.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Accept: x/y\r\n" in asked


@pytest.mark.parametrize(
    "sends",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["nothing", "cut", "a cut chunk", "too long", "endless", "a long head", "no HTTP"],
)
async def test_an_answer_that_is_cut_or_too_long_is_none(peer: Peer, sends: bytes) -> None:
    peer.sends = sends
    with pytest.raises(Unreachable):
        await get(peer.url)


async def test_who_does_not_answer_in_time_is_not_waited_for(peer: Peer) -> None:
    peer.sends, peer.stays = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", True
    with pytest.raises(Unreachable, match="in time"):
        await get(peer.url, Bounds(seconds=0.2, body_bytes_max=1000))


async def test_a_body_that_nobody_wants_is_not_waited_for(peer: Peer) -> None:
    peer.sends, peer.stays = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", True
    answer = await get(peer.url, Bounds(seconds=2.0))
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
     "http://100.100.100.200/", "http://0.0.0.0/", "http://[::ffff:169.254.169.254]/",
     "http://224.0.0.1/", "http://127.0.0.1:1/", "http://[::1]:1/"],
)  # fmt: skip
async def test_where_no_request_may_go(url: str) -> None:
    with pytest.raises(NotAllowed):
        await get(url)


async def test_requests_may_be_kept_to_some_networks(peer: Peer) -> None:
    peer.sends = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(NotAllowed):
        await get(peer.url, Bounds(seconds=2.0, networks="10.0.0.0/8, 192.168.0.0/16"))
    assert not peer.asked
    assert (await get(peer.url, Bounds(seconds=2.0, networks="127.0.0.0/8"))).status == 200


@pytest.mark.parametrize(
    "url",
    ["http://", "http://a:0/", "http://a:x/", "ftp://a/", "http://a b/", "http://a/\r\nX: y",
     "http://[::1/", "http://a/" + "x" * 3000, "//a/", ""],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    assert outbound.split(url, "http") is None

"""Answers without a task: at once, or by a call when the disk has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ogi.gateway.turns import Turns
from ogi.http import Request, Response
from tests.gateway.conftest import Client, Site

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
Answer = Callable[[Response], None]


class Desk:
    """Keeps what it is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Answer]] = []
        self.came = asyncio.Event()

    def __call__(self, request: Request, turns: Turns) -> None:
        self.asked.append((request.path, turns.answer))
        self.came.set()

    async def next(self) -> tuple[str, Answer]:
        while not self.asked:
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), 5)
        return self.asked.pop(0)


async def _text(client: Client) -> bytes:
    status, _, body = await client.answer()
    assert status == 200
    return body


def path(request: Request, turns: Turns) -> None:
    turns.answer(Response(200, [], request.path.encode()))


async def test_answers_given_at_once_come_in_order(site: Site) -> None:
    client = await site.connect(await site.serve_prompt(path))
    client.writer.write(b"".join(GET % n for n in range(100)))
    for n in range(100):
        assert await _text(client) == b"/%d" % n


async def test_a_pipelined_request_waits_for_the_answer_before_it(site: Site) -> None:
    desk = Desk()
    client = await site.connect(await site.serve_prompt(desk))
    client.writer.write(GET % 1 + GET % 2)
    asked, answer = await desk.next()
    assert asked == "/1"
    await asyncio.sleep(0)
    assert not desk.asked
    answer(Response(200, [], b"first"))
    asked, answer = await desk.next()
    assert asked == "/2"
    answer(Response(200, [], b"second"))
    assert await _text(client) == b"first"
    assert await _text(client) == b"second"


async def test_an_answer_to_a_client_that_went_away_is_dropped(site: Site) -> None:
    desk = Desk()
    server = await site.serve_prompt(desk)
    client = await site.connect(server)
    client.writer.write(GET % 1)
    _, answer = await desk.next()
    client.writer.transport.abort()
    async with asyncio.timeout(5):
        while server._connections:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    answer(Response(200, [], b"nobody hears"))
    other = await site.connect(server)
    other.writer.write(GET % 2)
    (await desk.next())[1](Response(200, [], b"fine"))
    assert await _text(other) == b"fine"


async def test_draining_waits_for_what_the_disk_has_not_yet(site: Site) -> None:
    desk = Desk()
    server = await site.serve_prompt(desk)
    client = await site.connect(server)
    client.writer.write(GET % 1)
    _, answer = await desk.next()
    drained = asyncio.ensure_future(server.drain(5))
    await asyncio.sleep(0.01)
    assert not drained.done()
    answer(Response(200, [], b"last"))
    assert await drained == 0
    assert b"connection: close" in await client.rest()


async def test_what_follows_connection_close_is_not_asked(site: Site) -> None:
    desk = Desk()
    client = await site.connect(await site.serve_prompt(desk))
    client.writer.write(b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET % 2)
    (await desk.next())[1](Response(200, [], b"last"))
    assert (await client.rest()).endswith(b"last")
    assert not desk.asked


async def test_a_handler_that_fails_is_answered_500(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: Request, turns: Turns) -> None:
        raise RuntimeError("planned")

    client = await site.connect(await site.serve_prompt(broken))
    client.writer.write(GET % 1)
    assert (await client.answer())[0] == 500
    assert "planned" in caplog.text

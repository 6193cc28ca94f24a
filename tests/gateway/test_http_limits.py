"""Does the server bear bad requests, slow clients and clients that leave?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ogi.gateway import http
from ogi.http import Request, Response

from .conftest import Site, echo, until

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

BAD = {
    "both-lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n"
    ),
    "two-lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "listed-lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
    "signed-length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
    "no-length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    "two-codings": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    ),
    "hidden-coding": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"
    ),
    "coding-in-1.0": (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "folded-header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "space-before-colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "space-before-first": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare-line-feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "nul-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "cr-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "nul-in-name": b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: a\r\n\r\n",
    "no-host": b"GET / HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "other-host": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no-path": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw-byte-in-path": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "connect": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "not-http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "unknown-method": b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad-chunk-size": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "huge-chunk-size": CHUNKED + b"fffffffffffffffff\r\n",
    "long-chunk": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk-by-line-feeds": CHUNKED + b"3\nabc\n0\n\n",
}


@pytest.mark.parametrize("sent", BAD.values(), ids=BAD)
async def test_a_bad_request_is_refused_and_what_follows_is_not_read(
    site: Site, sent: bytes
) -> None:
    paths: list[str] = []

    async def handler(request: Request) -> Response:
        paths.append(request.path)
        return await echo(request)

    client = await site.connect(await site.serve(handler))
    client.send(sent + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (400, "close")
    client.writer.write_eof()
    assert await client.rest() == b""
    assert "/smuggled" not in paths


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: a cake\r\nContent-Length: 1\r\n\r\na", 417),
        (b"GET /" + b"a" * 70_000, 414),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 20_000, 431),
    ],
    ids=[
        "old",
        "version",
        "expectation",
        "line",
        "whole-line",
        "header",
        "whole-header",
        "headers",
    ],
)
async def test_what_is_too_large_or_unknown_has_its_own_status(
    site: Site, sent: bytes, status: int
) -> None:
    client = await site.echo()
    for at in range(0, len(sent), 30_000):
        client.send(sent[at : at + 30_000])
        await client.writer.drain()
        await asyncio.sleep(0.001)
    assert (await client.answer())[0] == status


async def test_many_small_requests_at_once_are_not_one_large_head(site: Site) -> None:
    client = await site.echo()
    client.send(b"".join(GET % n for n in range(5_000)) + b"GET /last HTTP/1.1\r\nHo")
    for n in range(5_000):
        assert (await client.answer())[1]["x-path"] == f"/{n}"
    client.send(b"st: a\r\n\r\n")
    assert (await client.answer())[1]["x-path"] == "/last"


async def test_answers_before_a_bad_request_are_still_given(site: Site) -> None:
    client = await site.echo()
    client.send(GET % 1 + b"nonsense\r\n\r\n")
    assert (await client.answer())[0] == 200
    assert (await client.answer())[0] == 400


async def test_a_body_cut_by_bad_framing_is_incomplete_to_its_reader(site: Site) -> None:
    faults: list[Exception] = []

    async def handler(request: Request) -> Response:
        try:
            return await echo(request)
        except http.IncompleteBody as fault:
            faults.append(fault)
            return Response(400, [], b"cut")

    client = await site.connect(await site.serve(handler))
    client.send(CHUNKED + b"3\r\nabc\r\n")
    await client.writer.drain()
    await asyncio.sleep(0.01)
    client.send(b"zz\r\n")
    status, headers, body = await client.answer()
    assert (status, headers["connection"], body) == (400, "close", b"cut")
    assert faults


async def test_chunk_extensions_cannot_be_sent_forever(site: Site) -> None:
    client = await site.echo()
    client.send(CHUNKED + b"1;")
    with pytest.raises((ConnectionError, TimeoutError, AssertionError)):
        for _ in range(1_000):
            client.send(b"a" * 10_000)
            await client.writer.drain()
            if client.reader._buffer:  # type: ignore[attr-defined]
                raise ConnectionError
        raise AssertionError("ten megabytes of nothing were read")


async def test_a_head_that_comes_byte_by_byte_is_given_up(site: Site) -> None:
    client = await site.echo(header_s_max=0.15, idle_s_max=60.0)
    status = 0
    for byte in b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
        client.send(bytes([byte]))
        await asyncio.sleep(0.02)
        if client.reader._buffer:  # type: ignore[attr-defined]
            status, _, _ = await client.answer()
            break
    assert status == 408


async def test_a_small_body_that_stops_coming_is_given_up(site: Site) -> None:
    client = await site.echo(idle_s_max=0.1)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    assert (await client.answer())[0] == 408


async def test_a_streamed_body_that_stops_coming_times_out_for_its_reader(site: Site) -> None:
    async def handler(request: Request) -> Response:
        with pytest.raises(http.RequestTimeout):
            await http.collect(request.body, 1 << 30, AssertionError)
        return Response(400, [], b"slow")

    client = await site.connect(await site.serve(handler, idle_s_max=0.1))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
    assert (await client.answer())[2] == b"slow"


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(site: Site) -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0.4)
        return await echo(request)

    server = await site.serve(handler, idle_s_max=0.1)
    idle, fresh, busy = [await site.connect(server) for _ in range(3)]
    busy.send(GET % 1)
    fresh.send(b"\r\n")
    assert await idle.rest() == b""
    assert await fresh.rest() == b""
    assert (await busy.answer())[0] == 200
    assert await busy.rest() == b""


async def test_a_client_that_never_reads_its_answer_is_given_up(site: Site) -> None:
    gone = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            gone.set()

    async def handler(request: Request) -> Response:
        return Response(200, [], chunks())

    client = await site.connect(await site.serve(handler, idle_s_max=0.1))
    client.send(GET % 1)
    async with asyncio.timeout(5):
        await gone.wait()


async def test_connections_over_the_limit_are_closed_at_once(site: Site) -> None:
    server = await site.serve(echo, connections_max=2)
    first, second = await site.connect(server), await site.connect(server)
    for client in (first, second):
        client.send(GET % 1)
        assert (await client.answer())[0] == 200
    third = await site.connect(server)
    assert await third.rest() == b""
    first.close()
    await until(lambda: len(server._connections) == 1)
    fourth = await site.connect(server)
    fourth.send(GET % 4)
    assert (await fourth.answer())[0] == 200


async def test_a_client_that_leaves_cancels_its_handler(site: Site) -> None:
    waiting, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    server = await site.serve(handler)
    client = await site.connect(server)
    client.send(GET % 1)
    await waiting.wait()
    client.close()
    async with asyncio.timeout(5):
        await cancelled.wait()
    await until(lambda: not server._connections)


async def test_a_client_that_leaves_midway_through_its_body_ends_the_handler(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    reading, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        reading.set()
        try:
            return await echo(request)
        finally:
            ended.set()

    client = await site.connect(await site.serve(handler))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
    await reading.wait()
    client.close()
    async with asyncio.timeout(5):
        await ended.wait()
    await asyncio.sleep(0)
    assert not caplog.records


async def test_draining_lets_requests_finish_and_takes_no_more(site: Site) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        begun.set()
        await go.wait()
        return await echo(request)

    server = await site.serve(handler)
    busy, idle = await site.connect(server), await site.connect(server)
    busy.send(GET % 1)
    await begun.wait()
    draining = asyncio.ensure_future(server.drain(5))
    assert await idle.rest() == b""
    with pytest.raises(OSError):
        await site.connect(server)
    go.set()
    status, headers, _ = await busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await draining == 0


async def test_draining_cancels_what_does_not_finish(site: Site) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    server = await site.serve(handler)
    client = await site.connect(server)
    client.send(GET % 1)
    await begun.wait()
    assert await server.drain(0.02) == 1
    assert cancelled.is_set()
    assert await client.rest() == b""


async def test_a_body_longer_than_allowed_is_refused_as_soon_as_it_is_known(site: Site) -> None:
    async def handler(request: Request) -> Response:
        with pytest.raises(OverflowError):
            await http.collect(request.body, 10, OverflowError)
        return Response(413, [], b"too long")

    client = await site.connect(await site.serve(handler))
    for head in (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n" + bytes(11),
        CHUNKED + b"b\r\n" + bytes(11) + b"\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    ):
        client.send(head)
        assert (await client.answer())[2] == b"too long"

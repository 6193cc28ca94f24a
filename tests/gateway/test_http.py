"""Does the server speak HTTP/1.1?"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ogi.gateway import http
from ogi.http import Body, Request, Response, Tls

from .conftest import Client, Site, echo, until

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_connection_is_kept(site: Site) -> None:
    client = await site.echo()
    for number in range(3):
        client.send(b"POST /%d?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" % number)
        status, headers, body = await client.answer()
        assert (status, body) == (200, b"hi")
        assert (headers["x-path"], headers["x-query"]) == (f"/{number}", "a=b")
        assert "connection" not in headers
        assert headers["date"].endswith("GMT")


async def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    running = 0

    async def handler(request: Request) -> Response:
        nonlocal running
        running += 1
        assert running == 1, "one at a time"
        await asyncio.sleep(0.002 if request.path == "/0" else 0)
        running -= 1
        return Response(200, [], request.path.encode())

    client = await site.connect(await site.serve(handler))
    client.send(b"".join(GET % number for number in range(200)))
    for number in range(200):
        assert (await client.answer())[2] == b"/%d" % number


async def test_headers_come_in_order_lower_case_duplicates_kept(site: Site) -> None:
    seen: list[tuple[str, str]] = []

    async def handler(request: Request) -> Response:
        seen.extend(request.headers)
        return Response(200, [])

    client = await site.connect(await site.serve(handler))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-B: 1 \r\nx-a:\t\xc3\xa9\xc2\xa0\r\nX-B:\r\n\r\n")
    await client.answer()
    assert seen == [("host", "a"), ("x-b", "1"), ("x-a", "Ã©Â\xa0"), ("x-b", "")]


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 3_000_000])
async def test_bodies_of_any_size_arrive_whole(site: Site, size: int) -> None:
    client = await site.echo()
    data = os.urandom(size)
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + data)
    assert (await client.answer())[2] == data


async def test_a_small_body_is_bytes_even_in_pieces_and_a_large_one_is_a_stream(site: Site) -> None:
    kinds: list[type] = []

    async def handler(request: Request) -> Response:
        kinds.append(type(request.body))
        return await echo(request)

    client = await site.connect(await site.serve(handler))
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    await client.writer.drain()
    await asyncio.sleep(0.01)
    client.send(b"cd")
    assert (await client.answer())[2] == b"abcd"
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    await asyncio.sleep(0.01)
    client.send(bytes(1_000_000))
    assert len((await client.answer())[2]) == 1_000_000
    assert kinds == [bytes, http.Stream]


async def test_a_chunked_body_arrives_with_its_trailers(site: Site) -> None:
    trailers: list[tuple[str, str]] = []

    async def handler(request: Request) -> Response:
        assert isinstance(request.body, http.Stream)
        answer = await echo(request)
        trailers.extend(request.body.trailers)
        return answer

    client = await site.connect(await site.serve(handler))
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    rest = b"3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 1\r\nX-Two: 2\r\n\r\n"
    for cut in (0, len(rest), 5, 20, len(rest) - 5):
        trailers.clear()
        client.send(head + rest[:cut])
        if cut < len(rest):
            await client.writer.drain()
            await asyncio.sleep(0.005)
            client.send(rest[cut:])
        assert (await client.answer())[2] == b"abcdefg"
        assert trailers == [("x-sum", "1"), ("x-two", "2")]


async def test_100_continue_is_sent_when_the_handler_reads_and_not_before(site: Site) -> None:
    read = asyncio.Event()

    async def handler(request: Request) -> Response:
        await read.wait()
        return await echo(request)

    client = await site.connect(await site.serve(handler))
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await client.reader.readexactly(1)
    read.set()
    assert (await client.head())[0] == 100
    client.send(b"ok")
    assert (await client.answer())[2] == b"ok"


@pytest.mark.parametrize("wrapped", [False, True])
async def test_who_refuses_without_reading_sends_no_100_and_closes(
    site: Site, wrapped: bool
) -> None:
    async def handler(request: Request) -> Response:
        if wrapped:  # As the pipeline puts what proves a body in its place.
            request.body = _proving(request.body)
        return Response(403, [], b"no")

    client = await site.connect(await site.serve(handler))
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    status, headers, body = await client.answer()
    # What comes next could be the body or a request, so the connection cannot go on.
    assert (status, headers["connection"], body) == (403, "close", b"no")
    assert await client.rest() == b""


async def _proving(body: Body) -> AsyncIterator[bytes]:
    assert not isinstance(body, bytes)
    async for chunk in body:
        yield chunk


@pytest.mark.parametrize("wrapped", [False, True])
async def test_an_early_answer_is_read_although_the_client_still_sends(
    site: Site, wrapped: bool
) -> None:
    async def handler(request: Request) -> Response:
        if wrapped:
            request.body = _proving(request.body)
        return Response(403, [], b"no")

    client = await site.connect(await site.serve(handler))
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n" + bytes(8_000_000))
    await client.writer.drain()
    client.send(bytes(1_000_000))
    status, headers, body = await client.answer()
    assert (status, headers["connection"], body) == (403, "close", b"no")


async def test_a_little_unread_body_does_not_cost_the_connection(site: Site) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [], request.path.encode())

    client = await site.connect(await site.serve(handler))
    client.send(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    assert (await client.answer())[2] == b"/a"
    client.send(bytes(100_000) + GET % 1)
    assert (await client.answer())[2] == b"/1"


async def test_a_handler_that_does_not_read_makes_the_client_wait(site: Site) -> None:
    go = asyncio.Event()
    bodies: list[http.Stream] = []

    async def handler(request: Request) -> Response:
        assert isinstance(request.body, http.Stream)
        bodies.append(request.body)
        await go.wait()
        return await echo(request)

    client = await site.connect(await site.serve(handler))
    size = 64_000_000
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    await until(lambda: bool(bodies))
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert bodies[0].buffered < 2_000_000
    go.set()
    assert len((await client.answer())[2]) == size


async def test_a_client_that_does_not_read_makes_the_handler_wait(site: Site) -> None:
    produced = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal produced
        for _ in range(1_000):
            produced += 100_000
            yield bytes(100_000)

    async def handler(request: Request) -> Response:
        return Response(200, [("content-length", "100000000")], chunks())

    client = await site.connect(await site.serve(handler))
    client.send(GET % 1)
    await client.head()
    for _ in range(20):
        await asyncio.sleep(0.002)
    # What the sockets of both ends hold, and our own bound.
    assert produced < 30_000_000
    async with asyncio.timeout(10):
        await client.reader.readexactly(100_000_000)


async def test_a_streamed_answer_is_chunked_or_as_long_as_it_says(site: Site) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for part in (b"ab", b"", b"cde"):
            yield part

    async def handler(request: Request) -> Response:
        headers = [("content-length", "5")] if request.path == "/long" else []
        return Response(200, headers, chunks())

    client = await site.connect(await site.serve(handler))
    client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n" + GET % 1)
    for expected in ({"content-length": "5"}, {"transfer-encoding": "chunked"}):
        _, headers, body = await client.answer()
        assert body == b"abcde"
        assert expected.items() <= headers.items()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    _, headers = await client.head()
    assert headers["connection"] == "close"
    assert await client.rest() == b"abcde"


@pytest.mark.parametrize("length", [None, "3", "9"])
async def test_an_answer_that_fails_midway_cuts_the_connection(
    site: Site, length: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    closed = False

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            yield b"abc"
            await asyncio.sleep(0.01)
            if length == "3":
                yield b"more than was said"
            if length is None:
                raise RuntimeError("the disk is gone")
        finally:
            closed = True

    async def handler(request: Request) -> Response:
        return Response(200, [("content-length", length)] if length else [], chunks())

    client = await site.connect(await site.serve(handler))
    client.send(GET % 1)
    await client.head()
    rest = await client.rest()
    assert not rest.endswith(b"0\r\n\r\n")
    assert len(rest) < 9 or length != "9"
    assert closed
    assert "answer failed midway" in caplog.text


async def test_head_204_and_304_have_no_body(site: Site) -> None:
    async def handler(request: Request) -> Response:
        status = int(request.path[1:])
        return Response(status, [], b"body" if status == 200 else b"")

    client = await site.connect(await site.serve(handler))
    client.send(b"".join(b"HEAD /%d HTTP/1.1\r\nHost: a\r\n\r\n" % s for s in (200, 204, 304)))
    client.send(GET % 204 + GET % 200)
    assert (await client.answer("HEAD"))[1]["content-length"] == "4"
    for _ in range(3):
        assert "content-length" not in (await client.answer("HEAD"))[1]
    assert (await client.answer())[2] == b"body"


async def test_http_1_0_is_closed_unless_it_asks_to_be_kept(site: Site) -> None:
    client = await site.echo()
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (await client.answer())[1]["connection"] == "keep-alive"
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await client.answer())[1]["connection"] == "close"
    assert await client.rest() == b""


async def test_connection_close_is_kept_to(site: Site) -> None:
    client = await site.echo()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await client.answer())[1]["connection"] == "close"
    assert await client.rest() == b""


@pytest.mark.parametrize("body", [b"", b"hello"])
async def test_a_wish_to_upgrade_is_declined_by_going_on_in_http_1_1(
    site: Site, body: bytes
) -> None:
    client = await site.echo()
    client.send(
        b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: %d\r\n\r\n"
        % len(body)
        + body
        + GET % 2
    )
    assert (await client.answer())[2] == body
    assert (await client.answer())[1]["x-path"] == "/2"


async def test_a_url_as_target_is_its_path(site: Site) -> None:
    client = await site.echo()
    client.send(b"GET http://a:1/p?q HTTP/1.1\r\nHost: a:1\r\n\r\n")
    client.send(b"GET http://a:1?q HTTP/1.1\r\nHost: a:1\r\n\r\n")
    assert (await client.answer())[1]["x-path"] == "/p"
    assert (await client.answer())[1]["x-path"] == "/"


async def test_a_handler_that_fails_is_answered_500_and_the_connection_lives(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/1":
            raise RuntimeError("bug")
        if request.path == "/2":
            raise asyncio.CancelledError
        if request.path == "/3":
            return Response(200, [("x-evil", "a\r\nset-cookie: b")], b"")
        return Response(200, [])

    client = await site.connect(await site.serve(handler))
    for number, status in ((1, 500), (2, 500), (4, 200)):
        client.send(GET % number)
        assert (await client.answer())[0] == status
    assert "handler failed" in caplog.text


async def test_a_line_break_in_a_response_header_is_never_sent(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [("x-evil", "a\r\nset-cookie: b")], b"")

    client = await site.connect(await site.serve(handler))
    client.send(GET % 1)
    status, headers, _ = await client.answer()
    assert status == 500
    assert "set-cookie" not in headers


async def test_several_listeners_share_one_handler(site: Site, tmp_path: Path) -> None:
    peers: list[str] = []

    async def handler(request: Request) -> Response:
        peers.append(request.peer)
        return Response(200, [])

    server = await site.serve(handler)
    await server.listen_unix(tmp_path / "s")
    await server.listen("127.0.0.1", 0)
    over_unix = Client(*await asyncio.open_unix_connection(str(tmp_path / "s")))
    site.clients.append(over_unix)
    for client in (over_unix, await site.connect(server)):
        client.send(GET % 1)
        assert (await client.answer())[0] == 200
    assert peers == ["", "127.0.0.1"]
    server.close()
    assert not (tmp_path / "s").exists()


async def test_small_writes_are_not_delayed(site: Site) -> None:
    server = await site.serve(echo)
    await site.connect(server)
    await until(lambda: len(server._connections) == 1)
    (connection,) = server._connections
    sock = connection._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def make_certificate(key: Path, certificate: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip


async def test_tls(site: Site, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_certificate(key, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure: list[bool | Tls] = []

    async def handler(request: Request) -> Response:
        secure.append(request.secure)
        return await echo(request)

    server = await site.serve(handler, ssl=context)
    trust = ssl.create_default_context(cafile=str(certificate))
    client = Client(*await asyncio.open_connection("127.0.0.1", server.port, ssl=trust))
    site.clients.append(client)
    data = os.urandom(1_000_000)
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + data)
    assert (await client.answer())[2] == data
    [tls] = secure
    assert isinstance(tls, Tls)
    assert tls.version.startswith("TLSv1.")
    assert tls.cipher
    client.close()
    await client.writer.wait_closed()

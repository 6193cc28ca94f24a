"""Answers whose body is yet to come, sent as fast as the client reads them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator

from ogi.gateway import heads
from ogi.gateway.answers import Writer
from ogi.http import Response

log = logging.getLogger("ogi.gateway")


async def send(writer: Writer, response: Response, method: str, keep: bool, modern: bool) -> bool:
    """An answer whose body is yet to come. Returns whether the connection can be kept."""
    chunks = response.body
    assert not isinstance(chunks, bytes)
    try:
        return await _send(writer, response, chunks, method, keep, modern)
    except Exception:
        # The head may be out; a cut connection is the only way left to say that the body is
        # not complete.
        log.exception("answer failed midway")
        writer.transport.abort()
        return False
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


async def _send(
    writer: Writer,
    response: Response,
    chunks: AsyncIterator[bytes],
    method: str,
    keep: bool,
    modern: bool,
) -> bool:
    length = _length(response)
    bare = method == "HEAD" or response.status in heads.WITHOUT_BODY
    chunked = length is None and modern and not bare
    keep = keep and (length is not None or modern)
    head = heads.render(response, length=None, chunked=chunked, keep=keep, modern=modern)
    transport = writer.transport
    if bare:
        transport.write(head)
        return keep
    sent = 0
    async for chunk in chunks:
        if not chunk:
            continue
        sent += len(chunk)
        framed = (b"%x\r\n" % len(chunk), chunk, b"\r\n") if chunked else (chunk,)
        # Not `writelines`: asyncio's own, from Python 3.12 on, never says that it is full.
        # uvloop sends what was written in one turn together anyway.
        for part in (head, *framed) if head else framed:
            transport.write(part)
        head = b""
        if writer.full:
            await writer.writable()
    if length is not None and sent != length:
        raise ValueError(f"the answer's body has {sent} bytes, its head says {length}")
    end = head + b"0\r\n\r\n" if chunked else head
    if end:
        transport.write(end)
    return keep


def _length(response: Response) -> int | None:
    for name, value in response.headers:
        if name.lower() == "content-length":
            return int(value)
    return None

"""Writing answers to one client, as fast as it reads them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator

from ogi.gateway import heads
from ogi.http import Response

BUFFERED_BYTES_HIGH = 256 * 1024
"""Answer bytes that wait for the client before the handler is made to wait."""
COALESCED_BYTES_MAX = 64 * 1024
"""Bodies up to this length are copied behind their head, for one write."""

log = logging.getLogger("ogi.gateway")


class Writer:
    """The way out of one connection."""

    __slots__ = ("_drained", "full", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.full = False
        """The client reads more slowly than we write."""
        self._drained: asyncio.Future[None] | None = None
        transport.set_write_buffer_limits(high=BUFFERED_BYTES_HIGH)

    def drained(self) -> None:
        """The client has taken most of it, or is gone."""
        self.full = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def writable(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()
        try:
            await self._drained
        finally:
            self._drained = None

    def whole(self, response: Response, method: str, keep: bool, modern: bool) -> None:
        """An answer whose body is bytes."""
        body = response.body
        assert isinstance(body, bytes)
        bare = response.status in heads.WITHOUT_BODY
        length = None if bare else len(body)
        try:
            head = heads.render(response, length=length, chunked=False, keep=keep, modern=modern)
        except ValueError:
            log.exception("answer cannot be written")
            self.whole(heads.plain(500, "The server failed."), method, keep, modern)
            return
        if bare or method == "HEAD" or not body:
            self.transport.write(head)
        elif len(body) <= COALESCED_BYTES_MAX:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)

    async def streamed(self, response: Response, method: str, keep: bool, modern: bool) -> bool:
        """An answer whose body is yet to come. Returns whether the connection can be kept."""
        chunks = response.body
        assert not isinstance(chunks, bytes)
        try:
            return await self._chunks(response, chunks, method, keep, modern)
        except Exception:
            # The head may be out; a cut connection is the only way left to say that the body is
            # not complete.
            log.exception("answer failed midway")
            self.transport.abort()
            return False
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    async def _chunks(
        self,
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
        transport = self.transport
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
            if self.full:
                await self.writable()
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

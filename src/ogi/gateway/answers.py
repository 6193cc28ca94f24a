"""Writing answers to one client, as fast as it reads them."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from ogi.gateway import heads
from ogi.http import Response

BUFFERED_BYTES_HIGH: Final = 256 * 1024
"""Answer bytes that wait for the client before the handler is made to wait."""
COALESCED_BYTES_MAX: Final = 64 * 1024
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

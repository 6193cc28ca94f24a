"""Request bodies that are still arriving, and reading one to its end under a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from ogi.access.signature_errors import IncompleteBody
from ogi.errors import AwsError
from ogi.http import Body

__all__ = ["Disconnected", "IncompleteBody", "RequestTimeout", "Stream", "collect"]

BUFFERED_BYTES_HIGH: Final = 512 * 1024
"""Body bytes that wait for the handler before the client is made to wait."""
BUFFERED_BYTES_LOW: Final = 128 * 1024


class RequestTimeout(AwsError):
    """Your socket connection to the server was not read from or written to within the timeout \
period. Idle connections will be closed."""

    # docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    status = 400


class Disconnected(Exception):
    """The client went away before its body had arrived completely."""


class Source(Protocol):
    """The connection as a body sees it."""

    def hold(self) -> None:
        """Stop reading from the client."""
        ...

    def release(self) -> None:
        """Read on."""
        ...

    def go_on(self) -> None:
        """Send `100 Continue`."""
        ...

    def await_body(self) -> None:
        """The handler waits for bytes: the client's time runs."""
        ...

    def got_body(self) -> None: ...


class Stream:
    """A body in the order of its bytes, for one reader. `trailers` are complete once it ended."""

    __slots__ = (
        "_chunks", "_fault", "_held", "_source", "_waiter", "arrived", "buffered", "discarded",
        "ended", "expectant", "length", "trailers",
    )  # fmt: skip

    def __init__(self, source: Source, length: int | None, expectant: bool) -> None:
        self.length = length
        """Its content-length; None: chunked."""
        self.trailers: list[tuple[str, str]] = []
        self.expectant = expectant
        """The client waits for `100 Continue`, which the first read sends."""
        self.arrived = 0
        self.buffered = 0
        self.ended = False
        self.discarded = False
        self._source = source
        self._chunks: list[bytes] = []
        self._fault: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._held = False

    # -- the reader's side ------------------------------------------------------------------

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        """All that has arrived since the last call, at least one byte."""
        while not self._chunks:
            if self._fault is not None:
                raise self._fault
            if self.ended:
                raise StopAsyncIteration
            await self._more()
        chunks = self._chunks
        taken = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered = 0
        if self._held:
            self._held = False
            self._source.release()
        return taken

    async def _more(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("a body has one reader")
        if self.expectant:
            self.expectant = False
            self._source.go_on()
        self._source.await_body()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._source.got_body()

    # -- the connection's side --------------------------------------------------------------

    def feed(self, chunk: bytes) -> None:
        self.arrived += len(chunk)
        self.expectant = False
        if self.discarded:
            return
        self._chunks.append(chunk)
        self.buffered += len(chunk)
        if self.buffered > BUFFERED_BYTES_HIGH and not self._held:
            self._held = True
            self._source.hold()
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def fail(self, fault: BaseException) -> None:
        """Give up: the reader gets what has arrived, then `fault`."""
        if not self.ended and self._fault is None:
            self._fault = fault
            self._wake()

    def discard(self) -> None:
        """Nobody reads the rest."""
        self.discarded = True
        self._chunks.clear()
        self.buffered = 0
        if self._held:
            self._held = False
            self._source.release()

    @property
    def outstanding(self) -> int | None:
        """Bytes that the client has yet to send; None: unknown."""
        if self.ended:
            return 0
        return None if self.length is None else self.length - self.arrived

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def collect(body: Body, bytes_max: int, refusal: Callable[[], Exception]) -> bytes:
    """The whole body; `refusal()` is raised as soon as it is longer than `bytes_max`."""
    if isinstance(body, bytes):
        if len(body) > bytes_max:
            raise refusal()
        return body
    length = getattr(body, "length", None)
    if length is not None and length > bytes_max:
        raise refusal()
    chunks: list[bytes] = []
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > bytes_max:
            raise refusal()
        chunks.append(chunk)
    return b"".join(chunks)

"""The Lambda Runtime API (version 2018-06-01) of one environment, as an asyncio protocol.

Lambda guide, "Using the Lambda runtime API for custom runtimes": next, response, error, init/error.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Protocol, cast

import httptools
import msgspec

from ogi.sandbox import PAYLOAD_BYTES_MAX

PREFIX = "/2018-06-01/runtime/"
ALLOWANCE_BYTES = 100
"""A response may be this much larger than 6 MiB: AWS's message names 6,291,556 bytes."""
RESPONSE_BYTES_MAX = PAYLOAD_BYTES_MAX + ALLOWANCE_BYTES
HEADER_BYTES_MAX = 64 * 1024


class Event(msgspec.Struct, frozen=True):
    """What `next` answers: the headers without their common prefix, and the payload."""

    headers: tuple[tuple[str, str], ...]
    payload: bytes


class Stage(Protocol):
    """The environment behind the API."""

    def ask(self, connection: RuntimeApi) -> None:
        """The runtime wants the next event; answer with `connection.give`."""
        ...

    def respond(self, request_id: str, body: bytes) -> bool:
        """The handler's result. False: no such invocation is running."""
        ...

    def fail(self, request_id: str, body: bytes, kind: str) -> bool:
        """The handler's error; request id '' is the initialisation's."""
        ...

    def overflow(self, request_id: str) -> bool:
        """The result was larger than RESPONSE_BYTES_MAX."""
        ...


class RuntimeApi(asyncio.Protocol):
    """One connection of a runtime."""

    def __init__(self, stage: Stage, connections: set[RuntimeApi]) -> None:
        self._stage = stage
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._kind = ""
        self._body: list[bytes] = []
        self._size = 0

    # -- the transport's side ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no such class, though they are of its kind.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- the parser's side ------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"lambda-runtime-function-error-type":
            self._kind = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= RESPONSE_BYTES_MAX:
            self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method()
        path, body, kind = self._url.decode("latin-1"), b"".join(self._body), self._kind
        too_large = self._size > RESPONSE_BYTES_MAX
        self._reset()
        if not path.startswith(PREFIX):
            self._refuse(404, "NotFound", "There is no such path in the Runtime API.")
            return
        parts = path[len(PREFIX) :].split("/")
        if method == b"GET" and parts == ["invocation", "next"]:
            self._stage.ask(self)
        elif method == b"POST" and parts == ["init", "error"]:
            self._acknowledge(self._stage.fail("", body, kind))
        elif method == b"POST" and len(parts) == 3 and parts[0] == "invocation":
            self._finish(parts[1], parts[2], body, kind, too_large)
        else:
            self._refuse(404, "NotFound", "There is no such path in the Runtime API.")

    def _finish(
        self, request_id: str, outcome: str, body: bytes, kind: str, too_large: bool
    ) -> None:
        if too_large:
            self._stage.overflow(request_id)
            message = f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            self._refuse(413, "RequestEntityTooLarge", message)
        elif outcome == "response":
            self._acknowledge(self._stage.respond(request_id, body))
        elif outcome == "error":
            self._acknowledge(self._stage.fail(request_id, body, kind))
        else:
            self._refuse(404, "NotFound", "There is no such path in the Runtime API.")

    # -- answers ----------------------------------------------------------------------------

    def give(self, event: Event) -> bool:
        """Answer `next`. False: the runtime has gone."""
        if self._transport is None:
            return False
        lines = "".join(f"Lambda-Runtime-{name}: {value}\r\n" for name, value in event.headers)
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"{lines}Content-Length: {len(event.payload)}\r\n\r\n"
        )
        self._transport.write(head.encode() + event.payload)
        return True

    def _acknowledge(self, known: bool) -> None:
        if known:
            self._send(202, b'{"status":"OK"}\n')
        else:
            self._refuse(400, "InvalidRequestID", "Invalid request ID")

    def _refuse(self, status: int, kind: str, message: str) -> None:
        body = msgspec.json.encode({"errorMessage": message, "errorType": kind})
        self._send(status, body)

    def _send(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self._transport.write(head.encode() + body)

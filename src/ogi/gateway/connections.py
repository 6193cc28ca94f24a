"""One client's connection: bytes in, requests out; `turns` has them answered.

Law: whoever is slow makes only himself wait.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

import httptools

from ogi.gateway import heads
from ogi.gateway.answers import Writer
from ogi.gateway.bodies import Disconnected, IncompleteBody, RequestTimeout, Stream
from ogi.gateway.heads import Refused
from ogi.gateway.turns import Turns
from ogi.http import Body, Request, Tls

if TYPE_CHECKING:
    from ogi.gateway.http import Server

SMALL_BODY_BYTES_MAX: Final = 64 * 1024
"""Bodies of this length are waited for and handed over as bytes; longer ones are streamed."""
LINGER_S: Final = 5.0
"""How long a client may go on sending after the last answer, so that it gets to read it."""
NAMES_MAX: Final = 1_000

BETWEEN, HEAD, BODY = 0, 1, 2

log = logging.getLogger("ogi.gateway")

_names: Final[dict[bytes, str]] = {}


def _lower(name: bytes) -> str:
    text = name.decode("ascii").lower()
    if len(_names) < NAMES_MAX:
        _names[name] = text
    return text


class Connection(asyncio.Protocol):
    __slots__ = (
        "_alone", "_block", "_deaf", "_expectant", "_fed", "_fields", "_fresh", "_headers",
        "_holds", "_keep", "_length", "_linger", "_loop", "_method", "_modern", "_parser", "_parts",
        "_path", "_peer", "_query", "_secure", "_server", "_stage", "_stream", "_transport",
        "_turns", "_unread", "_unsent", "_upgrading", "_url",
    )  # fmt: skip

    _transport: asyncio.Transport
    _turns: Turns

    def __init__(self, server: Server, secure: bool) -> None:
        self._server = server
        self._secure: bool | Tls = secure
        self._loop = server.loop
        self._parser = httptools.HttpRequestParser(self)
        self._peer = ""
        self._holds = 0
        self._deaf = False
        self._unread = b""
        self._unsent = 0
        self._linger: asyncio.TimerHandle | None = None
        # The request that is arriving:
        self._stage = BETWEEN
        self._fresh = False
        self._block = 0
        self._alone = True
        self._fed = 0
        self._url = b""
        self._fields: list[tuple[str, str]] = []
        self._parts: list[bytes] = []
        self._stream: Stream | None = None
        self._upgrading = False
        self._method = self._path = self._query = ""
        self._keep = self._modern = self._expectant = False
        self._length: int | None = 0
        self._headers: list[tuple[str, str]] = []

    # -- the transport calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._turns = Turns(self, self._server, Writer(transport))
        if not self._server.admit(self):
            self._deaf = True
            transport.abort()
            return
        ssl_object = transport.get_extra_info("ssl_object") if self._secure else None
        if ssl_object is not None:
            self._secure = Tls(ssl_object.version() or "", (ssl_object.cipher() or ("",))[0])
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._server.idle.begin(self, self._loop.time())

    def data_received(self, data: bytes) -> None:
        if self._stage == BETWEEN and not self._unread:
            self._unread = data
            self._server.arrived(self)
            return
        # More of the same: now, so that a body that comes too fast is held up at once.
        self.receive()
        self._take(data)

    def receive(self) -> None:
        """Take what arrived in this turn of the loop."""
        data, self._unread = self._unread, b""
        if data:
            self._take(data)

    def _take(self, data: bytes) -> None:
        if self._deaf:
            return
        self._server.idle.end(self)
        self._block = len(data)
        self._alone = True
        self._parse(data)
        if self._deaf:
            return
        if self._stage:
            self._incomplete()
        elif not self._turns.busy:
            self._server.idle.begin(self, self._loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = True
        self._server.forget(self)
        if self._linger is not None:
            self._linger.cancel()
        if self._stream is not None:
            self._stream.fail(Disconnected())
        self._turns.writer.drained()
        self.cancel()

    def pause_writing(self) -> None:
        self._turns.writer.full = True
        self._watch_writing()

    def resume_writing(self) -> None:
        self._server.writes.end(self)
        self._turns.writer.drained()

    # -- the parser calls, within _parse ----------------------------------------------------

    def on_message_begin(self) -> None:
        self._stage = HEAD
        self._fresh = True
        self._fed = 0
        self._url = b""
        self._fields = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Values are bytes to HTTP; latin-1 loses none. After the body come the trailers.
        self._fields.append((_names.get(name) or _lower(name), value.rstrip().decode("latin-1")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if self._fed:
            self._server.heads.end(self)
        headers = self._fields
        if self._fed + self._block > self._server.settings.header_bytes_max:
            self._check_head_size()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refused(505, "HTTP/1.1 is spoken here.")
        self._modern = modern = version == "1.1"
        self._length, self._expectant = heads.framing(headers, modern)
        self._path, self._query = heads.split_target(self._url.decode("ascii"), headers)
        self._keep = parser.should_keep_alive()
        self._method = parser.get_method().decode("ascii")
        self._upgrading = parser.should_upgrade()
        self._headers = headers
        self._fields = []
        self._stage = BODY
        self._fresh = True
        self._fed = 0

    def on_body(self, chunk: bytes) -> None:
        if self._stream is not None:
            self._stream.feed(chunk)
        else:
            self._parts.append(chunk)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self._stage = BETWEEN
        self._alone = False
        stream = self._stream
        if stream is None and self._fields:
            stream = self._begin_stream()
        if stream is not None:
            self._stream = None
            stream.trailers.extend(self._fields)
            stream.end()
            return
        parts = self._parts
        if not parts:
            body = b""
        elif len(parts) == 1:
            body = parts.pop()
        else:
            body = b"".join(parts)
            parts.clear()
        if self._fed:
            self._server.bodies.end(self)
        self._enqueue(self._request(body))

    # -- arriving ---------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
                if not isinstance(cause, Refused):
                    log.error("request was not taken", exc_info=cause)
                    cause = Refused(500, "The server failed.")
                self._refuse(cause)
            else:
                self._refuse(Refused(400, f"{error}."))

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1, as RFC 9110, 7.8 allows: parse the head again without the wish."""
        self._upgrading = False
        if self._method == "CONNECT":
            self._refuse(Refused(400, "CONNECT is for proxies."))
            return
        lines = [b"%s %s HTTP/1.1" % (self._method.encode(), self._url)]
        for name, value in self._headers:
            if name != "upgrade":
                lines.append(f"{name}: {value}".encode("latin-1"))
        self._parser = httptools.HttpRequestParser(self)
        self._parse(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _incomplete(self) -> None:
        """A block of data ended within a request."""
        server = self._server
        if self._stage == HEAD:
            # What came before this request in its first block is not counted.
            whole = self._alone or not self._fresh
            self._fed += self._block if whole else self._head_size()
            self._fresh = False
            if self._fed > server.settings.header_bytes_max:
                self._refuse(self._too_large())
            else:
                self._fed = max(self._fed, 1)
                server.heads.begin(self, self._loop.time())
            return
        self._fed += 1 if self._fresh else self._block
        self._fresh = False
        if self._stream is not None:
            # A chunk of one byte takes six; who sends much more sends chunk extensions only.
            slack = server.settings.header_bytes_max + 8 * self._stream.arrived
            if self._length is None and self._fed > slack:
                self._refuse(Refused(400, "The chunked body is mostly framing."))
        elif self._length is None or self._expectant or self._length > SMALL_BODY_BYTES_MAX:
            self._begin_stream()
        else:
            server.bodies.begin(self, self._loop.time())

    def _head_size(self) -> int:
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._fields)

    def _check_head_size(self) -> None:
        if self._head_size() > self._server.settings.header_bytes_max:
            raise self._too_large()

    def _too_large(self) -> Refused:
        if len(self._url) > self._server.settings.header_bytes_max:
            return Refused(414, "The request line is too long.")
        return Refused(431, "The request headers are too large.")

    def _begin_stream(self) -> Stream:
        stream = Stream(self, self._length, self._expectant and not self._parts)
        self._stream = stream
        for part in self._parts:
            stream.feed(part)
        self._parts.clear()
        self._enqueue(self._request(stream))
        return stream

    def _request(self, body: Body) -> Request:
        return Request(
            self._method, self._path, self._query, self._headers, body, self._secure, self._peer
        )

    def _refuse(self, refused: Refused) -> None:
        """Answer in turn, and read no more."""
        if self._deaf:
            return
        self._deaf = True
        self._server.heads.end(self)
        self._server.bodies.end(self)
        if self._stream is not None:
            self._stream.fail(IncompleteBody())
        else:
            self._enqueue(refused)

    def _enqueue(self, request: Request | Refused) -> None:
        if self._deaf and isinstance(request, Request):
            return  # It came behind the last one that is answered here.
        self._turns.take(request, self._keep, self._modern)

    # -- late (the server's sweep calls) ----------------------------------------------------

    def idle_too_long(self) -> None:
        self._close()

    def head_too_late(self) -> None:
        self._refuse(Refused(408, "The request's headers took too long."))

    def body_too_late(self) -> None:
        if self._stream is not None:
            self._stream.fail(RequestTimeout())
        else:
            self._refuse(Refused(408, "The request's body took too long."))

    def unread_too_long(self) -> None:
        """The client reads no answer: unless it took something since, give it up."""
        if self._transport.get_write_buffer_size() < self._unsent:
            self._watch_writing()
        else:
            self._transport.abort()

    # -- what a streamed body asks for ------------------------------------------------------

    def hold(self) -> None:
        self._holds += 1
        if self._holds == 1 and not self._transport.is_closing():
            self._transport.pause_reading()

    def release(self) -> None:
        self._holds -= 1
        if self._holds == 0 and not self._transport.is_closing():
            self._transport.resume_reading()

    def go_on(self) -> None:
        self._transport.write(heads.CONTINUE)

    def await_body(self) -> None:
        self._server.bodies.begin(self, self._loop.time())

    def got_body(self) -> None:
        self._server.bodies.end(self)

    # -- answering --------------------------------------------------------------------------

    def at_rest(self) -> None:
        """All requests that came are answered."""
        if self._stage == BETWEEN:
            self._server.idle.begin(self, self._loop.time())

    def _watch_writing(self) -> None:
        self._unsent = self._transport.get_write_buffer_size()
        self._server.writes.begin(self, self._loop.time())

    # -- ending -----------------------------------------------------------------------------

    def finish(self, lingers: bool = True) -> None:
        """Close after the last answer. Closing on unread bytes would reset the connection, and the
        client might never read the answer; so what still comes is read and thrown away first."""
        self._deaf = True
        transport = self._transport
        if transport.is_closing():
            return
        if lingers:
            while self._holds:
                self.release()
            if transport.can_write_eof():
                transport.write_eof()
            self._linger = self._loop.call_later(LINGER_S, transport.abort)
        else:
            self._close()

    def _close(self) -> None:
        self._deaf = True
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._watch_writing()

    def close_if_idle(self) -> None:
        """The server drains: nothing is in progress here, nothing shall begin."""
        if not self._turns.busy and self._stage == BETWEEN and not self._deaf:
            self._close()

    def ending(self) -> asyncio.Future[None] | None:
        """Something to wait for until nothing is in progress here; None if so it is."""
        return self._turns.ending()

    def cancel(self) -> asyncio.Task[None] | None:
        """Cancel what is in progress; the task to wait for."""
        task = self._turns.task
        if task is not None:
            task.cancel()
        return task

    def abort(self) -> None:
        self._transport.abort()

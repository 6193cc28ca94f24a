"""The heads of HTTP messages: what a request's must satisfy, and how a response's is written."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import ClassVar, Final

from ogi.http import Body, Response

STATUS_LINES: Final = {int(s): f"HTTP/1.1 {int(s)} {s.phrase}" for s in HTTPStatus}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
WITHOUT_BODY: Final = frozenset({204, 304})
FRAMING: Final = frozenset({"host", "content-length", "transfer-encoding", "expect"})


class Refused(Exception):
    """A request that is not understood; the connection is closed after the answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.body: Body = b""
        self.status = status
        self.reason = reason

    def response(self) -> Response:
        return plain(self.status, self.reason)


def plain(status: int, reason: str) -> Response:
    """An answer of the server itself, before any service was found."""
    return Response(status, [("content-type", "text/plain")], f"{reason}\n".encode())


def split_target(target: str, headers: list[tuple[str, str]]) -> tuple[str, str]:
    """Path and query of a request's target, as they came."""
    if "#" in target:
        raise Refused(400, "A request target has no fragment.")
    if not target.startswith("/"):
        target = _origin_form(target, headers)
    path, _, query = target.partition("?")
    return path, query


def _origin_form(target: str, headers: list[tuple[str, str]]) -> str:
    """`http://host/path` as proxies are asked; RFC 9112, 3.2.2."""
    if target == "*":
        return target
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise Refused(400, "The request target is neither a path nor a URL.")
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    if ("host", rest[:cut]) not in headers:
        raise Refused(400, "The Host header is not the request target's.")
    path = rest[cut:]
    return path if path.startswith("/") else f"/{path}"


def framing(headers: list[tuple[str, str]], modern: bool) -> tuple[int | None, bool]:
    """The body's length (None: chunked), and whether the client waits for `100 Continue`.

    llhttp has refused both kinds of length at once, two lengths, and lengths that are no number.
    """
    length: int | None = 0
    expectant = False
    hosts = 0
    for name, value in headers:
        if name not in FRAMING:
            continue
        if name == "host":
            hosts += 1
        elif name == "content-length":
            length = int(value)
        elif name == "transfer-encoding":
            if value.lower() != "chunked" or not modern:
                raise Refused(400, "The only transfer coding is chunked.")
            length = None
        else:
            if value.lower() != "100-continue":
                raise Refused(417, "The only expectation is 100-continue.")
            expectant = modern
    if hosts != 1 and (modern or hosts):
        raise Refused(400, "A request has one Host header.")
    return length, expectant


class _Date:
    """The Date header, written once a second."""

    second: ClassVar = 0
    line: ClassVar = ""

    @classmethod
    def now(cls) -> str:
        second = int(time.time())
        if second != cls.second:
            cls.second = second
            cls.line = f"date: {formatdate(second, usegmt=True)}"
        return cls.line


def render(
    response: Response, *, length: int | None, chunked: bool, keep: bool, modern: bool
) -> bytes:
    """The head of `response`; `length` is written where the headers name none."""
    status = response.status
    lines = [STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown", _Date.now()]
    for name, value in response.headers:
        lines.append(f"{name}: {value}")
        if len(name) == 14 and name.lower() == "content-length":
            length = None
    if length is not None:
        lines.append(f"content-length: {length}")
    if chunked:
        lines.append("transfer-encoding: chunked")
    if not keep:
        lines.append("connection: close")
    elif not modern:
        lines.append("connection: keep-alive")
    text = "\n".join(lines)
    # A value with a line break would let whoever chose it write headers, or a whole answer.
    if text.count("\n") != len(lines) - 1 or "\r" in text or "\0" in text:
        raise ValueError("a response header contains a line break or NUL")
    return text.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n"

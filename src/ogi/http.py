"""HTTP messages as values, without I/O: what the gateway reads and writes, and codecs translate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import unquote_plus

Body = bytes | AsyncIterator[bytes]


class Tls(NamedTuple):
    """How a connection is secured: `TLSv1.3`, `TLS_AES_256_GCM_SHA384`."""

    version: str
    cipher: str


class Request:
    """One request. Header names are lower case; the path and query are as they came, encoded."""

    __slots__ = ("body", "headers", "method", "path", "peer", "query", "secure")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: list[tuple[str, str]],
        body: Body = b"",
        secure: bool | Tls = False,
        peer: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.secure = secure
        self.peer = peer
        """The client's IP address."""

    def at(self, path: str) -> Request:
        """The same request for another path."""
        return Request(
            self.method, path, self.query, self.headers, self.body, self.secure, self.peer
        )

    def header(self, name: str, default: str = "") -> str:
        for key, value in self.headers:
            if key == name:
                return value
        return default

    def parameters(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in order; a name without `=` has the value ''."""
        if not self.query:
            return []
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


class Response:
    """One answer. A streamed body has either a content-length header or goes out chunked."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[tuple[str, str]], body: Body = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

"""HTTP messages as values, without I/O: what the gateway reads and writes, and codecs translate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import unquote_plus

import msgspec

Body = bytes | AsyncIterator[bytes]


class Tls(NamedTuple):
    """How a connection is secured: `TLSv1.3`, `TLS_AES_256_GCM_SHA384`."""

    version: str
    cipher: str


class Request(msgspec.Struct):
    """One request. Header names are lower case; the path and query are as they came, encoded."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: Body = b""
    secure: bool | Tls = False
    peer: str = ""
    """The client's IP address."""

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


class Response(msgspec.Struct):
    """One answer. A streamed body has either a content-length header or goes out chunked."""

    status: int
    headers: list[tuple[str, str]]
    body: Body = b""

"""What a protocol is: it reads requests into members and writes results and errors as answers."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import msgspec

from ogi.http import Request, Response
from ogi.wire.errors import Refusal


class Parsed(msgspec.Struct):
    """One request, understood."""

    operation: str
    """botocore's name of it."""
    params: dict[str, Any]
    protocol: str
    """botocore's name of it."""
    plan: Any = None
    """What the protocol compiled for the operation."""


class WireProtocol(Protocol):
    """One protocol as one service speaks it. Nothing here does I/O."""

    name: ClassVar[str]

    def parse(self, request: Request) -> Parsed:
        """Raises an AwsError if the request is not one of the service's."""
        ...

    def respond(self, parsed: Parsed, result: dict[str, Any], request_id: str) -> Response: ...

    def refuse(self, refusal: Refusal, request: Request, request_id: str) -> Response: ...


def body_bytes(request: Request) -> bytes:
    """The body of a request whose operation does not stream."""
    if not isinstance(request.body, bytes):
        raise TypeError("The gateway collects bodies that are not streamed")
    return request.body

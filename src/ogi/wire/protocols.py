"""What a protocol is: it reads requests into members and writes results and errors as answers."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from ogi.http import Request, Response
from ogi.wire.errors import Refusal


class Parsed:
    """One request, understood."""

    __slots__ = ("operation", "params", "plan", "protocol")

    def __init__(
        self, operation: str, params: dict[str, Any], protocol: str, plan: Any = None
    ) -> None:
        self.operation = operation
        """botocore's name of it."""
        self.params = params
        self.protocol = protocol
        """botocore's name of it."""
        self.plan = plan
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

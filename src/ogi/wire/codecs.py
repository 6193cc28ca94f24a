"""A service's codec: which of its protocols a request speaks, and that protocol's work."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from ogi.errors import unsupported
from ogi.http import Request, Response
from ogi.wire import quirks
from ogi.wire.errors import resolve
from ogi.wire.json import JsonProtocol
from ogi.wire.models import Model, load
from ogi.wire.protocols import Parsed, WireProtocol
from ogi.wire.query import QueryProtocol
from ogi.wire.rest_json import RestJsonProtocol
from ogi.wire.rest_xml import RestXmlProtocol
from ogi.wire.routing import SERVICES, UNKNOWN
from ogi.wire.rpc_cbor import CborProtocol
from ogi.wire.validation import Validate, Validation, accept

_KINDS: Final[dict[str, Callable[[Model], WireProtocol]]] = {
    kind.name: kind
    for kind in (JsonProtocol, QueryProtocol, RestJsonProtocol, RestXmlProtocol, CborProtocol)
}

_KNOWN: Final = frozenset(service.name for service in SERVICES)
_STANDS_FOR_UNKNOWN: Final = "sqs"
"""A service that we do not know is refused in a model that speaks both JSON and query."""


class Codec:
    """Requests to members and members to answers, for one service. Nothing here does I/O."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._model = load(service if service != UNKNOWN else _STANDS_FOR_UNKNOWN)
        names = list(self._model.protocols)
        if self._model.query_compatible and "query" not in names:
            # Clients of before the move to JSON still speak query.
            names.append("query")
        self._by_name = {name: _KINDS[name](self._model) for name in names if name in _KINDS}
        self._rest = next((p for n, p in self._by_name.items() if n.startswith("rest-")), None)
        self._streaming = self._rest if service in quirks.STREAMED else None
        self._validation = Validation(service)
        self._validates: dict[str, Validate] = {}

    def streams(self, request: Request) -> bool:
        """The operation takes the body as a stream; all others take bytes."""
        rest = self._streaming
        return isinstance(rest, RestXmlProtocol) and rest.streams(request)

    def validate(self, operation: str, params: dict[str, Any]) -> None:
        """Refuse, in the service's words, what its model alone refuses of a request that was not
        parsed here."""
        check = self._validates.get(operation)
        if check is None:
            known = self._model.operation(operation)
            check = accept if known is None else self._validation.compile(known)
            self._validates[operation] = check
        check(params)

    def parse(self, request: Request) -> Parsed:
        """Raises an AwsError if the request is not one that the service understands."""
        if self.service == UNKNOWN:
            raise unsupported("this service")
        return self._protocol(request).parse(request)

    def respond(self, parsed: Parsed, result: dict[str, Any], request_id: str) -> Response:
        return self._by_name[parsed.protocol].respond(parsed, result, request_id)

    def refuse(
        self,
        error: BaseException,
        request_id: str,
        request: Request,
        parsed: Parsed | None = None,
    ) -> Response:
        """Any error, in the protocol of the request; what is no AwsError is our own fault."""
        protocol = self._by_name[parsed.protocol] if parsed else self._protocol(request)
        return protocol.refuse(resolve(self._model, error), request, request_id)

    def _protocol(self, request: Request) -> WireProtocol:
        if self._rest is not None:
            return self._rest
        protocols = self._by_name
        if "json" in protocols and request.header("x-amz-target"):
            return protocols["json"]
        if "smithy-rpc-v2-cbor" in protocols and request.header("smithy-protocol"):
            return protocols["smithy-rpc-v2-cbor"]
        return protocols.get("query") or next(iter(protocols.values()))


@cache
def _codec(service: str) -> Codec:
    return Codec(service)


def codec(service: str) -> Codec:
    """The codec of a service by botocore's name; its model is loaded at the first call."""
    return _codec(service if service in _KNOWN else UNKNOWN)

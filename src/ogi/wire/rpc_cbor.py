"""Smithy RPC v2 with CBOR: the operation in the path, members in a CBOR map.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ogi.http import Request, Response
from ogi.wire import cbor
from ogi.wire.documents import Cbor as CborDialect
from ogi.wire.documents import Read, Reader, Write, Writer
from ogi.wire.errors import Refusal, SerializationException, UnknownPathException
from ogi.wire.json import error_tree, output_writer
from ogi.wire.models import Model
from ogi.wire.protocols import Parsed, body_bytes
from ogi.wire.scalars import Malformed
from ogi.wire.validation import Validate, Validation

PROTOCOL_HEADER = ("smithy-protocol", "rpc-v2-cbor")


class _Plan(msgspec.Struct, frozen=True):
    name: str
    read: Read | None
    validate: Validate
    write: Write


class CborProtocol:
    """RPC v2 CBOR as one service speaks it."""

    name: ClassVar[str] = "smithy-rpc-v2-cbor"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plans: dict[str, _Plan] = {}
        self._reader = Reader(CborDialect())
        self._writer = Writer(CborDialect())
        self._validation = Validation(model.service)

    def parse(self, request: Request) -> Parsed:
        name = request.path.rpartition("/")[2]
        plan = self._plans.get(name) or self._compile(name)
        body = body_bytes(request)
        try:
            # An operation without input has an empty body, and one that is sent is not looked at.
            if plan.read is None:
                return Parsed(name, {}, self.name, plan)
            params = plan.read(cbor.decode(body) if body else {})
        except Malformed as wrong:
            raise SerializationException(str(wrong)) from None
        plan.validate(params)
        return Parsed(name, params, self.name, plan)

    def respond(self, parsed: Parsed, result: dict[str, Any], request_id: str) -> Response:
        headers = [("x-amzn-RequestId", request_id), PROTOCOL_HEADER]
        write = parsed.plan.write
        if write is None:
            return Response(200, headers, b"")
        headers.append(("Content-Type", "application/cbor"))
        return Response(200, headers, cbor.encode(write(result)))

    def refuse(self, refusal: Refusal, request: Request, request_id: str) -> Response:
        headers = [
            ("x-amzn-RequestId", request_id),
            PROTOCOL_HEADER,
            ("Content-Type", "application/cbor"),
        ]
        if self._model.query_compatible:
            headers.append(("x-amzn-query-error", f"{refusal.code};{refusal.fault}"))
        return Response(refusal.status, headers, cbor.encode(error_tree(self._model, refusal)))

    def _compile(self, name: str) -> _Plan:
        operation = self._model.operation(name)
        if operation is None:
            raise UnknownPathException()
        plan = _Plan(
            name=name,
            read=self._reader.compile(operation.input) if operation.input else None,
            validate=self._validation.compile(operation),
            write=output_writer(self._writer, operation),
        )
        self._plans[name] = plan
        return plan

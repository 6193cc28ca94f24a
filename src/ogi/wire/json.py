"""AWS JSON 1.0 and 1.1: the operation in X-Amz-Target, members in a JSON object.

https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from ogi.errors import AwsError
from ogi.http import Request, Response
from ogi.wire import quirks
from ogi.wire.documents import Json as JsonDialect
from ogi.wire.documents import Read, Reader, Write, Writer
from ogi.wire.errors import Refusal, SerializationException, UnknownOperationException
from ogi.wire.models import Model, Operation
from ogi.wire.protocols import Parsed, body_bytes
from ogi.wire.scalars import Malformed
from ogi.wire.validation import Validate, Validation

decode: Final = msgspec.json.Decoder().decode
encode: Final = msgspec.json.Encoder().encode


def read_tree(body: bytes) -> Any:
    """The JSON of a body. AWS says nothing more about a body that is none."""
    try:
        return decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        raise SerializationException("") from None


class _Plan(NamedTuple):
    name: str
    read: Read | None
    validate: Validate
    write: Write


class JsonProtocol:
    """AWS JSON as one service speaks it."""

    name: ClassVar[str] = "json"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plans: dict[str, _Plan] = {}
        self._reader = Reader(JsonDialect())
        self._writer = Writer(JsonDialect())
        self._validation = Validation(model.service)
        self._content_type = ("Content-Type", f"application/x-amz-json-{_version(model)}")

    def parse(self, request: Request) -> Parsed:
        name = request.header("x-amz-target").rpartition(".")[2]
        plan = self._plans.get(name) or self._compile(name)
        body = body_bytes(request)
        tree = read_tree(body) if body else {}
        if plan.read is None:
            return Parsed(name, {}, self.name, plan)
        try:
            params = plan.read(tree)
        except Malformed as wrong:
            raise SerializationException(str(wrong)) from None
        plan.validate(params)
        return Parsed(name, params, self.name, plan)

    def respond(self, parsed: Parsed, result: dict[str, Any], request_id: str) -> Response:
        write = parsed.plan.write
        body = b"{}" if write is None else encode(write(result))
        return Response(200, [("x-amzn-RequestId", request_id), self._content_type], body)

    def refuse(self, refusal: Refusal, request: Request, request_id: str) -> Response:
        headers = [("x-amzn-RequestId", request_id), self._content_type]
        if self._model.query_compatible:
            headers.append(("x-amzn-query-error", f"{refusal.code};{refusal.fault}"))
        return Response(refusal.status, headers, encode(error_tree(self._model, refusal)))

    def _compile(self, name: str) -> _Plan:
        operation = self._model.operation(name)
        if operation is None:
            raise unknown_operation(name)
        plan = _Plan(
            name=name,
            read=self._reader.compile(operation.input) if operation.input else None,
            validate=self._validation.compile(operation),
            write=output_writer(self._writer, operation),
        )
        self._plans[name] = plan
        return plan


def _version(model: Model) -> str:
    return model.metadata.json_version or "1.0"


def output_writer(writer: Writer, operation: Operation) -> Write:
    return writer.compile(operation.output) if operation.output is not None else None


def unknown_operation(name: str) -> AwsError:
    if not name:
        return UnknownOperationException("The request names no operation")
    return UnknownOperationException(f"Unknown operation {name[:128]}")


def error_tree(model: Model, refusal: Refusal) -> dict[str, Any]:
    """An error's type, message and further members, as JSON and CBOR bodies have them."""
    # Where the query codes have a header of their own, the type is the shape's name.
    named = refusal.definition is not None or model.query_compatible
    prefix = quirks.TYPE_PREFIX.get(model.service, "")
    name = refusal.shape if named else refusal.code
    if prefix and refusal.definition is None:
        prefix = "com.amazon.coral.service#"
        name = quirks.TYPE_NAMES.get(model.service, {}).get(name, name)
    tree: dict[str, Any] = {"__type": f"{prefix}{name}"}
    return {**tree, message_member(refusal): refusal.message, **refusal.members}


def message_member(refusal: Refusal) -> str:
    """How the error's shape spells it: `message` or `Message`."""
    definition = refusal.definition
    if definition is not None and "Message" in definition.members:
        return "Message"
    return "message"

"""AWS REST JSON 1: the operation in method and path, members in path, query, headers and JSON.

https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ogi.http import Request, Response
from ogi.wire.documents import Json as JsonDialect
from ogi.wire.documents import Read, Reader, Write, Writer
from ogi.wire.errors import Refusal, SerializationException, UnknownPathException
from ogi.wire.json import encode, message_member, read_tree
from ogi.wire.models import Model, Operation
from ogi.wire.protocols import Parsed, body_bytes
from ogi.wire.rest import (
    BadMember,
    Headers,
    HeadReader,
    HeadWriter,
    NoSuchMethod,
    NoSuchPath,
    Payload,
    Rest,
    decode_text,
    payload_of,
    raw_response,
)
from ogi.wire.rest_match import Candidate
from ogi.wire.scalars import Malformed
from ogi.wire.validation import Validate, Validation

_CONTENT_TYPE = ("Content-Type", "application/json")


class _Plan(msgspec.Struct, frozen=True):
    operation: Operation
    head: HeadReader
    payload: Payload
    read: Read | None
    validate: Validate
    answer_head: HeadWriter
    answer: Payload
    write: Write


class RestJsonProtocol:
    """REST JSON as one service speaks it."""

    name: ClassVar[str] = "rest-json"

    def __init__(self, model: Model) -> None:
        self._rest = Rest(model)
        self._plans: dict[str, _Plan] = {}
        self._reader = Reader(JsonDialect())
        self._writer = Writer(JsonDialect())
        self._validation = Validation(model.service)

    def parse(self, request: Request) -> Parsed:
        try:
            found = self._rest.find(request)
            name = found.operation.name
            plan = self._plans.get(name) or self._compile(found.candidate)
            params = plan.head.read(found)
            self._read_body(plan, body_bytes(request), params)
        except (NoSuchPath, NoSuchMethod):
            raise UnknownPathException() from None
        except BadMember as bad:
            raise SerializationException(f"{bad.name}: {bad.value[:128]}") from None
        except Malformed as wrong:
            raise SerializationException(str(wrong)) from None
        plan.validate(params)
        return Parsed(name, params, self.name, plan)

    def _read_body(self, plan: _Plan, body: bytes, params: dict[str, Any]) -> None:
        payload = plan.payload
        if payload.kind == "raw":
            # An empty body is no payload, unless there has to be one.
            if body or payload.member in plan.operation.input_required:
                params[payload.member] = body
        elif payload.kind == "none" or not body:
            return
        elif payload.kind == "text":
            params[payload.member] = decode_text(body, SerializationException)
        elif plan.read is not None:
            members = plan.read(read_tree(body))
            if payload.member:
                params[payload.member] = members
            else:
                params.update(members)

    def respond(self, parsed: Parsed, result: dict[str, Any], request_id: str) -> Response:
        plan: _Plan = parsed.plan
        headers: Headers = [("x-amzn-RequestId", request_id)]
        plan.answer_head.write(result, headers)
        status = plan.answer_head.status(result, plan.operation.status)
        answer = plan.answer
        if answer.kind in ("raw", "text"):
            return raw_response(status, headers, result.get(answer.member), "application/json")
        if answer.kind == "none" or plan.write is None:
            # A client that expects JSON finds an empty object, unless nothing may come at all.
            body = b"" if status == 204 else b"{}"
        elif answer.member:
            body = encode(plan.write(result.get(answer.member, {})))
        else:
            names = plan.answer_head.names
            members = {key: value for key, value in result.items() if key not in names}
            body = encode(plan.write(members))
        if body:
            headers.append(_CONTENT_TYPE)
        return Response(status, headers, body)

    def refuse(self, refusal: Refusal, request: Request, request_id: str) -> Response:
        named = refusal.shape if refusal.definition is not None else refusal.code
        headers: Headers = [
            ("x-amzn-RequestId", request_id),
            ("x-amzn-ErrorType", named),
            _CONTENT_TYPE,
        ]
        tree = {message_member(refusal): refusal.message, **refusal.members}
        definition = refusal.definition
        if definition is not None and "Type" in definition.members:
            # Lambda says whose fault it was: `"Type": "User"`.
            tree.setdefault("Type", "User" if refusal.sender else "Service")
        for name, reference in (definition.members if definition else {}).items():
            if reference.location == "header" and name in tree:
                headers.append((reference.location_name or name, str(tree.pop(name))))
        return Response(refusal.status, headers, encode(tree))

    def _compile(self, candidate: Candidate) -> _Plan:
        operation = candidate.operation
        payload, answer = payload_of(operation.input), payload_of(operation.output)
        plan = _Plan(
            operation=operation,
            head=HeadReader(operation, candidate.labels),
            payload=payload,
            read=self._body_reader(payload),
            validate=self._validation.compile(operation),
            answer_head=HeadWriter(operation.output),
            answer=answer,
            write=self._body_writer(answer),
        )
        self._plans[operation.name] = plan
        return plan

    def _body_reader(self, payload: Payload) -> Read | None:
        if payload.kind != "structure" or payload.shape is None:
            return None
        if payload.member:
            return self._reader.compile(payload.shape)
        return self._reader.structure(payload.shape, payload.shape.body_members())

    def _body_writer(self, answer: Payload) -> Write:
        if answer.kind != "structure" or answer.shape is None:
            return None
        if answer.member:
            return self._writer.compile(answer.shape)
        return self._writer.structure(answer.shape, answer.shape.body_members())

"""AWS REST XML as S3 speaks it: members in path, query, headers and XML; bodies that stream.

https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTErrorResponses.html
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, ClassVar

import msgspec

from ogi.http import Request, Response
from ogi.wire import digests, quirks
from ogi.wire.constraints import Check, Constraints
from ogi.wire.errors import (
    InvalidArgument,
    InvalidRequest,
    InvalidURI,
    MalformedXML,
    MethodNotAllowed,
    MissingRequestBodyError,
    Refusal,
)
from ogi.wire.models import Model, Operation, Shape
from ogi.wire.protocols import Parsed, body_bytes
from ogi.wire.rest import (
    BadMember,
    Found,
    Headers,
    HeadReader,
    HeadWriter,
    NoSuchMethod,
    NoSuchPath,
    Payload,
    Rest,
    decode_text,
    header_text,
    payload_of,
    raw_response,
)
from ogi.wire.rest_match import Candidate
from ogi.wire.scalars import Malformed
from ogi.wire.xml_shapes import ReadNode, WriteElement, XmlReader, XmlWriter
from ogi.wire.xml_text import escape, parse

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_CONTENT_TYPE = ("Content-Type", "application/xml")
_BODILESS = frozenset({204, 304})


class _Plan(msgspec.Struct, frozen=True):
    operation: Operation
    head: HeadReader
    payload: Payload
    root: str
    """The name of the root element that the payload must have."""
    read: ReadNode | None
    check: Check | None
    """Required members within the payload."""
    missing: tuple[tuple[str, str, str], ...]
    """Required members of the head: name, wire name, location."""
    answer_head: HeadWriter
    status: int
    """Of an answer that names none itself."""
    answer: Payload
    write: WriteElement | None
    answer_root: str


class RestXmlProtocol:
    """REST XML as one service speaks it."""

    name: ClassVar[str] = "rest-xml"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._rest = Rest(model)
        self._plans: dict[str, _Plan] = {}
        self._reader = XmlReader(strict=True)
        self._writer = XmlWriter(quirks.TIMESTAMPS.get(model.service, "iso8601"))
        self._required = Constraints(model.service, required_only=True)

    def streams(self, request: Request) -> bool:
        """The request's operation takes its body as a stream."""
        if request.method not in ("PUT", "POST"):
            return False
        try:
            found = self._rest.find(request)
        except (NoSuchPath, NoSuchMethod):
            return False
        payload = self._plan(found.candidate).payload
        return payload.kind == "raw" and payload.shape is not None and payload.shape.streaming

    def parse(self, request: Request) -> Parsed:
        try:
            found = self._rest.find(request)
        except (NoSuchPath, NoSuchMethod):
            raise MethodNotAllowed(
                Method=request.method, ResourceType=_resource_type(request)
            ) from None
        plan = self._plan(found.candidate)
        params = self._read_head(plan, found)
        for name, wire_name, location in plan.missing:
            if name not in params:
                raise _missing(wire_name, location)
        self._read_body(plan, found, request, params)
        return Parsed(plan.operation.name, params, self.name, plan)

    def _read_head(self, plan: _Plan, found: Found) -> dict[str, Any]:
        try:
            params = plan.head.read(found)
        except BadMember as bad:
            words = quirks.S3_INTEGERS.get(bad.name, quirks.S3_INTEGER_ELSE)
            raise InvalidArgument(
                words.format(name=bad.name), ArgumentName=bad.name, ArgumentValue=bad.value[:256]
            ) from None
        except Malformed:
            raise InvalidURI() from None
        if found.query:
            _check_overrides(found.query)
        if "x-amz-decoded-content-length" in found.headers or "ContentEncoding" in params:
            _undo_chunks(found.headers, params)
        trailer = found.headers.get("x-amz-trailer", "")
        if trailer.startswith(digests.PREFIX):
            # The value comes behind the body; the name lets the service compute it on the way.
            algorithm = trailer[len(digests.PREFIX) :].strip().upper()
            params.setdefault("ChecksumAlgorithm", algorithm)
        return params

    def _read_body(
        self, plan: _Plan, found: Found, request: Request, params: dict[str, Any]
    ) -> None:
        payload = plan.payload
        if payload.kind == "raw":
            params[payload.member] = request.body
            return
        body = body_bytes(request)
        if body and plan.operation.name not in quirks.S3_SUMS_OF_OBJECT:
            digests.check(found.headers, body, required=plan.operation.checksum_required)
        if payload.kind == "none":
            return
        if payload.kind == "text":
            params[payload.member] = decode_text(body, MalformedXML)
        elif body:
            members = self._read_xml(plan, body)
            if payload.member:
                params[payload.member] = members
            else:
                params.update(members)
        elif payload.member in plan.operation.input_required:
            raise MissingRequestBodyError()

    def _read_xml(self, plan: _Plan, body: bytes) -> Any:
        assert plan.read is not None
        try:
            node = parse(body)
            if node.name != plan.root:
                raise MalformedXML()
            members = plan.read(node)
        except Malformed:
            raise MalformedXML() from None
        if plan.check is not None:
            errors: list[str] = []
            plan.check(members, "", errors)
            if errors:
                raise MalformedXML()
        return members

    # -- answers --------------------------------------------------------------------------------

    def respond(self, parsed: Parsed, result: dict[str, Any], request_id: str) -> Response:
        plan: _Plan = parsed.plan
        headers = _identify(request_id)
        plan.answer_head.write(result, headers)
        status = plan.answer_head.status(result, plan.status)
        if status == 200 and "ContentRange" in result:
            status = 206
        answer = plan.answer
        if answer.kind == "raw":
            return raw_response(status, headers, result.get(answer.member), "binary/octet-stream")
        if answer.kind == "text":
            return raw_response(status, headers, result.get(answer.member), "application/json")
        if answer.kind == "none" or plan.write is None:
            return Response(status, headers, b"")
        headers.append(_CONTENT_TYPE)
        return Response(status, headers, self._document(plan, result))

    def _document(self, plan: _Plan, result: dict[str, Any]) -> bytes:
        bare = quirks.BARE_ROOTS.get(plan.operation.name)
        start = f'{_DECLARATION}<{plan.answer_root} xmlns="{quirks.S3_NAMESPACE}"'
        end = f"</{plan.answer_root}>"
        if bare is not None:
            text = result.get(bare) or ""
            return f"{start}>{escape(text)}{end}".encode()
        if plan.answer.member:
            members = result.get(plan.answer.member) or {}
        else:
            names = plan.answer_head.names
            members = {key: value for key, value in result.items() if key not in names}
        pieces = [start, ">"]
        assert plan.write is not None
        plan.write(pieces.append, members)
        pieces.append(end)
        return "".join(pieces).encode()

    def refuse(self, refusal: Refusal, request: Request, request_id: str) -> Response:
        headers = _identify(request_id)
        members = dict(refusal.members)
        for name in list(members):
            # A member that is named like a header is one: x-amz-delete-marker. An answer that has
            # no body has nowhere else to put them.
            if "-" in name or refusal.status == 304:
                headers.append((name, header_text(str(members.pop(name)))))
        if refusal.status in _BODILESS:
            return Response(refusal.status, headers, b"")
        headers.append(_CONTENT_TYPE)
        if request.method == "HEAD":
            return Response(refusal.status, headers, b"")
        members.setdefault("Resource", request.path)
        further = "".join(_element(name, value) for name, value in members.items())
        body = (
            f"{_DECLARATION}<Error><Code>{escape(refusal.code)}</Code>"
            f"<Message>{escape(refusal.message)}</Message>{further}"
            f"<RequestId>{request_id}</RequestId><HostId>{host_id(request_id)}</HostId></Error>"
        )
        return Response(refusal.status, headers, body.encode())

    # -- compiling ------------------------------------------------------------------------------

    def _plan(self, candidate: Candidate) -> _Plan:
        return self._plans.get(candidate.operation.name) or self._compile(candidate)

    def _compile(self, candidate: Candidate) -> _Plan:
        operation = candidate.operation
        payload, answer = payload_of(operation.input), payload_of(operation.output)
        write, root = self._answer_writer(operation, answer)
        plan = _Plan(
            operation=operation,
            head=HeadReader(operation, candidate.labels),
            payload=payload,
            root=_root(operation.input, payload),
            read=self._body_reader(payload),
            check=self._body_check(payload),
            missing=_required_head(operation),
            answer_head=HeadWriter(operation.output),
            status=quirks.STATUSES.get(operation.name, operation.status),
            answer=answer,
            write=write,
            answer_root=root,
        )
        self._plans[operation.name] = plan
        return plan

    def _body_reader(self, payload: Payload) -> ReadNode | None:
        if payload.kind != "structure" or payload.shape is None:
            return None
        if payload.member:
            return self._reader.compile(payload.shape)
        return self._reader.structure(payload.shape.body_members())

    def _body_check(self, payload: Payload) -> Check | None:
        if payload.kind != "structure" or payload.shape is None or not payload.member:
            return None
        return self._required.compile(payload.shape)

    def _answer_writer(
        self, operation: Operation, answer: Payload
    ) -> tuple[WriteElement | None, str]:
        if answer.kind != "structure" or answer.shape is None:
            return None, ""
        if answer.member:
            root = quirks.root_name(operation, answer.shape, answer.member)
            return self._writer.content(answer.shape.members), root
        root = quirks.root_name(operation, answer.shape, answer.shape.name)
        return self._writer.content(answer.shape.body_members()), root


def _root(shape: Shape | None, payload: Payload) -> str:
    if payload.kind != "structure" or payload.shape is None:
        return ""
    return payload.shape.location_name or payload.member or payload.shape.name


def _required_head(operation: Operation) -> tuple[tuple[str, str, str], ...]:
    if operation.input is None:
        return ()
    members = operation.input.members
    return tuple(
        (name, members[name].location_name or name, members[name].location)
        for name in operation.input.required
        if members[name].location in ("querystring", "header")
    )


def _missing(wire_name: str, location: str) -> InvalidRequest | InvalidArgument:
    if location == "header":
        return InvalidRequest(f"Missing required header for this request: {wire_name}")
    return InvalidArgument(
        f"This operation requires the query parameter {wire_name}", ArgumentName=wire_name
    )


def _resource_type(request: Request) -> str:
    _, _, key = request.path[1:].partition("/")
    if request.path == "/":
        return "SERVICE"
    return "OBJECT" if key else "BUCKET"


def _check_overrides(query: dict[str, Any]) -> None:
    """`?response-content-disposition=` and its kind become headers as they are."""
    for name, value in query.items():
        if name.startswith("response-") and not _latin(str(value)):
            raise InvalidArgument(
                quirks.S3_HEADER_NOT_LATIN, ArgumentName=name, ArgumentValue=str(value)[:256]
            )


def _latin(text: str) -> bool:
    return all(32 <= ord(character) < 256 or character == "\t" for character in text)


def _undo_chunks(headers: dict[str, str], params: dict[str, Any]) -> None:
    """aws-chunked is how the body travels, not what it is: the object does not remember it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    encodings = [part.strip() for part in params.pop("ContentEncoding", "").split(",")]
    kept = [part for part in encodings if part and part.lower() != "aws-chunked"]
    if kept:
        params["ContentEncoding"] = ",".join(kept)
    length = headers.get("x-amz-decoded-content-length", "")
    if length.isascii() and length.isdigit():
        params["ContentLength"] = int(length)


def host_id(request_id: str) -> str:
    """S3's second id of a request, which SDKs print: there is one server, so the first again."""
    return b64encode(request_id.encode()).decode()


def _identify(request_id: str) -> Headers:
    return [("x-amz-request-id", request_id), ("x-amz-id-2", host_id(request_id))]


def _element(name: str, value: Any) -> str:
    """A further member of an error; `Content_MD5` is how Python can say Content-MD5."""
    name = name.replace("_", "-")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"

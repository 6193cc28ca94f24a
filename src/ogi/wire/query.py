"""AWS Query: the operation and its members in a form, the answer in XML.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, NamedTuple

from ogi.errors import AwsError
from ogi.http import Request, Response
from ogi.wire import quirks
from ogi.wire.errors import (
    InvalidAction,
    MalformedInput,
    MalformedQueryString,
    MissingAction,
    Refusal,
)
from ogi.wire.forms import FormReader, Group, ReadForm, grow, pairs
from ogi.wire.models import Model, renamed
from ogi.wire.protocols import Parsed, body_bytes
from ogi.wire.scalars import Malformed, iso8601
from ogi.wire.validation import Validate, Validation
from ogi.wire.xml_shapes import WriteElement, XmlWriter
from ogi.wire.xml_text import escape

FORM: Final = "application/x-www-form-urlencoded"
_CONTENT_TYPE: Final = ("Content-Type", "text/xml")


class _Plan(NamedTuple):
    name: str
    read: ReadForm | None
    validate: Validate
    write: WriteElement | None
    start: str
    """What stands before the result's members."""
    end: str
    """What stands after them, before the request id."""
    last: str


class QueryProtocol:
    """AWS Query as one service speaks it."""

    name: ClassVar[str] = "query"

    def __init__(self, model: Model) -> None:
        self._model = model = renamed(model, quirks.QUERY_NAMES.get(model.service, {}))
        self._plans: dict[str, _Plan] = {}
        self._reader = FormReader(unnumbered=model.service in quirks.QUERY_UNNUMBERED)
        self._writer = XmlWriter(quirks.TIMESTAMPS.get(model.service, iso8601))
        self._validation = Validation(model.service)
        self._namespace = model.metadata.xml_namespace or quirks.NAMESPACES.get(model.service, "")
        self._path_member = quirks.QUERY_PATH_MEMBER.get(model.service, "")
        self._aliases = quirks.QUERY_ALIASES.get(model.service, {})
        self._sentences = quirks.QUERY_SENTENCES.get(model.service, {})

    def parse(self, request: Request) -> Parsed:
        try:
            form = self._form(request)
        except Malformed as wrong:
            raise MalformedQueryString(str(wrong)) from None
        name = form.get("Action", "")
        if not isinstance(name, str) or not name:
            raise MissingAction("Missing Action")
        plan = self._plans.get(name) or self._compile(name, form)
        for alias, known in self._aliases.items():
            if alias in form:
                form.setdefault(known, form[alias])
        if plan.read is None:
            return Parsed(name, {}, self.name, plan)
        try:
            params = plan.read(form)
        except Malformed as wrong:
            raise MalformedInput(str(wrong)) from None
        if self._path_member and self._path_member not in params:
            self._take_from_path(plan, params, request)
        plan.validate(params)
        return Parsed(name, params, self.name, plan)

    def _form(self, request: Request) -> Group:
        found = pairs(request.query.encode()) if request.query else []
        body = body_bytes(request)
        if body:
            found += pairs(body)
        return grow(found)

    def _take_from_path(self, plan: _Plan, params: dict[str, Any], request: Request) -> None:
        operation = self._model.operation(plan.name)
        assert operation is not None
        takes = operation.input is not None and self._path_member in operation.input.members
        if takes and request.path.strip("/"):
            scheme = "https" if request.secure else "http"
            params[self._path_member] = f"{scheme}://{request.header('host')}{request.path}"

    def respond(self, parsed: Parsed, result: dict[str, Any], request_id: str) -> Response:
        plan: _Plan = parsed.plan
        pieces = [plan.start]
        if plan.write is not None:
            plan.write(pieces.append, result)
        pieces += (plan.end, request_id, plan.last)
        headers = [("x-amzn-RequestId", request_id), _CONTENT_TYPE]
        return Response(200, headers, "".join(pieces).encode())

    def refuse(self, refusal: Refusal, request: Request, request_id: str) -> Response:
        detail = "<Detail/>" if self._model.service in quirks.QUERY_DETAIL else ""
        further = "".join(
            f"<{name}>{escape(str(value))}</{name}>" for name, value in refusal.members.items()
        )
        message = self._sentences.get(refusal.message, refusal.message)
        body = (
            f'<ErrorResponse xmlns="{self._namespace}"><Error><Type>{refusal.fault}</Type>'
            f"<Code>{escape(refusal.code)}</Code><Message>{escape(message)}</Message>"
            f"{detail}{further}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        headers = [("x-amzn-RequestId", request_id), _CONTENT_TYPE]
        return Response(refusal.status, headers, body.encode())

    def _compile(self, name: str, form: Group) -> _Plan:
        operation = self._model.operation(name)
        if operation is None:
            raise self._unknown(name, form)
        write = None
        start, end = f'<{name}Response xmlns="{self._namespace}">', "<ResponseMetadata><RequestId>"
        if operation.output is not None:
            write = self._writer.content(operation.output.members)
            start = f"{start}<{operation.result_wrapper}>"
            end = f"</{operation.result_wrapper}>{end}"
        plan = _Plan(
            name=name,
            read=self._reader.compile(operation.input) if operation.input else None,
            validate=self._validation.compile(operation),
            write=write,
            start=start,
            end=end,
            last=f"</RequestId></ResponseMetadata></{name}Response>",
        )
        self._plans[name] = plan
        return plan

    def _unknown(self, name: str, form: Group) -> AwsError:
        version = form.get("Version", "")
        words = quirks.UNKNOWN_ACTION.get(self._model.service, quirks.UNKNOWN_ACTION_ELSE)
        said = version if isinstance(version, str) and version else "NO_VERSION_SPECIFIED"
        return InvalidAction(words.format(action=name[:128], version=said[:128]))

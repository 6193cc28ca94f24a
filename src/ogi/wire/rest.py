"""What rest-json and rest-xml share: members in the path, the query and the headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from ogi.errors import AwsError
from ogi.http import Request, Response
from ogi.wire import quirks
from ogi.wire.models import Model, Operation, Shape
from ogi.wire.rest_match import Candidate, Paths
from ogi.wire.scalars import WRITTEN_AS, Malformed
from ogi.wire.xml_shapes import ReadText, WriteText, text_reader, text_writer

Headers = list[tuple[str, str]]

HEADER_TIMESTAMP = "rfc822"
"""https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait: in headers http-date is
the default, in the query ISO 8601."""


class NoSuchPath(Exception):
    """No operation has that path."""


class NoSuchMethod(Exception):
    """The path is there, but not with this method or these sub-resources."""


class BadMember(Exception):
    """A member of the query or the headers is not of its type."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(name)
        self.name = name
        self.value = value


class Found(msgspec.Struct):
    """The operation of a request, with its head taken apart."""

    candidate: Candidate
    values: list[str]
    query: dict[str, str | list[str]]
    headers: dict[str, str]

    @property
    def operation(self) -> Operation:
        return self.candidate.operation


class Rest:
    """Finds operations and compiles the members of their heads, for one service."""

    def __init__(self, model: Model) -> None:
        self._model = model
        names = (model.operation(name) for name in model.operations())
        hidden = frozenset(each.name for each in names if each and quirks.is_hidden(each))
        self._paths = Paths(model, hidden)
        self._needed = quirks.DISCRIMINATORS.get(model.service, frozenset())
        self._deciding = frozenset(self._paths.constants) | self._needed
        self._deciding -= quirks.ALWAYS_CONSUMED

    def find(self, request: Request) -> Found:
        found = self._paths.find(request.method, request.path)
        if found is None:
            raise NoSuchPath
        query = _query(request) if request.query else {}
        headers = _headers(request)
        candidate = found.ends.choose(query, headers) if found.ends is not None else None
        if candidate is None or not self._is_meant(candidate, query):
            raise NoSuchMethod
        return Found(candidate, found.values, query, headers)

    def _is_meant(self, candidate: Candidate, query: Mapping[str, Any]) -> bool:
        """What decides in the query is what the operation knows, and all that it needs."""
        for name in query:
            if name in self._deciding and name not in candidate.consumed:
                return False
        return not (candidate.query & self._needed) - query.keys()


def _query(request: Request) -> dict[str, Any]:
    """Names to values; a name that comes again has the list of its values."""
    found: dict[str, Any] = {}
    for name, value in request.parameters():
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _headers(request: Request) -> dict[str, str]:
    headers = dict(request.headers)
    if len(headers) == len(request.headers):
        return headers
    joined: dict[str, str] = {}
    for name, value in request.headers:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


# -- reading heads --------------------------------------------------------------------------------


class HeadReader:
    """The members of one operation's input that are not in its body."""

    def __init__(self, operation: Operation, labels: tuple[str, ...]) -> None:
        self._labels: list[tuple[str, ReadText]] = []
        self._query: list[tuple[str, str, Shape, ReadText]] = []
        self._query_maps: list[str] = []
        self._headers: dict[str, tuple[str, Callable[[str], Any]]] = {}
        self._prefixes: list[tuple[str, str]] = []
        by_label = {}
        for name, member in operation.input.members.items() if operation.input else ():
            wire_name = member.location_name or name
            if member.location == "uri":
                by_label[wire_name] = (name, text_reader(member))
            elif member.location == "querystring" and member.type == "map":
                self._query_maps.append(name)
            elif member.location == "querystring":
                scalar = member.member if member.type == "list" else member
                self._query.append((wire_name, name, member, text_reader(scalar)))
            elif member.location == "header":
                self._headers[wire_name.lower()] = (name, _header_reader(name, member))
            elif member.location == "headers":
                self._prefixes.append((wire_name.lower(), name))
        self._labels = [by_label[label] for label in labels]

    def read(self, found: Found) -> dict[str, Any]:
        """Raises Malformed for the path and BadMember for the rest."""
        params: dict[str, Any] = {}
        for (name, read), value in zip(self._labels, found.values, strict=True):
            params[name] = read(_path_text(value))
        if found.query:
            self._read_query(found.query, params)
        known = self._headers
        for wire_name, value in found.headers.items():
            header = known.get(wire_name)
            if header is not None:
                name, read_header = header
                try:
                    member = read_header(value)
                except Malformed:
                    raise BadMember(wire_name, value) from None
                if member is not None:
                    params[name] = member
        for prefix, name in self._prefixes:
            group = {
                wire_name[len(prefix) :]: value
                for wire_name, value in found.headers.items()
                if wire_name.startswith(prefix)
            }
            if group:
                params[name] = group
        return params

    def _read_query(self, query: Mapping[str, str | list[str]], params: dict[str, Any]) -> None:
        for wire_name, name, member, read in self._query:
            value = query.get(wire_name)
            if value is None:
                continue
            texts = value if isinstance(value, list) else [value]
            try:
                if member.type == "list":
                    params[name] = [read(text) for text in texts]
                else:
                    params[name] = read(texts[0])
            except Malformed:
                raise BadMember(wire_name, texts[0]) from None
        for name in self._query_maps:
            params[name] = {
                key: value if isinstance(value, str) else value[0] for key, value in query.items()
            }


def _path_text(raw: str) -> str:
    """Percent-decoded; a plus sign is a plus sign in a path."""
    if "%" not in raw:
        return raw
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Malformed("The path is not valid UTF-8") from None


def _header_reader(name: str, member: Shape) -> Callable[[str], Any]:
    if member.type == "list":
        read_element = text_reader(member.member)
        return lambda value: [read_element(text) for text in split_list(value)]
    read = text_reader(member)
    if name in quirks.LENIENT_TIMESTAMPS:
        return lambda value: _or_text(read, value)
    if name in quirks.IGNORED_IF_INVALID:
        return lambda value: _or_none(read, value)
    return read


def _or_text(read: ReadText, value: str) -> Any:
    try:
        return read(value)
    except Malformed:
        return value


def _or_none(read: ReadText, value: str) -> Any:
    try:
        return read(value)
    except Malformed:
        return None


_ELEMENT = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)')


def split_list(value: str) -> list[str]:
    """The elements of a header; those with a comma or a quote in them are quoted."""
    if '"' not in value:
        return [part.strip() for part in value.split(",")]
    parts = []
    at = 0
    while at < len(value):
        found = _ELEMENT.match(value, at)
        if found is None or found.end() == at:
            break
        text = found.group(1).strip()
        quoted = len(text) > 1 and text[0] == '"' == text[-1]
        parts.append(re.sub(r"\\(.)", r"\1", text[1:-1]) if quoted else text)
        at = found.end()
    return parts


# -- writing heads --------------------------------------------------------------------------------


class HeadWriter:
    """The members of one operation's output that are not in its body."""

    def __init__(self, output: Shape | None) -> None:
        self._headers: dict[str, tuple[str, WriteText]] = {}
        self._prefixes: dict[str, str] = {}
        self._status = ""
        for name, member in output.members.items() if output else ():
            wire_name = member.location_name or name
            if member.location == "header":
                self._headers[name] = (wire_name, _header_writer(name, member))
            elif member.location == "headers":
                self._prefixes[name] = wire_name
            elif member.location == "statusCode":
                self._status = name
        self.names = {*self._headers, *self._prefixes, self._status} - {""}

    def write(self, result: Mapping[str, Any], headers: Headers) -> None:
        for name, value in result.items():
            header = self._headers.get(name)
            if header is not None:
                if value is not None:
                    headers.append((header[0], header_text(header[1](value))))
            elif name in self._prefixes:
                prefix = self._prefixes[name]
                headers += ((prefix + key, header_text(text)) for key, text in value.items())

    def status(self, result: Mapping[str, Any], modelled: int) -> int:
        return int(result.get(self._status, modelled)) if self._status else modelled


def _header_writer(name: str, member: Shape) -> WriteText:
    if member.type == "list":
        write_element = text_writer(member.member, HEADER_TIMESTAMP)
        return lambda values: ",".join(write_element(value) for value in values)
    write = text_writer(member, HEADER_TIMESTAMP)
    if name in quirks.LENIENT_TIMESTAMPS:
        return lambda value: value if isinstance(value, str) else WRITTEN_AS["rfc822"](value)
    return write


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_text(text: str) -> str:
    """A value that cannot end its header (what was stored may hold line breaks), and that bytes
    of a header can say: other characters go as UTF-8."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("latin-1") if _wide(text) else text
    return _CONTROL.sub(" ", text) if _CONTROL.search(text) else text


def _wide(text: str) -> bool:
    return any(ord(character) > 255 for character in text)


# -- payloads -------------------------------------------------------------------------------------


class Payload(msgspec.Struct, frozen=True):
    """Where an input's or output's body goes."""

    member: str
    """The member that is the whole body; '' if the body has members of its own."""
    kind: str
    """`raw` (a blob), `text`, `structure`, or `none`."""
    shape: Shape | None


def payload_of(shape: Shape | None) -> Payload:
    if shape is None:
        return Payload("", "none", None)
    if shape.payload:
        member = shape.members[shape.payload]
        kind = {"blob": "raw", "string": "text"}.get(member.type, "structure")
        return Payload(shape.payload, kind, member)
    return Payload("", "structure" if shape.body_members() else "none", shape)


def decode_text(body: bytes, refuse: type[AwsError]) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise refuse() from None


def raw_response(status: int, headers: Headers, body: Any, content_type: str) -> Response:
    """An answer whose body is a member: bytes, a text, or a stream."""
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", content_type))
    if isinstance(body, str):
        body = body.encode()
    return Response(status, headers, b"" if body is None else body)

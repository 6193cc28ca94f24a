"""The service models of AWS as botocore ships them: shapes, members and operations, without prose.

A model is loaded at the first use of its service. What a member says of itself (location, name,
format) comes before what its shape says, as in botocore's own shape resolver.
"""

from __future__ import annotations

import gzip
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec


class Trait(msgspec.Struct, rename="camel"):
    """What both a shape and a reference to a shape may say."""

    location: str = ""
    location_name: str = ""
    flattened: bool | None = None
    timestamp_format: str = ""
    streaming: bool = False
    xml_namespace: dict[str, str] | str | None = None
    xml_attribute: bool = False
    jsonvalue: bool = False
    eventpayload: bool = False
    eventheader: bool = False
    result_wrapper: str = ""


class Reference(Trait):
    """A use of a shape: a member, a list's element, a map's key or value."""

    shape: str = ""


class _ErrorTrait(msgspec.Struct, rename="camel"):
    code: str = ""
    http_status_code: int = 0
    sender_fault: bool | None = None


class Definition(Trait):
    """A shape as the model writes it down."""

    type: str = ""
    members: dict[str, Reference] = {}
    required: list[str] = []
    member: Reference | None = None
    key: Reference | None = None
    value: Reference | None = None
    enum: list[str] = []
    min: float | None = None
    max: float | None = None
    pattern: str = ""
    payload: str = ""
    exception: bool = False
    fault: bool = False
    error: _ErrorTrait | None = None
    sensitive: bool = False
    eventstream: bool = False
    document: bool = False


class _Http(msgspec.Struct, rename="camel"):
    method: str = "POST"
    request_uri: str = "/"
    response_code: int = 200


class _HttpChecksum(msgspec.Struct, rename="camel"):
    request_checksum_required: bool = False


class _Operation(msgspec.Struct, rename={"http_checksum": "httpChecksum"}):
    name: str
    http: _Http = msgspec.field(default_factory=_Http)
    input: Reference | None = None
    output: Reference | None = None
    errors: list[Reference] = []
    deprecated: bool = False
    http_checksum: _HttpChecksum = msgspec.field(default_factory=_HttpChecksum)


class _Metadata(msgspec.Struct, rename="camel"):
    api_version: str
    endpoint_prefix: str
    protocol: str
    service_full_name: str = ""
    protocols: list[str] = []
    json_version: str = "1.0"
    target_prefix: str = ""
    signing_name: str = ""
    xml_namespace: str = ""
    aws_query_compatible: dict[str, Any] | None = None


class _File(msgspec.Struct):
    metadata: _Metadata
    operations: dict[str, _Operation]
    shapes: dict[str, Definition]


class Shape:
    """A shape as one place uses it."""

    __slots__ = ("__dict__", "definition", "model", "name", "reference")

    def __init__(self, model: Model, reference: Reference) -> None:
        self.model = model
        self.reference = reference
        self.name = reference.shape
        self.definition = model.file.shapes[reference.shape]

    @property
    def type(self) -> str:
        return self.definition.type

    @property
    def location(self) -> str:
        return self.reference.location or self.definition.location

    @property
    def location_name(self) -> str:
        return self.reference.location_name or self.definition.location_name

    @property
    def flattened(self) -> bool:
        own = self.reference.flattened
        return bool(self.definition.flattened if own is None else own)

    @property
    def timestamp_format(self) -> str:
        return self.reference.timestamp_format or self.definition.timestamp_format

    @property
    def streaming(self) -> bool:
        return self.reference.streaming or self.definition.streaming

    @property
    def xml_attribute(self) -> bool:
        return self.reference.xml_attribute

    @property
    def xml_namespace(self) -> tuple[str, str] | None:
        """(attribute name, URI), as in `xmlns:xsi`."""
        found = self.reference.xml_namespace or self.definition.xml_namespace
        if not found:
            return None
        if isinstance(found, str):
            return "xmlns", found
        prefix = found.get("prefix")
        return (f"xmlns:{prefix}" if prefix else "xmlns"), found["uri"]

    @cached_property
    def members(self) -> dict[str, Shape]:
        return {name: Shape(self.model, ref) for name, ref in self.definition.members.items()}

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.definition.required)

    @property
    def payload(self) -> str:
        return self.definition.payload

    @cached_property
    def member(self) -> Shape:
        assert self.definition.member is not None
        return Shape(self.model, self.definition.member)

    @cached_property
    def key(self) -> Shape:
        assert self.definition.key is not None
        return Shape(self.model, self.definition.key)

    @cached_property
    def value(self) -> Shape:
        assert self.definition.value is not None
        return Shape(self.model, self.definition.value)

    def body_members(self) -> dict[str, Shape]:
        """The members that travel in the body."""
        return {name: shape for name, shape in self.members.items() if not shape.location}


class Operation:
    """One operation of a model."""

    def __init__(self, model: Model, source: _Operation) -> None:
        self.model = model
        self.name = source.name
        self.method = source.http.method
        self.uri = source.http.request_uri
        self.status = source.http.response_code
        self.deprecated = source.deprecated
        self.checksum_required = source.http_checksum.request_checksum_required
        self.errors = tuple(error.shape for error in source.errors)
        self.input = Shape(model, source.input) if source.input is not None else None
        self.output = Shape(model, source.output) if source.output is not None else None
        self.input_required = frozenset(self.input.required if self.input is not None else ())
        wrapper = source.output.result_wrapper if source.output is not None else ""
        self.result_wrapper = wrapper or f"{source.name}Result"


class Model:
    """One service."""

    def __init__(self, service: str, file: _File) -> None:
        self.service = service
        self.file = file
        self.metadata = file.metadata

    @property
    def protocols(self) -> list[str]:
        return self.metadata.protocols or [self.metadata.protocol]

    @property
    def query_compatible(self) -> bool:
        """The service spoke the query protocol once, and its error codes still do."""
        return self.metadata.aws_query_compatible is not None

    def operations(self) -> list[str]:
        return list(self.file.operations)

    def operation(self, name: str) -> Operation | None:
        source = self.file.operations.get(name)
        return Operation(self, source) if source is not None else None

    def shape(self, name: str) -> Shape:
        return Shape(self, Reference(shape=name))

    def error(self, name: str) -> Definition | None:
        """The error shape of that name."""
        found = self.file.shapes.get(name)
        return found if found is not None and found.exception else None


def renamed(model: Model, names: dict[str, str]) -> Model:
    """The model with other names on the wire: `Shape.Member` (or .member, .key, .value) to name."""
    shapes = dict(model.file.shapes)
    for place, name in names.items():
        shape_name, _, part = place.partition(".")
        definition = shapes[shape_name]
        if part in definition.members:
            reference = msgspec.structs.replace(definition.members[part], location_name=name)
            members = {**definition.members, part: reference}
            shapes[shape_name] = msgspec.structs.replace(definition, members=members)
        else:
            reference = msgspec.structs.replace(getattr(definition, part), location_name=name)
            shapes[shape_name] = msgspec.structs.replace(definition, **{part: reference})
    return Model(model.service, msgspec.structs.replace(model.file, shapes=shapes))


class _Merge(msgspec.Struct):
    shapes: dict[str, dict[str, Any]] = {}


class _Extras(msgspec.Struct):
    """What botocore lays over a model: S3's `Expires` is a timestamp to SDKs."""

    merge: _Merge = msgspec.field(default_factory=_Merge)


EXTRAS = "service-2.sdk-extras.json"


@cache
def load(service: str) -> Model:
    """The newest model of a service by botocore's name for it."""
    # The files are read here because importing botocore costs 70 ms and 14 MB, at a first request.
    package = find_spec("botocore")
    assert package is not None and package.submodule_search_locations
    versions = Path(package.submodule_search_locations[0], "data", service)
    plain, packed = "service-2.json", "service-2.json.gz"
    newest = max(f.parent for name in (plain, packed) for f in versions.glob(f"*/{name}"))
    if (newest / plain).is_file():
        text = (newest / plain).read_bytes()
    else:
        text = gzip.decompress((newest / packed).read_bytes())
    file = msgspec.json.decode(text, type=_File)
    if (newest / EXTRAS).is_file():
        extras = msgspec.json.decode((newest / EXTRAS).read_bytes(), type=_Extras)
        for name, said in extras.merge.shapes.items():
            known = msgspec.to_builtins(file.shapes[name])
            file.shapes[name] = msgspec.convert({**known, **said}, Definition)
    return Model(service, file)

"""Members to and from trees of dicts and lists: what JSON and CBOR bodies decode to.

Each shape becomes one closure, made once. Reading drops members that the model does not know (AWS
ignores them) and nulls; writing refuses unknown members, for those are a defect of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from ogi.wire import cbor
from ogi.wire.models import Shape
from ogi.wire.scalars import (
    INTEGER_BITS,
    Malformed,
    bounded,
    fitting,
    iso8601,
    read_blob,
    read_float,
    read_timestamp,
    rfc822,
)

Read = Callable[[Any], Any]
Write = Callable[[Any], Any] | None
"""None: the value travels as it is."""


class Dialect(Protocol):
    """How the scalars differ between JSON and CBOR."""

    def reader(self, shape: Shape) -> Read: ...
    def writer(self, shape: Shape) -> Write: ...


# -- reading ------------------------------------------------------------------------------------


def unexpected(value: Any, wanted: str) -> Malformed:
    """The sentence of AWS's JSON services for a value of another type."""
    if isinstance(value, dict):
        return Malformed("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return Malformed("Start of list found where not expected")
    kind = {True: "TRUE", False: "FALSE"}[value] if isinstance(value, bool) else "NUMBER"
    if isinstance(value, str):
        kind = "STRING"
    elif isinstance(value, bytes):
        kind = "BLOB"
    return Malformed(f"{kind}_VALUE can not be converted to {wanted}")


def read_string(value: Any) -> str:
    if type(value) is str:
        return value
    raise unexpected(value, "a String")


def read_bool(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise unexpected(value, "a Boolean")


def read_number(bits: int) -> Read:
    wanted = "an Integer" if bits == 32 else "a Long"

    def read(value: Any) -> int:
        if type(value) is int:
            return fitting(value, bits)
        if type(value) is float and value == value // 1:
            return fitting(int(value), bits)
        raise unexpected(value, wanted)

    return read


def read_fraction(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    if type(value) is str:
        return read_float(value)
    raise unexpected(value, "a Double")


def read_time(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return bounded(float(value))
    if type(value) is str:
        return read_timestamp(value)
    raise unexpected(value, "a Timestamp")


def _read_base64(value: Any) -> bytes:
    if type(value) is str:
        return read_blob(value)
    raise unexpected(value, "a Blob")


def _read_bytes(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    raise unexpected(value, "a Blob")


_SAME_EVERYWHERE: Final[dict[str, Read]] = {
    "string": read_string,
    "character": read_string,
    "boolean": read_bool,
    "integer": read_number(INTEGER_BITS["integer"]),
    "long": read_number(INTEGER_BITS["long"]),
    "float": read_fraction,
    "double": read_fraction,
    "timestamp": read_time,
}


class Reader:
    """Compiles the reading of shapes; recursive shapes meet themselves in the cache."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._made: dict[str, Read] = {}

    def compile(self, shape: Shape) -> Read:
        if shape.type not in ("structure", "list", "map"):
            return self._dialect.reader(shape)
        if shape.name in self._made:
            return self._made[shape.name]
        self._made[shape.name] = lambda value: self._made[shape.name](value)
        made: Read = getattr(self, f"_{shape.type}")(shape)
        self._made[shape.name] = made
        return made

    def structure(self, shape: Shape, members: dict[str, Shape]) -> Read:
        """A structure of these members only: the part of an input that is in the body."""
        table = {
            member.location_name or name: (name, self.compile(member))
            for name, member in members.items()
        }
        if shape.definition.document:
            return lambda value: value

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise Malformed("Expected map or null")
            out = {}
            for wire_name, item in value.items():
                found = table.get(wire_name)
                if found is not None and item is not None:
                    out[found[0]] = found[1](item)
            return out

        return read

    def _structure(self, shape: Shape) -> Read:
        return self.structure(shape, shape.members)

    def _list(self, shape: Shape) -> Read:
        element = self.compile(shape.member)

        def read(value: Any) -> list[Any]:
            if type(value) is not list:
                raise Malformed("Expected list or null")
            if None in value:
                raise Malformed("Unexpected null in a list")
            return [element(item) for item in value]

        return read

    def _map(self, shape: Shape) -> Read:
        content = self.compile(shape.value)

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise Malformed("Expected map or null")
            out = {}
            for key, item in value.items():
                if type(key) is not str or item is None:
                    raise Malformed("Unexpected null in a map")
                out[key] = content(item)
            return out

        return read


# -- writing ------------------------------------------------------------------------------------


class Writer:
    """Compiles the writing of shapes."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._made: dict[str, Write] = {}

    def compile(self, shape: Shape) -> Write:
        if shape.type not in ("structure", "list", "map"):
            return self._dialect.writer(shape)
        if shape.name in self._made:
            return self._made[shape.name]

        def later(value: Any) -> Any:
            write = self._made[shape.name]
            return value if write is None else write(value)

        self._made[shape.name] = later
        made: Write = getattr(self, f"_{shape.type}")(shape)
        self._made[shape.name] = made
        return made

    def structure(self, shape: Shape, members: dict[str, Shape]) -> Write:
        table = {
            name: (member.location_name or name, self.compile(member))
            for name, member in members.items()
        }
        if shape.definition.document:
            return None
        plain = {name for name, (wire, content) in table.items() if wire == name and not content}

        def write(value: dict[str, Any]) -> dict[str, Any]:
            if value.keys() <= plain and None not in value.values():
                return value  # It travels as it is.
            out = {}
            for name, item in value.items():
                if item is not None:
                    wire_name, content = table[name]
                    out[wire_name] = item if content is None else content(item)
            return out

        return write

    def _structure(self, shape: Shape) -> Write:
        return self.structure(shape, shape.members)

    def _list(self, shape: Shape) -> Write:
        element = self.compile(shape.member)
        if element is None:
            return None
        return lambda value: [element(item) for item in value]

    def _map(self, shape: Shape) -> Write:
        content = self.compile(shape.value)
        if content is None:
            return None
        return lambda value: {key: content(item) for key, item in value.items()}


def _json_fraction(value: float) -> Any:
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def _json_time(value: float) -> float:
    return round(value, 3)


class Json:
    """Blobs are base64, timestamps numbers of seconds unless the member says otherwise."""

    def reader(self, shape: Shape) -> Read:
        return _read_base64 if shape.type == "blob" else _SAME_EVERYWHERE[shape.type]

    def writer(self, shape: Shape) -> Write:
        if shape.type == "timestamp":
            formats: dict[str, Write] = {"iso8601": iso8601, "rfc822": rfc822}
            return formats.get(shape.timestamp_format, _json_time)
        # msgspec writes bytes as base64 itself.
        return _json_fraction if shape.type in ("float", "double") else None


class Cbor:
    """Blobs are byte strings, timestamps are tagged."""

    def reader(self, shape: Shape) -> Read:
        return _read_bytes if shape.type == "blob" else _SAME_EVERYWHERE[shape.type]

    def writer(self, shape: Shape) -> Write:
        if shape.type == "timestamp":
            return cbor.Timestamp
        return float if shape.type in ("float", "double") else None

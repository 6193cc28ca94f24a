"""Forms of AWS Query: `A.member.1.B=x` as a tree of names, and members out of the tree.

Each shape becomes one closure, made once. Unknown names are ignored, as AWS does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from ogi.wire.models import Shape
from ogi.wire.scalars import Malformed
from ogi.wire.xml_shapes import text_reader

PARAMETERS_MAX: Final = 20_000
DEPTH_MAX: Final = 32
INDEX_DIGITS_MAX: Final = 9

Group = dict[str, Any]
"""Names to texts or to further groups."""

ReadForm = Callable[[Any], Any]
"""Reads a text or a group."""


def pairs(form: bytes) -> list[tuple[str, str]]:
    parts = form.split(b"&")
    if len(parts) > PARAMETERS_MAX:
        raise Malformed("The request has too many parameters")
    found = []
    for part in parts:
        if part:
            name, _, value = part.partition(b"=")
            found.append((_decode(name), _decode(value)))
    return found


def _decode(text: bytes) -> str:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    try:
        return (unquote_to_bytes(text) if b"%" in text else text).decode()
    except UnicodeDecodeError:
        raise Malformed("A parameter is not valid UTF-8") from None


def grow(found: Iterable[tuple[str, str]]) -> Group:
    """The tree of dotted names. Of a name that comes twice, the last one counts."""
    root: Group = {}
    for name, value in found:
        if "." not in name:
            if not isinstance(root.get(name), dict):
                root[name] = value
            continue
        parts = name.split(".")
        if len(parts) > DEPTH_MAX:
            raise Malformed("A parameter's name has too many parts")
        group = root
        for part in parts[:-1]:
            inner = group.get(part)
            if not isinstance(inner, dict):
                # `Tags=` says an empty list and may stand beside the list's own members.
                inner = group[part] = {}
            group = inner
        if not isinstance(group.get(parts[-1]), dict):
            group[parts[-1]] = value
    return root


class FormReader:
    """Compiles the reading of shapes.

    unnumbered: a list or map of one may come without its number.
    """

    def __init__(self, *, unnumbered: bool = False) -> None:
        self._unnumbered = unnumbered
        self._made: dict[str, ReadForm] = {}

    def compile(self, shape: Shape) -> ReadForm:
        if shape.type not in ("structure", "list", "map"):
            return _scalar(shape)
        key = f"{shape.name}{shape.flattened}"
        made = self._made.get(key)
        if made is None:
            self._made[key] = lambda found: self._made[key](found)
            made = getattr(self, f"_{shape.type}")(shape)
            self._made[key] = made
        return made

    def _structure(self, shape: Shape) -> ReadForm:
        table = {}
        for name, member in shape.members.items():
            wire_name = member.location_name or name
            if member.type == "list" and member.flattened and member.member.location_name:
                # The element's name replaces the list's: AttributeName.1, not AttributeNames.1.
                # A list without elements is still sent under its own name.
                table[member.member.location_name] = (name, self.compile(member))
            table.setdefault(wire_name, (name, self.compile(member)))

        def read(found: Any) -> dict[str, Any]:
            if not isinstance(found, dict):
                if found:
                    raise Malformed("Unexpected complex element termination")
                return {}
            out = {}
            for wire_name, item in found.items():
                known = table.get(wire_name)
                if known is not None:
                    out[known[0]] = known[1](item)
            return out

        return read

    def _list(self, shape: Shape) -> ReadForm:
        element = self.compile(shape.member)
        inner_name = "" if shape.flattened else shape.member.location_name or "member"
        unnumbered = self._unnumbered

        def read(found: Any) -> list[Any]:
            if unnumbered and found and isinstance(found, str):
                return [element(found)]
            return [element(item) for item in _numbered(found, inner_name)]

        return read

    def _map(self, shape: Shape) -> ReadForm:
        key, content = self.compile(shape.key), self.compile(shape.value)
        inner_name = "" if shape.flattened else "entry"
        key_name = shape.key.location_name or "key"
        value_name = shape.value.location_name or "value"
        unnumbered = self._unnumbered

        def read(found: Any) -> dict[str, Any]:
            out = {}
            if unnumbered and isinstance(found, dict) and key_name in found:
                found = {"1": found}
            for entry in _numbered(found, inner_name):
                if not isinstance(entry, dict) or key_name not in entry:
                    raise Malformed(f"A map's entry has no {key_name}")
                out[key(entry[key_name])] = content(entry.get(value_name, ""))
            return out

        return read


def _scalar(shape: Shape) -> ReadForm:
    read = text_reader(shape)

    def read_text(found: Any) -> Any:
        if isinstance(found, str):
            return read(found)
        # As SNS answers `Endpoint.EndpointArn=` where Endpoint is a text.
        raise Malformed("Start of list found where not expected")

    return read_text


def _numbered(found: Any, inner_name: str) -> list[Any]:
    """The elements in the order of their numbers, which may come in any order and with gaps."""
    if not isinstance(found, dict):
        if found:
            raise Malformed("Expected list or null")
        return []
    if inner_name:
        found = found.get(inner_name, {})
        if not isinstance(found, dict):
            return []
    numbered = []
    for index, item in found.items():
        if not (index.isascii() and index.isdigit() and len(index) <= INDEX_DIGITS_MAX):
            raise Malformed(f"Key is not valid. The key must be an int: {index[:64]}")
        numbered.append((int(index), item))
    numbered.sort(key=lambda pair: pair[0])
    return [item for _, item in numbered]

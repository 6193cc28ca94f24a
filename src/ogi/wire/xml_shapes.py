"""Members to and from XML: the bodies of rest-xml, and the answers of query.

Each shape becomes one closure, made once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ogi.wire.models import Shape
from ogi.wire.scalars import (
    INTEGER_BITS,
    WRITTEN_AS,
    Malformed,
    read_blob,
    read_boolean,
    read_float,
    read_integer,
    read_timestamp,
    write_blob,
    write_boolean,
    write_float,
)
from ogi.wire.xml_text import NOT_VALID, Node, escape

Append = Callable[[str], None]
ReadText = Callable[[str], Any]
WriteText = Callable[[Any], str]
ReadNode = Callable[[Node], Any]
WriteElement = Callable[[Append, Any], None]


def text_reader(shape: Shape) -> ReadText:
    """A scalar out of text: also of headers, query strings and forms."""
    bits = INTEGER_BITS.get(shape.type)
    if bits is not None:
        return lambda text: read_integer(text, bits)
    return {
        "boolean": read_boolean,
        "float": read_float,
        "double": read_float,
        "timestamp": read_timestamp,
        "blob": read_blob,
    }.get(shape.type, str)


def text_writer(shape: Shape, timestamp: str | WriteText) -> WriteText:
    """A scalar as text; `timestamp` is the format, or its writer, if the member names none."""
    if shape.type == "timestamp":
        if shape.timestamp_format:
            return WRITTEN_AS[shape.timestamp_format]
        return timestamp if callable(timestamp) else WRITTEN_AS[timestamp]
    writers: dict[str, WriteText] = {
        "boolean": write_boolean,
        "float": write_float,
        "double": write_float,
        "blob": write_blob,
    }
    return writers.get(shape.type, str)


# -- reading ------------------------------------------------------------------------------------


class XmlReader:
    """Compiles the reading of shapes. Strict: elements that the model does not know are refused."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._made: dict[str, ReadNode] = {}

    def compile(self, shape: Shape) -> ReadNode:
        if shape.type not in ("structure", "list", "map"):
            read = text_reader(shape)
            return lambda node: read(self._leaf(node))
        key = f"{shape.name}{shape.flattened}"
        made = self._made.get(key)
        if made is None:
            self._made[key] = lambda node: self._made[key](node)
            made = getattr(self, f"_{shape.type}")(shape)
            self._made[key] = made
        return made

    def _leaf(self, node: Node) -> str:
        if node.children and self._strict:
            raise Malformed(NOT_VALID)
        return node.text

    def _structure(self, shape: Shape) -> ReadNode:
        return self.structure(shape.members)

    def structure(self, members: dict[str, Shape]) -> ReadNode:
        table: dict[str, tuple[str, ReadNode, str]] = {}
        attributes = []
        for name, member in members.items():
            wire_name = member.location_name or name
            if member.xml_attribute:
                attributes.append((name, wire_name.rpartition(":")[2]))
                continue
            kind = member.type if member.flattened else ""
            read = self._repeated(member) if kind else self.compile(member)
            table[wire_name] = (name, read, kind)
            if kind == "list" and member.member.location_name:
                table[member.member.location_name] = (name, read, kind)
        strict = self._strict

        def read_structure(node: Node) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for name, local_name in attributes:
                value = node.attribute(local_name)
                if value is not None:
                    out[name] = value
            for child in node.children:
                found = table.get(child.name)
                if found is None:
                    if strict:
                        raise Malformed(NOT_VALID)
                    continue
                name, read, kind = found
                if kind == "list":
                    out.setdefault(name, []).append(read(child))
                elif kind == "map":
                    out.setdefault(name, {}).update(read(child))
                else:
                    out[name] = read(child)
            return out

        return read_structure

    def _repeated(self, shape: Shape) -> ReadNode:
        """One element of a flattened list, or one entry of a flattened map."""
        return self.compile(shape.member) if shape.type == "list" else self._entry(shape)

    def _list(self, shape: Shape) -> ReadNode:
        element = self.compile(shape.member)
        wire_name = shape.member.location_name or "member"
        strict = self._strict

        def read(node: Node) -> list[Any]:
            if strict and any(child.name != wire_name for child in node.children):
                raise Malformed(NOT_VALID)
            return [element(child) for child in node.children if child.name == wire_name]

        return read

    def _entry(self, shape: Shape) -> ReadNode:
        key, value = self.compile(shape.key), self.compile(shape.value)
        key_name = shape.key.location_name or "key"
        value_name = shape.value.location_name or "value"

        def read(node: Node) -> dict[str, Any]:
            children = {child.name: child for child in node.children}
            if key_name not in children or value_name not in children:
                raise Malformed(NOT_VALID)
            return {key(children[key_name]): value(children[value_name])}

        return read

    def _map(self, shape: Shape) -> ReadNode:
        entry = self._entry(shape)

        def read(node: Node) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for child in node.children:
                out.update(entry(child))
            return out

        return read


# -- writing ------------------------------------------------------------------------------------


class XmlWriter:
    """Compiles the writing of shapes as elements."""

    def __init__(self, timestamp: str | WriteText) -> None:
        self._timestamp = timestamp
        self._made: dict[str, WriteElement] = {}

    def content(self, members: dict[str, Shape]) -> WriteElement:
        """The members of a structure, one after the other, without an element around them."""
        table = {name: self._member(name, member) for name, member in members.items()}

        def write(out: Append, value: dict[str, Any]) -> None:
            for name, item in value.items():
                if item is not None:
                    table[name](out, item)

        return write

    def element(self, name: str, shape: Shape) -> WriteElement:
        """The shape as the element `name`."""
        if shape.type == "structure":
            return self._structure(name, shape)
        if shape.type == "list":
            return self._list(name, shape)
        if shape.type == "map":
            return self._map(name, shape)
        start, end = _tags(name, shape)
        if shape.type in ("string", "character"):
            return lambda out, value: out(f"{start}{escape(value)}{end}")
        write = text_writer(shape, self._timestamp)
        return lambda out, value: out(f"{start}{write(value)}{end}")

    def _member(self, name: str, shape: Shape) -> WriteElement:
        wire_name = shape.location_name or name
        if shape.flattened and shape.type == "list":
            element = self.element(shape.member.location_name or wire_name, shape.member)
            return lambda out, value: _each(element, out, value)
        if shape.flattened and shape.type == "map":
            return self._entries(wire_name, shape)
        return self.element(wire_name, shape)

    def _structure(self, name: str, shape: Shape) -> WriteElement:
        key = f"{name} {shape.name}"
        if key in self._made:
            return self._made[key]
        self._made[key] = lambda out, value: self._made[key](out, value)
        start, end = _tags(name, shape)
        attributes = {
            member: found.location_name
            for member, found in shape.members.items()
            if found.xml_attribute
        }
        content = self.content({k: v for k, v in shape.members.items() if k not in attributes})

        def write(out: Append, value: dict[str, Any]) -> None:
            out(start)
            content(out, value)
            out(end)

        def write_with_attributes(out: Append, value: dict[str, Any]) -> None:
            said = "".join(
                f' {wire_name}="{escape(value[member])}"'
                for member, wire_name in attributes.items()
                if value.get(member) is not None
            )
            out(f"{start[:-1]}{said}>")
            content(out, {k: v for k, v in value.items() if k not in attributes})
            out(end)

        self._made[key] = write_with_attributes if attributes else write
        return self._made[key]

    def _list(self, name: str, shape: Shape) -> WriteElement:
        start, end = _tags(name, shape)
        element = self.element(shape.member.location_name or "member", shape.member)

        def write(out: Append, value: list[Any]) -> None:
            out(start)
            for item in value:
                element(out, item)
            out(end)

        return write

    def _entries(self, name: str, shape: Shape) -> WriteElement:
        key = self.element(shape.key.location_name or "key", shape.key)
        content = self.element(shape.value.location_name or "value", shape.value)

        def write(out: Append, value: dict[str, Any]) -> None:
            for item_key, item in value.items():
                out(f"<{name}>")
                key(out, item_key)
                content(out, item)
                out(f"</{name}>")

        return write

    def _map(self, name: str, shape: Shape) -> WriteElement:
        start, end = _tags(name, shape)
        entries = self._entries("entry", shape)

        def write(out: Append, value: dict[str, Any]) -> None:
            out(start)
            entries(out, value)
            out(end)

        return write


def _each(element: WriteElement, out: Append, values: list[Any]) -> None:
    for value in values:
        element(out, value)


def _tags(name: str, shape: Shape) -> tuple[str, str]:
    namespace = shape.xml_namespace
    said = f' {namespace[0]}="{namespace[1]}"' if namespace else ""
    return f"<{name}{said}>", f"</{name}>"

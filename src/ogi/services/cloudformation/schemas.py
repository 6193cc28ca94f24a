"""Property types: what a resource's property may be, and how CloudFormation makes it so.

A text may be given as a number or a bool, a number as a text, a bool as "true": CloudFormation
converts between them. What is not known yet (Later) fits everywhere and is converted once it is.
A property that AWS has and Ogi does not do is in `refused`, so that it is refused by its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ogi.errors import unsupported
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.values import Later, text_of


class Kind(Protocol):
    """A type of values; `convert` raises ValidationError with the path of what does not fit."""

    def convert(self, value: Any, path: str) -> Any: ...


@dataclass(frozen=True)
class Scalar:
    name: str

    def convert(self, value: Any, path: str) -> Any:
        if isinstance(value, Later):
            return value
        converted = _SCALARS[self.name](value)
        if converted is None:
            raise ValidationError(f"Value of property {path} must be of type {self.name}")
        return converted


@dataclass(frozen=True)
class Document:
    """A JSON document, as a policy: an object, or a text that is one where `text` allows."""

    text: bool = False

    def convert(self, value: Any, path: str) -> Any:
        if isinstance(value, Later):
            return value
        if self.text and isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, dict):
            raise ValidationError(f"Value of property {path} must be an object")
        return value


@dataclass(frozen=True)
class List:
    item: Kind
    single: bool = False
    """Whether one value stands for a list of it."""

    def convert(self, value: Any, path: str) -> Any:
        if isinstance(value, Later):
            return value
        if not isinstance(value, list):
            if not self.single or isinstance(value, dict):
                kind = self.item.name if isinstance(self.item, Scalar) else "Object"
                raise ValidationError(f"Value of property {path} must be of type List of {kind}")
            value = [value]
        return [self.item.convert(item, path) for item in value]


@dataclass(frozen=True)
class Map:
    """An object with any keys."""

    item: Kind

    def convert(self, value: Any, path: str) -> Any:
        if isinstance(value, Later):
            return value
        if not isinstance(value, dict):
            raise ValidationError(f"Value of property {path} must be an object")
        return {key: self.item.convert(item, path) for key, item in value.items()}


@dataclass(frozen=True)
class Shape:
    """An object with known members."""

    members: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    refused: frozenset[str] = field(default_factory=frozenset)

    def convert(self, value: Any, path: str) -> Any:
        if isinstance(value, Later):
            return value
        if not isinstance(value, dict):
            raise ValidationError(f"Value of property {path} must be an object")
        for name in value:
            if name in self.refused:
                raise unsupported(f"the property {path + '.' if path else ''}{name}")
            if name not in self.members:
                raise ValidationError(f"Encountered unsupported property {name}")
        for name in self.required:
            if name not in value:
                raise ValidationError(f"Property {name} cannot be empty.")
        return {
            name: self.members[name].convert(item, f"{path}.{name}" if path else name)
            for name, item in value.items()
        }


def _text(value: Any) -> str | None:
    if isinstance(value, (dict, list)) or value is None:
        return None
    return text_of(value)


def _integer(value: Any) -> int | None:
    if isinstance(value, (bool, dict, list)) or value is None:
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _double(value: Any) -> float | None:
    if isinstance(value, (bool, dict, list)) or value is None:
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return None


_SCALARS = {"String": _text, "Integer": _integer, "Double": _double, "Boolean": _boolean}

TEXT = Scalar("String")
INTEGER = Scalar("Integer")
DOUBLE = Scalar("Double")
BOOLEAN = Scalar("Boolean")
TEXTS = List(TEXT)
POLICY = Document(text=True)
TAGS = List(Shape({"Key": TEXT, "Value": TEXT}, required=("Key", "Value")))

"""Template text to plain data: JSON and YAML as CloudFormation reads them.

YAML is version 1.1 without aliases, merges and timestamps, with the short forms of the functions at
any depth; of duplicate keys the last wins, in every mapping, at the top too.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html

The reader builds values from a flat stream of events, so that no text can make it recurse, and
there being no aliases, what it builds is never larger than the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ogi.services.cloudformation.errors import ValidationError, format_error, template_error

DEPTH_MAX = 100
"""Levels of nesting; CloudFormation documents none, and no template comes near."""

SHORT_FORMS = frozenset(
    [
        "And",
        "Base64",
        "Cidr",
        "Condition",
        "Equals",
        "FindInMap",
        "ForEach",
        "GetAZs",
        "GetAtt",
        "GetStackOutput",
        "If",
        "ImportValue",
        "Join",
        "Length",
        "Not",
        "Or",
        "Ref",
        "Select",
        "Split",
        "Sub",
        "ToJsonString",
        "Transform",
    ]
)
_BARE = frozenset({"Ref", "Condition"})
"""Short forms whose long form has no `Fn::`."""

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_TRUE = re.compile(r"(?:yes|Yes|YES|true|True|TRUE|on|On|ON)\Z")
_FALSE = re.compile(r"(?:no|No|NO|false|False|FALSE|off|Off|OFF)\Z")
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*)\Z")
"""YAML 1.1's core types (https://yaml.org/type/), without sexagesimals: `1:30` stays a text."""


def read(text: str) -> dict[str, Any]:
    """The template as plain data; raises ValidationError with AWS's sentence."""
    value = _read_json(text) if text.lstrip()[:1] == "{" else None
    if value is None:
        value = _read_yaml(text)
    if not isinstance(value, dict):
        raise format_error("unsupported structure.")
    return value


def _read_json(text: str) -> Any:
    """None if it is not JSON: a YAML flow mapping begins with a brace as well."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        value = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        try:
            return _read_yaml(text)
        except ValidationError:
            raise format_error(
                f"JSON not well-formed. (line {error.lineno}, column {error.colno})"
            ) from None
    except (ValueError, RecursionError):
        raise format_error("JSON not well-formed.") from None
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise format_error("JSON not well-formed.")
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]


class _Open:
    """A mapping or sequence whose end has not come yet."""

    __slots__ = ("key", "tag", "value")

    def __init__(self, tag: str | None, value: dict[str, Any] | list[Any]) -> None:
        self.tag = tag
        self.value = value
        self.key: str | None = None


def _read_yaml(text: str) -> Any:
    # Here, since it is 2 MB and 8 ms, and a server may never see a template.
    import yaml

    try:
        return _build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        raise format_error(f"YAML not well-formed.{where}") from None
    except yaml.YAMLError:
        raise format_error("YAML not well-formed.") from None


def _build(text: str) -> Any:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    root: Any = None
    documents = 0
    stack: list[_Open] = []
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            raise template_error("YAML aliases are not allowed in CloudFormation templates")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _malformed(event)
            continue
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if stack and isinstance(stack[-1].value, dict) and stack[-1].key is None:
                raise _malformed(event)
            if len(stack) >= DEPTH_MAX:
                raise _malformed(event)
            empty: dict[str, Any] | list[Any] = (
                {} if isinstance(event, yaml.MappingStartEvent) else []
            )
            stack.append(_Open(event.tag, empty))
            continue
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            closed = stack.pop()
            value = _tagged(closed.tag, closed.value, event)
        elif isinstance(event, yaml.ScalarEvent):
            if stack and isinstance(stack[-1].value, dict) and stack[-1].key is None:
                stack[-1].key = event.value
                continue
            value = _scalar(event)
        else:
            continue
        if not stack:
            root = value
        else:
            _add(stack[-1], value)
    return root


def _add(parent: _Open, value: Any) -> None:
    if isinstance(parent.value, list):
        parent.value.append(value)
        return
    assert parent.key is not None
    # A key that comes again takes its later place too, as in a map that is read from the top.
    parent.value.pop(parent.key, None)
    parent.value[parent.key] = value
    parent.key = None


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag: str | None = event.tag
    if tag is not None and not tag.startswith("tag:yaml.org,2002:"):
        return _tagged(tag, text, event)
    if tag == "tag:yaml.org,2002:str" or (tag is None and not event.implicit[0]):
        return text
    if tag is not None and tag[len("tag:yaml.org,2002:") :] not in ("int", "float", "bool", "null"):
        raise _malformed(event)
    return _plain(text)


def _plain(text: str) -> Any:
    if _NULL.match(text):
        return None
    if _TRUE.match(text):
        return True
    if _FALSE.match(text):
        return False
    if _INTEGER.match(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return text


def _integer(text: str) -> int:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-")
    if digits[:2] == "0x":
        return sign * int(digits, 16)
    if digits[:2] == "0b":
        return sign * int(digits, 2)
    if digits[0] == "0" and len(digits) > 1:
        return sign * int(digits, 8)
    return sign * int(digits)


def _tagged(tag: str | None, value: Any, event: Any) -> Any:
    """A function's short form as its long form."""
    if tag is None or tag.startswith("tag:yaml.org,2002:"):
        return value
    name = tag[1:]
    if not tag.startswith("!") or name not in SHORT_FORMS:
        raise _malformed(event)
    if name == "GetAtt" and isinstance(value, str):
        resource, dot, attribute = value.partition(".")
        if not dot or not resource or not attribute:
            raise template_error(
                "if specifying one argument to Fn::GetAtt, that argument must be a non-empty"
                " string in format <LogicalId>.<Attribute>"
            )
        value = [resource, attribute]
    return {name if name in _BARE else f"Fn::{name}": value}


def _malformed(event: Any) -> ValidationError:
    mark = event.start_mark
    return format_error(f"YAML not well-formed. (line {mark.line + 1}, column {mark.column + 1})")

"""The content of a message: what SQS accepts as body and attributes, its size and its digests.

Rules: API reference, SendMessage and MessageAttributeValue; developer guide, message metadata
(names, types, and how the MD5 of attributes is made). Sentences as AWS's users report them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ogi import trace_headers
from ogi.services.sqs.errors import InvalidMessageContents, InvalidParameterValue, MissingParameter
from ogi.services.sqs.records import Content

ATTRIBUTES_MAX: Final = 10
NAME_CHARS_MAX: Final = 256
TYPE_CHARS_MAX: Final = 256

# API reference, SendMessage: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to ...
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NO_CONTROLS: Final = bytes({*range(256)} - {*range(0x20)} | {0x09, 0x0A, 0x0D})
_NAME: Final = re.compile(r"[A-Za-z0-9_\-.]+")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
_LARGEST, _SMALLEST = Decimal("1e126"), Decimal("1e-128")
DIGITS_MAX: Final = 38
NUMBER_CHARS_MAX: Final = 512
"""Zeros before and behind are allowed, but not without end."""


def read(
    entry: Mapping[str, Any], bytes_max: int, *, digested: bool = True, trace_header: str = ""
) -> Content:
    """The content of a send request or batch entry; refuses what AWS refuses.

    digested: the sender hears digests of what it sent. A service that hands over a copy does not.
    trace_header: that of the HTTP request, of which each of its messages carries a copy.
    """
    body: str = entry["MessageBody"]
    if not body:
        raise MissingParameter.of("MessageBody")
    raw = _checked(body)
    size = len(raw)
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest() if digested else ""
    attributes: dict[str, dict[str, Any]] = entry.get("MessageAttributes") or {}
    system: dict[str, dict[str, Any]] = entry.get("MessageSystemAttributes") or {}
    if attributes:
        size += _check_attributes(attributes)
    if size > bytes_max:
        raise InvalidParameterValue(
            f"One or more parameters are invalid. Reason: Message must be shorter than "
            f"{bytes_max} bytes."
        )
    if not attributes and not system and not trace_header:
        return Content(body, md5)
    return Content(
        body,
        md5,
        attributes or None,
        md5_of_attributes(attributes) if attributes else "",
        # "The message system attribute overrides the HTTP trace header", and neither counts as a
        # part of the message: docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
        _trace_header(system) or trace_header,
        md5_of_attributes(system) if system and digested else "",
    )


def digest_of(content: Content) -> str:
    """The body's MD5."""
    return content.md5 or hashlib.md5(content.body.encode(), usedforsecurity=False).hexdigest()


def size_of(entry: Mapping[str, Any]) -> int:
    """Bytes of body and attributes; system attributes do not count."""
    attributes: dict[str, dict[str, Any]] = entry.get("MessageAttributes") or {}
    size = _bytes_of(entry["MessageBody"])
    for name, value in attributes.items():
        size += _bytes_of(name) + _bytes_of(value.get("DataType", ""))
        size += _bytes_of(value.get("StringValue", "")) + len(value.get("BinaryValue", b""))
    return size


def _bytes_of(text: str) -> int:
    """How long it is in UTF-8, whatever it holds."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _checked(text: str) -> bytes:
    """The text in UTF-8; refuses characters outside of the allowed set."""
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raw = b"\x00"
    # Taking away all bytes but controls is eight times as fast as looking with the pattern, which
    # decides where there are controls, or what may be U+FFFE or U+FFFF.
    if raw.translate(None, _NO_CONTROLS) or (not text.isascii() and b"\xef\xbf" in raw):
        found = _FORBIDDEN.search(text)
        if found:
            raise InvalidMessageContents(
                f"Invalid binary character '#x{ord(found.group()):X}' was found in the message "
                "body, the set of allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | "
                "[#xE000-#xFFFD] | [#x10000-#x10FFFF]."
            )
    return raw


def _check_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Refuse what AWS refuses; the attributes' bytes."""
    if len(attributes) > ATTRIBUTES_MAX:
        raise InvalidParameterValue(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum "
            f"[{ATTRIBUTES_MAX}]."
        )
    size = 0
    for name, value in attributes.items():
        _check_name(name)
        size += len(name.encode()) + _check_value(name, value)
    return size


def _check_name(name: str) -> None:
    if not name:
        raise InvalidParameterValue("The request must contain non-empty message attribute name.")
    if len(name) > NAME_CHARS_MAX:
        raise InvalidParameterValue(
            f"Message (user) attribute name '{name}' must be shorter than {NAME_CHARS_MAX + 1} "
            "characters."
        )
    if not _NAME.fullmatch(name):
        raise InvalidParameterValue(
            f"Invalid non-alphanumeric character was found in the message attribute name "
            f"'{name}'. Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if name.startswith(".") or name.endswith(".") or ".." in name:
        raise InvalidParameterValue(
            f"Message (user) attribute name '{name}' must not start or end with a period or have "
            "successive periods."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise InvalidParameterValue(
            f"Message (user) attribute name '{name}' must not start with the reserved prefixes "
            "AWS. or Amazon."
        )


def _check_value(name: str, value: Mapping[str, Any]) -> int:
    kind: str = value.get("DataType", "")
    if not kind:
        raise InvalidParameterValue(
            f"The message attribute '{name}' must contain non-empty message attribute type."
        )
    logical, _, label = kind.partition(".")
    if logical not in ("String", "Number", "Binary"):
        raise InvalidParameterValue(
            f"The type of message (user) attribute '{name}' is invalid. You must use only the "
            "following supported type prefixes: Binary, Number, String."
        )
    if len(kind) > TYPE_CHARS_MAX or (label and not _NAME.fullmatch(label)) or kind.endswith("."):
        raise InvalidParameterValue(f"The type of message (user) attribute '{name}' is invalid.")
    for member in ("StringListValues", "BinaryListValues"):
        if value.get(member):
            raise InvalidParameterValue(
                f"Message attribute list values in SendMessage operation are not supported: {name}."
            )
    field = "BinaryValue" if logical == "Binary" else "StringValue"
    content = value.get(field)
    if not content:
        raise InvalidParameterValue(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        )
    if logical == "Binary":
        return len(kind) + len(content)
    size = len(kind) + len(_checked(content))
    if logical == "Number":
        _check_number(name, content)
    return size


def _check_number(name: str, text: str) -> None:
    """Developer guide, 'Amazon SQS message metadata': up to 38 digits of precision, between 10^-128
    and 10^+126."""
    if not _is_number(text):
        raise InvalidParameterValue(
            f"Can't cast the value of message (user) attribute '{name}' to a number."
        )


def _is_number(text: str) -> bool:
    if len(text) > NUMBER_CHARS_MAX or not _NUMBER.fullmatch(text):
        return False
    number = Decimal(text)
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    return not number or (_SMALLEST <= abs(number) <= _LARGEST and len(digits) <= DIGITS_MAX)


def _trace_header(system: Mapping[str, Mapping[str, Any]]) -> str:
    """API reference, SendMessage: only AWSTraceHeader, of type String, a well-formed header."""
    for name, value in system.items():
        if name != "AWSTraceHeader":
            raise InvalidParameterValue(
                f"Message system attribute name '{name}' is invalid. Supported: AWSTraceHeader."
            )
        text: str = value.get("StringValue") or ""
        if value.get("DataType") != "String" or not trace_headers.well_formed(text):
            raise InvalidParameterValue(
                "The value of message system attribute 'AWSTraceHeader' is invalid."
            )
        return text
    return ""


def md5_of_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """Developer guide, 'Calculating the MD5 message digest for message attributes'."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        kind = value["DataType"]
        for part in (name, kind):
            raw = part.encode()
            digest.update(len(raw).to_bytes(4, "big") + raw)
        if kind.startswith("Binary"):
            raw, transport = value.get("BinaryValue") or b"", b"\x02"
        else:
            raw, transport = (value.get("StringValue") or "").encode(), b"\x01"
        digest.update(transport + len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


def chosen(attributes: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The attributes that MessageAttributeNames asks for: names, `All`, `.*`, or `prefix.*`."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {
        name: value
        for name, value in attributes.items()
        if name in names or (prefixes and name.startswith(prefixes))
    }

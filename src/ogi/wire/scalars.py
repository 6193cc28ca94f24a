"""Single values as texts and numbers on the wire: timestamps, blobs, numbers, booleans."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_S_MIN: Final = -62_135_596_800.0
EPOCH_S_MAX: Final = 253_402_300_799.999
"""The years 1 and 9999: what ISO 8601 with four digits of year can say."""

INTEGER_BITS: Final = {"integer": 32, "long": 64}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
"""Python's own float takes more: `1_000`, digits of any script."""

_SPECIAL: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_NO_NUMBER: Final = "STRING_VALUE can not be converted to a Double"


class Malformed(Exception):
    """A value is not of its member's type; the text says it in AWS's words, if it has any."""


# -- timestamps ---------------------------------------------------------------------------------


def iso8601(epoch_s: float) -> str:
    """`2024-01-31T10:00:00Z`, with three digits of fraction where there is one."""
    text = iso8601_milliseconds(epoch_s)
    return f"{text[:-5]}Z" if text.endswith(".000Z") else text


def iso8601_milliseconds(epoch_s: float) -> str:
    """`2024-01-31T10:00:00.000Z`"""
    found = EPOCH + timedelta(milliseconds=round(epoch_s * 1000))
    return f"{found.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def iso8601_seconds(epoch_s: float) -> str:
    """`2024-01-31T10:00:00Z`"""
    return f"{(EPOCH + timedelta(seconds=epoch_s // 1)).replace(tzinfo=None).isoformat()}Z"


def rfc822(epoch_s: float) -> str:
    """`Wed, 21 Oct 2015 07:28:00 GMT`"""
    return formatdate(int(epoch_s // 1), usegmt=True)


def unix(epoch_s: float) -> str:
    return str(int(epoch_s)) if epoch_s == int(epoch_s) else repr(round(epoch_s, 3))


WRITTEN_AS: Final = {"iso8601": iso8601, "rfc822": rfc822, "unixTimestamp": unix}


def read_timestamp(text: str) -> float:
    """Any of the three formats, whatever the member asked for: AWS's own parsers take them all."""
    text = text.strip()
    try:
        if text[:4].isdigit() and text[4:5] == "-":
            found = datetime.fromisoformat(text)
        elif text[:1].isalpha():
            found = parsedate_to_datetime(text)
        else:
            return bounded(_float(text))
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return (found - EPOCH).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        raise Malformed(f"{text[:100]} is not a valid timestamp") from None


def bounded(epoch_s: float) -> float:
    if not EPOCH_S_MIN <= epoch_s <= EPOCH_S_MAX:
        raise Malformed("The timestamp is out of range")
    return epoch_s


# -- numbers, booleans, blobs -------------------------------------------------------------------


def read_integer(text: str, bits: int) -> int:
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        raise Malformed(f"STRING_VALUE can not be converted to {_a(bits)}")
    return fitting(int(text), bits)


def fitting(number: int, bits: int) -> int:
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise Malformed(f"NUMBER_VALUE can not be converted to {_a(bits)}")
    return number


def _a(bits: int) -> str:
    return "an Integer" if bits == 32 else "a Long"


def read_float(text: str) -> float:
    special = _SPECIAL.get(text)
    if special is not None:
        return special
    number = _float(text)
    if number in (float("inf"), float("-inf")):
        raise Malformed(_NO_NUMBER)
    return number


def _float(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise Malformed(_NO_NUMBER)
    return float(text)


def write_float(number: float) -> str:
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(float(number))


def read_boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered == "true":
        return True
    if lowered == "false":
        return False
    raise Malformed("STRING_VALUE can not be converted to a Boolean")


def write_boolean(value: bool) -> str:
    return "true" if value else "false"


def read_blob(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        # Line breaks are allowed in base64 by many encoders.
        try:
            return b64decode("".join(text.split()), validate=True)
        except (Base64Error, ValueError):
            raise Malformed("The value is not valid base64") from None


def write_blob(value: bytes) -> str:
    return b64encode(value).decode("ascii")

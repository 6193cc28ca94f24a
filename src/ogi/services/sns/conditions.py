"""The conditions of filter policies: each is read once into a function of one value.

docs.aws.amazon.com/sns/latest/dg/string-value-matching.html and numeric-value-matching.html
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

NUMBER_MAX = 1_000_000_000
SCALE = 100_000
"""Five digits of accuracy after the decimal point."""
WILDCARDS_MAX = 3
"""Stars in one pattern."""


class FilterError(Exception):
    """The reason for which a filter policy is refused."""


class Condition(Protocol):
    def __call__(self, value: Any) -> bool: ...


class Equals:
    """The value is just this text."""

    def __init__(self, text: str) -> None:
        self.text = self.key = text

    def __call__(self, value: Any) -> bool:
        return bool(value == self.text)


class EqualsNumber:
    """The value is this number, with the digits that count."""

    def __init__(self, number: float) -> None:
        self._rounded = _rounded(number)
        self.key = key_of(number)

    def __call__(self, value: Any) -> bool:
        return _is_number(value) and _rounded(value) == self._rounded


class Is:
    """The value is true, false or null."""

    def __init__(self, constant: bool | None) -> None:
        self._constant = constant
        self.key = key_of(constant)

    def __call__(self, value: Any) -> bool:
        return value is self._constant


def key_of(value: Any) -> Any:
    """What all values have in common that are equal to this one, and no others; in JSON's types."""
    if isinstance(value, str):
        return value
    return ["number", _rounded(value)] if _is_number(value) else [value]


def exists(wanted: bool) -> Condition:
    """True of any value if wanted; what is absent has no value to ask about."""

    def ask(value: Any) -> bool:
        return wanted

    return ask


def read(raw: Any) -> Condition:
    """The condition that an element of a policy's array says."""
    if isinstance(raw, str):
        return Equals(raw)
    if raw is None or isinstance(raw, bool):
        return Is(raw)
    if _is_number(raw):
        return EqualsNumber(raw)
    if not isinstance(raw, dict):
        raise FilterError("Match value must be String, number, true, false, or null")
    if len(raw) != 1:
        raise FilterError("Only one key allowed in match expression")
    ((kind, argument),) = raw.items()
    reader = _READERS.get(kind)
    if reader is None:
        raise FilterError(f"Unrecognized match type {kind}")
    return reader(argument)


def _text(kind: str, argument: Any) -> str:
    if not isinstance(argument, str):
        raise FilterError(f"{kind} match pattern must be a string")
    return argument


def _prefix(argument: Any) -> Condition:
    text = _text("prefix", argument)
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(argument: Any) -> Condition:
    text = _text("suffix", argument)
    return lambda value: isinstance(value, str) and value.endswith(text)


def _equals_ignore_case(argument: Any) -> Condition:
    text = _text("equals-ignore-case", argument).lower()
    return lambda value: isinstance(value, str) and value.lower() == text


def _wildcard(argument: Any) -> Condition:
    text = _text("wildcard", argument)
    if "**" in text:
        raise FilterError("Consecutive wildcard characters at pos " + str(text.index("**")))
    pieces = text.split("*")
    if len(pieces) - 1 > WILDCARDS_MAX:
        raise FilterError("Rule is too complex - try using fewer wildcard characters")
    if len(pieces) == 1:
        return Equals(text)
    first, *middle, last = pieces

    def ask(value: Any) -> bool:
        """Each piece at its earliest place: one walk, where a regular expression might take
        the cube of the length."""
        if not isinstance(value, str) or not value.startswith(first) or not value.endswith(last):
            return False
        at, end = len(first), len(value) - len(last)
        for piece in middle:
            at = value.find(piece, at, max(at, end))
            if at < 0:
                return False
            at += len(piece)
        return at <= end

    return ask


def _cidr(argument: Any) -> Condition:
    try:
        network = ip_network(_text("cidr", argument), strict=False)
    except ValueError:
        raise FilterError("Malformed CIDR, one '/' required") from None

    def ask(value: Any) -> bool:
        try:
            return isinstance(value, str) and ip_address(value) in network
        except ValueError:
            return False

    return ask


def _exists(argument: Any) -> Condition:
    if not isinstance(argument, bool):
        raise FilterError("exists match pattern must be either true or false.")
    return exists(argument)


def _anything_but(argument: Any) -> Condition:
    if isinstance(argument, dict):
        if len(argument) != 1 or next(iter(argument)) not in _NEGATED:
            raise FilterError("Unsupported anything-but pattern")
        ((kind, inner),) = argument.items()
        several = inner if isinstance(inner, list) else [inner]
        refused = [_READERS[kind](one) for one in several]
    else:
        several = argument if isinstance(argument, list) else [argument]
        if not all(isinstance(one, str) or _is_number(one) for one in several):
            raise FilterError("Inside anything but list, must be number or string")
        refused = [read(one) for one in several]
    if not refused:
        raise FilterError("Empty arrays are not allowed")
    return lambda value: not any(one(value) for one in refused)


_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _numeric(argument: Any) -> Condition:
    """One comparison, or a range: a lower bound, then an upper one."""
    if not isinstance(argument, list) or len(argument) not in (2, 4):
        raise FilterError("Value of numeric must be an array.")
    pairs = [(argument[at], argument[at + 1]) for at in range(0, len(argument), 2)]
    for operator, number in pairs:
        if not isinstance(operator, str) or operator not in _COMPARED:
            raise FilterError(f"Unrecognized numeric range operator: {operator}")
        if not _is_number(number):
            raise FilterError(f"Value of {operator} must be numeric")
    if len(pairs) == 2:
        (low, least), (high, most) = pairs
        if low not in (">", ">=") or high not in ("<", "<="):
            raise FilterError("Too many elements in numeric expression")
        if least >= most:
            raise FilterError("Bottom must be less than top")
    bounds = [(_COMPARED[operator], _rounded(number)) for operator, number in pairs]
    return lambda value: (
        _is_number(value) and all(holds(_rounded(value), bound) for holds, bound in bounds)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rounded(value: float) -> int:
    """With the five digits that count; beyond the range nothing equals anything."""
    if not -NUMBER_MAX <= value <= NUMBER_MAX:
        value = NUMBER_MAX + 1 if value > 0 else -NUMBER_MAX - 1
    return round(value * SCALE)


_NEGATED = frozenset(("prefix", "suffix", "wildcard", "equals-ignore-case"))
_READERS: dict[str, Callable[[Any], Condition]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "cidr": _cidr,
    "exists": _exists,
    "anything-but": _anything_but,
    "numeric": _numeric,
}

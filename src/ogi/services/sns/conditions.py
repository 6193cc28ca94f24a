"""The conditions of filter policies: each is read once into a function of one value.

docs.aws.amazon.com/sns/latest/dg/string-value-matching.html and numeric-value-matching.html. What
is refused and in which words: AWS's own compiler of such policies, JsonRuleCompiler.java in
github.com/aws/event-ruler; "Empty arrays are not allowed" with its "at [Source: (String)..." is an
answer of SNS in github.com/aws/aws-cdk/issues/16549.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

from ogi.services.sns import lookups
from ogi.services.sns.lookups import PRESENT, Names

NUMBER_MAX = 1_000_000_000
SCALE = 100_000
"""Five digits of accuracy after the decimal point."""
WILDCARDS_MAX = 3
"""Stars in one pattern."""


class FilterError(Exception):
    """The reason for which a filter policy is refused."""


class NestedPolicy(FilterError):
    """Filter policy scope MessageAttributes does not support nested filter policy"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Condition(Protocol):
    names: Names
    """Of which every value that fulfils it opens one; () if it is a plain value, with a `key`."""

    def __call__(self, value: Any) -> bool: ...


class Equals:
    """The value is just this text."""

    names: Names = ()

    def __init__(self, text: str) -> None:
        self.text = self.key = text

    def __call__(self, value: Any) -> bool:
        return bool(value == self.text)


class EqualsNumber:
    """The value is this number, with the digits that count."""

    names: Names = ()

    def __init__(self, number: float) -> None:
        self.key = key_of(number)

    def __call__(self, value: Any) -> bool:
        return _is_number(value) and key_of(value) == self.key


class Is:
    """The value is true, false or null."""

    names: Names = ()

    def __init__(self, constant: bool | None) -> None:
        self._constant = constant
        self.key = key_of(constant)

    def __call__(self, value: Any) -> bool:
        return value is self._constant


class Asks:
    """Whatever else is asked of a value."""

    def __init__(self, asked: Callable[[Any], bool], names: Names) -> None:
        self._asked = asked
        self.names = names

    def __call__(self, value: Any) -> bool:
        return self._asked(value)


ABSENT = Asks(lambda value: False, ())
"""There is no value to ask about."""


def key_of(value: Any) -> Any:
    """What all values have in common that are equal to this one, and no others; in JSON's types."""
    if isinstance(value, str):
        return value
    if not _is_number(value):
        return [value]
    whole = whole_of(value)
    # "For example an AWS account number, so make that condition survivable" (event-ruler): beyond
    # the range a number is equal to itself.
    return ["number", repr(value) if whole is None else whole]


def whole_of(value: Any) -> int | None:
    """A number with the digits that count; None if it is none, or beyond the range."""
    if not _is_number(value) or not -NUMBER_MAX <= value <= NUMBER_MAX:
        return None
    whole: int = round(value * SCALE)
    return whole


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
    if not raw:
        raise FilterError("Match expression name not found")
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
    return Asks(
        lambda value: isinstance(value, str) and value.startswith(text), lookups.prefix(text)
    )


def _suffix(argument: Any) -> Condition:
    text = _text("suffix", argument)
    return Asks(lambda value: isinstance(value, str) and value.endswith(text), lookups.suffix(text))


def _equals_ignore_case(argument: Any) -> Condition:
    text = _text("equals-ignore-case", argument).lower()
    return Asks(
        lambda value: isinstance(value, str) and value.lower() == text, lookups.folded(text)
    )


def _wildcard(argument: Any) -> Condition:
    pieces = _pieces(_text("wildcard", argument))
    if len(pieces) == 1:
        return Equals(pieces[0])
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

    longer = lookups.prefix(first) if len(first) >= len(last) else lookups.suffix(last)
    return Asks(ask, longer)


def _pieces(pattern: str) -> list[str]:
    """What stands around the stars; a star or a backslash behind a backslash is one."""
    pieces, at = [""], 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            if pattern[at + 1 : at + 2] == "*":
                raise FilterError(f"Consecutive wildcard characters at pos {at}")
            pieces.append("")
        elif char == "\\":
            if pattern[at + 1 : at + 2] not in ("*", "\\"):
                raise FilterError(f"Invalid escape character at pos {at}")
            at += 1
            pieces[-1] += pattern[at]
        else:
            pieces[-1] += char
        at += 1
    if len(pieces) - 1 > WILDCARDS_MAX:
        raise FilterError("Rule is too complex - try using fewer wildcard characters")
    return pieces


def _cidr(argument: Any) -> Condition:
    text = _text("prefix", argument)  # So says event-ruler of this one, too.
    if text.count("/") != 1:
        raise FilterError("Malformed CIDR, one '/' required")
    address, bits = text.split("/")
    if not re.fullmatch(r"[+-]?[0-9]+", bits):
        raise FilterError("Malformed CIDR, mask bits must be an integer")
    if int(bits) < 0:
        raise FilterError("Malformed CIDR, mask bits must not be negative")
    try:
        parsed = ip_address(address)
    except ValueError:
        raise FilterError(f"Nonstandard IP address: {address}") from None
    if int(bits) > parsed.max_prefixlen:
        most = parsed.max_prefixlen
        raise FilterError(f"IPv{parsed.version} mask bits must be < {most}")
    network = ip_network((parsed, int(bits)), strict=False)

    def ask(value: Any) -> bool:
        try:
            return isinstance(value, str) and ip_address(value) in network
        except ValueError:
            return False

    return Asks(ask, lookups.network(network))


def _exists(argument: Any) -> Condition:
    """ "The key must have a non-null and non-empty value" (docs: attribute-key-matching)."""
    if not isinstance(argument, bool):
        raise FilterError("exists match pattern must be either true or false.")
    return Asks(lambda value: value is not None and value != "", PRESENT) if argument else ABSENT


def _anything_but(argument: Any) -> Condition:
    refused = _patterns(argument) if isinstance(argument, dict) else _plain(argument)
    return Asks(lambda value: not any(one(value) for one in refused), PRESENT)


def _patterns(argument: dict[str, Any]) -> list[Condition]:
    if not argument:
        raise FilterError("Anything-But expression name not found")
    ((kind, inner), *more) = argument.items()
    if kind not in _NEGATED:
        raise FilterError(f"Unsupported anything-but pattern: {kind}")
    if more:
        raise FilterError("Only one key allowed in match expression")
    several = inner if isinstance(inner, list) else [inner]
    if not several or not all(isinstance(one, str) for one in several):
        raise FilterError("prefix/suffix match pattern must be a string")
    if "" in several:
        raise FilterError("Null prefix/suffix not allowed")
    return [_READERS[kind](one) for one in several]


def _plain(argument: Any) -> list[Condition]:
    if not isinstance(argument, str | list) and not _is_number(argument):
        raise FilterError("Value of anything-but must be an array or single string/number value.")
    several = argument if isinstance(argument, list) else [argument]
    if not all(isinstance(one, str) or _is_number(one) for one in several):
        raise FilterError("Inside anything but list, start|null|boolean is not supported.")
    if len({isinstance(one, str) for one in several}) != 1:
        raise FilterError(
            "Inside anything but list, either all values are number or string, mixed type is not"
            " supported"
        )
    for one in several:
        if not isinstance(one, str):
            _bound(one)
    return [read(one) for one in several]


def _numeric(argument: Any) -> Condition:
    """One comparison, or a range: a lower bound, then an upper one."""
    if not isinstance(argument, list):
        raise FilterError("Value of numeric must be an array.")
    operator, *rest = argument or [""]
    if not isinstance(operator, str):
        raise FilterError(f"Invalid member in numeric match: {operator}")
    if operator not in ("=", "<", "<=", ">", ">="):
        raise FilterError(f"Unrecognized numeric range operator: {operator}")
    if not rest or not _is_number(rest[0]):
        raise FilterError(f"Value of {'equals' if operator == '=' else operator} must be numeric")
    bound = _bound(rest[0])
    bottom, top = -NUMBER_MAX * SCALE, NUMBER_MAX * SCALE
    if operator in (">", ">="):
        bottom = bound + (operator == ">")
        if len(rest) > 1:
            top = _top(bound, *rest[1:])
    elif len(rest) > 1:
        raise FilterError("Too many elements in numeric expression")
    elif operator == "=":
        bottom = top = bound
    else:
        top = bound - (operator == "<")

    def ask(value: Any) -> bool:
        whole = whole_of(value)
        return whole is not None and bottom <= whole <= top

    return Asks(ask, lookups.interval(bottom, top))


def _top(bottom: int, operator: Any, number: Any = None, *more: Any) -> int:
    if not isinstance(operator, str):
        raise FilterError(f"Bad value in numeric range: {operator}")
    if operator not in ("<", "<="):
        raise FilterError(f"Bad numeric range operator: {operator}")
    if not _is_number(number):
        raise FilterError(f"Value of {operator} must be numeric")
    if more:
        raise FilterError("Too many terms in numeric range expression")
    top = _bound(number)
    if bottom >= top:
        raise FilterError("Bottom must be less than top")
    return top - (operator == "<")


def _bound(number: float) -> int:
    whole = whole_of(number)
    if whole is None:
        raise FilterError("Value must be between -1.0E9 and 1.0E9, inclusive")
    return whole


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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

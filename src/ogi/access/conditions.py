"""Conditions of policies: each operator with its IfExists, ForAllValues and ForAnyValue forms.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
A key that the request lacks makes a condition false, a negated one true; ...IfExists makes it true.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from ogi.access import patterns
from ogi.access.patterns import Pattern

Values = list[str] | None
"""The values of a key in a request as texts; None: the request has no such key."""
ARN_PARTS: Final = 6


class Context(Protocol):
    """The keys of a request."""

    def values(self, key: str) -> Values:
        """The values of a key by its lower-case name."""
        ...

    def lookup(self, name: str) -> str | None:
        """The one value of a policy variable by its lower-case name."""
        ...


Test = Callable[[str, Context], bool]
"""Whether one value of the request matches one of the policy's values."""


SYNTAX: Final = "Syntax errors in policy."
LEGACY: Final = "The policy failed legacy parsing"
"""What IAM says of an operator that there is not, and of a value that its operator cannot take:
github.com/badmintoncryer/cdk-preflight, rules/iam/pf-iam-policy-condition-*."""
BINARY: Final = "Invalid binary value in the Condition element."


class BadCondition(ValueError):
    """A condition that no operator understands; the text says why."""

    def __init__(self, text: str, of_iam: str = LEGACY) -> None:
        super().__init__(text)
        self.of_iam = of_iam


class Condition:
    """One operator on one key."""

    __slots__ = (
        "if_exists", "is_literal", "key", "name", "negated", "operator", "quantifier", "test",
        "values",
    )  # fmt: skip

    def __init__(self, operator: str, key: str, values: Sequence[str], variables: bool) -> None:
        self.operator = operator
        self.name = key
        self.key = key.lower()
        self.values = tuple(values)
        quantifier, colon, rest = operator.partition(":")
        if not colon:
            quantifier, rest = "", operator
        elif quantifier.lower() not in ("forallvalues", "foranyvalue"):
            raise BadCondition(f"Invalid Condition type : {operator}.", SYNTAX)
        self.quantifier = quantifier.lower()
        name = rest.lower()
        self.if_exists = name.endswith("ifexists") and name != "nullifexists"
        if self.if_exists:
            name = name[: -len("ifexists")]
        found = OPERATORS.get(name)
        if found is None:
            raise BadCondition(f"Invalid Condition type : {operator}.", SYNTAX)
        make, self.negated = found
        self.test: Test | None = None if make is None else make(self.values, variables)
        self.is_literal = not any("${" in value for value in self.values)
        """No value asks for another key of the request."""

    def holds(self, context: Context) -> bool:
        values = context.values(self.key)
        test = self.test
        if test is None:
            return _null(self.values, values)
        if self.quantifier:
            return self._holds_for_set(test, values, context)
        if values is None:
            return self.negated or self.if_exists
        if len(values) == 1:
            return test(values[0], context) != self.negated
        return any(test(value, context) for value in values) != self.negated

    def _holds_for_set(self, test: Test, values: Values, context: Context) -> bool:
        # "If the key values in the request resolve to an empty data set (for example, an empty
        # string)", ForAllValues is true and ForAnyValue is false.
        if not values or values == [""]:
            return self.quantifier == "forallvalues" or (self.if_exists and values is None)
        passes = (test(value, context) != self.negated for value in values)
        return all(passes) if self.quantifier == "forallvalues" else any(passes)


def _null(wanted: Sequence[str], values: Values) -> bool:
    absent = values is None
    return any((text.lower() == "true") == absent for text in wanted)


# -- operators: (values of the policy, variables allowed) -> test ---------------------------------


def _string_equals(values: Sequence[str], variables: bool) -> Test:
    compiled = [patterns.parse(value, variables, wildcards=False) for value in values]
    plain = frozenset(p.literal for p in compiled if p.literal is not None)
    variable = [p for p in compiled if p.literal is None]
    if not variable:
        return lambda value, context: value in plain
    return lambda value, context: (
        value in plain or any(p.value(context.lookup) == value for p in variable)
    )


def _string_equals_ignoring_case(values: Sequence[str], variables: bool) -> Test:
    compiled = [patterns.parse(value, variables, wildcards=False) for value in values]

    def test(value: str, context: Context) -> bool:
        folded = value.casefold()
        texts = (p.value(context.lookup) for p in compiled)
        return any(text is not None and text.casefold() == folded for text in texts)

    return test


def _string_like(values: Sequence[str], variables: bool) -> Test:
    compiled = [patterns.parse(value, variables) for value in values]
    return lambda value, context: any(p.matches(value, context.lookup) for p in compiled)


def _arn_like(values: Sequence[str], variables: bool) -> Test:
    """Each of the six parts is matched by itself."""
    plain: set[str] = set()
    compiled: list[list[Pattern]] = []
    for value in values:
        parts = ["*"] * ARN_PARTS if value == "*" else _arn_parts(value)
        if len(parts) != ARN_PARTS:
            continue  # No ARN is like what is not one.
        patterned = [patterns.parse(part, variables) for part in parts]
        if all(pattern.literal is not None for pattern in patterned):
            plain.add(":".join(pattern.literal or "" for pattern in patterned))
        else:
            compiled.append(patterned)

    def test(value: str, context: Context) -> bool:
        if value in plain:
            return True
        if not compiled:
            return False
        parts = value.split(":", ARN_PARTS - 1)
        return len(parts) == ARN_PARTS and any(
            all(p.matches(v, context.lookup) for p, v in zip(pattern, parts, strict=True))
            for pattern in compiled
        )

    return test


def _arn_parts(text: str) -> list[str]:
    """The parts of an ARN pattern; the colon of a variable's name separates none."""
    parts: list[str] = []
    part, depth = "", 0
    for at, char in enumerate(text):
        if text.startswith("${", at):
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        if char == ":" and not depth and len(parts) < ARN_PARTS - 1:
            parts.append(part)
            part = ""
        else:
            part += char
    return [*parts, part]


def number(text: str) -> float | int | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def moment(text: str) -> float | None:
    """Seconds since the epoch of a W3C date, a basic ISO 8601 date or a number."""
    seconds = number(text)
    if seconds is not None and len(text) != 4:
        return float(seconds)
    for form in ("%Y", "%Y-%m"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _ordered(
    read: Callable[[str], float | int | None],
    compare: Callable[[Any, Any], bool],
    what: str,
) -> Callable[[Sequence[str], bool], Test]:
    def make(values: Sequence[str], variables: bool) -> Test:
        wanted = [read(value) for value in values]
        if None in wanted:
            raise BadCondition(f"Invalid {what} in the Condition element.")

        def test(value: str, context: Context) -> bool:
            given = read(value)
            return given is not None and any(compare(given, want) for want in wanted)

        return test

    return make


def _bool(values: Sequence[str], variables: bool) -> Test:
    compiled = [patterns.parse(value.lower(), variables, wildcards=False) for value in values]
    return lambda value, context: any(p.value(context.lookup) == value.lower() for p in compiled)


def _binary(values: Sequence[str], variables: bool) -> Test:
    wanted = set()
    for value in values:
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise BadCondition(BINARY, SYNTAX) from None
        if base64.b64encode(raw).decode() != value:
            raise BadCondition(BINARY, SYNTAX)
        wanted.add(raw)

    def test(value: str, context: Context) -> bool:
        try:
            return base64.b64decode(value, validate=True) in wanted
        except (binascii.Error, ValueError):
            return False

    return test


def _ip(values: Sequence[str], variables: bool) -> Test:
    networks = []
    for value in values:
        try:
            networks.append(ipaddress.ip_network(value, strict=False))
        except ValueError:
            raise BadCondition(f"Invalid IP address or range: {value}.") from None

    def test(value: str, context: Context) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return test


Make = Callable[[Sequence[str], bool], Test]


def _family(make: Make, *names: str) -> dict[str, tuple[Make | None, bool]]:
    """A positive operator and its negation: stringequals, stringnotequals."""
    positive, negative = names
    return {positive: (make, False), negative: (make, True)}


def _orders(prefix: str, read: Callable[[str], Any], what: str) -> dict[str, Any]:
    equals = _ordered(read, lambda a, b: a == b, what)
    return {
        f"{prefix}equals": (equals, False),
        f"{prefix}notequals": (equals, True),
        f"{prefix}lessthan": (_ordered(read, lambda a, b: a < b, what), False),
        f"{prefix}lessthanequals": (_ordered(read, lambda a, b: a <= b, what), False),
        f"{prefix}greaterthan": (_ordered(read, lambda a, b: a > b, what), False),
        f"{prefix}greaterthanequals": (_ordered(read, lambda a, b: a >= b, what), False),
    }


OPERATORS: Final[dict[str, tuple[Make | None, bool]]] = {
    **_family(_string_equals, "stringequals", "stringnotequals"),
    **_family(_string_equals_ignoring_case, "stringequalsignorecase", "stringnotequalsignorecase"),
    **_family(_string_like, "stringlike", "stringnotlike"),
    **_family(_arn_like, "arnequals", "arnnotequals"),
    **_family(_arn_like, "arnlike", "arnnotlike"),
    **_family(_ip, "ipaddress", "notipaddress"),
    **_orders("numeric", number, "numeric value"),
    **_orders("date", moment, "date"),
    "bool": (_bool, False),
    "binaryequals": (_binary, False),
    "null": (None, False),
}

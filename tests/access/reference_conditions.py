"""Condition operators, slow and written straight from the documentation; shares no code with Ogi.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import base64
import calendar
import re
import time
from collections.abc import Callable
from decimal import Decimal

Keys = dict[str, list[str]]


def holds(operator: str, wanted: list[str], key: str, keys: Keys) -> bool:
    """`keys`: the request's values by lower-case key name."""
    given = keys.get(key.lower())
    if operator == "Null":
        # "...true (the key doesn't exist...) or false (the key exists and its value is not null)"
        return any((text == "true") == (given is None) for text in wanted)
    quantifier, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    negated = name in NEGATED
    compare = COMPARE[NEGATED.get(name, name)]

    def matches(have: str) -> bool:
        """ "If a single condition operator includes multiple values for a context key, those
        values are evaluated using a logical OR", of a negated one "using a logical NOR"."""
        found = any(compare(want, have, keys) for want in wanted)
        return found != negated

    if quantifier == "ForAllValues":
        # "...also returns true if there are no context keys in the request"
        return all(matches(have) for have in given or [] if given != [""])
    if quantifier == "ForAnyValue":
        if given is None and if_exists:
            return True
        return any(matches(have) for have in given or [] if given != [""])
    if given is None:
        # "If the key that you specify in a policy condition is not present in the request context,
        # the values do not match", and so the negated operators' do.
        return if_exists or negated
    return matches(given[0])


# -- comparisons: (the policy's value, the request's, the request's keys) -------------------------


def _filled(text: str, keys: Keys) -> str | None:
    """The text with its variables replaced: None if one has no value."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        inner = found[1]
        if inner in ("*", "?", "$"):
            return inner
        name, _, default = inner.partition(",")
        values = keys.get(name.strip().lower())
        if values and len(values) == 1:
            return values[0]
        if default.strip():
            return default.strip().strip("'")
        missing = True
        return ""

    filled = re.sub(r"\$\{([^}]*)\}", value, text)
    return None if missing else filled


def _equal(want: str, have: str, keys: Keys) -> bool:
    return _filled(want, keys) == have


def _equal_ignoring_case(want: str, have: str, keys: Keys) -> bool:
    filled = _filled(want, keys)
    return filled is not None and filled.lower() == have.lower()


def _like(want: str, have: str, keys: Keys) -> bool:
    """Wildcards count in the policy's text, never in what a variable brings."""
    expression = ""
    for part in re.split(r"(\$\{[^}]*\}|\*|\?)", want):
        if part == "*":
            expression += ".*"
        elif part == "?":
            expression += "."
        elif part.startswith("${"):
            filled = _filled(part, keys)
            if filled is None:
                return False
            expression += re.escape(filled)
        else:
            expression += re.escape(part)
    return re.fullmatch(expression, have, re.DOTALL) is not None


def _arn(want: str, have: str, keys: Keys) -> bool:
    """ "Each of the six colon-delimited components of the ARN is checked separately"."""
    parts = want.split(":", 5) if want != "*" else ["*"] * 6
    others = have.split(":", 5)
    if len(parts) != 6 or len(others) != 6:
        return False
    return all(_like(a, b, keys) for a, b in zip(parts, others, strict=True))


def _ordered(read: Callable[[str], Decimal], op: str) -> Callable[[str, str, Keys], bool]:
    def compare(want: str, have: str, keys: Keys) -> bool:
        a, b = read(have), read(want)
        return {"=": a == b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]

    return compare


def _date(text: str) -> Decimal:
    """ "...using any of the W3C implementations of the ISO 8601 date formats or in epoch time"."""
    if text.isdigit() and len(text) != 4:
        return Decimal(text)
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d", "%Y"):
        try:
            return Decimal(calendar.timegm(time.strptime(text, form)))
        except ValueError:
            pass
    raise ValueError(text)


def _bool(want: str, have: str, keys: Keys) -> bool:
    return want.lower() == have.lower()


def _binary(want: str, have: str, keys: Keys) -> bool:
    """ "...compares the value of the specified key byte for byte against a base-64 encoded ..." """
    return base64.b64decode(want) == base64.b64decode(have)


def _ip(want: str, have: str, keys: Keys) -> bool:
    """CIDR by arithmetic: the first bits of both numbers are the same."""
    network, _, bits = want.partition("/")
    size = 128 if ":" in network else 32
    if (":" in have) != (":" in network):
        return False
    shift = size - int(bits or size)
    return _number(network) >> shift == _number(have) >> shift


def _number(address: str) -> int:
    if ":" not in address:
        return sum(int(p) << 8 * (3 - i) for i, p in enumerate(address.split(".")))
    head, _, tail = address.partition("::")
    first = [int(p, 16) for p in head.split(":") if p]
    last = [int(p, 16) for p in tail.split(":") if p]
    groups = [*first, *[0] * (8 - len(first) - len(last)), *last]
    return sum(group << 16 * (7 - i) for i, group in enumerate(groups))


COMPARE: dict[str, Callable[[str, str, Keys], bool]] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_ignoring_case,
    "StringLike": _like,
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "Bool": _bool,
    "BinaryEquals": _binary,
    "IpAddress": _ip,
    **{f"Numeric{n}": _ordered(Decimal, op) for n, op in (
        ("Equals", "="), ("LessThan", "<"), ("LessThanEquals", "<="), ("GreaterThan", ">"),
        ("GreaterThanEquals", ">="))},
    **{f"Date{n}": _ordered(_date, op) for n, op in (
        ("Equals", "="), ("LessThan", "<"), ("LessThanEquals", "<="), ("GreaterThan", ">"),
        ("GreaterThanEquals", ">="))},
}  # fmt: skip
NEGATED = {
    "StringNotEquals": "StringEquals", "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike", "ArnNotEquals": "ArnEquals", "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals", "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}  # fmt: skip

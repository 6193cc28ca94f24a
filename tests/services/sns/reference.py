"""A slow reference for filter policies, written from the documentation, and what to ask it.

docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

from __future__ import annotations

import fnmatch
from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import strategies as st

_texts = st.text("abAB", max_size=3)
_numbers = st.integers(-3, 3) | st.sampled_from([0.5, 1.25])
leaves = _texts | _numbers | st.booleans() | st.none() | st.sampled_from(["10.0.0.1", "10.1.0.1"])
_some = st.text("abAB", min_size=1, max_size=2)
operators = {
    "prefix": st.builds(lambda t: {"prefix": t}, _texts),
    "suffix": st.builds(lambda t: {"suffix": t}, _texts),
    "equals-ignore-case": st.builds(lambda t: {"equals-ignore-case": t}, _texts),
    "wildcard": st.builds(
        lambda t: {"wildcard": t},
        st.from_regex(r"[abAB]?(\*[abAB]{1,2}){0,3}\*?", fullmatch=True).filter(
            lambda t: t.count("*") <= 3
        ),
    ),
    "cidr": st.builds(lambda bits: {"cidr": f"10.0.0.0/{bits}"}, st.integers(7, 32)),
    "exists": st.builds(lambda v: {"exists": v}, st.booleans()),
    "anything-but": st.one_of(
        st.builds(
            lambda v: {"anything-but": v},
            st.lists(_texts, min_size=1, max_size=3) | st.lists(_numbers, min_size=1, max_size=3),
        ),
        st.builds(lambda t: {"anything-but": {"prefix": t}}, _some),
    ),
    "numeric": st.one_of(
        st.builds(
            lambda op, n: {"numeric": [op, n]},
            st.sampled_from(["<", "<=", "=", ">", ">="]),
            _numbers,
        ),
        st.builds(
            lambda low, n, high, by: {"numeric": [low, n, high, n + by]},
            st.sampled_from([">", ">="]),
            _numbers,
            st.sampled_from(["<", "<="]),
            st.integers(1, 4) | st.just(0.00001),
        ),
    ),
}
_conditions = st.one_of(leaves, *operators.values())
_arrays = st.lists(_conditions, min_size=1, max_size=2)
_names = st.sampled_from(["x", "y", "z", "x.y", "x.y.z", "y."])
_rules = st.dictionaries(_names, _arrays, min_size=1, max_size=2)
_nested = st.dictionaries(_names, _arrays | _rules, min_size=1, max_size=2)
policies = st.one_of(
    _nested,
    st.builds(lambda a, b, rest: {**rest, "$or": [a, b]}, _rules, _rules, _rules),
)
bodies = st.dictionaries(
    _names,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=2),
        max_leaves=5,
    ),
)


def _leaves(node: Any, path: str = "") -> list[tuple[str, Any]]:
    """All values with what leads to them, in one text with dots between the names."""
    if isinstance(node, list):
        return [leaf for one in node for leaf in _leaves(one, path)]
    if isinstance(node, dict):
        return [leaf for name, one in node.items() for leaf in _leaves(one, f"{path}.{name}")]
    return [(path, node)]


def _says(condition: Any, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(condition, dict):
        if isinstance(condition, bool) or condition is None:
            return value is condition
        if isinstance(condition, str):
            return isinstance(value, str) and value == condition
        return number and value == condition
    ((kind, argument),) = condition.items()
    text = value if isinstance(value, str) else None
    match kind:
        case "prefix":
            return text is not None and text[: len(argument)] == argument
        case "suffix":
            return text is not None and text[::-1][: len(argument)] == argument[::-1]
        case "equals-ignore-case":
            return text is not None and text.casefold() == argument.casefold()
        case "wildcard":
            return text is not None and fnmatch.fnmatchcase(text, argument)
        case "cidr":
            return text is not None and "." in text and ip_address(text) in ip_network(argument)
        case "exists":
            return bool(argument) and value not in (None, "")
        case "anything-but" if isinstance(argument, dict):
            return not _says(argument, value)
        case "anything-but":
            return not any(_says(one, value) for one in argument)
        case "numeric":
            a, op, b = value, argument[0], argument[1]
            holds = (
                {"<": a < b, "<=": a <= b, "=": a == b, ">": a > b, ">=": a >= b} if number else {}
            )
            rest = {"numeric": argument[2:]}
            return bool(holds.get(op)) and (len(argument) == 2 or _says(rest, value))
    raise AssertionError(kind)


def lets_through(policy: dict[str, Any], body: Any, path: str = "") -> bool:
    """Whether a policy of scope MessageBody lets a body through."""
    for name, wanted in policy.items():
        if name == "$or":
            if not any(lets_through(one, body, path) for one in wanted):
                return False
        elif isinstance(wanted, dict):
            if not lets_through(wanted, body, f"{path}.{name}"):
                return False
        else:
            values = [value for way, value in _leaves(body) if way == f"{path}.{name}"]
            absent = not values and {"exists": False} in wanted
            if not absent and not any(_says(c, v) for c in wanted for v in values):
                return False
    return True

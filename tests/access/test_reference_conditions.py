"""Every operator in every form decides as the slow one that was written from the documentation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.access.conditions import OPERATORS, Condition
from tests.access.reference_conditions import COMPARE, NEGATED, Keys, holds

NAMES = [*COMPARE, *NEGATED]
ARN = "arn:aws:sns:eu-west-1:111122223333:"

texts = st.sampled_from(["a", "A", "ab", "aB", "b", "a*", "?", "${", "", "a:b", "é", "x\ny"])
patterns = texts | st.sampled_from(
    ["*", "a*", "?b", "*b*", "a?", "${x:other}", "${X:Other}*", "${x:none}", "${x:none, 'a'}",
     "a${*}", "${?}", "${$}{", "*?*?*"]
)  # fmt: skip
numbers = st.sampled_from(["0", "1", "-1", "10", "1.5", "1.50", "2e1", "20", "0010"])
dates = st.sampled_from(
    ["2020-01-01T00:00:00Z", "1577836800", "2020-01-01", "2020", "2019-12-31T23:59:59Z",
     "1577836799", "2021-06-05T04:03:02Z"]
)  # fmt: skip
networks = st.sampled_from(
    ["203.0.113.0/24", "203.0.113.7", "203.0.113.7/32", "0.0.0.0/0", "203.0.112.0/23",
     "2001:db8::/32", "2001:db8::1", "2001:DB8:0:0::/64", "::/0", "203.0.113.77/25"]
)  # fmt: skip
addresses = st.sampled_from(
    ["203.0.113.7", "203.0.113.200", "203.0.112.1", "10.0.0.1", "2001:db8::1", "2001:db8:1::1",
     "::1"]
)  # fmt: skip
arns = st.sampled_from([ARN + "t", ARN + "t:sub", "arn:aws:s3:::b/k", "no arn", "arn:aws:s3:::b"])
arn_patterns = arns | st.sampled_from(
    ["*", "arn:aws:sns:*:*:*", "arn:aws:s*:*", ARN + "*", ARN + "?", ARN + "${x:other}",
     "arn:*:s3:::b/*", "arn:aws:*:*:111122223333:t*"]
)  # fmt: skip
binaries = st.sampled_from(["QQ==", "QUI=", "", "AAECAw=="])
bools = st.sampled_from(["true", "false", "True", "FALSE"])

KINDS: dict[str, tuple[st.SearchStrategy[str], st.SearchStrategy[str]]] = {
    "String": (patterns, texts),
    "Numeric": (numbers, numbers),
    "Date": (dates, dates),
    "Ip": (networks, addresses),
    "Arn": (arn_patterns, arns),
    "Binary": (binaries, binaries),
    "Bool": (bools, bools),
}


def kind_of(name: str) -> str:
    return next(kind for kind in KINDS if name.removeprefix("Not").startswith(kind))


class Request:
    """A context with just these keys."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def values(self, key: str) -> list[str] | None:
        return self.keys.get(key)

    def lookup(self, name: str) -> str | None:
        values = self.keys.get(name)
        return values[0] if values and len(values) == 1 else None


def test_the_reference_knows_every_operator() -> None:
    assert {name.lower() for name in (*NAMES, "Null")} == set(OPERATORS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("if_exists", ["", "IfExists"])
@pytest.mark.parametrize("quantifier", ["", "ForAllValues:", "ForAnyValue:"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_operator_decides_as_it_is_documented(
    name: str, if_exists: str, quantifier: str, data: st.DataObject
) -> None:
    wanted_of, given_of = KINDS[kind_of(name)]
    wanted = data.draw(st.lists(wanted_of, min_size=1, max_size=3))
    # Several values without a quantifier are not documented ("do not use"), so not compared.
    most, least = (3, 0) if quantifier else (1, 1)
    values = data.draw(st.none() | st.lists(given_of, min_size=least, max_size=most))
    keys: Keys = {"x:other": [data.draw(texts)]}
    if values is not None:
        keys["x:key"] = values
    operator = f"{quantifier}{name}{if_exists}"
    condition = Condition(operator, "x:Key", wanted, variables=True)
    fast = condition.holds(Request(keys))
    assert fast == holds(operator, wanted, "x:Key", keys), (operator, wanted, keys)


@given(st.lists(st.sampled_from(["true", "false"]), min_size=1, max_size=2), st.booleans())
def test_null_decides_as_it_is_documented(wanted: list[str], there: bool) -> None:
    keys: Keys = {"x:key": ["a"]} if there else {}
    condition = Condition("Null", "x:key", wanted, variables=True)
    assert condition.holds(Request(keys)) == holds("Null", wanted, "x:key", keys)


@given(
    st.sampled_from(NAMES), st.sampled_from(["", "IfExists"]),
    st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]), st.data(),
)  # fmt: skip
def test_more_values_only_widen_and_of_negations_narrow(
    name: str, if_exists: str, quantifier: str, data: st.DataObject
) -> None:
    """The values of a condition are alternatives; of a negated one, each excludes further."""
    wanted_of, given_of = KINDS[kind_of(name)]
    wanted = data.draw(st.lists(wanted_of, min_size=1, max_size=2))
    more = [*wanted, data.draw(wanted_of)]
    values = data.draw(st.none() | st.lists(given_of, min_size=1, max_size=3 if quantifier else 1))
    keys: Keys = {"x:other": ["a"], **({} if values is None else {"x:key": values})}

    def decided(values: list[str]) -> bool:
        operator = f"{quantifier}{name}{if_exists}"
        return Condition(operator, "x:key", values, variables=True).holds(Request(keys))

    few, many = decided(wanted), decided(more)
    assert (few or not many) if name in NEGATED else (many or not few)

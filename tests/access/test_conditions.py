"""Each condition operator decides as its documentation says.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

from typing import Any

import pytest

from ogi.access.conditions import BadCondition, Condition

ARN = "arn:aws:sns:eu-west-1:111122223333:topic"


class Keys:
    def __init__(self, **keys: Any) -> None:
        self._keys = keys

    def values(self, key: str) -> list[str] | None:
        value = self._keys.get(key)
        return [value] if isinstance(value, str) else value

    def lookup(self, name: str) -> str | None:
        found = self.values(name)
        return found[0] if found and len(found) == 1 else None


def holds(operator: str, wanted: str | list[str], given: Any, **others: Any) -> bool:
    values = [wanted] if isinstance(wanted, str) else wanted
    condition = Condition(operator, "K", values, variables=True)
    return condition.holds(Keys(**({} if given is None else {"k": given}), **others))


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringLike", "a*", "abc", True),
        ("StringLike", "a?", "abc", False),
        ("StringNotLike", "a*", "abc", False),
        ("stringlike", "a*", "abc", True),
        ("NumericEquals", "10", "10.0", True),
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "11", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("NumericEquals", "10", "ten", False),
        ("DateEquals", "2020-01-01T00:00:00Z", "1577836800", True),
        ("DateLessThan", "2020-01-01T00:00:00Z", "2019-12-31T23:59:59Z", True),
        ("DateGreaterThan", "2020-01-01T00:00:01Z", "2020-01-01T00:00:01Z", False),
        ("DateGreaterThanEquals", "2020-01-01", "2020-01-01T00:00:00+00:00", True),
        ("DateNotEquals", "2020", "2021", True),
        ("Bool", "true", "TRUE", True),
        ("Bool", "false", "true", False),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.7", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.7", False),
        ("IpAddress", "203.0.113.7", "203.0.113.7", True),
        ("IpAddress", ["203.0.113.0/24", "2001:DB8:1234:5678::/64"], "2001:db8:1234:5678::1", True),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.7", False),
        ("IpAddress", "0.0.0.0/0", "no address", False),
        ("ArnEquals", ARN, ARN, True),
        ("ArnLike", "arn:aws:sns:*:111122223333:*", ARN, True),
        ("ArnLike", "arn:aws:sns:*", ARN, False),
        ("ArnNotEquals", ARN, ARN, False),
        ("ArnNotLike", "arn:aws:sqs:*:*:*", ARN, True),
        ("ArnLike", "*", ARN, True),
        ("ArnLike", "*", "no arn", False),
        # The documentation's example of where StringLike and ArnLike differ.
        ("ArnLike", "arn:aws:someservice:*:111122223333:finance/*",
         "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt",
         False),
        ("StringLike", "arn:aws:someservice:*:111122223333:finance/*",
         "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt",
         True),
    ],
)  # fmt: skip
def test_an_operator_compares(operator: str, wanted: Any, given: str, expected: bool) -> None:
    assert holds(operator, wanted, given) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringLikeIfExists", True),
        ("StringNotLikeIfExists", True),
        ("NumericLessThan", False),
        ("NumericLessThanIfExists", True),
        ("ArnLike", False),
        ("ArnNotLike", True),
        ("Bool", False),
        ("BoolIfExists", True),
        ("NotIpAddress", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringEqualsIfExists", True),
        ("ForAnyValue:StringNotEquals", False),
    ],
)
def test_a_key_that_the_request_lacks(operator: str, expected: bool) -> None:
    wanted = {"N": "1", "I": "10.0.0.0/8"}.get(operator[0], "true")
    if "Ip" in operator:
        wanted = "10.0.0.0/8"
    elif "StringNot" in operator or operator.startswith("Not"):
        wanted = "x"
    assert holds(operator, wanted, None) is expected


def test_null_asks_whether_the_key_is_there() -> None:
    assert holds("Null", "true", None)
    assert not holds("Null", "true", "x")
    assert holds("Null", "false", "x")
    assert not holds("Null", "false", None)


@pytest.mark.parametrize(
    ("operator", "given", "expected"),
    [
        ("ForAllValues:StringLike", ["PostDateTime", "Message"], True),
        ("ForAllValues:StringLike", ["PostDateTime", "ID"], False),
        ("ForAllValues:StringLike", [], True),
        ("ForAllValues:StringLike", [""], True),
        ("ForAnyValue:StringLike", ["ID", "Tags"], True),
        ("ForAnyValue:StringLike", ["UserName"], False),
        ("ForAnyValue:StringLike", [], False),
        ("ForAllValues:StringNotEquals", ["ID", "UserName"], True),
        ("ForAllValues:StringNotEquals", ["ID", "Tags"], False),
        ("ForAnyValue:StringNotEquals", ["ID", "Tags"], True),
        ("ForAnyValue:StringNotEquals", ["Tags"], False),
    ],
)
def test_sets_of_values(operator: str, given: list[str], expected: bool) -> None:
    assert holds(operator, ["PostDateTime", "Message", "Tags"], given) is expected


def test_variables_stand_in_strings_and_arns() -> None:
    assert holds("StringEquals", "${aws}", "bob", aws="bob")
    assert holds("StringLike", "home/${aws}/*", "home/bob/x", aws="bob")
    assert holds("ArnLike", "arn:aws:iam::*:user/${aws}", "arn:aws:iam::1:user/bob", aws="bob")
    assert not holds("StringEquals", "${aws}", "bob")
    # A wildcard in StringEquals is a character.
    assert holds("StringEquals", "a${*}", "a*")


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("StringMatches", "x"),
        ("ForSomeValues:StringLike", "x"),
        ("NullIfExists", "true"),
        ("NumericEquals", "ten"),
        ("DateEquals", "yesterday"),
        ("IpAddress", "300.0.0.1"),
        ("BinaryEquals", "%%%"),
    ],
)
def test_what_no_operator_understands_is_refused(operator: str, value: str) -> None:
    with pytest.raises(BadCondition):
        Condition(operator, "k", [value], variables=True)

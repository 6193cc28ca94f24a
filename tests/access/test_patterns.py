"""Patterns match as AWS's wildcards do, in linear time, and variables are literal text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.access.patterns import parse, wildcard


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("", "", True),
        ("", "a", False),
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("a*", "a", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*.txt", "hello.txt", True),
        ("*.txt", "hello.jpg", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("?", "", False),
        ("*?*", "x", True),
        ("*?x*", "x", False),
        ("a*b?d*z", "a--bcd--z", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/with:colons", True),
        ("**a**", "bab", True),
        ("s3:get*", "s3:getobject", True),
    ],
)
def test_a_wildcard_stands_for_what_aws_says(pattern: str, value: str, matches: bool) -> None:
    assert wildcard(pattern)(value) is matches


def _slow(pattern: str, value: str) -> bool:
    """The definition: * is any text, ? is one character."""
    row = [True] + [False] * len(value)
    for char in pattern:
        if char == "*":
            for at in range(1, len(value) + 1):
                row[at] = row[at] or row[at - 1]
        else:
            row = [False] + [row[at] and char in ("?", value[at]) for at in range(len(value))]
    return row[-1]


@settings(max_examples=400)
@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_matching_is_the_definition(pattern: str, value: str) -> None:
    assert wildcard(pattern)(value) == _slow(pattern, value)


@pytest.mark.parametrize(
    "pattern", ["*a" * 2000 + "*b", "*?a" * 1500 + "b", "a?" * 2000, "?" * 4000 + "*"]
)
def test_a_hostile_pattern_takes_linear_time(pattern: str) -> None:
    match = wildcard(pattern)
    began = time.process_time()
    match("a" * 4000)
    assert time.process_time() - began < 0.5  # A backtracking matcher would never come back.


def test_a_variable_is_replaced_by_the_value_of_the_request() -> None:
    pattern = parse("home/${aws:username}/*", variables=True)
    assert pattern.matches("home/bob/x", {"aws:username": "bob"}.get)
    assert not pattern.matches("home/eve/x", {"aws:username": "bob"}.get)


def test_a_value_with_wildcards_does_not_become_a_pattern() -> None:
    pattern = parse("home/${aws:username}/*", variables=True)
    assert not pattern.matches("home/bob/x", {"aws:username": "*"}.get)
    assert pattern.matches("home/*/x", {"aws:username": "*"}.get)


def test_a_variable_without_a_value_matches_nothing_unless_it_has_a_default() -> None:
    assert not parse("a${aws:username}", variables=True).matches("a", {}.get)
    assert parse("a${aws:username, 'nobody'}", variables=True).matches("anobody", {}.get)


def test_special_characters_can_be_written_as_variables() -> None:
    pattern = parse("a${*}b${?}c${$}*", variables=True)
    assert pattern.matches("a*b?c$anything", {}.get)
    assert not pattern.matches("axbyc$", {}.get)


def test_the_old_version_has_no_variables() -> None:
    pattern = parse("${aws:username}", variables=False)
    assert pattern.matches("${aws:username}", {"aws:username": "bob"}.get)

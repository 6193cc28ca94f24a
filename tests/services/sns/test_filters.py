"""Filter policies: each operator, the limits, the index, and a slow reference that must agree."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.services.sns import filters, lookups
from ogi.services.sns.conditions import FilterError, read, whole_of
from tests.services.sns.conftest import Client
from tests.services.sns.reference import bodies, leaves, lets_through, operators, policies


def _matches(condition: Any, value: Any) -> bool:
    """Whether a body whose `a` is `value` gets through."""
    filter = filters.compile(json.dumps({"a": [condition]}), filters.BODY)
    values = filters.values_of_body(json.dumps({"a": value}))
    assert values is not None
    return filter.matches(values)


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ("x", ["x", ["y", "x"]], ["X", 1, ["y"], [], {"b": "x"}]),
        (100, [100, 100.0, 1e2, 100.000001], [100.1, "100", True]),
        (True, [True], [1, "true", False]),
        (None, [None, [None, 1]], ["null", 0]),
        ({"prefix": "ab"}, ["ab", "abc"], ["a", "cab", 1]),
        ({"suffix": "yz"}, ["yz", "xyz"], ["zyx", 1]),
        ({"equals-ignore-case": "AbC"}, ["abc", "ABC"], ["abcd", 1]),
        ({"wildcard": "a*c*"}, ["ac", "abcd", "a\nc"], ["bac", "ab"]),
        ({"wildcard": "*a*b*"}, ["ab", "xaxbx"], ["ba", "a"]),
        ({"wildcard": "ab*ba"}, ["abba", "abxba"], ["aba", "ab"]),
        ({"wildcard": "x"}, ["x"], ["xx"]),
        ({"wildcard": r"a\*b\\*"}, [r"a*b\c"], [r"axb\c", "a*bc"]),
        ({"cidr": "10.0.0.0/24"}, ["10.0.0.255"], ["10.0.1.0", "x", 1]),
        ({"numeric": [">", 0, "<=", 5]}, [0.1, 5], [0, 5.1, "3"]),
        ({"numeric": ["=", -3]}, [-3], [3]),
        ({"numeric": [">", 5]}, [1e9], [5, 1_000_000_001]),
        (123456789012, [123456789012], [123456789013, 1_000_000_001, "123456789012"]),
        ({"exists": True}, ["x", 0, False, [None, "x"]], [[], {"b": 1}, None, "", ["", None]]),
        ({"exists": False}, [[], {"b": 1}], ["x", None]),
        ({"anything-but": "x"}, ["y", 1, ["x", "y"]], ["x", ["x"], []]),
        ({"anything-but": ["x", "1"]}, ["y", 1], ["x", "1"]),
        ({"anything-but": [1, 2.5]}, [2, "1"], [1, 2.5]),
        ({"anything-but": {"prefix": "a"}}, ["b", 1], ["ab"]),
        ({"anything-but": {"suffix": ["a", "b"]}}, ["xc"], ["xa", "xb"]),
        ({"anything-but": {"wildcard": "a*b"}}, ["ba"], ["ab", "axb"]),
    ],
)
def test_operators(condition: Any, yes: list[Any], no: list[Any]) -> None:
    assert [v for v in yes if not _matches(condition, v)] == []
    assert [v for v in no if _matches(condition, v)] == []


def test_a_wildcard_takes_no_longer_than_its_text() -> None:
    assert not _matches({"wildcard": "*a*a*b"}, "a" * 200_000 + "c")


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"a": [float("nan")]}, "failed to parse JSON."),
        ({c: ["x"] for c in "abcdef"}, "Filter policy can not have more than 5 keys"),
        ({"a": []}, "Empty arrays are not allowed"),
        ({"a": "x"}, '"a" must be an object or an array'),
        ({"a": [{"near": 1}]}, "Unrecognized match type near"),
        ({"a": [{}]}, "Match expression name not found"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, "Only one key allowed in match expression"),
        ({"a": [{"suffix": 1}]}, "suffix match pattern must be a string"),
        ({"a": [{"exists": "x"}]}, "exists match pattern must be either true or false."),
        ({"a": [{"wildcard": "a**"}]}, "Consecutive wildcard characters at pos 1"),
        ({"a": [{"wildcard": "a\\b"}]}, "Invalid escape character at pos 1"),
        ({"a": [{"cidr": "10.0.0.1"}]}, "Malformed CIDR, one '/' required"),
        ({"a": [{"cidr": "10.0.0.1/x"}]}, "Malformed CIDR, mask bits must be an integer"),
        ({"a": [{"cidr": "10.0.0.1/-1"}]}, "Malformed CIDR, mask bits must not be negative"),
        ({"a": [{"cidr": "host/8"}]}, "Nonstandard IP address: host"),
        ({"a": [{"anything-but": ["x", 1]}]},
         "Inside anything but list, either all values are number or string"),
        ({"a": [{"anything-but": [True]}]},
         "Inside anything but list, start|null|boolean is not supported."),
        ({"a": [{"anything-but": None}]},
         "Value of anything-but must be an array or single string/number value."),
        ({"a": [{"anything-but": {"numeric": []}}]}, "Unsupported anything-but pattern: numeric"),
        ({"a": [{"anything-but": {"prefix": ""}}]}, "Null prefix/suffix not allowed"),
        ({"a": [{"numeric": 3}]}, "Value of numeric must be an array."),
        ({"a": [{"numeric": [3]}]}, "Invalid member in numeric match: 3"),
        ({"a": [{"numeric": ["!=", 3]}]}, "Unrecognized numeric range operator: !="),
        ({"a": [{"numeric": ["=", "3"]}]}, "Value of equals must be numeric"),
        ({"a": [{"numeric": ["<", 3, ">", 1]}]}, "Too many elements in numeric expression"),
        ({"a": [{"numeric": [">", 3, "=", 4]}]}, "Bad numeric range operator: ="),
        ({"a": [{"numeric": [">", 3, "<", 4, "<", 5]}]},
         "Too many terms in numeric range expression"),
        ({"a": [{"numeric": [">", 3, "<", 3]}]}, "Bottom must be less than top"),
        ({"a": [{"numeric": [">", 1_000_000_001]}]},
         "Value must be between -1.0E9 and 1.0E9, inclusive"),
        ({"a": [["x"]]}, "Match value must be String, number, true, false, or null"),
        ({"a": [str(n) for n in range(13)], "b": [str(n) for n in range(12)]},
         "Filter policy is too complex"),
        ({"a": {"b": ["x"]}},
         "Filter policy scope MessageAttributes does not support nested filter policy"),
    ],
)  # fmt: skip
def test_policies_that_are_refused(policy: Any, reason: str) -> None:
    with pytest.raises(FilterError, match=re.escape(reason)):
        filters.compile(json.dumps(policy), filters.ATTRIBUTES)


def test_combinations_count_the_depth_of_keys() -> None:
    """The documentation's example: (4 x 3) * (3 x 2) = 72."""
    nested: dict[str, Any] = {"a": {"b": {"c": list("wxyz")}}, "d": {"e": list("xyz")}}
    filters.compile(json.dumps(nested), filters.BODY)
    nested["d"]["e"] = list("abcdefg")
    with pytest.raises(FilterError, match="too complex"):
        filters.compile(json.dumps(nested), filters.BODY)


def test_or_is_a_relationship_only_where_its_conditions_are_met() -> None:
    both = {"$or": [{"a": ["x"]}, {"b": [1]}], "c": ["z"]}
    filter = filters.compile(json.dumps(both), filters.BODY)
    for body, wanted in [({"a": "x", "c": "z"}, True), ({"b": 1, "c": "z"}, True),
                         ({"a": "x"}, False), ({"c": "z"}, False)]:  # fmt: skip
        values = filters.values_of_body(json.dumps(body))
        assert values is not None and filter.matches(values) == wanted
    alone = filters.compile('{"$or": ["x"]}', filters.BODY)
    assert alone.matches({("$or",): ["x"]})


@settings(max_examples=400, deadline=None)
@given(policy=policies, body=bodies)
def test_the_compiled_filter_agrees_with_a_slow_reference(
    policy: dict[str, Any], body: dict[str, Any]
) -> None:
    try:
        filter = filters.compile(json.dumps(policy), filters.BODY)
    except FilterError:
        reject()  # Too complex, which another test is about.
    values = filters.values_of_body(json.dumps(body))
    assert values is not None
    wanted = lets_through(policy, body)
    assert filter.matches(values) == wanted
    plain = [(path, here, {filters.EXACT}) for path, here in values.items()]
    said = filters.tokens_at(filters.BODY, plain)
    assert not wanted or not filter.tokens or said.intersection(filter.tokens)
    chosen = filters.choose(filter, lambda begin, most: 0)
    kinds = {pattern[1] for bucket in chosen if (pattern := filters.pattern_of(bucket))}
    at = [(path, here, kinds | {filters.EXACT}) for path, here in values.items()]
    for most in (0, 256):
        spans = filters.opened(filters.BODY, at, most)
        spans |= {one: one for one in said}
        opened = any(first <= one <= last for one in chosen for first, last in spans.items())
        assert not wanted or not chosen or opened


@pytest.mark.parametrize("kind", ["prefix", "suffix", "equals-ignore-case", "cidr", "numeric"])
@given(data=st.data())
def test_a_value_opens_exactly_the_conditions_that_it_fulfils(kind: str, data: Any) -> None:
    """Others than these may be opened in vain; none of them is."""
    condition = read(data.draw(operators[kind]))
    value = data.draw(leaves)
    kinds = {name[: lookups.KIND_CHARS] for name in condition.names}
    spans = list(lookups.opened(kinds, value, whole_of(value)))
    opened = any(first <= name <= last for name in condition.names for first, last in spans)
    assert not condition(value) or opened
    if condition.names != lookups.PRESENT:
        assert opened == condition(value)


def test_a_text_that_is_longer_than_what_is_looked_up_is_found() -> None:
    for kind, text in (("prefix", "a" * 99 + "b"), ("suffix", "b" + "a" * 99)):
        condition = read({kind: text})
        for value, wanted in ((text, True), (text.replace("b", "c"), False)):
            kinds = [name[: lookups.KIND_CHARS] for name in condition.names]
            assert [one[0] for one in lookups.opened(kinds, value, None)] == [*condition.names]
            assert condition(value) is wanted


# -- in a topic -----------------------------------------------------------------------------------


def _attribute(type: str, text: str) -> dict[str, str]:
    return {"DataType": type, "StringValue": text}


async def test_attributes_decide_who_gets_a_message(sns: Client) -> None:
    topic = await sns.topic()
    wanted = {
        "all": None,
        "blue": {"colour": ["blue"]},
        "warm": {"colour": ["red", "orange"], "price": [{"numeric": ["<", 10]}]},
        "no-colour": {"colour": [{"exists": False}]},
    }
    for name, policy in wanted.items():
        rest = {} if policy is None else {"FilterPolicy": policy}
        await sns.subscribed(topic, name, **rest)
    for text, attributes in {
        "bare": {},
        "plain": {"size": _attribute("String", "big")},
        "sky": {"colour": _attribute("String", "blue")},
        "cheap": {"colour": _attribute("String.Array", '["red", "orange"]'),
                  "price": _attribute("Number", "9.99")},
        "dear": {"colour": _attribute("String", "red"), "price": _attribute("Number", "10")},
    }.items():  # fmt: skip
        await sns.publish(TopicArn=topic, Message=text, MessageAttributes=attributes)
    got = {name: sorted(await sns.texts(name)) for name in wanted}
    assert got == {
        "all": ["bare", "cheap", "dear", "plain", "sky"],
        "blue": ["sky"],
        "warm": ["cheap"],
        "no-colour": ["plain"],
    }


async def test_a_number_beyond_the_range_is_equal_to_itself_only(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic, FilterPolicy={"account": [111122223333]})
    await sns.subscribed(topic, "more", FilterPolicy={"account": [{"numeric": [">", 5]}]})
    for account in ("111122223333", "111122223334", "7"):
        said = {"account": _attribute("Number", account)}
        await sns.publish(TopicArn=topic, Message=account, MessageAttributes=said)
    assert await sns.texts() == ["111122223333"]
    assert await sns.texts("more") == ["7"]


async def test_arrays_of_numbers_match_by_each_of_them(sns: Client) -> None:
    """The example of docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html"""
    topic = await sns.topic()
    await sns.subscribed(topic, FilterPolicy={"price": [{"anything-but": [100, 500]}]})
    for text in ("[100, 50]", "[100]", "[]"):
        said = {"price": _attribute("Number.Array", text)}
        await sns.publish(TopicArn=topic, Message=text, MessageAttributes=said)
    assert await sns.texts() == ["[100, 50]"]
    for text in ("100", '["a"]', "[true]", "["):
        with pytest.raises(AwsError, match="Could not cast"):
            said = {"price": _attribute("Number.Array", text)}
            await sns.publish(TopicArn=topic, Message=text, MessageAttributes=said)


async def test_bodies_decide_where_the_scope_says_so(sns: Client) -> None:
    topic = await sns.topic()
    policy = {"detail": {"kind": ["new", "old"], "size": [{"numeric": [">=", 3]}]}}
    await sns.subscribed(topic, FilterPolicyScope="MessageBody", FilterPolicy=policy)
    bodies = [
        json.dumps({"detail": {"kind": "new", "size": 3}}),
        json.dumps({"detail": {"kind": "new", "size": 2}}),
        "no JSON",
    ]
    for body in bodies:
        await sns.publish(TopicArn=topic, Message=body)
    assert await sns.texts() == bodies[:1]


async def test_a_dot_in_a_name_is_a_step_into_the_body(sns: Client) -> None:
    """The messages of github.com/localstack/localstack/pull/9319, which AWS let through."""
    topic = await sns.topic()
    policies: list[dict[str, Any]] = [
        {"object.nested.test": ["v"]}, {"object": {"nested": {"test": ["v"]}}},
    ]  # fmt: skip
    for n, policy in enumerate(policies):
        await sns.subscribed(
            topic, f"inbox-{n}", FilterPolicyScope="MessageBody", FilterPolicy=policy
        )
    bodies: list[dict[str, Any]] = [
        {"object": {"nested": {"test": "v"}}}, {"object.nested.test": "v"},
        {"object.nested": {"test": "v"}}, {"object": {"nested.test": "v"}},
    ]  # fmt: skip
    for body in (*bodies, {"object": {"nested": "v"}}, {"test": "v"}):
        await sns.publish(TopicArn=topic, Message=json.dumps(body))
    for n in range(len(policies)):
        assert [json.loads(text) for text in await sns.texts(f"inbox-{n}")] == bodies


async def test_a_dot_in_an_attributes_name_is_none(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic, FilterPolicy={"a.b": ["v"]})
    for name in ("a.b", "a"):
        said = {name: _attribute("String", "v")}
        await sns.publish(TopicArn=topic, Message=name, MessageAttributes=said)
    assert await sns.texts() == ["a.b"]


def test_nobody_asks_for_what_lies_too_deep() -> None:
    deep = ".".join("a" * filters.NAMES_MAX)
    assert filters.compile(json.dumps({deep: ["v"]}), filters.BODY)
    for policy in ({f"{deep}.a": ["v"]}, {deep: {"a": ["v"]}}):
        with pytest.raises(FilterError, match="too complex"):
            filters.compile(json.dumps(policy), filters.BODY)
    many = {f"{deep}.{'b.' * 9_999}": dict.fromkeys(map(str, range(9_999)), 1), "x": 1}
    assert filters.values_of_body(json.dumps(many)) == {("x",): [1]}
    inner = {deep.removesuffix(".a"): dict.fromkeys(map(str, range(3)), 1)}
    assert len(filters.values_of_body(json.dumps(inner)) or {}) == 3
    assert filters.values_of_body(json.dumps({"x": inner})) == {}


async def test_a_body_with_very_many_texts_is_filtered_too(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(
        topic, FilterPolicyScope="MessageBody", FilterPolicy={"a": ["n7", "n900", "other"]}
    )
    await sns.publish(TopicArn=topic, Message=json.dumps({"a": [f"n{n}" for n in range(1000)]}))
    assert len(await sns.texts()) == 1


async def test_a_changed_policy_counts_from_then_on(sns: Client) -> None:
    topic = await sns.topic()
    arn = await sns.subscribed(topic, FilterPolicy={"a": ["x"]})
    blue = {"a": _attribute("String", "y")}
    await sns.publish(TopicArn=topic, Message="before", MessageAttributes=blue)
    assert await sns.texts() == []
    for value in ('{"a": ["y"]}', "{}"):
        await sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=value
        )
        await sns.publish(TopicArn=topic, Message=value, MessageAttributes=blue)
        assert await sns.texts() == [value]
    shown = await sns.get_subscription_attributes(SubscriptionArn=arn)
    assert "FilterPolicy" not in shown["Attributes"]
    await sns.unsubscribe(SubscriptionArn=arn)
    await sns.publish(TopicArn=topic, Message="after", MessageAttributes=blue)
    assert await sns.texts() == []


async def test_more_matches_than_a_page_all_get_one_copy(sns: Client) -> None:
    topic = await sns.topic()
    for n in range(120):
        policy = {"a": ["x", "y"]} if n % 2 else {"a": [{"prefix": "x"}]}
        await sns.subscribed(topic, f"q{n}", FilterPolicy=policy)
    both = {"a": _attribute("String.Array", '["x", "y"]')}
    await sns.publish(TopicArn=topic, Message="hello", MessageAttributes=both)
    for n in range(120):
        assert await sns.texts(f"q{n}") == ["hello"]


@pytest.mark.parametrize("exact", [True, False])
async def test_many_with_filters_do_not_make_the_few_that_match_wait(
    sns: Client, exact: bool
) -> None:
    """Also where they cannot be looked up, so that some are tested later."""
    topic = await sns.topic()
    for n in range(100):
        wanted = f"{n:03}" if exact else {"prefix": f"{n:03}"}
        await sns.subscribed(topic, f"q{n}", FilterPolicy={"to": [wanted]})
    await sns.subscribed(topic, "all")
    for n in (7, 99):
        to = {"to": _attribute("String", f"{n:03}")}
        await sns.publish(TopicArn=topic, Message=str(n), MessageAttributes=to)
    if exact:  # They have it when the publish is answered.
        url = "https://sqs.eu-west-1.amazonaws.com/111122223333/q7"
        got = await sns.world.call("sqs", "ReceiveMessage", QueueUrl=url, VisibilityTimeout=0)
        assert len(got["Messages"]) == 1
    assert [await sns.texts(f"q{n}") for n in (7, 99)] == [["7"], ["99"]]
    assert sorted(await sns.texts("all")) == ["7", "99"]
    for n in (0, 50, 98):
        assert await sns.texts(f"q{n}") == []


async def test_a_refused_policy_says_why(sns: Client) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.subscribed(topic, FilterPolicy={"a": {"b": ["c"]}})
    assert refused.value.message == (
        "Invalid parameter: Attributes Reason: Filter policy scope MessageAttributes does not"
        " support nested filter policy"
    )
    with pytest.raises(AwsError) as refused:
        await sns.subscribed(topic, FilterPolicy={"a": []})
    assert refused.value.message == (
        "Invalid parameter: Attributes Reason: FilterPolicy: Empty arrays are not allowed"
    )

"""The intrinsic functions mean what the reference says, now or once their resources exist."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.services.cloudformation import graphs
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.functions import Scope, evaluate, references, truth
from ogi.services.cloudformation.values import Later, is_known, plain

SCOPE = Scope(
    parameters={
        "Name": "fan", "List": ["a", "b"], "AWS::Region": "eu-west-1",
        "AWS::AccountId": "111122223333",
    },
    resources=frozenset({"Queue", "Topic"}),
    mappings={"Sizes": {"small": {"memory": 128, "zones": ["x", "y"]}}},
    conditions={"Yes": True, "No": False},
    ref={"Queue": "queue-url"}.get,
    attribute=lambda logical, name: "queue-arn" if (logical, name) == ("Queue", "Arn") else None,
    imported={"shared": "imported"}.get,
)  # fmt: skip


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Name"}, "fan"),
        ({"Ref": "List"}, ["a", "b"]),
        ({"Ref": "Queue"}, "queue-url"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "queue-arn"),
        ({"Fn::GetAtt": "Queue.Arn"}, "queue-arn"),
        ({"Fn::Sub": "${Name}-${AWS::Region}-${Queue.Arn}-${!Literal}"},
         "fan-eu-west-1-queue-arn-${Literal}"),
        ({"Fn::Sub": ["${Own}/${Name}", {"Own": {"Ref": "Queue"}}]}, "queue-url/fan"),
        ({"Fn::Join": ["-", ["a", 1, True, {"Ref": "Name"}]]}, "a-1-true-fan"),
        ({"Fn::Join": [",", {"Ref": "List"}]}, "a,b"),
        ({"Fn::Select": ["1", {"Ref": "List"}]}, "b"),
        ({"Fn::Select": [0, {"Fn::Split": ["|", "x|y"]}]}, "x"),
        ({"Fn::Split": [",", "a,b,,c"]}, ["a", "b", "", "c"]),
        ({"Fn::If": ["Yes", "then", "else"]}, "then"),
        ({"Fn::If": ["No", {"Ref": "Queue"}, {"Ref": "Name"}]}, "fan"),
        ({"Fn::Equals": ["1", 1]}, True),
        ({"Fn::And": [{"Condition": "Yes"}, {"Fn::Not": [{"Condition": "No"}]}]}, True),
        ({"Fn::Or": [{"Condition": "No"}, {"Fn::Equals": ["a", "b"]}]}, False),
        ({"Fn::FindInMap": ["Sizes", "small", "memory"]}, 128),
        ({"Fn::FindInMap": ["Sizes", "small", "zones"]}, ["x", "y"]),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::ImportValue": "shared"}, "imported"),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, "8"]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
        ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ({"Condition": {"StringEquals": {"a": "b"}}}, {"Condition": {"StringEquals": {"a": "b"}}}),
        ({"Ref": "Name", "x": 1}, {"Ref": "Name", "x": 1}),
    ],
)  # fmt: skip
def test_a_function_has_its_value(node: Any, value: Any) -> None:
    assert evaluate(node, SCOPE) == value


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ({"Fn::GetAtt": ["Gone", "Arn"]},
         "Template error: instance of Fn::GetAtt references undefined resource Gone"),
        ({"Fn::If": ["Missing", 1, 2]},
         "Template error: unresolved condition dependency Missing in Fn::If"),
        ({"Fn::FindInMap": ["Sizes", "large", "memory"]},
         "Template error: Unable to get mapping for Sizes::large::memory"),
        ({"Fn::FindInMap": ["Nope", "a", "b"]},
         "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of"
         " template."),
        ({"Fn::Select": [5, {"Ref": "List"}]},
         "Template error: Fn::Select cannot select nonexistent value at index 5"),
        ({"Fn::Join": "x"}, "Template error: every Fn::Join object requires two parameters"),
        ({"Fn::Length": [1]}, "Ogi does not support the function Fn::Length yet"),
        ({"Fn::Transform": {}}, "Ogi does not support the function Fn::Transform yet"),
        ({"Fn::Nonsense": 1}, "Template error: unsupported function: Fn::Nonsense"),
    ],
)  # fmt: skip
def test_a_wrong_function_is_refused(node: Any, sentence: str) -> None:
    with pytest.raises(AwsError) as refused:
        evaluate(node, SCOPE)
    assert sentence in refused.value.message


def test_what_is_not_known_yet_stays_and_is_known_later() -> None:
    node = {
        "Name": {"Fn::Join": ["-", [{"Ref": "Name"}, {"Fn::GetAtt": ["Topic", "TopicName"]}]]},
        "Choice": {"Fn::If": ["No", {"Ref": "Queue"}, {"Fn::Sub": "${Topic}!"}]},
    }
    early = evaluate(node, SCOPE)
    assert isinstance(early["Name"], Later) and isinstance(early["Choice"], Later)
    kept = plain(early)
    assert {each.logical for each in references(kept)} == {"Topic"}
    later = Scope(
        parameters={},
        resources=SCOPE.resources,
        ref=lambda name: "topic-arn",
        attribute=lambda logical, name: "topic",
    )
    assert evaluate(kept, later) == {"Name": "fan-topic", "Choice": "topic-arn!"}


_LEAVES = st.sampled_from(
    ["text", 7, True, {"Ref": "Name"}, {"Ref": "Queue"}, {"Ref": "Topic"},
     {"Fn::GetAtt": ["Topic", "Arn"]}, {"Fn::Sub": "${Topic.Arn}/${Name}"}]
)  # fmt: skip
_NODES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: {"Fn::If": ["Yes", *pair]})
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(_NODES)
def test_evaluating_in_two_steps_is_evaluating_once(node: Any) -> None:
    full = Scope(
        parameters=SCOPE.parameters,
        resources=SCOPE.resources,
        conditions=SCOPE.conditions,
        ref={"Queue": "queue-url", "Topic": "topic-arn"}.get,
        attribute=lambda logical, name: f"{logical}.{name}",
    )
    later = Scope(parameters={}, resources=full.resources, ref=full.ref, attribute=full.attribute)
    assert evaluate(plain(evaluate(node, SCOPE)), later) == evaluate(node, full)
    assert is_known(evaluate(node, full))


def test_a_condition_is_a_truth() -> None:
    assert truth({"Fn::Equals": [{"Ref": "Name"}, "fan"]}, SCOPE)
    assert not truth({"Fn::Not": [{"Condition": "Yes"}]}, SCOPE)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefg"), st.sets(st.sampled_from("abcdefg"), max_size=3)))
def test_an_order_respects_all_needs_or_names_a_cycle(needs: dict[str, set[str]]) -> None:
    try:
        ordered = graphs.order(needs)
    except ValidationError as error:
        listed = error.message.removeprefix("Circular dependency between resources: [")
        cycle = listed.removesuffix("]").split(", ")
        for name, following in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert following in needs[name]
        return
    assert sorted(ordered) == sorted(needs)
    for name, before in needs.items():
        for each in before & needs.keys():
            assert ordered.index(each) < ordered.index(name)

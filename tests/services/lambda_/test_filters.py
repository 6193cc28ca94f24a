"""Filters of event source mappings: what passes, and what becomes of the rest.

docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html, "Filter rule syntax"
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.lambda_ import filters
from tests.services.lambda_.conftest import House, refused

BODY = json.dumps({
    "UserID": None, "LastName": "", "Name": "Alice", "Price": 100, "Quantity": 12.5,
    "Weather": ["Sunny", "Windy"], "Region": "us-east-1", "File": "a.png", "Ok": True,
    "Location": {"City": "Oslo", "Stops": [{"At": "A"}, {"At": "B"}]}, "None": [],
})  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "passes"),
    [
        ({"UserID": [None]}, True),
        ({"LastName": [""]}, True),
        ({"Name": ["Alice"]}, True),
        ({"Name": ["alice"]}, False),
        ({"Name": [{"equals-ignore-case": "alice"}]}, True),
        ({"Name": ["Alice"], "Region": ["us-east-1"]}, True),
        ({"Name": ["Alice"], "Region": ["eu-west-1"]}, False),
        ({"Name": ["Bob", "Alice"]}, True),
        ({"$or": [{"Name": ["Bob"]}, {"Price": [100]}]}, True),
        ({"$or": [{"Name": ["Bob"]}, {"Price": [7]}]}, False),
        ({"$or": [{"Name": ["Bob"]}, {"Price": [100]}], "Ok": [False]}, False),
        ({"Weather": [{"anything-but": ["Raining"]}]}, True),
        ({"Name": [{"anything-but": "Alice"}]}, False),
        ({"Missing": [{"anything-but": ["x"]}]}, False),
        ({"Price": [{"numeric": ["=", 100]}]}, True),
        ({"Price": [{"numeric": [">", 10, "<=", 99.5]}]}, False),
        ({"Quantity": [{"numeric": [">", 10, "<", 20]}]}, True),
        ({"Price": [100.0]}, True),
        ({"Ok": [1]}, False),
        ({"Ok": [True]}, True),
        ({"Name": [{"exists": True}]}, True),
        ({"Missing": [{"exists": False}]}, True),
        ({"None": [{"exists": False}]}, True),
        ({"Location": [{"exists": True}]}, False),
        ({"Region": [{"prefix": "us-"}]}, True),
        ({"File": [{"suffix": ".png"}]}, True),
        ({"File": [{"suffix": ".jpg"}, {"prefix": "a"}]}, True),
        ({"Weather": ["Windy"]}, True),
        ({"Location": {"City": ["Oslo"]}}, True),
        ({"Location": {"City": [{"exists": False}]}}, False),
        ({"Nowhere": {"City": [{"exists": False}]}}, True),
        ({"Location": {"Stops": {"At": ["B"]}}}, True),
        ({"Location": {"Stops": {"At": ["C"]}}}, False),
    ],
)
def test_rules_hold_as_the_guide_says(pattern: dict[str, Any], passes: bool) -> None:
    assert filters.compiled(json.dumps({"body": pattern}))(BODY) is passes


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ({"body": ["hello"]}, "hello", True),
        ({"body": [{"prefix": "he"}]}, "hello", True),
        ({"body": ["hello"]}, '{"a": 1}', False),
        ({"body": {"a": [1]}}, "hello", False),
        ({"body": {"a": [1]}}, "[1]", False),
        ({"$or": [{"body": ["x"]}, {"body": {"a": [1]}}]}, '{"a": 1}', True),
    ],
)
def test_text_and_json_do_not_mix(pattern: dict[str, Any], body: str, passes: bool) -> None:
    assert filters.compiled(json.dumps(pattern))(body) is passes


@pytest.mark.parametrize(
    "pattern",
    [
        "", "{", "[]", "7", "{}", '{"body": {}}', '{"body": []}', '{"body": "x"}',
        '{"body": {"a": 1}}', '{"body": {"a": "x"}}', '{"body": {"a": [{"prefix": 1}]}}',
        '{"body": {"a": [{"like": "x"}]}}', '{"body": {"a": [{"prefix": "x", "suffix": "y"}]}}',
        '{"body": {"a": [{"numeric": ["~", 1]}]}}', '{"body": {"a": [{"numeric": [">"]}]}}',
        '{"body": {"$or": [{"a": [1]}]}}',
        '{"body": {"a": [["x"]]}}', '{"messageAttributes": {"a": ["x"]}}',
        '{"body": {"a": [{"anything-but": []}]}}', '{"body": ' + '{"a": ' * 40 + "[1]" + "}" * 41,
    ],
)  # fmt: skip
def test_a_pattern_that_says_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(AwsError, match=r"Invalid filter pattern definition\."):
        filters.read({"Filters": [{"Pattern": pattern}]})


async def test_what_passes_reaches_the_function_and_the_rest_is_deleted(house: House) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30)
    criteria = {"Filters": [{"Pattern": '{"body": {"n": [1]}}'}, {"Pattern": '{"body": ["yes"]}'}]}
    id = await house.map(source, FilterCriteria=criteria)
    assert (await house.mapping(id))["FilterCriteria"] == criteria
    await house.send(url, '{"n": 1}', '{"n": 2}', "yes", "no")

    async def empty() -> bool:
        return await house.depth(url) == (0, 0)

    await house.until(empty)
    assert sorted(body for bodies in house.bodies() for body in bodies) == ["yes", '{"n": 1}']
    told = await house.lambda_("UpdateEventSourceMapping", UUID=id, FilterCriteria={})
    assert "FilterCriteria" not in told
    await house.poller.work()
    await house.send(url, "no")
    await house.until(empty)
    assert house.bodies()[-1] == ["no"]


async def test_filters_have_a_number_and_a_length(house: House) -> None:
    await house.function()
    _, source = await house.queue()
    good = {"Pattern": '{"body": ["x"]}'}
    long = {"Pattern": '{"body": ["' + "x" * 4100 + '"]}'}
    for entries, sentence in (
        ([good] * 6, "Too many filter patterns, maximum allowed 5 patterns, provided 6 patterns."),
        ([long], "Member must have length less than or equal to 4096"),
    ):
        error = await refused(
            house.lambda_(
                "CreateEventSourceMapping", EventSourceArn=source, FunctionName="f",
                FilterCriteria={"Filters": entries},
            )
        )  # fmt: skip
        assert sentence in error.message

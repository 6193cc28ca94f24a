"""Template text is read as CloudFormation reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.services.cloudformation import documents
from ogi.services.cloudformation.errors import ValidationError

ARTICLE = Path(__file__).resolve().parents[4] / "shared" / "mission" / "template.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: !Ref b", {"a": {"Ref": "b"}}),
        ("a: !Condition b", {"a": {"Condition": "b"}}),
        ("a: !GetAtt b.c.d", {"a": {"Fn::GetAtt": ["b", "c.d"]}}),
        ("a: !GetAtt [b, c]", {"a": {"Fn::GetAtt": ["b", "c"]}}),
        ("a: !Sub ['${x}', {x: !Ref y}]", {"a": {"Fn::Sub": ["${x}", {"x": {"Ref": "y"}}]}}),
        ("a: !Base64\n  Fn::Sub: x", {"a": {"Fn::Base64": {"Fn::Sub": "x"}}}),
        ("a: !If [c, !Join ['', [!Ref b, x]], 1]",
         {"a": {"Fn::If": ["c", {"Fn::Join": ["", [{"Ref": "b"}, "x"]]}, 1]}}),
        ("a: 2012-10-17", {"a": "2012-10-17"}),
        ("a: 010", {"a": 8}),
        ("a: 0x1F", {"a": 31}),
        ("a: 012345678901", {"a": "012345678901"}),
        ("a: 1.50", {"a": 1.5}),
        ("a: '1'", {"a": "1"}),
        ("a: yes\nb: Off\nc: 'yes'", {"a": True, "b": False, "c": "yes"}),
        ("a: >\n  one\n  two\n\n  three\n", {"a": "one two\nthree\n"}),
        ("a: |-\n  one\n  two", {"a": "one\ntwo"}),
        ("a: !!str 1", {"a": "1"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 1\nb: 2\na: 3", {"b": 2, "a": 3}),
        ("a:\n  x: 1\n  x: 2", {"a": {"x": 2}}),
        ("a:\na: {b: c}", {"a": {"b": "c"}}),
        ('{"a": 1, "a": {"Ref": "b"}}', {"a": {"Ref": "b"}}),
        ("{a: !Ref b}", {"a": {"Ref": "b"}}),
        ("80: x\ntrue: y", {"80": "x", "true": "y"}),
        ("# nothing but\n---\na: b\n", {"a": "b"}),
    ],
)  # fmt: skip
def test_text_becomes_data(text: str, value: Any) -> None:
    assert documents.read(text) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1\nb: 2", "Template format error: YAML not well-formed. (line 2, column 2)"),
        ("a: b: c", "Template format error: YAML not well-formed. (line 1, column 5)"),
        ('{"a": ]', "Template format error: JSON not well-formed. (line 1, column 7)"),
        ("a: &x 1\nb: *x",
         "Template error: YAML aliases are not allowed in CloudFormation templates"),
        ("- a", "Template format error: unsupported structure."),
        ("text", "Template format error: unsupported structure."),
        ("", "Template format error: unsupported structure."),
        ("a: !Nonsense b", "Template format error: YAML not well-formed. (line 1, column 4)"),
        ("a: !GetAtt b",
         "Template error: if specifying one argument to Fn::GetAtt, that argument must be a"
         " non-empty string in format <LogicalId>.<Attribute>"),
        ("a: !!binary aGk=", "Template format error: YAML not well-formed. (line 1, column 4)"),
        ("a: 1\n---\nb: 2", "Template format error: YAML not well-formed. (line 2, column 1)"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        documents.read(text)
    assert sentence in refused.value.message


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 8_000, "- " * 20_000, "a: &a [*a, *a]"])
def test_no_text_makes_the_reader_recurse_or_swell(text: str) -> None:
    with pytest.raises(ValidationError):
        documents.read(text)


_DATA = st.recursive(
    st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=6), _DATA))
def test_json_comes_back_as_it_was(value: dict[str, Any]) -> None:
    assert documents.read(json.dumps(value)) == value


@pytest.mark.skipif(not ARTICLE.exists(), reason="the article's template is not beside the tree")
def test_the_articles_template_is_read_as_eleven_resources() -> None:
    document = documents.read(ARTICLE.read_text())
    assert list(document["Resources"]) == [
        "createCmk", "createKeyAlias", "sqsQueue", "snsTopic", "snsTopicPolicy", "s3Bucket",
        "snsSubscription", "sqsQueuePolycy", "lambdaRole", "lambdaFunction", "sqsTrigger",
    ]  # fmt: skip
    assert document["Transform"] == "AWS::Serverless-2016-10-31"
    assert document["Resources"]["snsSubscription"]["DependsOn"] == "sqsQueue"
    source = document["Resources"]["lambdaFunction"]["Properties"]["Code"]["ZipFile"]
    assert source == "import json\ndef lambda_handler(event, context):\n  print(event)\n"

"""Policies from outside: whatever they are, they are taken or refused in AWS's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.services.sns import (
    archive_policies,
    delivery_policies,
    feedback,
    filters,
    protection_policies,
)
from ogi.services.sns.conditions import FilterError
from ogi.services.sns.protection_policies import joined, replaced

ARN = "arn:aws:dataprotection::aws:data-identifier/"
WORDS = st.sampled_from([
    "Name", "Version", "2021-06-01", "Statement", "Configuration", "CustomDataIdentifier", "Regex",
    "DataDirection", "Inbound", "Outbound", "DataIdentifier", "Principal", "*", "Operation",
    "Audit", "Deny", "Deidentify", "MaskConfig", "RedactConfig", "MaskWithCharacter", "#",
    "SampleRate", "FindingsDestination", "CloudWatchLogs", "LogGroup", "/aws/vendedlogs/x",
    ARN + "EmailAddress", ARN + "Name", "MessageRetentionPeriod", "30", "PointType", "Timestamp",
    "StartingPoint", "EndingPoint", "2023-10-01T10:00:00.000Z", "9999-12-31T23:59:59+14:00", "http",
    "healthyRetryPolicy", "numRetries", "defaultHealthyRetryPolicy",
])  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=24,
)
TEXTS = DOCUMENTS.map(json.dumps) | st.text(max_size=30)


def _taken_or_refused(read: Any, *given: Any) -> None:
    try:
        read(*given)
    except AwsError as error:
        assert error.shape in ("InvalidParameterException", "Unsupported")


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_no_text_is_more_than_a_policy_or_a_refusal(text: str) -> None:
    _taken_or_refused(archive_policies.archive, None, text)
    _taken_or_refused(archive_policies.replay, None, text)
    _taken_or_refused(protection_policies.compile, text)
    _taken_or_refused(delivery_policies.of, text, "")
    _taken_or_refused(delivery_policies.of, "", text)
    for name in ("SQSSuccessFeedbackRoleArn", "SQSSuccessFeedbackSampleRate", text):
        _taken_or_refused(feedback.changed, {}, name, text, "111122223333")


@pytest.mark.parametrize("depth", [200, 20_000])
def test_nesting_is_refused_and_not_followed(depth: int) -> None:
    deep = '{"Statement":' * depth + "1" + "}" * depth
    for read in (archive_policies.archive, archive_policies.replay):
        _taken_or_refused(read, None, deep)
    _taken_or_refused(protection_policies.compile, deep)
    _taken_or_refused(delivery_policies.of, deep, "")
    with pytest.raises(FilterError):
        filters.compile('{"a":' * depth + "[1]" + "}" * depth, filters.BODY)


SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 6)).map(lambda s: (s[0], s[0] + s[1])), max_size=6
)


@given(st.text(min_size=40, max_size=40), SPANS, st.sampled_from(["", "#"]))
def test_masking_hides_exactly_what_was_found(
    text: str, spans: list[tuple[int, int]], mask: str
) -> None:
    hidden = {at for begin, end in spans for at in range(begin, end)}
    expected = "".join(mask if at in hidden else c for at, c in enumerate(text))
    assert replaced(text, joined(spans), mask) == expected

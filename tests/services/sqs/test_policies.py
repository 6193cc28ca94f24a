"""Policies of queues: what is one, and how large it may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.sqs import errors
from tests.services.sqs.conftest import Client

ARN = "arn:aws:sqs:eu-west-1:111122223333:orders"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:news"


def _statement(**rest: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": ARN, **rest}


def _from(n: int) -> dict[str, Any]:
    """What Terraform and CDK write for one of many topics."""
    return _statement(Condition={"ArnEquals": {"aws:SourceArn": f"{TOPIC}{n}"}})


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


ACTIONS = ["SQS:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueUrl",
           "sqs:GetQueueAttributes", "sqs:PurgeQueue", "sqs:ChangeMessageVisibility"]  # fmt: skip
ACCOUNTS = [f"{n:012d}" for n in range(51)]
KEYS = {f"aws:RequestTag/{n}": "x" for n in range(11)}


@pytest.mark.parametrize(
    "statements",
    [
        [_from(n) for n in range(20)],
        [_statement(Action=ACTIONS), _statement(NotAction="sqs:DeleteQueue", Action=None)],
        [_statement(Principal={"AWS": ACCOUNTS[:49], "Service": "sns.amazonaws.com"})],
        [_statement(Principal=None, NotPrincipal={"AWS": ACCOUNTS[0]}, Effect="Deny")],
        [_statement(Action="*")],
    ],
)
async def test_what_aws_takes_is_taken_and_told_as_it_was_given(
    sqs: Client, url: str, statements: list[dict[str, Any]]
) -> None:
    for statement in statements:
        for name in [name for name, value in statement.items() if value is None]:
            del statement[name]
    policy = _document(*statements)
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert await sqs.attributes(url, "Policy") == {"Policy": policy}


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in _statement().items() if key != name}


@pytest.mark.parametrize(
    "policy",
    [
        "nonsense",
        "{}",
        _document(),
        _document(_without("Principal")),
        _document(_without("Action")),
        _document(_without("Effect")),
        _document(_statement(Action="sns:Publish")),
        _document(_statement(Action=["sqs:SendMessage", "s3:GetObject"])),
        _document(_statement(Else="x")),
    ],
)
async def test_what_is_no_policy_of_a_queue_is_refused(sqs: Client, url: str, policy: str) -> None:
    with pytest.raises(errors.InvalidAttributeValue) as refused:
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert refused.value.message == "Invalid value for the parameter Policy."
    with pytest.raises(errors.InvalidAttributeValue):
        await sqs.queue("other", Policy=policy)


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ("x" * 8_193, "Submitted policy is over max allowed size."),
        (
            _document(*(_from(n) for n in range(21))),
            "21 statements were found in the submitted policy, max allowed is 20",
        ),
        (
            _document(_statement(Action=[*ACTIONS, "sqs:ListQueueTags"])),
            "8 actions were found in a statement from the submitted policy, max allowed is 7",
        ),
        (
            _document(_statement(Principal={"AWS": ACCOUNTS})),
            "51 principals were found in the submitted policy, max allowed is 50",
        ),
        (
            _document(_statement(Condition={"StringEquals": KEYS})),
            "11 conditions were found in a statement from the submitted policy, max allowed is 10",
        ),
    ],
)
async def test_a_policy_has_its_limits(sqs: Client, url: str, policy: str, sentence: str) -> None:
    with pytest.raises(AwsError) as refused:
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert isinstance(refused.value, errors.OverLimit)
    assert refused.value.message == sentence
    assert await sqs.attributes(url, "Policy", "QueueArn") == {"QueueArn": ARN}

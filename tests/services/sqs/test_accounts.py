"""Every action of SQS across accounts: the queue's policy decides, and some are the owner's alone.

Developer guide, 'Limitations of custom policies': the latter, whatever a policy says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Principal
from ogi.services.sqs import SERVICE
from tests.services.sqs.conftest import Client
from tests.world import World

NAME = "shared"
ARN = f"arn:aws:sqs:eu-west-1:111122223333:{NAME}"
OTHER = "999988887777"
EVE = Principal(kind="root", account=OTHER, arn=f"arn:aws:iam::{OTHER}:root", id=OTHER)

HANDLE = {"ReceiptHandle": "nonsense"}
ALLOWED: dict[str, dict[str, Any]] = {
    "SendMessage": {"MessageBody": "x"},
    "SendMessageBatch": {"Entries": [{"Id": "a", "MessageBody": "x"}]},
    "ReceiveMessage": {},
    "DeleteMessage": HANDLE,
    "DeleteMessageBatch": {"Entries": [{"Id": "a", **HANDLE}]},
    "ChangeMessageVisibility": {**HANDLE, "VisibilityTimeout": 1},
    "ChangeMessageVisibilityBatch": {"Entries": [{"Id": "a", **HANDLE, "VisibilityTimeout": 1}]},
    "GetQueueAttributes": {"AttributeNames": ["All"]},
    "GetQueueUrl": {"QueueName": NAME, "QueueOwnerAWSAccountId": "111122223333"},
    "ListDeadLetterSourceQueues": {},
    "PurgeQueue": {},
}
OWNERS: dict[str, dict[str, Any]] = {
    "AddPermission": {"Label": "x", "AWSAccountIds": [OTHER], "Actions": ["SendMessage"]},
    "RemovePermission": {"Label": "x"},
    "DeleteQueue": {},
    "SetQueueAttributes": {"Attributes": {"DelaySeconds": "1"}},
    "TagQueue": {"Tags": {"a": "b"}},
    "UntagQueue": {"TagKeys": ["a"]},
    "ListQueueTags": {},
    "StartMessageMoveTask": {"SourceArn": ARN},
    "ListMessageMoveTasks": {"SourceArn": ARN},
    "CancelMessageMoveTask": {},
}
OWN = {"CreateQueue", "ListQueues"}
"""These name no queue of another account."""


@pytest.fixture
def sqs(world_of: Callable[..., World]) -> Client:
    return Client(world_of("sqs", authorise=authorise))


@pytest.fixture
async def url(sqs: Client) -> str:
    url = await sqs.queue(NAME)
    target = json.dumps({"deadLetterTargetArn": ARN, "maxReceiveCount": 1})
    await sqs.queue("source", RedrivePolicy=target, DelaySeconds=900)
    return url


async def _allow(sqs: Client, url: str, *actions: str) -> None:
    statement = {
        "Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": actions, "Resource": ARN
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


async def _denied(sqs: Client, url: str, operation: str) -> bool:
    request = {**ALLOWED, **OWNERS}[operation]
    if operation == "CancelMessageMoveTask":
        await sqs.send(url)
        started = await sqs.start_message_move_task(
            SourceArn=ARN, DestinationArn=ARN.replace(NAME, "source"),
            MaxNumberOfMessagesPerSecond=1,
        )  # fmt: skip
        request = started
    elif "QueueName" not in request and "SourceArn" not in request:
        request = {"QueueUrl": url, **request}
    try:
        await sqs.world.call_as(sqs.world.caller(EVE, account=OTHER), "sqs", operation, **request)
    except AwsError as error:
        if operation == "GetQueueUrl":
            return "or you do not have access to it" in error.message
        # A receipt that is none is found out by who may ask.
        return error.shape == "AccessDenied"
    return False


def test_every_action_is_in_one_of_the_tables() -> None:
    assert set(SERVICE.operations) == {*ALLOWED, *OWNERS, *OWN}


@pytest.mark.parametrize("operation", ALLOWED)
async def test_another_account_may_what_the_policy_allows(
    sqs: Client, url: str, operation: str
) -> None:
    assert await _denied(sqs, url, operation)
    action = operation.removesuffix("Batch")
    await _allow(sqs, url, *(f"sqs:{name}" for name in ("ListQueueTags", "TagQueue")))
    assert await _denied(sqs, url, operation), "of another action"
    await _allow(sqs, url, f"sqs:{action}")
    assert not await _denied(sqs, url, operation)


@pytest.mark.parametrize("operation", OWNERS)
async def test_the_owners_actions_are_the_owners_whatever_the_policy_allows(
    sqs: Client, url: str, operation: str
) -> None:
    await _allow(sqs, url, "sqs:*")
    assert await _denied(sqs, url, operation)
    assert await sqs.attributes(url, "DelaySeconds") == {"DelaySeconds": "0"}
    assert await sqs.list_queue_tags(QueueUrl=url) == {}


async def test_another_accounts_lists_and_queues_are_its_own(sqs: Client, url: str) -> None:
    await _allow(sqs, url, "sqs:*")
    eve = sqs.world.caller(EVE, account=OTHER)
    assert await sqs.world.call_as(eve, "sqs", "ListQueues") == {}
    made = await sqs.world.call_as(eve, "sqs", "CreateQueue", QueueName=NAME)
    assert made["QueueUrl"].endswith(f"/{OTHER}/{NAME}")
    assert await sqs.attributes(url, "QueueArn") == {"QueueArn": ARN}

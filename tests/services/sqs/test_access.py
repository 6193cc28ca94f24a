"""Queue policies with the real decision: other accounts, services, conditions, denials."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Call, Principal
from tests.services.sqs.conftest import Client
from tests.world import World

ARN = "arn:aws:sqs:eu-west-1:111122223333:orders"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:news"
EVE = Principal(kind="root", account="999988887777", arn="arn:aws:iam::999988887777:root")


@pytest.fixture
def sqs(world_of: Callable[..., World]) -> Client:
    return Client(world_of("sqs", authorise=authorise))


async def _policy(sqs: Client, url: str, *statements: dict[str, Any]) -> None:
    text = json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Resource": ARN, **statement} for statement in statements],
    })  # fmt: skip
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})


async def _refused(sqs: Client, caller: Call, operation: str, url: str, **request: Any) -> bool:
    try:
        await sqs.world.call_as(caller, "sqs", operation, QueueUrl=url, **request)
    except AwsError as error:
        assert error.code == "AccessDenied"
        return True
    return False


async def test_another_account_needs_the_queues_policy(sqs: Client, url: str) -> None:
    eve = sqs.world.caller(EVE, account="999988887777")
    assert await _refused(sqs, eve, "SendMessage", url, MessageBody="x")
    await sqs.add_permission(
        QueueUrl=url, Label="eve", AWSAccountIds=["999988887777"], Actions=["SendMessage"]
    )
    assert not await _refused(sqs, eve, "SendMessage", url, MessageBody="x")
    batch = [{"Id": "a", "MessageBody": "x"}]
    assert not await _refused(sqs, eve, "SendMessageBatch", url, Entries=batch)
    assert await _refused(sqs, eve, "ReceiveMessage", url)
    assert await _refused(sqs, eve, "GetQueueAttributes", url, AttributeNames=["All"])
    await sqs.remove_permission(QueueUrl=url, Label="eve")
    assert await _refused(sqs, eve, "SendMessage", url, MessageBody="x")


async def test_a_topic_may_send_where_the_policy_names_it(sqs: Client, url: str) -> None:
    """The article's policy: anybody, if the source is the topic."""
    sns = sqs.world.caller().as_service("sns.amazonaws.com", TOPIC, "111122223333")
    assert await _refused(sqs, sns, "SendMessage", url, MessageBody="x")
    condition = {"ArnEquals": {"aws:SourceArn": TOPIC}}
    await _policy(
        sqs, url,
        {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Condition": condition},
    )  # fmt: skip
    assert not await _refused(sqs, sns, "SendMessage", url, MessageBody="x")
    other = sqs.world.caller().as_service("sns.amazonaws.com", TOPIC + "2", "111122223333")
    assert await _refused(sqs, other, "SendMessage", url, MessageBody="x")


async def test_a_denial_reaches_the_owner_too(sqs: Client, url: str) -> None:
    await _policy(sqs, url, {"Effect": "Deny", "Principal": "*", "Action": "sqs:ReceiveMessage"})
    await sqs.send(url)
    assert await _refused(sqs, sqs.world.caller(), "ReceiveMessage", url)


async def test_a_long_poll_ends_when_its_permission_does(sqs: Client, url: str) -> None:
    import asyncio

    eve = sqs.world.caller(EVE, account="999988887777")
    await sqs.add_permission(
        QueueUrl=url, Label="eve", AWSAccountIds=["999988887777"], Actions=["ReceiveMessage"]
    )
    poll = asyncio.create_task(_refused(sqs, eve, "ReceiveMessage", url, WaitTimeSeconds=20))
    await asyncio.sleep(0.02)
    await sqs.remove_permission(QueueUrl=url, Label="eve")
    await sqs.send(url)
    assert await asyncio.wait_for(poll, 5)
    assert await sqs.bodies(url) == ["hello"]


async def test_tags_at_creation_need_their_own_permission(sqs: Client) -> None:
    user = Principal(kind="user", account="111122223333",
                     arn="arn:aws:iam::111122223333:user/nobody")  # fmt: skip
    caller = sqs.world.caller(user)
    with pytest.raises(AwsError):
        await sqs.world.call_as(caller, "sqs", "CreateQueue", QueueName="x", tags={"a": "b"})

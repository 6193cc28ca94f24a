"""Delivery statuses: who is told what in Logs, as which role, and what stays untold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AccessDenied, AwsError, InternalFailure
from ogi.service import Fields, Principal
from tests.services.sns.conftest import ACCOUNT_ARN, Client
from tests.services.sns.outage import Outage
from tests.services.sns.subscriber import Subscriber, serving
from tests.world import ACCOUNT, World

ROLE = f"arn:aws:iam::{ACCOUNT}:role/feedback"
GROUP = f"sns/eu-west-1/{ACCOUNT}/news"


class Told(Client):
    """A client that reads what a topic's log groups say."""

    async def role(self, name: str = "feedback", may: str = "logs:*") -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                 "Action": "sts:AssumeRole"}  # fmt: skip
        await self.world.call(
            "iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=_policy(trust)
        )
        allowed = {"Effect": "Allow", "Action": may, "Resource": "*"}
        await self.world.call(
            "iam", "PutRolePolicy", RoleName=name, PolicyName="p", PolicyDocument=_policy(allowed)
        )
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    async def open_queue(self, queue: str = "inbox") -> str:
        arn = f"arn:aws:sqs:{ACCOUNT_ARN}:{queue}"
        statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn}
        return await self.queue(queue, Policy=_policy(statement))

    async def records(self, group: str = GROUP) -> list[Fields]:
        await self.world.deliver()
        try:
            found = await self.world.call("logs", "FilterLogEvents", logGroupName=group)
        except AwsError as error:
            assert error.shape == "ResourceNotFoundException"
            return []
        return [json.loads(event["message"]) for event in found["events"]]


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Told:
    settings = {"sns_http_s_max": 0.3, "endpoint": "http://127.0.0.1:1"}
    return Told(world_of("sns", "sqs", "kms", "iam", "logs", authorise=authorise,
                         settings=settings))  # fmt: skip


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    async with serving() as made:
        yield made


async def test_a_queues_copy_is_told_as_the_role(sns: Told) -> None:
    topic = await sns.topic(SQSSuccessFeedbackRoleArn=await sns.role())
    queue = await sns.open_queue()
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sent = await sns.publish(TopicArn=topic, Message="hello")
    (message,) = await sns.messages()
    (record,) = await sns.records()
    assert record["status"] == "SUCCESS"
    seen = record["notification"]
    assert seen["messageMD5Sum"] == hashlib.md5(b"hello").hexdigest()
    assert (seen["messageId"], seen["topicArn"]) == (sent["MessageId"], topic)
    delivery = record["delivery"]
    assert delivery["destination"] == queue
    assert (delivery["attempts"], delivery["statusCode"], delivery["dwellTimeMs"]) == (1, 200, 0)
    assert json.loads(delivery["providerResponse"])["sqsMessageId"] == message["MessageId"]
    assert len(delivery["deliveryId"]) == 36
    assert await sns.records(f"{GROUP}/Failure") == []


async def test_a_copy_that_waited_is_told_with_its_attempts(world_of: Callable[..., World]) -> None:
    outage = Outage()
    sns = Told(world_of("sns", "sqs", "kms", "iam", "logs", authorise=outage))
    role = await sns.role()
    topic = await sns.topic(
        "news.fifo", FifoTopic="true", ContentBasedDeduplication="true",
        SQSSuccessFeedbackRoleArn=role, SQSFailureFeedbackRoleArn=role,
    )  # fmt: skip
    await sns.subscribed(topic, "inbox.fifo")
    outage.down["inbox.fifo"] = InternalFailure
    for text in ("first", "second"):
        await sns.publish(TopicArn=topic, Message=text, MessageGroupId="g")
    await sns.world.deliver()
    outage.down.clear()
    sns.world.clock.advance(1)
    told = [record["delivery"] for record in await sns.records(f"{GROUP}.fifo")]
    # The first at once, three times without delay, and after a second; then the other.
    assert sorted((one["attempts"], one["dwellTimeMs"]) for one in told) == [(1, 1000), (5, 1000)]
    outage.down["inbox.fifo"] = InternalFailure
    await sns.publish(TopicArn=topic, Message="third", MessageGroupId="g")
    await sns.world.deliver()
    outage.down["inbox.fifo"] = AccessDenied
    sns.world.clock.advance(1)
    (lost,) = await sns.records(f"{GROUP}.fifo/Failure")
    assert lost["delivery"]["attempts"] == 5
    assert await sns.messages("inbox.fifo") != []


async def test_a_queue_policys_refusal_says_why(sns: Told) -> None:
    topic = await sns.topic(SQSFailureFeedbackRoleArn=await sns.role())
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=await sns.queue("inbox"))
    await sns.publish(TopicArn=topic, Message="hello")
    (record,) = await sns.records(f"{GROUP}/Failure")
    assert record["status"] == "FAILURE"
    assert record["delivery"]["statusCode"] == 403
    response = json.loads(record["delivery"]["providerResponse"])
    assert response["ErrorCode"] == "AccessDenied"
    assert "sns.amazonaws.com" in response["ErrorMessage"]
    assert await sns.records() == []


async def test_a_key_policys_refusal_says_why(sns: Told) -> None:
    """The article: the queue's key must let SNS in, and the default key's policy does not."""
    topic = await sns.topic(SQSFailureFeedbackRoleArn=await sns.role())
    queue = await sns.open_queue()
    await sns.world.call(
        "sqs", "SetQueueAttributes", QueueUrl=f"https://x/{ACCOUNT}/inbox",
        Attributes={"KmsMasterKeyId": "alias/aws/sqs"},
    )  # fmt: skip
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    await sns.publish(TopicArn=topic, Message="hello")
    (record,) = await sns.records(f"{GROUP}/Failure")
    response = json.loads(record["delivery"]["providerResponse"])
    assert response["ErrorCode"] == "KMS.AccessDeniedException"
    assert "kms:GenerateDataKey" in response["ErrorMessage"]


async def test_successes_are_sampled_and_failures_are_not(sns: Told) -> None:
    role = await sns.role()
    topic = await sns.topic(
        SQSSuccessFeedbackRoleArn=role, SQSSuccessFeedbackSampleRate=30,
        SQSFailureFeedbackRoleArn=role,
    )  # fmt: skip
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=await sns.open_queue())
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=await sns.queue("closed"))
    for n in range(60):
        await sns.publish(TopicArn=topic, Message=str(n))
    assert 5 < len(await sns.records()) < 35
    assert len(await sns.records(f"{GROUP}/Failure")) == 60


async def test_an_endpoint_is_told_with_its_status_and_attempts(
    sns: Told, subscriber: Subscriber
) -> None:
    role = await sns.role()
    topic = await sns.topic(HTTPSuccessFeedbackRoleArn=role, HTTPFailureFeedbackRoleArn=role)
    await subscriber.subscribe(sns, topic)
    subscriber.answers = ["503 Busy", "204 No Content"]
    await sns.publish(TopicArn=topic, Message="one")
    await sns.world.deliver()
    sns.world.clock.advance(21)
    (record,) = await sns.records()
    delivery = record["delivery"]
    assert (delivery["attempts"], delivery["statusCode"]) == (2, 204)
    assert delivery["providerResponse"] == "No Content"
    assert delivery["destination"] == subscriber.url
    assert delivery["dwellTimeMs"] >= 20_000
    subscriber.answers = ["404 Not Found"]
    await sns.publish(TopicArn=topic, Message="two")
    (lost,) = await sns.records(f"{GROUP}/Failure")
    assert (lost["delivery"]["attempts"], lost["delivery"]["statusCode"]) == (1, 404)


async def test_a_role_that_may_not_write_logs_stops_no_delivery(sns: Told) -> None:
    topic = await sns.topic(SQSSuccessFeedbackRoleArn=await sns.role(may="s3:*"))
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=await sns.open_queue())
    await sns.publish(TopicArn=topic, Message="hello")
    assert await sns.texts() == ["hello"]
    assert await sns.records() == []
    assert [hop["code"] for hop in sns.hops("refused")] == ["AccessDeniedException"]


async def test_attributes_have_their_rules(sns: Told) -> None:
    topic = await sns.topic()

    async def refusal(name: str, value: str) -> AwsError:
        with pytest.raises(AwsError) as refused:
            await sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)
        return refused.value

    assert "Firehose" in (await refusal("FirehoseFailureFeedbackRoleArn", ROLE)).message
    for rate in ("-1", "101", "many"):
        shape = (await refusal("HTTPSuccessFeedbackSampleRate", rate)).shape
        assert shape == "InvalidParameterException"
    other = ROLE.replace(ACCOUNT, "999988887777")
    for role in ("role", "arn:aws:iam::111122223333:user/u", other):
        shape = (await refusal("LambdaFailureFeedbackRoleArn", role)).shape
        assert shape in ("InvalidParameterException", "AuthorizationErrorException")
    await sns.set_topic_attributes(
        TopicArn=topic, AttributeName="SQSFailureFeedbackRoleArn", AttributeValue=ROLE
    )
    shown = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert shown["SQSFailureFeedbackRoleArn"] == ROLE


async def test_who_names_a_role_must_be_allowed_to_pass_it(sns: Told) -> None:
    topic = await sns.topic()
    await sns.world.call("iam", "CreateUser", UserName="u")
    allowed = {"Effect": "Allow", "Action": "sns:*", "Resource": "*"}
    await sns.world.call(
        "iam", "PutUserPolicy", UserName="u", PolicyName="p", PolicyDocument=_policy(allowed)
    )
    user = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/u")
    with pytest.raises(AwsError) as refused:
        await sns.world.call_as(
            sns.world.caller(user), "sns", "SetTopicAttributes", TopicArn=topic,
            AttributeName="SQSFailureFeedbackRoleArn", AttributeValue=ROLE,
        )  # fmt: skip
    assert "iam:PassRole" in refused.value.message

"""What a subscriber refuses goes to its dead-letter queue, as it would have been delivered."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ogi.errors import AwsError, InternalFailure
from ogi.services.sqs.errors import KmsThrottled, RequestThrottled
from tests.services.sns.conftest import Client
from tests.services.sns.outage import Outage
from tests.world import World

PREFIX = "arn:aws:sqs:eu-west-1:111122223333:"


async def _dead(
    sns: Client, topic: str, dlq: str = "dead", queue: str = "gone", **rest: str
) -> str:
    """A subscription whose queue is gone."""
    dead = await sns.queue(dlq, **({"FifoQueue": "true"} if dlq.endswith(".fifo") else {}))
    policy = json.dumps({"deadLetterTargetArn": dead})
    arn = await sns.subscribed(topic, queue, RedrivePolicy=policy, **rest)
    url = f"https://sqs.eu-west-1.amazonaws.com/111122223333/{queue}"
    await sns.world.call("sqs", "DeleteQueue", QueueUrl=url)
    return arn


async def test_a_refused_copy_is_buried_with_its_error(sns: Client) -> None:
    topic = await sns.topic()
    await _dead(sns, topic)
    await sns.publish(TopicArn=topic, Message="hello")
    (message,) = await sns.messages("dead")
    assert json.loads(message["Body"])["Message"] == "hello"
    told = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
    assert told["ErrorCode"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert told["ErrorMessage"] and told["RequestID"]


@pytest.mark.parametrize("error", [InternalFailure, RequestThrottled, KmsThrottled])
async def test_what_may_pass_is_tried_again_before_it_is_buried(
    world_of: Callable[..., World], error: type[AwsError]
) -> None:
    """A server's error, and both ways in which SQS says that it is throttled."""
    outage = Outage()
    sns = Client(world_of("sns", "sqs", "kms", authorise=outage))
    await sns.subscribed(await sns.topic())
    outage.down["inbox"] = error
    await sns.publish(TopicArn=await sns.topic(), Message="hello")
    await sns.world.deliver()
    outage.down.clear()
    sns.world.clock.advance(1)
    assert await sns.texts() == ["hello"]


async def test_raw_copies_are_buried_raw_and_keep_their_attributes(sns: Client) -> None:
    topic = await sns.topic()
    await _dead(sns, topic, RawMessageDelivery="true")
    attributes = {"a": {"DataType": "String", "StringValue": "blue"}}
    await sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
    (message,) = await sns.messages("dead")
    assert message["Body"] == "hello"
    assert message["MessageAttributes"]["a"] == attributes["a"]


async def test_a_raw_copy_with_more_attributes_than_a_queue_takes_is_buried_without_them(
    sns: Client,
) -> None:
    topic = await sns.topic()
    policy = json.dumps({"deadLetterTargetArn": await sns.queue("dead")})
    await sns.subscribed(topic, "q", RedrivePolicy=policy, RawMessageDelivery="true")
    attributes = {f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(11)}
    await sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
    (message,) = await sns.messages("dead")
    assert message["Body"] == "hello"
    assert sorted(message["MessageAttributes"]) == ["ErrorCode", "ErrorMessage", "RequestID"]
    assert await sns.messages("q") == []


async def test_a_fifo_topics_dead_letters_keep_their_group(sns: Client) -> None:
    topic = await sns.topic("news.fifo", FifoTopic="true", ContentBasedDeduplication="true")
    await _dead(sns, topic, "dead.fifo", "gone.fifo")
    for n in range(3):
        await sns.publish(TopicArn=topic, Message=str(n), MessageGroupId="g")
    messages = await sns.messages("dead.fifo")
    assert [json.loads(m["Body"])["Message"] for m in messages] == ["0", "1", "2"]
    assert {m["Attributes"]["MessageGroupId"] for m in messages} == {"g"}


async def test_a_dead_letter_queue_that_refuses_loses_the_message_and_says_so(sns: Client) -> None:
    topic = await sns.topic()
    subscription = await _dead(sns, topic)
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/dead"
    await sns.world.call("sqs", "DeleteQueue", QueueUrl=url)
    await sns.publish(TopicArn=topic, Message="hello")
    await sns.world.deliver()
    (hop,) = sns.hops("sns.lost")
    assert hop["subscription"] == subscription


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("nonsense", "failed to parse JSON."), ("{}x", "failed to parse JSON."),
        ("[]", "invalid JSON."),
        ('{"deadLetterTargetArn": null, "x": 1}', "invalid JSON. Attribute x is unknown."),
        ('{ "": ""}', "invalid JSON. Attribute  is unknown."),
        ('{"deadLetterTargetArn": "x"}', "deadLetterTargetArn is an invalid arn"),
        ('{"deadLetterTargetArn": "arn:aws:sns:eu-west-1:111122223333:q"}',
         "deadLetterTargetArn must be a SQS queue"),
        ('{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:999988887777:q"}',
         "deadLetterTargetArn must be in the same account as the subscription"),
        ('{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:q"}',
         "deadLetterTargetArn must be in the same region as the subscription"),
        ('{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:111122223333:q.fifo"}',
         "must use a standard queue as DLQ for a standard topic"),
    ],
)  # fmt: skip
async def test_redrive_policies_that_sns_refuses(sns: Client, policy: str, reason: str) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.subscribed(topic, RedrivePolicy=policy)
    sentence = f"Invalid parameter: Attributes Reason: RedrivePolicy: {reason}"
    assert refused.value.message == sentence


async def test_an_unknown_member_is_refused_in_the_words_of_the_action(sns: Client) -> None:
    """AWS's answers: github.com/cloudposse/terraform-aws-sns-topic/issues/48 for Subscribe,
    github.com/ministryofjustice/cloud-platform-environments/pull/11520 for the other."""
    topic = await sns.topic()
    arn = await _dead(sns, topic)
    policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:x", "maxReceiveCount": 5})
    reason = "RedrivePolicy: invalid JSON. Attribute maxReceiveCount is unknown."
    with pytest.raises(AwsError) as refused:
        await sns.subscribed(topic, "other", RedrivePolicy=policy)
    assert refused.value.message == f"Invalid parameter: Attributes Reason: {reason}"
    with pytest.raises(AwsError) as refused:
        await sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue=policy
        )
    assert refused.value.message == f"Invalid parameter: {reason}"


async def test_the_policy_is_shown_and_taken_away(sns: Client) -> None:
    topic = await sns.topic()
    arn = await _dead(sns, topic)
    shown = await sns.get_subscription_attributes(SubscriptionArn=arn)
    assert json.loads(shown["Attributes"]["RedrivePolicy"]) == {
        "deadLetterTargetArn": PREFIX + "dead"
    }
    await sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue=""
    )
    shown = await sns.get_subscription_attributes(SubscriptionArn=arn)
    assert "RedrivePolicy" not in shown["Attributes"]

"""Subscriptions: how they end, and what their attributes take, in the words of each action."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from ogi.errors import AwsError
from ogi.service import ANONYMOUS
from tests.services.sns.conftest import Client
from tests.services.sns.subscriber import serving

FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:f"
NUMBER = "+15555550100"
NOBODY = "6f2c1a0e-6f5e-4d1e-9b9e-0a8f5e1d2c3b"


async def test_ending_a_subscription_that_is_no_more_changes_nothing(sns: Client) -> None:
    topic = await sns.topic()
    arn, other = await sns.subscribed(topic), await sns.subscribed(topic, "other")
    nobody = sns.world.caller(ANONYMOUS)
    for gone in (arn, f"{topic}:{uuid4()}", f"{topic}s:{uuid4()}"):
        for _ in range(2):
            assert await sns.unsubscribe(SubscriptionArn=gone) == {}
            assert await sns.world.call_as(nobody, "sns", "Unsubscribe", SubscriptionArn=gone) == {}
    left = (await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"]
    assert [one["SubscriptionArn"] for one in left] == [other]
    shown = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert shown["SubscriptionsDeleted"] == "1"


@pytest.mark.parametrize(
    ("arn", "sentence"),
    [
        ("pending confirmation", "Invalid parameter: SubscriptionArn Reason: An ARN must have at"
         " least 6 elements, not 1"),
        (f"arn:aws:sns:eu-west-1:999988887777:news:{NOBODY}", "User:"
         " arn:aws:iam::111122223333:root is not authorized to perform: SNS:Unsubscribe on"
         " resource: arn:aws:sns:eu-west-1:999988887777:news"),
        (f"arn:aws:sns:us-east-1:111122223333:news:{NOBODY}",
         "Invalid parameter: SubscriptionArn"),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_subscription_of_ones_own_is_not_ended(
    sns: Client, arn: str, sentence: str
) -> None:
    with pytest.raises(AwsError) as refused:
        await sns.unsubscribe(SubscriptionArn=arn)
    assert refused.value.message == sentence


async def test_raw_delivery_is_refused_in_the_words_of_the_action(sns: Client) -> None:
    topic = await sns.topic()
    sentence = "Delivery protocol [sms] does not support raw message delivery."
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(
            TopicArn=topic, Protocol="sms", Endpoint=NUMBER,
            Attributes={"RawMessageDelivery": "true"},
        )  # fmt: skip
    assert refused.value.message == f"Invalid parameter: Attributes Reason: {sentence}"
    made = await sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    with pytest.raises(AwsError) as refused:
        await sns.set_subscription_attributes(
            SubscriptionArn=made["SubscriptionArn"], AttributeName="RawMessageDelivery",
            AttributeValue="true",
        )  # fmt: skip
    assert refused.value.message == f"Invalid parameter: {sentence}"


async def test_what_is_no_device_is_named(sns: Client) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=topic)
    assert refused.value.message == f"Invalid parameter: Application endpoint arn invalid:{topic}"


async def test_any_protocol_keeps_a_delivery_policy_that_is_one(sns: Client) -> None:
    topic = await sns.topic()
    policy = json.dumps({"healthyRetryPolicy": {"numRetries": 5}})
    made = await sns.subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION, Attributes={"DeliveryPolicy": policy}
    )
    arn = made["SubscriptionArn"]
    shown = (await sns.get_subscription_attributes(SubscriptionArn=arn))["Attributes"]
    assert shown["DeliveryPolicy"] == policy and "EffectiveDeliveryPolicy" not in shown
    with pytest.raises(AwsError, match="failed to parse JSON"):
        await sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue="fast"
        )


async def test_an_effective_policy_is_taken_as_a_policy(sns: Client) -> None:
    topic = await sns.topic()
    async with serving() as subscriber:
        made = await sns.subscribe(
            TopicArn=topic, Protocol="http", Endpoint=subscriber.url, ReturnSubscriptionArn=True
        )
    arn = made["SubscriptionArn"]
    shown = (await sns.get_subscription_attributes(SubscriptionArn=arn))["Attributes"]
    effective = shown["EffectiveDeliveryPolicy"]
    assert effective == (
        '{"healthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,'
        '"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,'
        '"backoffFunction":"linear"},"sicklyRetryPolicy":null,"throttlePolicy":null,'
        '"requestPolicy":{"headerContentType":"text/plain; charset=UTF-8"},"guaranteed":false}'
    )
    await sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue=effective
    )
    for strange in ('"sicklyRetryPolicy":{}', '"guaranteed":true'):
        with pytest.raises(AwsError, match="Unexpected JSON member"):
            await sns.set_subscription_attributes(
                SubscriptionArn=arn, AttributeName="DeliveryPolicy",
                AttributeValue=f"{{{strange}}}",
            )  # fmt: skip

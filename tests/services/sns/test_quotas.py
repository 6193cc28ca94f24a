"""Quotas: what is refused in AWS's words, what makes room again, and how they are raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.sns import quotas
from tests.services.sns.conftest import Client
from tests.world import World

FILTER = {"color": ["blue"]}


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Client:
    text = (
        "topics=2, fifo-topics=1, subscriptions-per-topic=2, subscriptions-per-fifo-topic=1,"
        "pending=1,filters-per-topic=1,filters=2"
    )
    settings = {"sns_quotas": text, "endpoint": "http://127.0.0.1:1"}
    return Client(world_of("sns", "sqs", "kms", settings=settings))


async def _refused(asked: Any) -> str:
    with pytest.raises(AwsError) as refused:
        await asked
    return refused.value.shape


async def test_topics_are_counted_by_their_kind(sns: Client) -> None:
    first, _ = await sns.topic("a"), await sns.topic("b")
    assert await _refused(sns.topic("c")) == "TopicLimitExceededException"
    assert await sns.topic("a") == first, "it is there already"
    fifo = await sns.topic("a.fifo", FifoTopic="true")
    assert await _refused(sns.topic("b.fifo", FifoTopic="true")) == "TopicLimitExceededException"
    await sns.delete_topic(TopicArn=first)
    await sns.delete_topic(TopicArn=first)
    await sns.topic("c")
    assert await _refused(sns.topic("d")) == "TopicLimitExceededException"
    await sns.delete_topic(TopicArn=fifo)
    await sns.topic("b.fifo", FifoTopic="true")


async def test_subscriptions_are_counted_by_their_topic(sns: Client) -> None:
    topic = await sns.topic()
    arn, _ = await sns.subscribed(topic, "q0"), await sns.subscribed(topic, "q1")
    assert await _refused(sns.subscribed(topic, "q2")) == "SubscriptionLimitExceededException"
    assert await sns.subscribed(topic, "q0") == arn
    await sns.unsubscribe(SubscriptionArn=arn)
    await sns.subscribed(topic, "q2")
    fifo = await sns.topic("f.fifo", FifoTopic="true")
    await sns.subscribed(fifo, "q0.fifo")
    assert await _refused(sns.subscribed(fifo, "q1.fifo")) == "SubscriptionLimitExceededException"


async def test_subscriptions_that_wait_are_counted_by_their_account(
    sns: Client,
) -> None:
    topics = [await sns.topic("a"), await sns.topic("b")]

    def ask(topic: str, name: str) -> Any:
        address = f"{name}@example.com"
        return sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)

    await ask(topics[0], "x")
    await ask(topics[0], "x")
    assert await _refused(ask(topics[1], "y")) == "SubscriptionLimitExceededException"
    await sns.delete_topic(TopicArn=topics[0])
    await sns.world.deliver()
    await ask(topics[1], "y")


async def test_filter_policies_are_counted_by_topic_and_account(sns: Client) -> None:
    topic = await sns.topic("a")
    arn = await sns.subscribed(topic, "q0", FilterPolicy=FILTER)
    shape = "FilterPolicyLimitExceededException"
    assert await _refused(sns.subscribed(topic, "q1", FilterPolicy=FILTER)) == shape
    plain = await sns.subscribed(topic, "q1")

    def filtered(subscription: str, policy: Any) -> Any:
        return sns.set_subscription_attributes(
            SubscriptionArn=subscription, AttributeName="FilterPolicy",
            AttributeValue=json.dumps(policy),
        )  # fmt: skip

    assert await _refused(filtered(plain, FILTER)) == shape
    await filtered(arn, {"color": ["red"]})
    await filtered(arn, {})
    await filtered(plain, FILTER)
    await sns.unsubscribe(SubscriptionArn=plain)
    await filtered(arn, FILTER)
    await sns.subscribed(await sns.topic("b"), "q2", FilterPolicy=FILTER)
    fifo = await sns.topic("f.fifo", FifoTopic="true")
    assert await _refused(sns.subscribed(fifo, "q.fifo", FilterPolicy=FILTER)) == shape
    await sns.delete_topic(TopicArn=topic)
    await sns.subscribed(fifo, "q.fifo", FilterPolicy=FILTER)


def test_quotas_are_aws_s_unless_the_setting_says_otherwise() -> None:
    """docs.aws.amazon.com/general/latest/gr/sns.html"""
    found = quotas.parse("filters-per-topic=10000")
    assert (found.topics, found.fifo_topics) == (100_000, 1_000)
    assert (found.subscriptions_per_topic, found.subscriptions_per_fifo_topic) == (12_500_000, 100)
    assert (found.pending, found.filters_per_topic, found.filters) == (5_000, 10_000, 10_000)


@pytest.mark.parametrize(
    "text", ["subjects=1", "topics=many", "topics", "subscriptions-per-fifo-topic=20000"]
)
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        quotas.parse(text)

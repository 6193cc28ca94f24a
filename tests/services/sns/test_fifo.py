"""FIFO topics: order in a group, once in five minutes, numbers, and which queues they feed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.sns.conftest import Client


async def _topic(sns: Client, **attributes: str) -> str:
    return await sns.topic("news.fifo", FifoTopic="true", **attributes)


async def test_groups_keep_their_order_through_pages_of_subscribers(sns: Client) -> None:
    topic = await _topic(sns, ContentBasedDeduplication="true")
    queues = [f"inbox-{n}.fifo" for n in range(55)]
    for queue in queues:
        await sns.subscribed(topic, queue, RawMessageDelivery="true")
    draw = random.Random(1)
    sent: dict[str, list[str]] = {"a": [], "b": []}
    for n in range(8):
        group = draw.choice("ab")
        sent[group].append(str(n))
        await sns.publish(TopicArn=topic, Message=str(n), MessageGroupId=group)
        if draw.random() < 0.3:
            await sns.world.deliver()
    for queue in (queues[0], queues[27], queues[54]):
        messages = await sns.messages(queue)
        got: dict[str, list[str]] = {"a": [], "b": []}
        for message in messages:
            got[message["Attributes"]["MessageGroupId"]].append(message["Body"])
        assert got == sent


async def test_numbers_grow_and_come_with_the_message(sns: Client) -> None:
    topic = await _topic(sns, ContentBasedDeduplication="true")
    await sns.subscribed(topic, "inbox.fifo")
    sent = [await sns.publish(TopicArn=topic, Message=str(n), MessageGroupId="g") for n in range(3)]
    numbers = [one["SequenceNumber"] for one in sent]
    assert numbers == sorted(set(numbers)) and all(len(n) == 20 for n in numbers)
    envelopes = [json.loads(m["Body"]) for m in await sns.messages("inbox.fifo")]
    assert [e["SequenceNumber"] for e in envelopes] == numbers


@pytest.mark.parametrize("scope", ["Topic", "MessageGroup"])
async def test_duplicates_within_five_minutes_are_delivered_once(sns: Client, scope: str) -> None:
    topic = await _topic(sns, FifoThroughputScope=scope)
    await sns.subscribed(topic, "inbox.fifo")

    async def publish(group: str) -> str:
        sent = await sns.publish(
            TopicArn=topic, Message="x", MessageGroupId=group, MessageDeduplicationId="once"
        )
        id: str = sent["MessageId"]
        return id

    first = await publish("g")
    assert await publish("g") == first
    other = await publish("h")
    assert (other == first) == (scope == "Topic")
    # The queue forgets duplicates of its own accord: look at what the topic let through.
    await sns.world.deliver()
    assert len(sns.hops("sns.publish")) == (1 if scope == "Topic" else 2)
    sns.world.clock.advance(301)
    assert await publish("g") != first


async def test_a_batch_is_published_in_order_and_deduplicated_within(sns: Client) -> None:
    topic = await _topic(sns, ContentBasedDeduplication="true")
    await sns.subscribed(topic, "inbox.fifo")
    entries = [
        {"Id": str(n), "Message": text, "MessageGroupId": "g"} for n, text in enumerate("abcb")
    ]
    answer = await sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert len(answer["Successful"]) == 4
    assert await sns.texts("inbox.fifo") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("lacks", "sentence"),
    [
        ("MessageGroupId", "The MessageGroupId parameter is required for FIFO topics"),
        ("MessageDeduplicationId", "The topic should either have ContentBasedDeduplication enabled"
         " or MessageDeduplicationId provided explicitly"),
    ],
)  # fmt: skip
async def test_a_batch_in_which_one_lacks_its_place_is_refused_as_a_whole(
    sns: Client, lacks: str, sentence: str
) -> None:
    topic = await _topic(sns)
    await sns.subscribed(topic, "inbox.fifo")
    entries = [
        {"Id": str(n), "Message": "x", "MessageGroupId": "g", "MessageDeduplicationId": str(n)}
        for n in range(3)
    ]
    del entries[1][lacks]
    with pytest.raises(AwsError) as refused:
        await sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert refused.value.message == f"Invalid parameter: {sentence}"
    assert await sns.texts("inbox.fifo") == []


@pytest.mark.parametrize(("fifo", "by_content"), [("True", "False"), ("true", "TRUE")])
async def test_a_fifo_topic_is_asked_for_in_any_case(
    sns: Client, fifo: str, by_content: str
) -> None:
    """str(True) is what AWS's own example for Python sends."""
    topic = await sns.topic("news.fifo", FifoTopic=fifo, ContentBasedDeduplication=by_content)
    shown = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert (shown["FifoTopic"], shown["ContentBasedDeduplication"]) == ("true", by_content.lower())


async def test_a_standard_queue_gets_copies_without_groups(sns: Client) -> None:
    topic = await _topic(sns, ContentBasedDeduplication="true")
    await sns.subscribed(topic, "inbox", RawMessageDelivery="true")
    await sns.publish(TopicArn=topic, Message="x", MessageGroupId="g")
    (message,) = await sns.messages("inbox")
    assert message["Body"] == "x"
    assert "MessageGroupId" not in message["Attributes"]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({}, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"),
        ({"MessageGroupId": "g"}, "Invalid parameter: The topic should either have"
         " ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"),
        ({"MessageGroupId": "g h"}, "Invalid parameter: MessageGroupId"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "x" * 129},
         "Invalid parameter: MessageDeduplicationId"),
    ],
)  # fmt: skip
async def test_what_a_fifo_topic_asks_of_a_message(
    sns: Client, request_: dict[str, Any], sentence: str
) -> None:
    topic = await _topic(sns)
    with pytest.raises(AwsError) as refused:
        await sns.publish(TopicArn=topic, Message="x", **request_)
    assert refused.value.message == sentence


@pytest.mark.parametrize(
    ("name", "attributes", "sentence"),
    [
        ("news.fifo", {}, "Invalid parameter: Topic Name"),
        ("news", {"FifoTopic": "true"}, "Invalid parameter: Fifo Topic names must end with .fifo"
         " and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores,"
         " and hyphens, and must be between 1 and 256 characters long."),
    ],
)  # fmt: skip
async def test_a_fifo_topics_name_says_what_it_is(
    sns: Client, name: str, attributes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(AwsError) as refused:
        await sns.topic(name, **attributes)
    assert refused.value.message == sentence


async def test_only_queues_subscribe_to_a_fifo_topic(sns: Client) -> None:
    topic = await _topic(sns)
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(
            TopicArn=topic, Protocol="lambda",
            Endpoint="arn:aws:lambda:eu-west-1:111122223333:function:f",
        )  # fmt: skip
    assert refused.value.message == "Invalid parameter: Invalid protocol type: lambda"


async def test_nothing_of_a_served_message_is_left(sns: Client) -> None:
    topic = await _topic(sns, ContentBasedDeduplication="true")
    await sns.subscribed(topic, "inbox.fifo")
    for n in range(3):
        await sns.publish(TopicArn=topic, Message=str(n), MessageGroupId="g")
    await sns.world.deliver()
    prefix = topic.encode() + b"\x00sns.waiting"
    assert not await sns.world.store.read(lambda tx: tx.scan(prefix, prefix + b"\xff", 10))

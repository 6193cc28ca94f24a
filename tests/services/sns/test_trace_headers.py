"""The publisher's X-Ray header on the way through topics, whatever becomes of a copy.

"The topic passes through the tracing header it receives from an Amazon SNS publisher to its
subscriptions": API reference, SetTopicAttributes, TracingConfig.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ogi.service import Fields
from ogi.services.sns import fanout
from tests.services.sns.conftest import Client
from tests.services.sns.subscriber import Subscriber, serving
from tests.world import World

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
OTHER = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0"
FIFO = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
RAW = {"RawMessageDelivery": "true"}


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Client:
    settings = {"sns_http_s_max": 5.0, "endpoint": "http://127.0.0.1:1"}
    return Client(world_of("sns", "sqs", "kms", settings=settings))


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    async with serving() as made:
        yield made


async def publish(
    sns: Client, topic: str, text: str = "hello", header: str = HEADER, **rest: Any
) -> None:
    call = sns.world.caller(trace_header=header)
    if topic.endswith(".fifo"):
        rest.setdefault("MessageGroupId", "g")
    await sns.world.call_as(call, "sns", "Publish", TopicArn=topic, Message=text, **rest)


async def headers(sns: Client, queue: str = "inbox") -> list[str | None]:
    """Of the messages that came to a queue."""
    found = await sns.messages(queue)
    return [message["Attributes"].get("AWSTraceHeader") for message in found]


@pytest.mark.parametrize("attributes", [{}, RAW], ids=["enveloped", "raw"])
@pytest.mark.parametrize("kind", ["standard", "fifo"])
async def test_a_queue_gets_the_header_as_an_attribute(
    sns: Client, kind: str, attributes: dict[str, str]
) -> None:
    fifo = kind == "fifo"
    topic = await sns.topic("news.fifo", **FIFO) if fifo else await sns.topic()
    queue = "inbox.fifo" if fifo else "inbox"
    await sns.subscribed(topic, queue, **attributes)
    await publish(sns, topic)
    (message,) = await sns.messages(queue)
    assert message["Attributes"]["AWSTraceHeader"] == HEADER
    assert HEADER not in message["Body"]
    assert "MessageAttributes" not in message


async def test_a_message_that_was_published_without_a_header_has_none(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    await publish(sns, topic, header="")
    assert await headers(sns) == [None]


async def test_each_message_of_a_batch_has_the_header(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    entries = [{"Id": str(n), "Message": str(n)} for n in range(3)]
    call = sns.world.caller(trace_header=HEADER)
    await sns.world.call_as(
        call, "sns", "PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries
    )
    assert await headers(sns) == [HEADER] * 3


async def test_a_fan_out_over_many_pages_brings_it_to_every_queue(sns: Client) -> None:
    topic = await sns.topic()
    names = [f"q{n}" for n in range(fanout.PAGE + 2)]
    for name in names:
        await sns.subscribed(topic, name)
    await publish(sns, topic)
    assert [await headers(sns, name) for name in names] == [[HEADER]] * len(names)


async def test_messages_of_one_group_keep_each_its_own(sns: Client) -> None:
    topic = await sns.topic("news.fifo", **FIFO)
    await sns.subscribed(topic, "inbox.fifo")
    for text, header in (("a", HEADER), ("b", OTHER), ("c", "")):
        await publish(sns, topic, text, header)
    assert await headers(sns, "inbox.fifo") == [HEADER, OTHER, None]


@pytest.mark.parametrize("raw", [False, True])
async def test_an_endpoint_gets_it_as_a_header_of_each_attempt(
    sns: Client, subscriber: Subscriber, raw: bool
) -> None:
    topic = await sns.topic()
    await subscriber.subscribe(sns, topic, **(RAW if raw else {}))
    subscriber.answers = ["503 No", "200 OK"]
    await publish(sns, topic)
    for _ in range(2):
        await sns.world.deliver()
        sns.world.clock.advance(60)
    got = [h.get("x-amzn-trace-id") for h, _ in subscriber.requests]
    assert got == [None, HEADER, HEADER], "the confirmation is no message of a publisher's"
    subscriber.requests.clear()
    await publish(sns, topic, header="")
    await sns.world.deliver()
    ((told, _),) = subscriber.requests
    assert "x-amzn-trace-id" not in told


@pytest.mark.parametrize("attributes", [{}, RAW], ids=["enveloped", "raw"])
async def test_a_dead_letter_has_the_header_of_the_copy_that_was_refused(
    sns: Client, attributes: dict[str, str]
) -> None:
    topic = await sns.topic()
    policy = json.dumps({"deadLetterTargetArn": await sns.queue("dead")})
    await sns.subscribed(topic, "gone", RedrivePolicy=policy, **attributes)
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/gone"
    await sns.world.call("sqs", "DeleteQueue", QueueUrl=url)
    await publish(sns, topic)
    assert await headers(sns, "dead") == [HEADER]


async def test_a_dead_letter_of_an_endpoint_has_the_header(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    policy = json.dumps({"deadLetterTargetArn": await sns.queue("dead")})
    await subscriber.subscribe(sns, topic, RedrivePolicy=policy)
    subscriber.answers = ["404 Not Found"]
    await publish(sns, topic)
    assert await headers(sns, "dead") == [HEADER]


async def test_a_copy_that_is_tried_again_later_still_has_it(
    world_of: Callable[..., World],
) -> None:
    sns = Client(world_of("sns", "sqs", "kms", settings={"sqs_quotas": "fifo-rate=1"}))
    topic = await sns.topic("news.fifo", **FIFO)
    await sns.subscribed(topic, "inbox.fifo")
    await publish(sns, topic, "first", header="")
    await publish(sns, topic, "second")
    assert await headers(sns, "inbox.fifo") == [None]
    assert [hop["code"] for hop in sns.hops("refused")] == ["RequestThrottled"] * 4
    sns.world.clock.advance(2)
    assert await headers(sns, "inbox.fifo") == [HEADER]


async def test_a_replay_brings_each_message_with_the_header_that_it_had(sns: Client) -> None:
    archive = json.dumps({"MessageRetentionPeriod": "1"})
    topic = await sns.topic("news.fifo", ArchivePolicy=archive, **FIFO)
    arn = await sns.subscribed(topic, "inbox.fifo")
    moment = datetime.fromtimestamp(sns.world.clock.now(), UTC).isoformat(timespec="milliseconds")
    await publish(sns, topic, "with")
    await publish(sns, topic, "without", header="")
    assert await headers(sns, "inbox.fifo") == [HEADER, None]
    policy: Fields = {"PointType": "Timestamp", "StartingPoint": moment.replace("+00:00", "Z")}
    await sns.world.call_as(
        sns.world.caller(trace_header=OTHER), "sns", "SetSubscriptionAttributes",
        SubscriptionArn=arn, AttributeName="ReplayPolicy", AttributeValue=json.dumps(policy),
    )  # fmt: skip
    # Not the header of whoever asked for the replay.
    assert await headers(sns, "inbox.fifo") == [HEADER, None]

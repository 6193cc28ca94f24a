"""Rates of FIFO queues: what is one request too many, where the settings count them.

Developer guide, 'Amazon SQS message quotas': by action; of the queue, or of each group.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from ogi.services.sqs import rates
from ogi.services.sqs.errors import RequestThrottled
from tests.services.sqs.conftest import Client
from tests.world import World

MakeClient = Callable[[str], Client]
HIGH = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}


@pytest.fixture
def limited(world_of: Callable[..., World]) -> MakeClient:
    def make(quotas: str) -> Client:
        return Client(world_of("sqs", settings={"sqs_quotas": quotas}))

    return make


async def _queue(sqs: Client, **attributes: str) -> str:
    return await sqs.queue(
        "q.fifo", FifoQueue="true", ContentBasedDeduplication="true", **attributes
    )


async def _admitted(ask: Callable[[int], Coroutine[Any, Any, Any]], times: int) -> int:
    """How many of `times` requests are not throttled."""
    count = 0
    for n in range(times):
        try:
            await ask(n)
            count += 1
        except RequestThrottled as refused:
            assert refused.message == "Request is throttled"
    return count


def _entries(*groups: str) -> list[dict[str, str]]:
    return [
        {"Id": str(n), "MessageBody": f"{group} {n}", "MessageGroupId": group}
        for n, group in enumerate(groups)
    ]


async def test_a_fifo_queue_takes_so_many_requests_of_each_action_in_a_second(
    limited: MakeClient,
) -> None:
    sqs = limited("aws")
    url = await _queue(sqs)

    async def send(n: int) -> None:
        await sqs.send(url, f"{sqs.clock.now()} {n}", MessageGroupId=str(n))

    assert await _admitted(send, 320) == 300
    handles: list[str] = []

    async def receive(n: int) -> None:
        handles.extend(one["ReceiptHandle"] for one in await sqs.receive(url))

    async def delete(n: int) -> None:
        await sqs.delete_message(QueueUrl=url, ReceiptHandle=handles[n % len(handles)])

    async def change(n: int) -> None:
        await sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=handles[n % len(handles)], VisibilityTimeout=60
        )

    assert await _admitted(receive, 301) == 300, "of its own, and empty ones count"
    assert len(handles) == 300
    assert await _admitted(change, 301) == 300
    assert await _admitted(delete, 301) == 300
    sqs.clock.advance(0.999)
    assert await _admitted(send, 1) == 0
    sqs.clock.advance(0.001)
    assert await _admitted(send, 301) == 300, "a second later all is as before"


async def test_a_batch_is_one_request_of_its_action(limited: MakeClient) -> None:
    sqs = limited("fifo-rate=3")
    url = await _queue(sqs)
    for turn in range(2):
        groups = [f"{turn}{n}" for n in range(10)]
        await sqs.send_message_batch(QueueUrl=url, Entries=_entries(*groups))
    await sqs.send(url, "x", MessageGroupId="x")
    with pytest.raises(RequestThrottled):
        await sqs.send_message_batch(QueueUrl=url, Entries=_entries("a"))
    with pytest.raises(RequestThrottled):
        await sqs.send(url, "y", MessageGroupId="y")
    assert await sqs.counts(url) == (21, 0, 0)
    found = await sqs.receive(url)
    entries = [
        {"Id": str(n), "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 60}
        for n, one in enumerate(found)
    ]
    for _ in range(3):
        await sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    with pytest.raises(RequestThrottled):
        await sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    for entry in entries:
        del entry["VisibilityTimeout"]
    for _ in range(3):
        await sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    with pytest.raises(RequestThrottled):
        await sqs.delete_message_batch(QueueUrl=url, Entries=entries)


async def test_with_a_limit_of_each_group_groups_do_not_share_it(limited: MakeClient) -> None:
    sqs = limited("fifo-rate=1,fifo-group-rate=2")
    url = await _queue(sqs, **HIGH)
    for group in ("a", "b", "c"):
        for n in range(2):
            await sqs.send(url, f"{n}", MessageGroupId=group)
        with pytest.raises(RequestThrottled):
            await sqs.send(url, "too many", MessageGroupId=group)
    found = {one["Body"]: one["ReceiptHandle"] for one in await sqs.receive(url, 2)}
    for _ in range(2):
        await sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=found["0"], VisibilityTimeout=60
        )
    with pytest.raises(RequestThrottled):
        await sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=found["1"], VisibilityTimeout=0
        )
    for handle in found.values():
        await sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    (next_,) = await sqs.receive(url, 1)
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=next_["ReceiptHandle"])


async def test_of_a_batch_only_what_is_of_a_group_with_too_many_fails(limited: MakeClient) -> None:
    sqs = limited("fifo-group-rate=2")
    url = await _queue(sqs, **HIGH)
    await sqs.send_message_batch(QueueUrl=url, Entries=_entries("a", "a", "b"))
    await sqs.send(url, "last", MessageGroupId="a")
    result = await sqs.send_message_batch(QueueUrl=url, Entries=_entries("a", "b", "a", "c"))
    assert [one["Id"] for one in result["Successful"]] == ["1", "3"]
    assert [(one["Id"], one["Code"]) for one in result["Failed"]] == [
        ("0", "RequestThrottled"), ("2", "RequestThrottled"),
    ]  # fmt: skip
    found = await sqs.receive(url)
    assert [one["Body"] for one in found][:3] == ["a 0", "a 1", "last"]
    entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(found)]
    gone = await sqs.delete_message_batch(QueueUrl=url, Entries=[entries[0], entries[1]])
    assert len(gone["Successful"]) == 2, "two of a group are one request"
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=found[2]["ReceiptHandle"])
    assert await sqs.counts(url) == (0, 3, 0)


async def test_the_limit_follows_the_queues_attribute(limited: MakeClient) -> None:
    sqs = limited("fifo-rate=1")
    url = await _queue(sqs, DeduplicationScope="messageGroup")

    async def send(n: int) -> None:
        await sqs.send(url, f"{sqs.clock.now()} {n}", MessageGroupId="g")

    assert await _admitted(send, 5) == 1
    await sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"FifoThroughputLimit": "perMessageGroupId"}
    )
    assert await _admitted(send, 5) == 5
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"FifoThroughputLimit": "perQueue"})
    sqs.clock.advance(1)
    assert await _admitted(send, 5) == 1


async def test_a_high_throughput_queue_has_a_limit_too(limited: MakeClient) -> None:
    sqs = limited("fifo-high-rate=4")
    url = await _queue(sqs, **HIGH)

    async def send(n: int) -> None:
        await sqs.send(url, str(n), MessageGroupId=str(n))

    assert await _admitted(send, 6) == 4
    assert [len(await sqs.receive(url, 1)) for _ in range(4)] == [1, 1, 1, 1]
    with pytest.raises(RequestThrottled):
        await sqs.receive(url)


async def test_a_long_poll_counts_once_however_often_it_looks(limited: MakeClient) -> None:
    import asyncio

    sqs = limited("fifo-rate=2")
    url = await _queue(sqs)
    poll = asyncio.create_task(sqs.bodies(url, WaitTimeSeconds=20))
    for _ in range(5):
        await asyncio.sleep(0.002)
    assert await sqs.receive(url) == []
    with pytest.raises(RequestThrottled):
        await sqs.receive(url, WaitTimeSeconds=20)
    await sqs.send(url, "news", MessageGroupId="g")
    assert await asyncio.wait_for(poll, 5) == ["news"]


async def test_a_topic_whose_queue_is_throttled_tries_until_all_have_come(
    world_of: Callable[..., World],
) -> None:
    settings = {"sqs_quotas": "fifo-rate=1", "endpoint": "http://127.0.0.1:1"}
    world = world_of("sns", "sqs", "kms", settings=settings)
    sqs = Client(world)
    url = await sqs.queue("q.fifo", FifoQueue="true")
    fifo = {"FifoTopic": "true"}
    topic = (await world.call("sns", "CreateTopic", Name="t.fifo", Attributes=fifo))["TopicArn"]
    await world.call(
        "sns", "Subscribe", TopicArn=topic, Protocol="sqs",
        Endpoint="arn:aws:sqs:eu-west-1:111122223333:q.fifo",
        Attributes={"RawMessageDelivery": "true"},
    )  # fmt: skip
    for n in range(6):
        await world.call(
            "sns", "Publish", TopicArn=topic, Message=str(n), MessageGroupId="g",
            MessageDeduplicationId=str(n),
        )  # fmt: skip
    await world.deliver()
    assert (await sqs.counts(url))[0] == 1
    for _ in range(60):
        sqs.clock.advance(1)
        await world.deliver()
    sqs.clock.advance(1)
    assert sorted(await sqs.bodies(url)) == [str(n) for n in range(6)]


async def test_standard_queues_and_other_queues_are_not_counted(limited: MakeClient) -> None:
    sqs = limited("fifo-rate=1,fifo-group-rate=1,fifo-high-rate=1")
    standard = await sqs.queue("standard")
    for n in range(5):
        await sqs.send(standard, str(n), MessageGroupId="g")
    url = await _queue(sqs)
    other = await sqs.queue("r.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for each in (url, other):
        await sqs.send(each, "x", MessageGroupId="g")
        assert await sqs.bodies(each) == ["x"]


async def test_nothing_is_counted_without_the_setting(sqs: Client) -> None:
    url = await _queue(sqs)

    async def send(n: int) -> None:
        await sqs.send(url, str(n), MessageGroupId="g")

    assert await _admitted(send, 400) == 400
    assert not sqs.world.store.beside(rates.Second).taken


async def test_a_clock_that_is_set_back_does_not_lengthen_the_second(limited: MakeClient) -> None:

    sqs = limited("aws")
    second, key = rates.Second(), ("arn", rates.SEND, "")

    def take(now: float) -> None:
        second.take(sqs.world.caller().but(now=now).begin(), key, 1)

    take(1_000.9)
    with pytest.raises(RequestThrottled):
        take(1_000.95)
    with pytest.raises(RequestThrottled):
        take(999.95)
    take(500.0)
    take(1_000.0)


@pytest.mark.parametrize(
    ("region", "rate"), [("eu-west-1", 70_000), ("sa-east-1", 4_500), ("eu-north-1", 2_400)]
)
def test_awss_rates_are_those_of_the_region(region: str, rate: int) -> None:
    quotas = rates.parse("aws")
    assert (quotas.fifo_rate, quotas.fifo_group_rate, quotas.high(region)) == (300, 300, rate)
    own = rates.parse("fifo-high-rate=9, aws")
    assert (own.fifo_rate, own.high(region)) == (300, 9)


@pytest.mark.parametrize("text", ["fifo-rate", "fifo-rate=x", "fifo-rate=-1", "rate=1", "AWS"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME=NUMBER|unknown field"):
        rates.parse(text)

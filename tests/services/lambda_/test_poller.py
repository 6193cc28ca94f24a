"""From queue to function: batches, failures, concurrency, refusals, in virtual time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from ogi.service import Fields
from ogi.services.lambda_ import batches
from tests.services.lambda_.conftest import ALLOW_ALL, House
from tests.world import REGION

BOOM = "def handler(event, context):\n    raise ValueError('boom')"
PARTIAL = """
def handler(event, context):
    bad = [r["messageId"] for r in event["Records"] if "bad" in r["body"]]
    return {"batchItemFailures": [{"itemIdentifier": id} for id in bad]}
"""


async def _emptied(house: House, url: str) -> None:
    async def empty() -> bool:
        return await house.depth(url) == (0, 0)

    await house.until(empty)


async def test_a_message_reaches_the_function_and_is_deleted(house: House) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30)
    await house.map(source)
    attributes = {
        "kind": {"StringValue": "x", "DataType": "String"},
        "raw": {"BinaryValue": b"\x00\x01", "DataType": "Binary"},
    }
    (id,) = await house.send(url, "hello", MessageAttributes=attributes)
    await _emptied(house, url)
    ((record,),) = (event["Records"] for event in house.events())
    handle, system = record.pop("receiptHandle"), record.pop("attributes")
    assert handle and set(system) == {
        "ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp",
    }  # fmt: skip
    assert len(record.pop("md5OfMessageAttributes")) == 32
    lists: Fields = {"stringListValues": [], "binaryListValues": []}
    assert record == {
        "messageId": id,
        "body": "hello",
        "messageAttributes": {
            "kind": {"stringValue": "x", **lists, "dataType": "String"},
            "raw": {"binaryValue": "AAE=", **lists, "dataType": "Binary"},
        },
        "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "eventSource": "aws:sqs",
        "eventSourceARN": source,
        "awsRegion": REGION,
    }
    assert house.hops("lambda.start")[0]["message_ids"] == [id]


async def test_a_message_wakes_a_poller_that_waits(house: House) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30)
    await house.map(source)
    await house.settle()
    await house.send(url, "a")
    await _emptied(house, url)
    assert house.bodies() == [["a"]]


async def test_messages_of_a_failed_batch_return_after_the_visibility_timeout(
    house: House,
) -> None:
    await house.function(BOOM)
    url, source = await house.queue(VisibilityTimeout=30)
    await house.map(source)
    await house.send(url, "a")
    await house.until(lambda: len(house.events()) == 1)
    await house.settle()
    assert await house.depth(url) == (0, 1)
    await house.pass_time(29)
    assert len(house.events()) == 1
    await house.pass_time(1)
    await house.until(lambda: len(house.events()) == 2)
    record = house.events()[1]["Records"][0]
    assert record["attributes"]["ApproximateReceiveCount"] == "2"


async def test_only_the_failed_messages_of_a_batch_return(house: House) -> None:
    await house.function(PARTIAL)
    url, source = await house.queue(VisibilityTimeout=30)
    await house.send(url, "good 1", "bad 1", "good 2")
    await house.map(source, FunctionResponseTypes=["ReportBatchItemFailures"])
    await house.until(lambda: house.bodies() == [["good 1", "bad 1", "good 2"]])
    await house.settle()
    assert await house.depth(url) == (0, 1)
    await house.pass_time(30)
    await house.until(lambda: len(house.events()) == 2)
    assert house.bodies()[1] == ["bad 1"]


async def test_without_that_response_type_the_answer_does_not_matter(house: House) -> None:
    await house.function(PARTIAL)
    url, source = await house.queue(VisibilityTimeout=30)
    await house.map(source)
    await house.send(url, "bad")
    await _emptied(house, url)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures":[]}', set()),
        (b'{"batchItemFailures":null}', set()),
        (b'{"batchItemFailures":[{"itemIdentifier":"a"}]}', {"a"}),
        (b'{"batchItemFailures":[{"itemIdentifier":""}]}', {"a", "b"}),
        (b'{"batchItemFailures":[{"itemIdentifier":null}]}', {"a", "b"}),
        (b'{"batchItemFailures":[{"bad_key":"a"}]}', {"a", "b"}),
        (b'{"batchItemFailures":[{"itemIdentifier":"unknown"}]}', {"a", "b"}),
        (b"not json", {"a", "b"}),
        (b"[" * 20_000 + b"]" * 20_000, {"a", "b"}),
        (b"[1]", {"a", "b"}),
    ],
)
def test_answers_are_read_as_documented(answer: bytes, failed: set[str]) -> None:
    batch = batches.Batch([{"MessageId": "a"}, {"MessageId": "b"}], b"")
    assert batches.failed(batch, answer) == failed


def test_an_event_has_at_most_six_megabytes() -> None:
    messages = [
        {"MessageId": str(n), "ReceiptHandle": "h", "Body": "x" * 1_000_000, "MD5OfBody": "m"}
        for n in range(10)
    ]
    split = list(batches.split(messages, "arn", REGION, 10))
    assert [len(batch.messages) for batch in split] == [6, 4]
    for batch in split:
        assert len(batch.payload) <= 6 * 1024 * 1024
        records = json.loads(batch.payload)["Records"]
        assert [record["messageId"] for record in records] == batch.ids


@pytest.mark.parametrize("size", [1, 3, 10])
async def test_a_batch_has_at_most_its_size(house: House, size: int) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30)
    await house.send(url, *(str(n) for n in range(12)))
    await house.map(source, BatchSize=size)
    await _emptied(house, url)
    assert max(map(len, house.bodies())) <= size
    assert sorted(int(body) for bodies in house.bodies() for body in bodies) == list(range(12))


async def test_a_window_gathers_messages(house: House) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=300)
    await house.map(source, BatchSize=100, MaximumBatchingWindowInSeconds=20)
    for body in ("a", "b"):
        await house.send(url, body)
        await house.settle()
    assert house.bodies() == []
    for _ in range(25):
        await house.pass_time(1)
    await house.until(house.bodies)
    assert house.bodies() == [["a", "b"]]


async def test_a_full_batch_does_not_wait_for_its_window(house: House) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=300)
    await house.send(url, *(str(n) for n in range(25)))
    await house.map(source, BatchSize=20, MaximumBatchingWindowInSeconds=60)
    await house.until(lambda: len(house.events()) == 1)
    assert len(house.bodies()[0]) == 20


# -- concurrency ----------------------------------------------------------------------------------


async def _held(house: House, messages: int, **mapping: Any) -> str:
    """A backlog, and a function that holds what it gets; the queue's URL."""
    url, source = await house.queue(VisibilityTimeout=900)
    await house.send(url, *(str(n) for n in range(messages)))
    house.sandbox.hold = asyncio.Event()
    await house.map(source, BatchSize=1, **mapping)
    await house.settle()
    return url


async def test_five_batches_at_a_time_at_first_and_more_while_messages_are_left(
    house: House,
) -> None:
    await house.function(Timeout=600)
    await _held(house, 40)
    await house.until(lambda: house.sandbox.running == 5)
    await house.settle()
    assert house.sandbox.running == 5
    for _ in range(3):
        await house.pass_time(1)
    await house.until(lambda: house.sandbox.running >= 15)
    # 300 more per minute: five per second.
    assert 15 <= house.sandbox.running <= 20


async def test_maximum_concurrency_limits_a_mapping(house: House) -> None:
    await house.function(Timeout=600)
    await _held(house, 10, ScalingConfig={"MaximumConcurrency": 2})
    for _ in range(5):
        await house.pass_time(1)
    assert house.sandbox.running_most == 2


async def test_with_one_reserved_execution_batches_run_one_by_one(house: House) -> None:
    await house.function()
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=1)
    url, source = await house.queue(VisibilityTimeout=900)
    await house.send(url, *(str(n) for n in range(7)))
    await house.map(source, BatchSize=1)
    await _emptied(house, url)
    assert house.sandbox.running_most == 1
    assert all(
        record["attributes"]["ApproximateReceiveCount"] == "1"
        for event in house.events()
        for record in event["Records"]
    )


async def test_a_throttled_batch_is_tried_again_until_its_messages_are_visible(
    house: House,
) -> None:
    await house.function(Timeout=30)
    url, source = await house.queue(VisibilityTimeout=30)
    await house.map(source)
    house.sandbox.hold = asyncio.Event()
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=1)
    await house.poller.work()
    other = asyncio.create_task(house.lambda_("Invoke", FunctionName="f"))
    await house.until(lambda: house.sandbox.running == 1)
    await house.send(url, "a")
    await house.settle()
    for _ in range(6):
        await house.pass_time(1)
    assert len(house.events()) == 1
    house.sandbox.hold.set()
    await other
    for _ in range(6):
        await house.pass_time(1)
    await _emptied(house, url)
    assert house.events()[1]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


async def test_of_a_fifo_queue_one_batch_per_group_runs_at_a_time(house: House) -> None:
    await house.function(Timeout=600)
    url, source = await house.queue(
        "q.fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout=900
    )
    for n in range(4):
        for group in ("a", "b"):
            await house.send(url, f"{group}{n}", MessageGroupId=group)
    house.sandbox.hold = asyncio.Event()
    await house.map(source, BatchSize=1)
    await house.until(lambda: len(house.bodies()) == 2)
    await house.settle()
    assert sorted(house.bodies()) == [["a0"], ["b0"]]
    house.sandbox.hold.set()
    await _emptied(house, url)
    seen = [body for bodies in house.bodies() for body in bodies]
    assert [b for b in seen if b[0] == "a"] == ["a0", "a1", "a2", "a3"]
    assert [b for b in seen if b[0] == "b"] == ["b0", "b1", "b2", "b3"]


# -- changes and refusals -------------------------------------------------------------------------


async def test_a_disabled_mapping_does_not_poll_until_it_is_enabled(house: House) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30)
    id = await house.map(source)
    await house.settle()
    await house.lambda_("UpdateEventSourceMapping", UUID=id, Enabled=False)
    await house.poller.work()
    await house.send(url, "a")
    await house.settle()
    assert house.events() == [] and await house.depth(url) == (1, 0)
    await house.lambda_("UpdateEventSourceMapping", UUID=id, Enabled=True)
    await house.settle()
    await house.poller.work()
    await _emptied(house, url)


async def test_batches_in_progress_end_when_their_mapping_is_deleted(house: House) -> None:
    await house.function(Timeout=600)
    url = await _held(house, 1)
    await house.until(lambda: house.sandbox.running == 1)
    (mapping,) = (await house.lambda_("ListEventSourceMappings"))["EventSourceMappings"]
    await house.lambda_("DeleteEventSourceMapping", UUID=mapping["UUID"])
    await house.poller.work()
    assert (await house.mapping(mapping["UUID"]))["State"] == "Deleting"
    assert house.sandbox.hold is not None
    house.sandbox.hold.set()
    await _emptied(house, url)
    await house.settle()
    await house.poller.work()
    assert (await house.lambda_("ListEventSourceMappings"))["EventSourceMappings"] == []


async def test_a_refused_poll_is_shown_and_goes_on_once_it_is_repaired(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30)
    id = await house.map(source)
    await house.grant({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    await house.send(url, "a")
    with caplog.at_level(logging.WARNING, "ogi.lambda"):
        await house.pass_time(21)
        result = await _problem(house, id)
    assert result.startswith("PROBLEM: Error occurred while ReceiveMessage. SQS Error Code: ")
    assert "is not authorized to perform: sqs:receivemessage" in result.lower()
    assert "event source mapping cannot poll" in caplog.text
    await house.grant(ALLOW_ALL)
    for _ in range(40):
        await house.pass_time(1)
    await _emptied(house, url)
    assert house.bodies() == [["a"]]
    assert "LastProcessingResult" not in await house.mapping(id)


async def _problem(house: House, id: str) -> str:
    """What the mapping shows once its poll was refused."""

    async def shown() -> bool:
        return "LastProcessingResult" in await house.mapping(id)

    await house.until(shown)
    assert house.hops("lambda.poll_refused")
    result: str = (await house.mapping(id))["LastProcessingResult"]
    return result


async def test_a_role_without_the_queues_key_cannot_poll(house: House) -> None:
    made = await house.world.call("kms", "CreateKey")
    key = made["KeyMetadata"]["Arn"]
    sqs_only = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}
    await house.grant(sqs_only)
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30, KmsMasterKeyId=key)
    id = await house.map(source)
    await house.send(url, "a")
    assert "kms" in (await _problem(house, id)).lower()
    decrypt = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}
    await house.grant(sqs_only, decrypt)
    for _ in range(70):
        await house.pass_time(1)
    await _emptied(house, url)
    assert house.bodies() == [["a"]]


async def test_a_poller_that_is_gone_loses_nothing(
    house: House, until_stopped: Callable[..., Any]
) -> None:
    await house.function(Timeout=20)
    url = await _held(house, 1)
    await house.until(lambda: house.sandbox.running == 1)
    await until_stopped(house)
    house.sandbox.hold = None
    house.clock.advance(900)
    await house.poller.work()
    await _emptied(house, url)


@pytest.fixture
def until_stopped() -> Callable[..., Any]:
    async def stop(house: House) -> None:
        """The end of one process and the start of the next, as far as the poller sees it."""
        from ogi.services.lambda_.poller import Poller

        await house.poller.close()
        house.poller = Poller(house.world.ports)

    return stop

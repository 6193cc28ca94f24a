"""FIFO queues: order and blocking by group, deduplication, sequence numbers, receive attempts."""

from __future__ import annotations

from typing import Any

import pytest

from ogi.services.sqs import errors
from tests.services.sqs.conftest import Client

ARN = "arn:aws:sqs:eu-west-1:111122223333:q.fifo"


@pytest.fixture
async def fifo(sqs: Client) -> str:
    return await sqs.queue("q.fifo", FifoQueue="true")


async def _send(sqs: Client, url: str, body: str, group: str = "g", **rest: Any) -> Any:
    rest.setdefault("MessageDeduplicationId", body)
    return await sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **rest)


async def _delete(sqs: Client, url: str, messages: list[Any]) -> None:
    for message in messages:
        await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


async def test_a_group_comes_in_order_and_several_of_it_at_once(sqs: Client, fifo: str) -> None:
    for n in range(15):
        await _send(sqs, fifo, str(n))
    first = await sqs.receive(fifo)
    assert [one["Body"] for one in first] == [str(n) for n in range(10)]
    assert await sqs.receive(fifo) == []
    await _delete(sqs, fifo, first)
    assert await sqs.bodies(fifo) == [str(n) for n in range(10, 15)]


async def test_a_group_is_blocked_while_any_of_it_is_in_flight(sqs: Client, fifo: str) -> None:
    for body in "abc":
        await _send(sqs, fifo, body)
    first = await sqs.receive(fifo, 2)
    await _delete(sqs, fifo, first[:1])
    assert await sqs.receive(fifo) == []
    await _send(sqs, fifo, "x", "other")
    assert await sqs.bodies(fifo) == ["x"]
    await _delete(sqs, fifo, first[1:])
    assert await sqs.bodies(fifo) == ["c"]


async def test_what_comes_back_comes_before_what_is_behind_it(sqs: Client, fifo: str) -> None:
    for body in "abcd":
        await _send(sqs, fifo, body)
    first = await sqs.receive(fifo, 2)
    await _delete(sqs, fifo, first[1:])
    sqs.clock.advance(30)
    assert await sqs.bodies(fifo) == ["a", "c", "d"]
    sqs.clock.advance(30)
    (again, *_) = await sqs.receive(fifo, 1)
    await sqs.change_message_visibility(
        QueueUrl=fifo, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0
    )
    assert await sqs.bodies(fifo) == ["a", "c", "d"]


async def test_groups_do_not_wait_for_each_other(sqs: Client, fifo: str) -> None:
    for n in range(6):
        await _send(sqs, fifo, str(n), f"group {n % 3}".replace(" ", "-"))
    assert await sqs.bodies(fifo, 1) == ["0"]
    assert await sqs.bodies(fifo, 1) == ["1"]
    assert await sqs.bodies(fifo, 10) == ["2", "5"]
    assert await sqs.receive(fifo) == []
    assert await sqs.counts(fifo) == (2, 4, 0)


async def test_a_duplicate_is_accepted_but_not_delivered(sqs: Client, fifo: str) -> None:
    first = await _send(sqs, fifo, "a", MessageDeduplicationId="id")
    again = await _send(sqs, fifo, "b", "other", MessageDeduplicationId="id")
    assert again["MessageId"] == first["MessageId"]
    assert again["SequenceNumber"] == first["SequenceNumber"]
    found = await sqs.receive(fifo)
    assert [one["Body"] for one in found] == ["a"]
    await _delete(sqs, fifo, found)
    sqs.clock.advance(299)
    await _send(sqs, fifo, "c", MessageDeduplicationId="id")
    assert await sqs.receive(fifo) == []
    sqs.clock.advance(1)
    await _send(sqs, fifo, "d", MessageDeduplicationId="id")
    assert await sqs.bodies(fifo) == ["d"]


async def test_the_content_can_deduplicate(sqs: Client) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    attributes = {"a": {"DataType": "String", "StringValue": "x"}}
    await sqs.send(url, "same", MessageGroupId="g")
    await sqs.send(url, "same", MessageGroupId="g", MessageAttributes=attributes)
    await sqs.send(url, "same", MessageGroupId="g", MessageDeduplicationId="explicit")
    await sqs.send(url, "other", MessageGroupId="g")
    assert await sqs.bodies(url) == ["same", "same", "other"]


async def test_deduplication_can_be_of_the_group(sqs: Client) -> None:
    url = await sqs.queue(
        "q.fifo", FifoQueue="true", DeduplicationScope="messageGroup",
        FifoThroughputLimit="perMessageGroupId",
    )  # fmt: skip
    await _send(sqs, url, "a", "one", MessageDeduplicationId="id")
    await _send(sqs, url, "b", "two", MessageDeduplicationId="id")
    await _send(sqs, url, "c", "two", MessageDeduplicationId="id")
    assert await sqs.bodies(url) == ["a", "b"]


async def test_deduplication_outlives_a_purge_but_not_its_time(sqs: Client, fifo: str) -> None:
    await _send(sqs, fifo, "a")
    await sqs.purge_queue(QueueUrl=fifo)
    await _send(sqs, fifo, "a")
    assert await sqs.receive(fifo) == []
    for _ in range(4):
        sqs.clock.advance(300)
        await sqs.world.deliver()
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_sequence_numbers_grow_also_beyond_a_purge(sqs: Client, fifo: str) -> None:
    numbers = [(await _send(sqs, fifo, str(n)))["SequenceNumber"] for n in range(3)]
    sqs.clock.advance(61)
    await sqs.purge_queue(QueueUrl=fifo)
    numbers.append((await _send(sqs, fifo, "new"))["SequenceNumber"])
    assert numbers == sorted(numbers)
    assert all(len(number) == 20 for number in numbers)
    (message,) = await sqs.receive(fifo, AttributeNames=["All"])
    assert message["Attributes"]["SequenceNumber"] == numbers[-1]
    assert message["Attributes"]["MessageGroupId"] == "g"
    assert message["Attributes"]["MessageDeduplicationId"] == "new"


async def test_an_expired_receipt_does_not_delete(sqs: Client, fifo: str) -> None:
    await _send(sqs, fifo, "a")
    (message,) = await sqs.receive(fifo)
    sqs.clock.advance(30)
    with pytest.raises(errors.InvalidParameterValue, match="The receipt handle has expired"):
        await _delete(sqs, fifo, [message])
    (message,) = await sqs.receive(fifo)
    await _delete(sqs, fifo, [message])
    await _delete(sqs, fifo, [message])


async def test_delay_is_the_queues_and_a_change_reaches_what_is_there(sqs: Client) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true", DelaySeconds=100)
    await _send(sqs, url, "a")
    await _send(sqs, url, "b")
    assert await sqs.counts(url) == (0, 0, 2)
    with pytest.raises(errors.InvalidParameterValue, match="not valid for this queue type"):
        await _send(sqs, url, "c", DelaySeconds=5)
    sqs.clock.advance(10)
    assert await sqs.receive(url) == []
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "10"})
    assert await sqs.counts(url) == (2, 0, 0)
    assert await sqs.bodies(url) == ["a", "b"]


@pytest.mark.parametrize(
    ("rest", "error", "sentence"),
    [
        ({}, errors.MissingParameter, "must contain the parameter MessageGroupId"),
        (
            {"MessageGroupId": "g"},
            errors.InvalidParameterValue,
            "ContentBasedDeduplication enabled",
        ),
        (
            {"MessageGroupId": "a b", "MessageDeduplicationId": "x"},
            errors.InvalidParameterValue,
            "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128",
        ),
        (
            {"MessageGroupId": "g", "MessageDeduplicationId": "x" * 129},
            errors.InvalidParameterValue,
            "MessageDeduplicationId can only include",
        ),
    ],
)
async def test_a_fifo_queue_refuses(
    sqs: Client, fifo: str, rest: dict[str, str], error: Any, sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        await sqs.send(fifo, **rest)


async def test_a_standard_queue_refuses_what_is_for_fifo(sqs: Client, url: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="not valid for this queue type"):
        await sqs.send(url, MessageDeduplicationId="x")


async def test_a_standard_queue_takes_a_receive_attempt_without_effect(
    sqs: Client, url: str
) -> None:
    await sqs.send(url)
    assert await sqs.bodies(url, ReceiveRequestAttemptId="try") == ["hello"]
    assert await sqs.bodies(url, ReceiveRequestAttemptId="try") == []


async def test_a_retried_receive_gets_the_same_messages_and_handles(sqs: Client, fifo: str) -> None:
    for body in "abc":
        await _send(sqs, fifo, body)
    first = await sqs.receive(fifo, 2, ReceiveRequestAttemptId="try")
    sqs.clock.advance(20)
    again = await sqs.receive(fifo, 2, ReceiveRequestAttemptId="try")
    assert again == first
    sqs.clock.advance(20)
    assert await sqs.receive(fifo, ReceiveRequestAttemptId="else") == []
    await _delete(sqs, fifo, first)
    assert await sqs.bodies(fifo) == ["c"]


@pytest.mark.parametrize("change", ["delete", "hide", "show"])
async def test_a_receive_cannot_be_retried_when_a_message_was_changed(
    sqs: Client, fifo: str, change: str
) -> None:
    await _send(sqs, fifo, "a")
    await _send(sqs, fifo, "b")
    first = await sqs.receive(fifo, 2, ReceiveRequestAttemptId="try")
    if change == "delete":
        await _delete(sqs, fifo, first[:1])
    else:
        await sqs.change_message_visibility(
            QueueUrl=fifo, ReceiptHandle=first[1]["ReceiptHandle"],
            VisibilityTimeout=0 if change == "show" else 90,
        )  # fmt: skip
    with pytest.raises(errors.InvalidParameterValue) as refused:
        await sqs.receive(fifo, ReceiveRequestAttemptId="try")
    assert refused.value.message == (
        "Value try for parameter ReceiveRequestAttemptId is invalid. Reason: The "
        "receiveRequestAttemptId is not valid anymore since the receive call is not retryable."
    )


async def test_an_attempt_whose_messages_are_visible_again_is_a_new_one(
    sqs: Client, fifo: str
) -> None:
    await _send(sqs, fifo, "a")
    (first,) = await sqs.receive(fifo, 1, ReceiveRequestAttemptId="try")
    sqs.clock.advance(30)
    (again,) = await sqs.receive(fifo, 1, ReceiveRequestAttemptId="try")
    assert again["Body"] == "a" and again["ReceiptHandle"] != first["ReceiptHandle"]


async def test_an_expired_receipt_does_not_change_the_timeout(sqs: Client, fifo: str) -> None:
    await _send(sqs, fifo, "a")
    (first,) = await sqs.receive(fifo)
    wish = {"QueueUrl": fifo, "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 9}
    sqs.clock.advance(30)
    for _ in range(2):
        with pytest.raises(errors.InvalidParameterValue, match="The receipt handle has expired"):
            await sqs.change_message_visibility(**wish)
        assert len(await sqs.receive(fifo)) <= 1


async def test_an_idle_group_costs_nothing(sqs: Client, fifo: str) -> None:
    for n in range(20):
        await _send(sqs, fifo, str(n), f"g{n}")
    while found := await sqs.receive(fifo):
        await _delete(sqs, fifo, found)
    for _ in range(4):
        sqs.clock.advance(300)
        await sqs.world.deliver()
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_expiry_in_a_fifo_queue_leaves_nothing(sqs: Client) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true", MessageRetentionPeriod=60)
    for n in range(9):
        await _send(sqs, url, str(n), f"g{n % 2}")
    await sqs.receive(url, 1, VisibilityTimeout=100)
    sqs.clock.advance(60)
    await sqs.world.deliver()
    sqs.clock.advance(40)
    await sqs.world.deliver()
    assert await sqs.counts(url) == (0, 0, 0)
    for _ in range(4):
        sqs.clock.advance(300)
        await sqs.world.deliver()
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_a_batch_keeps_its_order(sqs: Client, fifo: str) -> None:
    entries = [
        {
            "Id": str(n),
            "MessageBody": str(n),
            "MessageGroupId": "g",
            "MessageDeduplicationId": str(n),
        }
        for n in range(10)
    ]
    entries[4]["MessageBody"] = "\x00"
    result = await sqs.send_message_batch(QueueUrl=fifo, Entries=entries)
    assert [one["Id"] for one in result["Failed"]] == ["4"]
    assert await sqs.bodies(fifo) == [str(n) for n in range(10) if n != 4]


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        ("MessageGroupId", "The request must contain the parameter MessageGroupId"),
        ("MessageDeduplicationId", "The queue should either have ContentBasedDeduplication"),
    ],
)
async def test_a_batch_fails_as_a_whole_where_one_lacks_its_group_or_id(
    sqs: Client, fifo: str, member: str, sentence: str
) -> None:
    good = {"MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "1"}
    bad = {name: value for name, value in good.items() if name != member}
    with pytest.raises(errors.InvalidParameterValue, match=sentence):
        await sqs.send_message_batch(
            QueueUrl=fifo, Entries=[{"Id": "a", **good}, {"Id": "b", **bad}]
        )
    assert await sqs.counts(fifo) == (0, 0, 0)

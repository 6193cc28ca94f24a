"""Batches: each entry for itself, and what fails a batch as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from ogi.services.sqs import errors
from tests.services.sqs.conftest import Client


def _entries(*ids: str, **rest: Any) -> list[dict[str, Any]]:
    return [{"Id": id, "MessageBody": f"body {id}", **rest} for id in ids]


async def test_a_batch_is_sent_received_and_deleted(sqs: Client, url: str) -> None:
    ids = [str(n) for n in range(10)]
    sent = await sqs.send_message_batch(QueueUrl=url, Entries=_entries(*ids))
    assert [entry["Id"] for entry in sent["Successful"]] == ids
    assert "Failed" not in sent
    found = await sqs.receive(url)
    assert [one["MessageId"] for one in found] == [one["MessageId"] for one in sent["Successful"]]
    handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(found)]
    handles[3]["ReceiptHandle"] = "nonsense"
    gone = await sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    assert len(gone["Successful"]) == 9
    (failed,) = gone["Failed"]
    assert failed["Id"] == "3"
    assert failed["Code"] == "ReceiptHandleIsInvalid"
    assert failed["SenderFault"] is True
    assert await sqs.counts(url) == (0, 1, 0)


async def test_a_bad_entry_fails_alone(sqs: Client, url: str) -> None:
    entries = [*_entries("a", "b"), *_entries("c", DelaySeconds=1_000)]
    entries[1]["MessageBody"] = "\x00"
    result = await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in result["Successful"]] == ["a"]
    assert {one["Id"]: one["Code"] for one in result["Failed"]} == {
        "b": "InvalidMessageContents",
        "c": "InvalidParameterValue",
    }
    assert await sqs.counts(url) == (1, 0, 0)


async def test_a_batch_of_bad_entries_tells_no_good_ones(sqs: Client, url: str) -> None:
    result = await sqs.send_message_batch(QueueUrl=url, Entries=_entries("a", DelaySeconds=-1))
    assert "Successful" not in result
    assert [one["Id"] for one in result["Failed"]] == ["a"]


async def test_visibility_is_changed_in_batches(sqs: Client, url: str) -> None:
    await sqs.send(url)
    await sqs.send(url)
    found = await sqs.receive(url)
    result = await sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "a", "ReceiptHandle": found[0]["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "b", "ReceiptHandle": found[1]["ReceiptHandle"], "VisibilityTimeout": 50_000},
        ],
    )
    assert [one["Id"] for one in result["Successful"]] == ["a"]
    assert [one["Id"] for one in result["Failed"]] == ["b"]
    assert await sqs.counts(url) == (1, 1, 0)


@pytest.mark.parametrize(
    ("entries", "error", "sentence"),
    [
        ([], errors.EmptyBatchRequest, "at least one SendMessageBatchRequestEntry"),
        (
            _entries(*map(str, range(11))),
            errors.TooManyEntriesInBatchRequest,
            "Maximum number of entries per request are 10. You have sent 11.",
        ),
        (_entries("a", "a"), errors.BatchEntryIdsNotDistinct, "Id a repeated."),
        (_entries("a b"), errors.InvalidBatchEntryId, "at most 80 letters"),
        (_entries("a" * 81), errors.InvalidBatchEntryId, "at most 80 letters"),
    ],
)
async def test_a_malformed_batch_is_refused_as_a_whole(
    sqs: Client, url: str, entries: list[Any], error: Any, sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert await sqs.counts(url) == (0, 0, 0)


async def test_a_batch_may_have_one_mebibyte_altogether(sqs: Client, url: str) -> None:
    entries = _entries("a", "b")
    entries[0]["MessageBody"] = "x" * (1 << 19)
    entries[1]["MessageBody"] = "x" * (1 << 19)
    await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    entries[1]["MessageBody"] += "x"
    with pytest.raises(errors.BatchRequestTooLong) as refused:
        await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert refused.value.message == (
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes."
    )


async def test_a_queues_own_limit_is_of_each_message_of_a_batch(sqs: Client) -> None:
    url = await sqs.queue(MaximumMessageSize=1_024)
    entries = _entries("a", "b", "c")
    entries[0]["MessageBody"] = entries[2]["MessageBody"] = "x" * 1_024
    entries[1]["MessageBody"] = "x" * 1_025
    result = await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in result["Successful"]] == ["a", "c"]
    (failed,) = result["Failed"]
    assert failed["Code"] == "InvalidParameterValue"
    assert "shorter than 1024 bytes" in failed["Message"]

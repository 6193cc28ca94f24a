"""X-Ray's header on the way through queues.

docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.service import Fields
from ogi.services.sqs import errors
from tests.services.sqs.conftest import Client

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
OTHER = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0"


async def send(sqs: Client, url: str, body: str = "x", header: str = HEADER, **rest: Any) -> Fields:
    call = sqs.world.caller(trace_header=header)
    return await sqs.world.call_as(
        call, "sqs", "SendMessage", QueueUrl=url, MessageBody=body, **rest
    )


def as_attribute(header: str) -> Fields:
    return {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}


async def headers(sqs: Client, url: str) -> dict[str, str]:
    """By body; '' of messages that have none."""
    found = await sqs.receive(url, MessageSystemAttributeNames=["All"])
    return {m["Body"]: m["Attributes"].get("AWSTraceHeader", "") for m in found}


@pytest.mark.parametrize("kind", ["standard", "fifo"])
async def test_the_header_of_the_request_becomes_an_attribute_of_the_message(
    sqs: Client, kind: str
) -> None:
    fifo = kind == "fifo"
    url = await sqs.queue("q.fifo", FifoQueue="true") if fifo else await sqs.queue()
    more = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if fifo else {}
    sent = await send(sqs, url, **more)
    assert "MD5OfMessageSystemAttributes" not in sent, "a digest of what the sender did not send"
    assert await headers(sqs, url) == {"x": HEADER}


async def test_a_request_without_a_header_gives_its_message_none(sqs: Client, url: str) -> None:
    await send(sqs, url, header="")
    assert await headers(sqs, url) == {"x": ""}


async def test_each_message_of_a_batch_has_the_header_unless_it_brings_its_own(
    sqs: Client, url: str
) -> None:
    entries = [
        {"Id": "a", "MessageBody": "a"},
        {"Id": "b", "MessageBody": "b", "MessageSystemAttributes": as_attribute(OTHER)},
        {"Id": "c", "MessageBody": "c"},
    ]
    call = sqs.world.caller(trace_header=HEADER)
    await sqs.world.call_as(call, "sqs", "SendMessageBatch", QueueUrl=url, Entries=entries)
    assert await headers(sqs, url) == {"a": HEADER, "b": OTHER, "c": HEADER}


async def test_the_attribute_overrides_the_header_of_the_request(sqs: Client, url: str) -> None:
    await send(sqs, url, MessageSystemAttributes=as_attribute(OTHER))
    assert await headers(sqs, url) == {"x": OTHER}


async def test_an_attribute_that_is_none_is_refused_whatever_the_header(
    sqs: Client, url: str
) -> None:
    for wrong in ("nonsense", HEADER + "a" * 500, HEADER + ";\u00e4=1"):
        with pytest.raises(errors.InvalidParameterValue, match="AWSTraceHeader"):
            await send(sqs, url, MessageSystemAttributes=as_attribute(wrong))
    assert await headers(sqs, url) == {}


async def test_the_header_counts_neither_as_size_nor_as_an_attribute(sqs: Client) -> None:
    url = await sqs.queue(MaximumMessageSize=1_024)
    attributes = {f"a{n}": {"DataType": "String", "StringValue": "v"} for n in range(10)}
    body = "x" * (1_024 - 10 * len("a0Stringv"))
    await send(sqs, url, body, MessageAttributes=attributes)
    assert await headers(sqs, url) == {body: HEADER}


async def test_a_dead_letter_keeps_its_header_and_so_does_one_that_is_moved_back(
    sqs: Client,
) -> None:
    dead = await sqs.queue("dead")
    arn = "arn:aws:sqs:eu-west-1:111122223333:dead"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    source = await sqs.queue("source", RedrivePolicy=policy, VisibilityTimeout=1)
    await send(sqs, source)
    assert await headers(sqs, source) == {"x": HEADER}
    sqs.clock.advance(1)
    assert await headers(sqs, source) == {}
    await sqs.world.deliver()
    await sqs.start_message_move_task(SourceArn=arn)
    await sqs.world.deliver()
    assert await sqs.counts(dead) == (0, 0, 0)
    assert await headers(sqs, source) == {"x": HEADER}


async def test_the_header_is_no_part_of_what_makes_a_duplicate(sqs: Client) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    first = await send(sqs, url, MessageGroupId="g")
    again = await send(sqs, url, header=OTHER, MessageGroupId="g")
    assert first["MessageId"] == again["MessageId"]
    assert await headers(sqs, url) == {"x": HEADER}

"""Batches of SQS messages: the event that a function gets, and which messages its answer fails.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html (example event) and
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html (partial responses)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ogi.service import Fields

EVENT_BYTES_MAX = 6 * 1024 * 1024
_HEAD, _TAIL = b'{"Records":[', b"]}"
_ROOT = re.compile(r"Root=(1-[0-9a-f]{8}-[0-9a-f]{24})")


class Batch(msgspec.Struct, frozen=True):
    """What one invocation gets."""

    messages: Sequence[Fields]
    payload: bytes

    @property
    def ids(self) -> list[str]:
        return [message["MessageId"] for message in self.messages]

    @property
    def traces(self) -> list[str]:
        """The traces that the messages carry."""
        headers = (m.get("Attributes", {}).get("AWSTraceHeader", "") for m in self.messages)
        found = (_ROOT.search(header) for header in headers)
        return list(dict.fromkeys(match[1] for match in found if match is not None))


def split(messages: Sequence[Fields], source: str, region: str, count_max: int) -> Iterator[Batch]:
    """Batches of at most `count_max` messages, and of no more bytes than an event may have."""
    encoder = msgspec.json.Encoder()
    part: list[Fields] = []
    records: list[bytes] = []
    size = 0
    for message in messages:
        encoded = encoder.encode(record(message, source, region))
        full = size + len(encoded) + 1 + len(_HEAD) + len(_TAIL) > EVENT_BYTES_MAX
        if part and (full or len(part) == count_max):
            yield Batch(part, _HEAD + b",".join(records) + _TAIL)
            part, records, size = [], [], 0
        part.append(message)
        records.append(encoded)
        size += len(encoded) + 1
    if part:
        yield Batch(part, _HEAD + b",".join(records) + _TAIL)


def record(message: Fields, source: str, region: str) -> Fields:
    """One entry of `Records`."""
    result: Fields = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
    }
    if "MD5OfMessageAttributes" in message:
        result["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    result["md5OfBody"] = message["MD5OfBody"]
    result["eventSource"] = "aws:sqs"
    result["eventSourceARN"] = source
    result["awsRegion"] = region
    return result


def _attribute(value: Fields) -> Fields:
    result: Fields = {}
    if "StringValue" in value:
        result["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        result["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    result["stringListValues"] = []
    result["binaryListValues"] = []
    result["dataType"] = value["DataType"]
    return result


def failed(batch: Batch, answer: bytes) -> set[str]:
    """The ids of the messages that a function with partial responses reports as failed.

    An answer that says nothing is a success; one that cannot be understood fails the batch.
    """
    everything = set(batch.ids)
    try:
        said: Any = msgspec.json.decode(answer)
    except (msgspec.DecodeError, RecursionError):
        return everything
    if said is None or said == {} or said == "":
        return set()
    if not isinstance(said, dict):
        return everything
    items = said.get("batchItemFailures")
    if items is None:
        return set()
    if not isinstance(items, list):
        return everything
    found: set[str] = set()
    for item in items:
        id = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not isinstance(id, str) or id not in everything:
            return everything
        found.add(id)
    return found

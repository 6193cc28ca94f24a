"""FIFO queues through send, receive and delete: a thousand groups, and the same with a backlog in
which every message has a group of its own.

Run: python -m benches.groups [--backlog N] [--quick], or an endpoint as the others
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from statistics import median

from benches.load import Connection
from benches.places import Effort, Place, Row, Unable, cost, main, text

GROUPS = 1_000
SENDERS = 8
CONSUMERS = 8
GOAL = 5_000
TAKEN = 2_000
SHARE_GOAL = 0.8
"""Of the rate with few groups waiting; equal but for the noise of the machine."""


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    rates, cpu_s = [], 0.0
    messages = effort.messages // 2
    for _ in range(effort.runs):
        url = place.queue(FifoQueue="true")
        before = place.cpu_s()
        filling = asyncio.create_task(_fill(place, url, messages, GROUPS, 1024))
        seconds = await place.consume(url, messages, CONSUMERS)
        await filling
        cpu_s += place.cpu_s() - before
        rates.append(messages / seconds)
    yield Row(
        f"FIFO send, receive, delete in tens, {GROUPS:,} groups", median(rates), "messages/s",
        GOAL, remark=cost(cpu_s, messages * effort.runs),
    )  # fmt: skip
    url = place.queue(FifoQueue="true")
    await _fill(place, url, 2 * TAKEN, 2 * TAKEN, 256)
    few = TAKEN / await place.consume(url, TAKEN, CONSUMERS)
    url = place.queue(FifoQueue="true")
    await _fill(place, url, effort.backlog, effort.backlog, 256)
    many = TAKEN / await place.consume(url, TAKEN, CONSUMERS)
    yield Row(f"FIFO receive and delete, {2 * TAKEN:,} groups waiting", few, "messages/s")
    yield Row(
        f"FIFO receive and delete, {effort.backlog:,} groups waiting", many, "messages/s",
        SHARE_GOAL * few, remark=f"{many / few:.2f} of the above; {place.memory_mb():,.0f} MB",
    )  # fmt: skip


async def _fill(place: Place, url: str, messages: int, groups: int, body_bytes: int) -> None:
    """So many messages over so many groups, ten at a time, signed on the way."""
    requests = _batches(place, url, messages, groups, text(body_bytes))

    async def client(connection: Connection) -> None:
        for request in requests:
            status, body = await connection.ask(request)
            if status >= 300 or b'"Failed": [{' in body:
                raise Unable(f"{status}: {body[:200]!r}")

    await place.together(client, SENDERS)


def _batches(place: Place, url: str, messages: int, groups: int, body: str) -> Iterator[bytes]:
    for first in range(0, messages, 10):
        entries = [
            {
                "Id": str(at), "MessageBody": body, "MessageGroupId": f"g{at % groups}",
                "MessageDeduplicationId": str(at),
            }
            for at in range(first, first + 10)
        ]  # fmt: skip
        members = json.dumps({"QueueUrl": url, "Entries": entries}).encode()
        yield place.target.sign_json("sqs", "AmazonSQS.SendMessageBatch", members)


if __name__ == "__main__":
    main(measure, __doc__)

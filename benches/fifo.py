"""A FIFO queue with a thousand groups: send one by one, then receive and delete ten at a time.

Run: python -m benches.fifo [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

from benches.places import Effort, Place, Row, Unable, main

GROUPS = 1_000


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    sends, takes = [], []
    messages = effort.messages // 4
    for _ in range(effort.runs):
        url = place.queue(FifoQueue="true")
        requests = [
            place.sqs(
                "SendMessage", QueueUrl=url, MessageBody=str(at).ljust(1024),
                MessageGroupId=f"g{at % GROUPS}", MessageDeduplicationId=str(at),
            )
            for at in range(messages)
        ]  # fmt: skip
        # A group's messages are GROUPS requests apart: with 32 under way they arrive in order.
        seconds, _ = await place.once(requests, 32)
        sends.append(messages / seconds)
        got: dict[str, list[int]] = defaultdict(list)

        def seen(message: Any, got: dict[str, list[int]] = got) -> None:
            got[message["Attributes"]["MessageGroupId"]].append(int(message["Body"]))

        takes.append(messages / await place.consume(url, messages, 16, seen))
        if any(order != sorted(set(order)) for order in got.values()):
            raise Unable("a group was out of order")
    yield Row(f"FIFO send, {GROUPS:,} groups, 32 connections", median(sends), "/s")
    yield Row(f"FIFO receive and delete, {GROUPS:,} groups", median(takes), "messages/s")


if __name__ == "__main__":
    main(measure, __doc__)

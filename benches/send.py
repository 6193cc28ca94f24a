"""SendMessage with 1 KiB, durable, signed and authorised, at 32 connections and at one.

Run: python -m benches.send [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from benches.places import Effort, Place, Row, main, text

BODY_BYTES = 1024
DIFFERENT = 200
GOAL = 14_000
GOAL_ALONE = 1_500


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    url = place.queue()
    requests = [
        place.sqs("SendMessage", QueueUrl=url, MessageBody=text(BODY_BYTES))
        for _ in range(DIFFERENT)
    ]
    for connections, goal in ((32, GOAL), (1, GOAL_ALONE)):
        rate, remark = await place.rate(requests, connections, effort)
        promise = f"SendMessage 1 KiB, {connections} connection{'s' * (connections > 1)}"
        yield Row(promise, rate, "/s", goal, remark=remark)


if __name__ == "__main__":
    main(measure, __doc__)

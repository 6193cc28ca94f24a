"""ReceiveMessage(10) and DeleteMessageBatch until a full queue is empty.

Run: python -m benches.receive [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from statistics import median

from benches.places import Effort, Place, Row, cost, main

CONNECTIONS = 16
GOAL = 25_000


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    rates, cpu_s = [], 0.0
    for _ in range(effort.runs):
        url = place.queue()
        await place.fill(url, effort.messages, 1024)
        before = place.cpu_s()
        seconds = await place.consume(url, effort.messages, CONNECTIONS)
        cpu_s += place.cpu_s() - before
        rates.append(effort.messages / seconds)
    remark = cost(cpu_s, effort.messages * effort.runs)
    yield Row("receive ten, delete ten (1 KiB)", median(rates), "messages/s", GOAL, remark=remark)


if __name__ == "__main__":
    main(measure, __doc__)

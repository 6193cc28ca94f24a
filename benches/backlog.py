"""Receiving costs the same whether a thousand messages wait or a million.

Run: python -m benches.backlog [--backlog N] [--quick], or an endpoint as the others
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from statistics import median

from benches.places import Effort, Place, Row, main

FEW = 1_000
TAKEN = 500
ROUNDS = 7
CONNECTIONS = 4
SHARE_GOAL = 0.8
"""Of the rate with few waiting; equal but for the noise of the machine."""


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    few = []
    for _ in range(ROUNDS):
        url = place.queue()
        await place.fill(url, FEW, 256)
        few.append(TAKEN / await place.consume(url, TAKEN, CONNECTIONS))
    url = place.queue()
    await place.fill(url, effort.backlog, 256)
    many = [TAKEN / await place.consume(url, TAKEN, CONNECTIONS) for _ in range(ROUNDS)]
    slow, fast = median(many), median(few)
    yield Row(f"receive and delete, {FEW:,} waiting", fast, "messages/s")
    yield Row(
        f"receive and delete, {effort.backlog:,} waiting", slow, "messages/s", SHARE_GOAL * fast,
        remark=f"{slow / fast:.2f} of the above",
    )  # fmt: skip


if __name__ == "__main__":
    main(measure, __doc__)

"""Fair queues: how long a quiet tenant's messages wait while a noisy one has a backlog.

The same load twice, with and without MessageGroupId; consumers work 20 ms on what they received.
Run: python -m benches.tenants [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

from benches.load import Connection, Outcome, connect
from benches.places import Effort, Place, Row, Unable, main

CONSUMERS = 5
"""So that the noisy tenant has over 30 messages in flight, from which on it is known as noisy."""
WORK_S = 0.02
QUIET = 100
"""Messages of the quiet tenant."""
QUIET_EVERY_S = 0.02
NOISE = 8_000
"""More than the consumers can do while the quiet tenant sends."""
SHARE_GOAL = 0.1
"""Of the dwell time without groups."""


async def measure(place: Place, _effort: Effort) -> AsyncIterator[Row]:
    alone = median(await _dwells(place, 0, grouped=True))
    without = await _dwells(place, NOISE, grouped=False)
    fair = await _dwells(place, NOISE, grouped=True)
    title = f"quiet tenant beside {NOISE:,} of a noisy one: dwell"
    yield Row(f"{title}, no groups", median(without) * 1e3, "ms")
    p99 = Outcome(latencies=fair).percentile(0.99)
    yield Row(
        f"{title}, fair", median(fair) * 1e3, "ms", SHARE_GOAL * median(without) * 1e3, less=True,
        remark=f"p99 {p99:.1f} ms; {alone * 1e3:.1f} ms without noise",
    )  # fmt: skip


async def _dwells(place: Place, noise: int, *, grouped: bool) -> list[float]:
    """Seconds from the sending to the receipt of the quiet tenant's messages."""
    url = place.queue()
    await _backlog(place, url, noise, grouped=grouped)
    dwells: list[float] = []
    lines = [await connect(place.target) for _ in range(CONSUMERS + 1)]
    consumers = [
        asyncio.create_task(_consume(place, url, line, dwells)) for line in lines[:CONSUMERS]
    ]
    for _ in range(QUIET):
        members: dict[str, Any] = {"QueueUrl": url, "MessageBody": f"quiet {time.perf_counter()}"}
        if grouped:
            members["MessageGroupId"] = "quiet"
        await lines[-1].ask(_signed(place, "SendMessage", members))
        await asyncio.sleep(QUIET_EVERY_S)
    await asyncio.gather(*consumers)
    for line in lines:
        line.close()
    return dwells


async def _backlog(place: Place, url: str, noise: int, *, grouped: bool) -> None:
    group = {"MessageGroupId": "noisy"} if grouped else {}
    entries = [{"Id": str(i), "MessageBody": "noise", **group} for i in range(10)]
    request = place.sqs("SendMessageBatch", QueueUrl=url, Entries=entries)
    await place.once([request] * (noise // 10), 8)


async def _consume(place: Place, url: str, line: Connection, dwells: list[float]) -> None:
    """Until all of the quiet tenant was received."""
    receive = place.sqs("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    while len(dwells) < QUIET:
        status, body = await line.ask(receive)
        if status >= 300:
            raise Unable(f"{status}: {body[:200]!r}")
        now = time.perf_counter()
        found = json.loads(body).get("Messages") or ()
        words = [message["Body"].split() for message in found]
        dwells += [now - float(word[1]) for word in words if word[0] == "quiet"]
        if not found:
            continue
        await asyncio.sleep(WORK_S)
        entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(found)]
        await line.ask(_signed(place, "DeleteMessageBatch", {"QueueUrl": url, "Entries": entries}))


def _signed(place: Place, operation: str, members: dict[str, Any]) -> bytes:
    return place.target.sign_json("sqs", f"AmazonSQS.{operation}", json.dumps(members).encode())


if __name__ == "__main__":
    main(measure, __doc__)

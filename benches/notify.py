"""From a publish to the answer of a long poll on the subscribed queue, at 500 publishes a second.

Run: python -m benches.notify [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from statistics import median

from benches.fanout import topic_with
from benches.load import Connection, Outcome, connect
from benches.places import Effort, Place, Row, Unable, main

PER_SECOND = 500
POLLS = 8
PUBLISHERS = 32
GOAL_MS = 20.0
LATE_S_MAX = 20.0
NUMBER_CHARS = 8


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    count = int(PER_SECOND * effort.seconds * max(1, effort.runs - 1))
    topic, (url,) = await topic_with(place, 1, raw=True)
    latencies = await _latencies(place, topic, url, count)
    outcome = Outcome(latencies=latencies)
    yield Row(
        f"publish to long poll at {PER_SECOND}/s, p99", outcome.percentile(0.99), "ms", GOAL_MS,
        less=True, remark=f"p50 {median(latencies) * 1e3:.2f} ms of {count:,}",
    )  # fmt: skip


async def _latencies(place: Place, topic: str, url: str, count: int) -> list[float]:
    """Seconds from when each message was to be published until a poll had it."""
    requests = [
        place.sns("Publish", TopicArn=topic, Message=f"{n:0{NUMBER_CHARS}}{'x' * 1016}")
        for n in range(count)
    ]
    poll = place.sqs("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=10)
    due: list[float] = [0.0] * count
    seen: dict[int, float] = {}
    done = asyncio.Event()

    async def receive(line: Connection) -> None:
        while True:
            status, body = await line.ask(poll)
            now = time.perf_counter()
            if status >= 300:
                raise Unable(f"{status}: {body[:200]!r}")
            messages = json.loads(body).get("Messages", [])
            for message in messages:
                number = int(message["Body"][:NUMBER_CHARS])
                seen.setdefault(number, now - due[number])
            if len(seen) == count:
                done.set()
            if messages:
                entries = [
                    {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]}
                    for n, m in enumerate(messages)
                ]
                await line.ask(place.sqs("DeleteMessageBatch", QueueUrl=url, Entries=entries))

    free: asyncio.Queue[Connection] = asyncio.Queue()
    lines = [await connect(place.target) for _ in range(POLLS + PUBLISHERS)]
    for line in lines[POLLS:]:
        free.put_nowait(line)

    async def publish(number: int) -> None:
        line = await free.get()
        status, body = await line.ask(requests[number])
        free.put_nowait(line)
        if status >= 300:
            raise Unable(f"{status}: {body[:200]!r}")

    async with asyncio.TaskGroup() as tasks:
        polls = [tasks.create_task(receive(line)) for line in lines[:POLLS]]
        began = time.perf_counter() + 0.2
        for number in range(count):
            due[number] = began + number / PER_SECOND
            await asyncio.sleep(max(0.0, due[number] - time.perf_counter()))
            tasks.create_task(publish(number))
        async with asyncio.timeout(LATE_S_MAX):
            await done.wait()
        for task in polls:
            task.cancel()
    for line in lines:
        line.close()
    return list(seen.values())


if __name__ == "__main__":
    main(measure, __doc__)

"""Long polls: how fast a message wakes one, and what ten thousand cost that wait.

Run: python -m benches.waits [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator
from statistics import median

from benches.load import Outcome, connect
from benches.places import Effort, Place, Row, Unable, main, text

SAMPLES = 5
"""Wake-ups per sample of the effort, for a p99 that means something."""
SPACING_S = 0.003
WAKE_GOAL_MS = 5.0
POLLS = 10_000
SPARE_FILES = 200
OPENING = 200
"""Connections that are opened together."""
IDLE_S = 5.0
IDLE_GOAL_MS = 50.0
"""Processor time in five seconds; one percent of a core."""


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    latencies = await _wakeups(place, effort.samples * SAMPLES)
    outcome = Outcome(latencies=latencies)
    yield Row(
        "long poll: from send to its answer, p99", outcome.percentile(0.99), "ms", WAKE_GOAL_MS,
        less=True, remark=f"p50 {median(latencies) * 1e3:.2f} ms of {len(latencies):,}",
    )  # fmt: skip
    polls = _room()
    idle_ms, woken_ms = await _idle(place, polls)
    yield Row(
        f"{polls:,} waiting polls: CPU in {IDLE_S:.0f} s", idle_ms, "ms", IDLE_GOAL_MS, less=True,
        remark=f"a message woke one of them in {woken_ms:.2f} ms",
    )  # fmt: skip


async def _wakeups(place: Place, count: int) -> list[float]:
    """Seconds from the beginning of a send to the answer of the poll that waited for it."""
    url = place.queue()
    poll = place.sqs("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)
    send = place.sqs("SendMessage", QueueUrl=url, MessageBody=text(1024))
    sender, receiver = await connect(place.target), await connect(place.target)
    found = []
    for _ in range(count):
        waiting = receiver.ask(poll)
        await asyncio.sleep(SPACING_S)
        began = time.perf_counter()
        sent = sender.ask(send)
        status, body = await waiting
        found.append(time.perf_counter() - began)
        await sent
        if status >= 300:
            raise Unable(f"{status}: {body[:200]!r}")
        handle = json.loads(body)["Messages"][0]["ReceiptHandle"]
        members = json.dumps({"QueueUrl": url, "ReceiptHandle": handle}).encode()
        await sender.ask(place.target.sign_json("sqs", "AmazonSQS.DeleteMessage", members))
    sender.close()
    receiver.close()
    return found


def _room() -> int:
    """So many polls as this process may have connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(POLLS, hard - SPARE_FILES)


async def _idle(place: Place, polls: int) -> tuple[float, float]:
    """(processor time in ms while all wait, ms in which a message wakes one)"""
    if place.process is None:
        raise Unable("not our process")
    url = place.queue()
    poll = place.sqs("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)
    lines = []
    for _ in range(0, polls, OPENING):
        lines += await asyncio.gather(*(connect(place.target) for _ in range(OPENING)))
    waiting = [line.ask(poll) for line in lines]
    sender = await connect(place.target)
    # The server has taken in all polls when it answers quickly again.
    await sender.ask(place.sqs("GetQueueUrl", QueueName=url.rsplit("/", 1)[1]))
    await asyncio.sleep(1.0)
    before = place.cpu_s()
    await asyncio.sleep(IDLE_S)
    spent_ms = (place.cpu_s() - before) * 1e3
    began = time.perf_counter()
    await sender.ask(place.sqs("SendMessage", QueueUrl=url, MessageBody="wake"))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    woken_ms = (time.perf_counter() - began) * 1e3
    woken = sum(one.done() for one in waiting)
    for line in lines:
        line.close()
    await asyncio.gather(*waiting, return_exceptions=True)
    sender.close()
    if woken != 1:
        raise Unable(f"{woken} polls were answered")
    return spent_ms, woken_ms


if __name__ == "__main__":
    main(measure, __doc__)

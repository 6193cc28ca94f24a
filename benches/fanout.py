"""Publishes to a topic with ten queues, until every copy lies in its queue.

Run: python -m benches.fanout [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

from benches.load import connect
from benches.places import Effort, Place, Row, Unable, cost, main, name, text

QUEUES = 10
CONNECTIONS = 16
GOAL = 12_000
DELIVERED_S_MAX = 120.0


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    rates, cpu_s = [], 0.0
    publishes = effort.messages // 5
    for _ in range(effort.runs):
        topic, urls = _topic(place)
        await _warm(place, topic, urls)
        request = place.sns("Publish", TopicArn=topic, Message=text(1024))
        before, began = place.cpu_s(), time.perf_counter()
        await place.once([request] * publishes, CONNECTIONS)
        await _delivered(place, urls, publishes + 1)
        cpu_s += place.cpu_s() - before
        rates.append(publishes * QUEUES / (time.perf_counter() - began))
    remark = cost(cpu_s, publishes * QUEUES * effort.runs)
    promise = f"publish until in {QUEUES} queues"
    yield Row(promise, median(rates), "copies/s", GOAL, remark=remark)


def _topic(place: Place) -> tuple[str, list[str]]:
    sns = place.client("sns")
    topic: str = sns.create_topic(Name=name())["TopicArn"]
    urls = []
    for _ in range(QUEUES):
        url = place.queue()
        arn = place.arn(url)
        policy: dict[str, Any] = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage", "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            },
        }  # fmt: skip
        place.client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={"Policy": json.dumps(policy)}
        )
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        urls.append(url)
    return topic, urls


async def _warm(place: Place, topic: str, urls: list[str]) -> None:
    await place.once([place.sns("Publish", TopicArn=topic, Message="warm")], 1)
    await _delivered(place, urls, 1)


async def _delivered(place: Place, urls: list[str], messages: int) -> None:
    """Return when every queue says that it has so many."""
    asks = [
        place.sqs(
            "GetQueueAttributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        for url in urls
    ]
    line = await connect(place.target)
    until = time.monotonic() + DELIVERED_S_MAX
    try:
        # The last queue is asked until it is full, then the next: few questions while it works.
        for ask in asks:
            while True:
                _, body = await line.ask(ask)
                count = int(json.loads(body)["Attributes"]["ApproximateNumberOfMessages"])
                if count >= messages:
                    break
                if time.monotonic() > until:
                    raise Unable(f"{count} of {messages} copies after {DELIVERED_S_MAX} s")
                await asyncio.sleep(0.02)
    finally:
        line.close()


if __name__ == "__main__":
    main(measure, __doc__)

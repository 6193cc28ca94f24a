"""Publishes to topics with 1, 10, 100 and 1,000 queues, until every copy lies in its queue.

Run: python -m benches.fanout [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from statistics import median

from benches.load import connect
from benches.places import Effort, Place, Row, Unable, cost, main, name, text

GOALS = ((1, True, 5_000), (1, False, 5_000), (10, False, 15_000), (100, False, 25_000),
         (1_000, False, 25_000))  # fmt: skip
"""Copies a second, by the number of queues and whether they get the bare message: then there is no
notification to sign. An RSA signature takes longer than all else that happens to a publish to one
queue (decision 15)."""
QUEUES_OF_QUICK_MAX = 100
COPIES = 2
"""Copies that are delivered in a run, per message of the effort."""
CONNECTIONS = 16
DELIVERED_S_MAX = 120.0


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    for queues, raw, goal in GOALS:
        if effort.runs == 1 and queues > QUEUES_OF_QUICK_MAX:
            continue
        topic, urls = await topic_with(place, queues, raw)
        await _warm(place, topic, urls)
        publishes = max(1, effort.messages * COPIES // max(queues, 4))
        request = place.sns("Publish", TopicArn=topic, Message=text(1024))
        rates, cpu_s = [], 0.0
        for run in range(1, effort.runs + 1):
            before, began = place.cpu_s(), time.perf_counter()
            await place.once([request] * publishes, CONNECTIONS)
            await _delivered(place, urls, publishes * run + 1)
            cpu_s += place.cpu_s() - before
            rates.append(publishes * queues / (time.perf_counter() - began))
        remark = cost(cpu_s, publishes * queues * effort.runs)
        promise = f"publish until in {queues:,} queue{'s' if queues > 1 else ''}"
        promise += ", raw" if raw else ""
        yield Row(promise, median(rates), "copies/s", goal, remark=remark)


async def topic_with(place: Place, queues: int, raw: bool = False) -> tuple[str, list[str]]:
    """(topic, the queues' URLs): a topic to which so many new queues are subscribed."""
    topic: str = place.client("sns").create_topic(Name=name())["TopicArn"]
    urls = [place.queue()]
    arns = [place.arn(urls[0])]
    for n in range(1, queues):
        arns.append(f"{arns[0]}-{n}")
        urls.append(f"{urls[0]}-{n}")
    requests = [place.sqs("CreateQueue", QueueName=url.rsplit("/", 1)[1]) for url in urls[1:]]
    await place.once(requests, CONNECTIONS)
    requests = []
    for url, arn in zip(urls, arns, strict=True):
        statement = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
        requests.append(
            place.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy})
        )
        of_raw = {"Attributes.entry.1.key": "RawMessageDelivery",
                  "Attributes.entry.1.value": "true"} if raw else {}  # fmt: skip
        requests.append(
            place.sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn, **of_raw)
        )
    await place.once(requests, CONNECTIONS)
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

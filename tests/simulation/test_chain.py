"""Every publish, and every object's announcement, reaches every queue once: in virtual time, on a
store that delays, re-runs and fails, with processes that die between any two turns of the loop.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ogi.courier import Courier
from ogi.storage.files import FileBlobs
from tests.simulation.faulty import Fault, FaultyStore
from tests.world import ACCOUNT, REGION, World

QUEUES = 53
"""More than the fan-out serves in one transaction."""
TURNS = 60
DEATHS = 0.15
"""The share of turns in which the process dies while it delivers."""
SETTLED_S = 400.0
"""Longer than the longest wait between two attempts."""


class Chain:
    """A bucket and publishers before a topic, many queues behind it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.store = FaultyStore(seed)
        self.world = World("s3", "sns", "sqs", "kms", store=self.store, blobs=FileBlobs(folder))
        self.chance = random.Random(seed)
        self.topic = ""
        self.urls: list[str] = []
        self.attempted: list[list[str]] = []
        """What was published together, or announced as one."""
        self.acknowledged: set[str] = set()
        self.copies: dict[str, Counter[str]] = {}

    async def set_up(self) -> None:
        self.store.faulty = False
        call = self.world.call
        self.topic = (await call("sns", "CreateTopic", Name="news"))["TopicArn"]
        for number in range(QUEUES):
            made = await call("sqs", "CreateQueue", QueueName=f"q{number}")
            self.urls.append(made["QueueUrl"])
            self.copies[made["QueueUrl"]] = Counter()
            await call(
                "sns", "Subscribe", TopicArn=self.topic, Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:q{number}",
                Attributes={"RawMessageDelivery": "true"},
            )  # fmt: skip
        await call(
            "s3", "CreateBucket", Bucket="files",
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )  # fmt: skip
        await call(
            "s3", "PutBucketNotificationConfiguration", Bucket="files",
            NotificationConfiguration={
                "TopicConfigurations": [{"TopicArn": self.topic, "Events": ["s3:ObjectCreated:*"]}]
            },
        )  # fmt: skip
        await self.world.deliver()
        await self.collect()
        for seen in self.copies.values():
            seen.clear()  # S3's test event.
        self.store.faulty = True

    async def publish(self) -> None:
        body = self._plan(1)[0]
        try:
            await self.world.call("sns", "Publish", TopicArn=self.topic, Message=body)
        except Fault:
            return
        self.acknowledged.add(body)

    async def publish_batch(self) -> None:
        bodies = self._plan(3)
        entries = [{"Id": body, "Message": body} for body in bodies]
        try:
            answer = await self.world.call(
                "sns", "PublishBatch", TopicArn=self.topic, PublishBatchRequestEntries=entries
            )
        except Fault:
            return
        assert not answer.get("Failed")
        self.acknowledged.update(bodies)

    async def put(self) -> None:
        (name,) = self._plan(1)
        size = self.chance.choice([10, 100_000])

        async def body() -> AsyncIterator[bytes]:
            yield b"x" * size

        try:
            await self.world.call("s3", "PutObject", Bucket="files", Key=name, Body=body())
        except Fault:
            return
        self.acknowledged.add(name)

    def _plan(self, count: int) -> list[str]:
        bodies = [f"{len(self.attempted)}-{i}" for i in range(count)]
        self.attempted.append(bodies)
        return bodies

    async def deliver(self) -> None:
        """What the supervisor does: work, and after a fault work again."""
        try:
            await self.world.deliver()
        except Fault:
            return

    async def die(self) -> None:
        """A process that ends in the middle of what it does, and another that goes on."""
        working = asyncio.create_task(self.deliver())
        for _ in range(self.chance.randint(0, 60)):
            await asyncio.sleep(0)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await self.world.courier.close()
        self.world.courier = Courier(self.world.ports)

    async def settle(self) -> None:
        """No more faults: all that is owed has its time."""
        self.store.faulty = False
        for _ in range(4):
            self.world.clock.advance(SETTLED_S)
            await self.deliver()

    async def collect(self) -> None:
        for url in self.urls:
            while True:
                found = await self.world.call(
                    "sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10
                )
                messages = found.get("Messages", [])
                for message in messages:
                    self.copies[url][_subject(message["Body"])] += 1
                    await self.world.call(
                        "sqs", "DeleteMessage", QueueUrl=url,
                        ReceiptHandle=message["ReceiptHandle"],
                    )  # fmt: skip
                if not messages:
                    break


def _subject(body: str) -> str:
    """The published text, or the key of the object that is announced."""
    if not body.startswith("{"):
        return body
    event: dict[str, Any] = json.loads(body)
    if "Records" not in event:
        return "test event"
    name: str = event["Records"][0]["s3"]["object"]["key"]
    return name


@pytest.fixture(params=range(6))
async def chain(request: pytest.FixtureRequest, tmp_path: Path) -> Chain:
    chain = Chain(request.param, tmp_path)
    await chain.set_up()
    return chain


async def test_every_publish_reaches_every_queue_once(chain: Chain) -> None:
    chance = chain.chance
    for _ in range(TURNS):
        acts = [chance.choice([chain.publish, chain.publish_batch, chain.put]) for _ in range(2)]
        # At once, so that their transactions and the couriers' mix.
        await asyncio.gather(*(act() for act in acts), chain.deliver())
        if chance.random() < DEATHS:
            await chain.die()
        chain.world.clock.advance(chance.choice([0.0, 0.1, 1.0, 15.0]))
    await chain.settle()
    await chain.collect()
    first = chain.copies[chain.urls[0]]
    assert set(first.values()) == {1}, "a copy came twice"
    assert chain.acknowledged <= set(first), "acknowledged, and lost"
    for url, seen in chain.copies.items():
        assert seen == first, f"{url} is not told what the others are"
    for together in chain.attempted:
        there = [body in first for body in together]
        assert all(there) or not any(there), f"half of {together}"
    assert len(chain.acknowledged) > TURNS / 2, "too little came through to prove anything"

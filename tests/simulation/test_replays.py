"""Whoever replays a topic's archive from its beginning gets all that it ever published, once and in
order, whatever is published meanwhile: on a store that delays, re-runs and fails, with processes
that die in between.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from ogi.courier import Courier
from ogi.services.sns import replays
from tests.simulation.faulty import Fault, FaultyStore, persist
from tests.world import ACCOUNT, REGION, World

TURNS = 40
DEATHS = 0.2
JOINS = 0.25
SETTLED_S = 400.0
BEFORE = 3 * replays.PAGE
"""Messages that are there before anybody joins: several pages."""


class Archive:
    """A FIFO topic with three groups, and queues that join one after the other."""

    def __init__(self, seed: int) -> None:
        self.store = FaultyStore(seed, faulty=False)
        self.world = World("sns", "sqs", "kms", store=self.store)
        self.chance = random.Random(seed)
        self.topic = ""
        self.begin = ""
        self.published: dict[str, list[str]] = defaultdict(list)
        self.queues: list[str] = []

    async def set_up(self) -> None:
        attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true",
                      "ArchivePolicy": '{"MessageRetentionPeriod": "1"}'}  # fmt: skip
        made = await self.world.call("sns", "CreateTopic", Name="t.fifo", Attributes=attributes)
        self.topic = made["TopicArn"]
        self.begin = datetime.fromtimestamp(self.world.clock.now(), UTC).isoformat()
        for _ in range(BEFORE):
            await self.publish()
        self.store.faulty = True

    async def publish(self) -> None:
        """As clients do: again, until it is known to be published."""
        group = self.chance.choice("abc")
        body = f"{group}{len(self.published[group])}"
        self.published[group].append(body)
        await persist(
            lambda: self.world.call(
                "sns", "Publish", TopicArn=self.topic, Message=body, MessageGroupId=group
            )
        )

    async def join(self) -> None:
        name = f"q{len(self.queues)}.fifo"
        self.queues.append(name)
        replay = {"PointType": "Timestamp", "StartingPoint": self.begin}
        await persist(
            lambda: self.world.call(
                "sqs", "CreateQueue", QueueName=name, Attributes={"FifoQueue": "true"}
            )
        )
        await persist(
            lambda: self.world.call(
                "sns", "Subscribe", TopicArn=self.topic, Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
                Attributes={"RawMessageDelivery": "true", "ReplayPolicy": json.dumps(replay)},
            )
        )  # fmt: skip

    async def deliver(self) -> None:
        try:
            await self.world.deliver()
        except Fault:
            return

    async def die(self) -> None:
        working = asyncio.create_task(self.deliver())
        for _ in range(self.chance.randint(0, 60)):
            await asyncio.sleep(0)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await self.world.courier.close()
        self.world.courier = Courier(self.world.ports)

    async def came(self, name: str) -> dict[str, list[str]]:
        """By group, what came to a queue."""
        found: dict[str, list[str]] = defaultdict(list)
        url = f"https://x/{ACCOUNT}/{name}"
        while True:
            answer = await self.world.call(
                "sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10
            )
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                found[message["Body"][0]].append(message["Body"])
                await self.world.call(
                    "sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                )


@pytest.mark.parametrize("seed", range(5))
async def test_a_replay_brings_everything_once_and_in_order(seed: int) -> None:
    archive = Archive(seed)
    await archive.set_up()
    chance = archive.chance
    for _ in range(TURNS):
        acts: list[Callable[[], Coroutine[Any, Any, None]]] = [archive.publish, archive.deliver]
        if chance.random() < JOINS:
            acts.append(archive.join)
        await asyncio.gather(*(act() for act in acts))
        if chance.random() < DEATHS:
            await archive.die()
        archive.world.clock.advance(chance.choice([0.0, 0.1, 1.0]))
    archive.store.faulty = False
    for _ in range(4):
        archive.world.clock.advance(SETTLED_S)
        await archive.deliver()
    assert len(archive.queues) > 3, "too few joined to prove anything"
    for name in archive.queues:
        assert await archive.came(name) == archive.published, name

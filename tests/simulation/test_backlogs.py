"""What a FIFO topic publishes reaches every FIFO queue once and in the order of its group, while
queues are throttled, down or refuse for good, on a store that delays, re-runs and fails, with
processes that die in between; what a queue refused for good is in its dead-letter queue, in order.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from functools import partial

import pytest

from ogi.courier import Courier
from ogi.errors import AccessDenied, InternalFailure
from ogi.services.sns import backlogs
from ogi.services.sqs.errors import RequestThrottled
from ogi.storage import Home
from tests.services.sns.outage import Outage
from tests.simulation.faulty import Fault, FaultyStore, persist
from tests.world import ACCOUNT, REGION, World

TURNS = 120
DEATHS = 0.15
QUEUES = ("well", "slow", "down", "shut")
"""Never refuses; is throttled; is down, as its dead-letter queue is; refuses for good at times."""
SETTLED_S = 400.0


class Topic:
    """A FIFO topic with three groups before queues, each with a dead-letter queue of its own."""

    def __init__(self, seed: int) -> None:
        self.store = FaultyStore(seed, faulty=False)
        self.outage = Outage()
        self.world = World("sns", "sqs", "kms", store=self.store, authorise=self.outage)
        self.chance = random.Random(seed)
        self.topic = ""
        self.published: dict[str, list[str]] = defaultdict(list)

    async def set_up(self) -> None:
        attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
        made = await self.world.call("sns", "CreateTopic", Name="t.fifo", Attributes=attributes)
        self.topic = made["TopicArn"]
        for name in QUEUES:
            await self._queue(f"{name}.fifo")
            dead = await self._queue(f"{name}-dead.fifo")
            await self.world.call(
                "sns", "Subscribe", TopicArn=self.topic, Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}.fifo",
                Attributes={"RawMessageDelivery": "true",
                            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})},
            )  # fmt: skip
        self.store.faulty = True

    async def _queue(self, name: str) -> str:
        await self.world.call("sqs", "CreateQueue", QueueName=name,
                              Attributes={"FifoQueue": "true"})  # fmt: skip
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    async def publish(self, count: int) -> None:
        """One after the other, as clients do: again, until it is known to be published."""
        for _ in range(count):
            group = self.chance.choice("abc")
            body = f"{group}{len(self.published[group])}"
            self.published[group].append(body)
            ask = partial(
                self.world.call, "sns", "Publish", TopicArn=self.topic, Message=body,
                MessageGroupId=group,
            )  # fmt: skip
            await persist(ask)

    def change(self) -> None:
        """Other queues are in trouble from now on."""
        kinds: dict[str, tuple[type[Exception], ...]] = {
            "slow": (RequestThrottled,),
            "down": (InternalFailure, RuntimeError),
            "down-dead": (InternalFailure,),
            "shut": (AccessDenied, InternalFailure),
            "shut-dead": (RequestThrottled, RuntimeError),
        }
        self.outage.down = {
            f"{name}.fifo": self.chance.choice(errors)
            for name, errors in kinds.items()
            if self.chance.random() < 0.5
        }

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

    async def settle(self) -> None:
        """No more faults, no more trouble: all that waits has its time."""
        self.store.faulty = False
        self.outage.down = {}
        for _ in range(4):
            self.world.clock.advance(SETTLED_S)
            await self.deliver()

    async def waiting(self) -> int:
        """How many backlogs there are."""
        rows = await self.store.read(
            lambda tx: backlogs.TABLE.scan(tx, Home(self.topic), limit=100)
        )
        return len(rows)

    async def came(self, name: str) -> dict[str, list[str]]:
        """By group, what came to a queue."""
        found: dict[str, list[str]] = defaultdict(list)
        url = f"https://x/{ACCOUNT}/{name}.fifo"
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


@pytest.mark.parametrize("seed", range(8))
async def test_every_copy_comes_once_and_in_order(seed: int) -> None:
    simulated = Topic(seed)
    await simulated.set_up()
    chance, waited = simulated.chance, 0
    for turn in range(TURNS):
        if turn % 5 == 0:
            simulated.change()
        await asyncio.gather(simulated.publish(2), simulated.deliver())
        waited = max(waited, await simulated.waiting())
        if chance.random() < DEATHS:
            await simulated.die()
        simulated.world.clock.advance(chance.choice([0.0, 0.1, 1.0, 5.0]))
    await simulated.settle()
    assert waited > 5, "too little waited to prove anything"
    assert await simulated.waiting() == 0
    published = dict(simulated.published)
    for name in ("well", "slow", "down"):
        assert await simulated.came(name) == published, name
        assert await simulated.came(f"{name}-dead") == {}, name
    taken, dead = await simulated.came("shut"), await simulated.came("shut-dead")
    for group, bodies in published.items():
        assert taken[group] and dead[group], "too little was refused to prove anything"
        for came in (taken[group], dead[group]):
            assert came == [body for body in bodies if body in came], "out of order, or twice"
        assert sorted(taken[group] + dead[group]) == sorted(bodies), "lost, or in both queues"

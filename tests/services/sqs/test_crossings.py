"""Dead letters of a FIFO queue come to their queue in their order, also where that takes long."""

from __future__ import annotations

import json

import pytest

from ogi.services.sqs import layout as layouts
from ogi.services.sqs import queues
from ogi.storage import Transaction
from tests.services.sqs.conftest import Client

PREFIX = "arn:aws:sqs:eu-west-1:111122223333:"


def dying(name: str) -> str:
    """A RedrivePolicy by which messages move to that queue at their second receive."""
    return json.dumps({"deadLetterTargetArn": PREFIX + name, "maxReceiveCount": 1})


async def _rows_of_ledger(sqs: Client, name: str, row: bytes | None) -> bytes:
    """The ledger of a queue; `row`: what stands there from now on."""
    queue = await sqs.world.store.read(lambda tx: queues.find_by_arn(tx, PREFIX + name))
    assert queue is not None
    layout = layouts.of(queue.arn, queue.epoch)

    def body(tx: Transaction) -> bytes:
        found = tx.get(layout.ledger) or b""
        if row is not None:
            tx.set(layout.ledger, row)
        return found

    return await sqs.world.store.transact(body, layout.home)


class Fifo:
    """A FIFO queue whose messages die at their second receive, and their queue, which can be
    damaged, so that the move has to be tried again."""

    def __init__(self, sqs: Client, url: str, dead: str) -> None:
        self.sqs = sqs
        self.url = url
        self.dead = dead
        self._ledger = b""

    async def damage(self) -> None:
        self._ledger = await _rows_of_ledger(self.sqs, "dead.fifo", b"damaged")

    async def repair(self) -> None:
        await _rows_of_ledger(self.sqs, "dead.fifo", self._ledger)

    async def bury(self, body: str, group: str = "g") -> None:
        await self.sqs.send(self.url, body, MessageGroupId=group, MessageDeduplicationId=body)
        for _ in range(2):
            await self.sqs.receive(self.url, VisibilityTimeout=0)
        await self.sqs.world.deliver()

    async def go_on(self) -> None:
        for _ in range(10):
            self.sqs.clock.advance(60)
            await self.sqs.world.deliver()

    async def rows(self) -> list[bytes]:
        found = await self.sqs.rows(PREFIX + "q.fifo")
        return [key for key in found if key.startswith((b"sqs.line", b"sqs.load"))]


@pytest.fixture
async def fifo(sqs: Client) -> Fifo:
    dead = await sqs.queue("dead.fifo", FifoQueue="true")
    await sqs.send(dead, "direct", MessageGroupId="other", MessageDeduplicationId="direct")
    url = await sqs.queue("q.fifo", FifoQueue="true", RedrivePolicy=dying("dead.fifo"))
    return Fifo(sqs, url, dead)


async def test_fifo_dead_letters_wait_for_one_whose_move_is_tried_again(
    sqs: Client, fifo: Fifo
) -> None:
    await fifo.damage()
    await fifo.bury("0")
    await fifo.bury("1")
    await fifo.repair()
    await fifo.bury("2")
    assert await sqs.counts(fifo.url) == (0, 0, 0)
    await fifo.go_on()
    assert await sqs.bodies(fifo.dead) == ["direct", "0", "1", "2"]
    assert await fifo.rows() == []
    await fifo.bury("3", group="h")
    assert await sqs.bodies(fifo.dead) == ["3"]


async def test_fifo_dead_letters_of_receives_of_one_moment_keep_their_order(
    sqs: Client, fifo: Fifo
) -> None:
    for n in range(30):
        await sqs.send(fifo.url, str(n), MessageGroupId="g", MessageDeduplicationId=str(n))
    for _ in range(40):
        await sqs.receive(fifo.url, 1, VisibilityTimeout=0)
    await sqs.world.deliver()
    found: list[str] = []
    while messages := await sqs.receive(fifo.dead):
        for message in messages:
            await sqs.delete_message(QueueUrl=fifo.dead, ReceiptHandle=message["ReceiptHandle"])
            found.append(message["Body"])
    assert found == ["direct", *(str(n) for n in range(30))]


async def test_what_waits_to_cross_comes_although_its_source_is_deleted(
    sqs: Client, fifo: Fifo
) -> None:
    await fifo.damage()
    await fifo.bury("0")
    await sqs.delete_queue(QueueUrl=fifo.url)
    await fifo.repair()
    await fifo.go_on()
    assert await sqs.bodies(fifo.dead) == ["direct", "0"]
    assert await sqs.rows(PREFIX + "q.fifo") == []


async def test_what_waits_to_cross_to_a_queue_that_is_gone_goes_with_it(
    sqs: Client, fifo: Fifo
) -> None:
    """And what waits behind it goes where the policy said when it died."""
    other = await sqs.queue("other.fifo", FifoQueue="true")
    await fifo.damage()
    await fifo.bury("0")
    await sqs.set_queue_attributes(
        QueueUrl=fifo.url, Attributes={"RedrivePolicy": dying("other.fifo")}
    )
    await fifo.bury("1")
    assert await sqs.counts(other) == (0, 0, 0)
    await sqs.delete_queue(QueueUrl=fifo.dead)
    await fifo.go_on()
    assert await sqs.bodies(other) == ["1"]
    assert await fifo.rows() == []

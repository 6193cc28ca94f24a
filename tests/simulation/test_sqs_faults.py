"""SQS on a store that fails before and after the commit: what was acknowledged is kept.

Producers and consumers repeat what failed, as real clients do. Standard: every acknowledged message
is handled at least once. FIFO: with deduplication every message is handled once, in its order, also
by way of a dead-letter queue and back.
"""

from __future__ import annotations

import contextlib
import json
import random
from functools import partial
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.sqs.conftest import Client
from tests.simulation.faulty import Fault, FaultyStore, persist
from tests.world import World


async def _try_to_delete(sqs: Client, url: str, message: dict[str, Any]) -> bool:
    try:
        await persist(
            lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        )
    except AwsError:
        return False
    return True


@pytest.fixture(params=range(12))
def sqs(request: pytest.FixtureRequest) -> Client:
    return Client(World("sqs", store=FaultyStore(request.param)))


async def _create(sqs: Client, name: str, **attributes: str) -> str:
    sqs.world.store.faulty = False  # type: ignore[attr-defined]
    url = await sqs.queue(name, **attributes)
    sqs.world.store.faulty = True  # type: ignore[attr-defined]
    return url


async def test_every_acknowledged_message_is_handled(sqs: Client) -> None:
    url = await _create(sqs, "q", VisibilityTimeout="10")
    chance = random.Random(1)
    acknowledged: list[str] = []
    handled: list[str] = []
    for turn in range(400):
        if turn < 150:
            delay = chance.choice([0, 0, 3])
            try:
                await sqs.send(url, str(turn), DelaySeconds=delay)
                acknowledged.append(str(turn))
            except Fault:
                pass
        try:
            found = await sqs.receive(url, chance.randint(1, 10))
        except Fault:
            found = []
        for message in found:
            if chance.random() < 0.7 and await _try_to_delete(sqs, url, message):
                handled.append(message["Body"])
        sqs.clock.advance(0.5)
        if turn % 3 == 0:
            await persist(sqs.world.deliver)
    assert set(acknowledged) <= set(handled)
    assert await sqs.counts(url) == (0, 0, 0)
    await _ended(sqs, url)


async def test_a_fifo_queue_delivers_once_and_in_order(sqs: Client) -> None:
    url = await _create(sqs, "q.fifo", FifoQueue="true", VisibilityTimeout="10")
    chance = random.Random(2)
    sent: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    handled: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    for turn in range(700):
        if turn < 120:
            group = chance.choice("abc")
            body = str(turn)
            await persist(
                partial(sqs.send, url, body, MessageGroupId=group, MessageDeduplicationId=body)
            )
            sent[group].append(body)
        try:
            found = await sqs.receive(url, chance.randint(1, 10), AttributeNames=["MessageGroupId"])
        except Fault:
            found = []
        for message in found:
            # A consumer that dies leaves the rest of its batch behind, in order.
            if chance.random() < 0.2 or not await _try_to_delete(sqs, url, message):
                break
            handled[message["Attributes"]["MessageGroupId"]].append(message["Body"])
        sqs.clock.advance(0.5)
        if turn % 3 == 0:
            await persist(sqs.world.deliver)
    assert handled == sent
    assert await sqs.counts(url) == (0, 0, 0)
    await _ended(sqs, url)


async def test_dead_letters_and_their_move_back_lose_double_and_reorder_nothing(
    sqs: Client,
) -> None:
    dead = await _create(sqs, "dead.fifo", FifoQueue="true")
    dead_arn = "arn:aws:sqs:eu-west-1:111122223333:dead.fifo"
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    url = await _create(sqs, "q.fifo", FifoQueue="true", RedrivePolicy=policy)
    chance = random.Random(3)
    sent: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    for n in range(60):
        body, group = str(n), "abc"[n % 3]
        await persist(
            partial(sqs.send, url, body, MessageGroupId=group, MessageDeduplicationId=body)
        )
        sent[group].append(body)
    while await sqs.counts(url) != (0, 0, 0):
        with contextlib.suppress(Fault):
            await sqs.receive(url, 4, VisibilityTimeout=0)
        if chance.random() < 0.3:
            # Some arrive, or are tried again later, while others die.
            await persist(sqs.world.deliver)
        sqs.clock.advance(0.1)
    await _go_on(sqs)
    assert await sqs.counts(dead) == (60, 0, 0)
    with contextlib.suppress(AwsError):
        # The answer that says so may be lost; the one who asks again hears that it runs.
        await persist(partial(sqs.start_message_move_task, SourceArn=dead_arn))
    await _go_on(sqs)
    (task,) = (await sqs.list_message_move_tasks(SourceArn=dead_arn))["Results"]
    assert task["Status"] == "COMPLETED"
    assert task["ApproximateNumberOfMessagesMoved"] == 60
    assert await sqs.counts(dead) == (0, 0, 0)
    assert await sqs.counts(url) == (60, 0, 0)
    await persist(partial(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": ""}))
    handled: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    while await sqs.counts(url) != (0, 0, 0):
        with contextlib.suppress(Fault):
            for message in await sqs.receive(url, AttributeNames=["MessageGroupId"]):
                if not await _try_to_delete(sqs, url, message):
                    break
                handled[message["Attributes"]["MessageGroupId"]].append(message["Body"])
        sqs.clock.advance(5)
    assert handled == sent
    await _ended(sqs, url)


async def _go_on(sqs: Client) -> None:
    """What is owed is tried again after growing waits; let them all pass."""
    for _ in range(100):
        sqs.clock.advance(10)
        await persist(sqs.world.deliver)


async def _ended(sqs: Client, url: str) -> None:
    """When all is over, nothing is left but the ledger."""
    sqs.world.store.faulty = False  # type: ignore[attr-defined]
    for _ in range(4):
        sqs.clock.advance(300)
        await persist(sqs.world.deliver)
    name = url.rsplit("/", 1)[1]
    rows = await sqs.rows(f"arn:aws:sqs:eu-west-1:111122223333:{name}")
    assert [key[8:] for key in rows] == [b"c"]

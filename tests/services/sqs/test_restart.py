"""A restart: messages, receipts, deduplication, delays and move tasks go on where they were."""

from __future__ import annotations

import json
from pathlib import Path

from ogi.storage import open
from tests.services.sqs.conftest import Client
from tests.world import World

DEAD = "arn:aws:sqs:eu-west-1:111122223333:dead"


async def _start(folder: Path, after: Client | None = None) -> Client:
    """A server on the folder; `after`: the one that ran before, which is stopped."""
    if after is not None:
        await after.world.store.close()
    client = Client(World("sqs", store=open("sqlite", folder)))
    if after is not None:
        client.clock.advance(after.clock.now() - client.clock.now())
    return client


async def test_messages_receipts_and_delays_survive(tmp_path: Path) -> None:
    sqs = await _start(tmp_path)
    url = await sqs.queue()
    for body in ("flying", "ready"):
        await sqs.send(url, body)
    await sqs.send(url, "delayed", DelaySeconds=10)
    (message,) = await sqs.receive(url, 1)
    sqs = await _start(tmp_path, sqs)
    assert await sqs.counts(url) == (1, 1, 1)
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.clock.advance(10)
    assert await sqs.bodies(url) == ["ready", "delayed"]
    await sqs.world.store.close()


async def test_deduplication_survives(tmp_path: Path) -> None:
    sqs = await _start(tmp_path)
    url = await sqs.queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    await sqs.send(url, "once", MessageGroupId="g")
    sqs = await _start(tmp_path, sqs)
    await sqs.send(url, "once", MessageGroupId="g")
    assert await sqs.bodies(url) == ["once"]
    await sqs.world.store.close()


async def test_a_move_task_goes_on(tmp_path: Path) -> None:
    sqs = await _start(tmp_path)
    dead = await sqs.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 1})
    url = await sqs.queue("source", RedrivePolicy=policy, VisibilityTimeout=0)
    for n in range(20):
        await sqs.send(url, str(n))
    await sqs.receive(url, VisibilityTimeout=0)
    while (await sqs.counts(dead))[0] < 20:
        await sqs.receive(url, VisibilityTimeout=0)
        await sqs.world.deliver()
    await sqs.start_message_move_task(SourceArn=DEAD, MaxNumberOfMessagesPerSecond=5)
    for _ in range(20):
        sqs.clock.advance(0.1)
        await sqs.world.deliver()
    moved = (await sqs.counts(url))[0]
    assert 5 <= moved <= 15
    sqs = await _start(tmp_path, sqs)
    for _ in range(60):
        sqs.clock.advance(0.1)
        await sqs.world.deliver()
    (task,) = (await sqs.list_message_move_tasks(SourceArn=DEAD))["Results"]
    assert task["Status"] == "COMPLETED"
    assert task["ApproximateNumberOfMessagesMoved"] == 20
    assert (await sqs.counts(url))[0] == 20
    await sqs.world.store.close()

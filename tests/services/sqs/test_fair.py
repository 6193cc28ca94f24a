"""Fair queues: a noisy tenant does not raise the waiting time of quiet ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.sqs.conftest import Client

ARN = "arn:aws:sqs:eu-west-1:111122223333:orders"


async def _send(sqs: Client, url: str, group: str | None, count: int) -> None:
    for at in range(0, count, 10):
        entries: list[dict[str, Any]] = [
            {"Id": str(n), "MessageBody": f"{group} {at + n}"} for n in range(min(10, count - at))
        ]
        if group is not None:
            for entry in entries:
                entry["MessageGroupId"] = group
        await sqs.send_message_batch(QueueUrl=url, Entries=entries)


async def _delete(sqs: Client, url: str, messages: list[Any]) -> None:
    for message in messages:
        await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


async def test_messages_of_a_group_can_be_in_flight_together(sqs: Client, url: str) -> None:
    await _send(sqs, url, "a", 5)
    assert len(await sqs.receive(url, 2)) == 2
    assert await sqs.bodies(url, 2) == ["a 2", "a 3"]
    (message,) = await sqs.receive(url, AttributeNames=["MessageGroupId"])
    assert message["Attributes"] == {"MessageGroupId": "a"}


async def test_without_noise_the_order_is_that_of_sending(sqs: Client, url: str) -> None:
    sent = []
    for n in range(30):
        group = [None, "a", "b", "c"][n % 4]
        rest = {} if group is None else {"MessageGroupId": group}
        await sqs.send(url, str(n), **rest)
        sent.append(str(n))
        sqs.clock.advance(0.01)
    got = [body for _ in range(3) for body in await sqs.bodies(url)]
    assert got == sent


async def test_a_quiet_tenant_does_not_wait_behind_a_noisy_ones_backlog(
    sqs: Client, url: str
) -> None:
    await _send(sqs, url, "noisy", 500)
    for _ in range(4):
        await sqs.receive(url)
    sqs.clock.advance(1)
    await _send(sqs, url, "quiet", 3)
    sqs.clock.advance(1)
    await _send(sqs, url, None, 2)
    assert await sqs.bodies(url, 5) == ["quiet 0", "quiet 1", "quiet 2", "None 0", "None 1"]
    assert await sqs.bodies(url, 1) == ["noisy 40"]


async def test_of_noisy_tenants_the_one_with_fewest_in_flight_comes_first(
    sqs: Client, url: str
) -> None:
    for group in ("a", "b"):
        await _send(sqs, url, group, 100)
    for _ in range(14):
        await sqs.receive(url, 10)
    counts = {"a": 0, "b": 0}
    for body in [body for _ in range(4) for body in await sqs.bodies(url)]:
        counts[body[0]] += 1
    assert counts == {"a": 0, "b": 40} or abs(counts["a"] - counts["b"]) <= 40
    assert await sqs.counts(url) == (20, 180, 0)


async def test_a_slow_tenant_is_noisy_though_it_has_few_messages(sqs: Client, url: str) -> None:
    await _send(sqs, url, "slow", 20)
    for _ in range(5):
        found = await sqs.receive(url, 1)
        sqs.clock.advance(20)
        await _delete(sqs, url, found)
    await _send(sqs, url, "quick", 2)
    assert await sqs.bodies(url, 2) == ["quick 0", "quick 1"]
    assert await sqs.bodies(url, 1) == ["slow 5"]


async def test_a_noisy_tenant_is_quiet_again_when_its_share_is(sqs: Client, url: str) -> None:
    await _send(sqs, url, "noisy", 100)
    held = [message for _ in range(4) for message in await sqs.receive(url)]
    sqs.clock.advance(0.1)
    await _send(sqs, url, "quiet", 1)
    assert await sqs.bodies(url, 1) == ["quiet 0"]
    await _delete(sqs, url, held)
    sqs.clock.advance(0.1)
    await _send(sqs, url, "quiet", 1)
    assert await sqs.bodies(url, 1) == ["noisy 40"]


@pytest.mark.parametrize("count", [1, 35])
async def test_a_tenant_that_is_done_leaves_nothing(sqs: Client, url: str, count: int) -> None:
    await _send(sqs, url, "a", count)
    while found := await sqs.receive(url):
        if len(found) == 10:
            await sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"], VisibilityTimeout=0
            )
        await _delete(sqs, url, found)
    sqs.clock.advance(600)
    await sqs.world.deliver()
    assert await sqs.counts(url) == (0, 0, 0)
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_expiry_reaches_tenants(sqs: Client) -> None:
    url = await sqs.queue(MessageRetentionPeriod=60)
    await _send(sqs, url, "a", 12)
    await _send(sqs, url, "b", 1)
    await sqs.receive(url, 5, VisibilityTimeout=30)
    sqs.clock.advance(30)
    await sqs.world.deliver()
    sqs.clock.advance(30)
    await sqs.world.deliver()
    assert await sqs.counts(url) == (0, 0, 0)
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]

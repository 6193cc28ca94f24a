"""Long polls: they wake at once, one per message, cost nothing while idle, and can go away."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from ogi.services.sqs import errors, lanes
from tests.services.sqs.conftest import Client


async def _settle() -> None:
    """Let everything that can run now run; SQLite answers from a thread of its own."""
    for _ in range(10):
        await asyncio.sleep(0.002)


async def test_a_long_poll_wakes_when_a_message_is_sent(sqs: Client, url: str) -> None:
    poll = asyncio.create_task(sqs.receive(url, WaitTimeSeconds=20))
    await _settle()
    assert not poll.done()
    await sqs.send(url, "news")
    assert [message["Body"] for message in await poll] == ["news"]


async def test_a_long_poll_gives_up_when_its_time_is_over(sqs: Client, url: str) -> None:
    poll = asyncio.create_task(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=3))
    await _settle()
    sqs.clock.advance(2.9)
    await _settle()
    assert not poll.done()
    sqs.clock.advance(0.1)
    assert await poll == {}


async def test_the_queue_says_how_long_to_poll_if_the_request_does_not(sqs: Client) -> None:
    url = await sqs.queue(ReceiveMessageWaitTimeSeconds=5)
    poll = asyncio.create_task(sqs.receive(url))
    await _settle()
    assert not poll.done()
    assert await sqs.receive(url, WaitTimeSeconds=0) == []
    sqs.clock.advance(5)
    assert await poll == []


async def test_a_long_poll_wakes_when_a_hidden_or_delayed_message_returns(
    sqs: Client, url: str
) -> None:
    await sqs.send(url, "hidden")
    await sqs.receive(url, VisibilityTimeout=4)
    await sqs.send(url, "delayed", DelaySeconds=6)
    for body, wait in (("hidden", 4), ("delayed", 2)):
        poll = asyncio.create_task(sqs.bodies(url, WaitTimeSeconds=20))
        await _settle()
        assert not poll.done()
        sqs.clock.advance(wait)
        assert await poll == [body]


async def test_a_message_wakes_one_of_many_polls(sqs: Client, url: str) -> None:
    polls = [asyncio.create_task(sqs.receive(url, 1, WaitTimeSeconds=20)) for _ in range(200)]
    await _settle()
    asked = _count(sqs)
    await sqs.send(url)
    await _settle()
    assert sum(poll.done() for poll in polls) == 1
    assert asked["transact"] <= 3
    for _ in range(5):
        await sqs.send(url)
    await _settle()
    assert sum(poll.done() for poll in polls) == 6
    sqs.clock.advance(20)
    assert sum(len(found) for found in await asyncio.gather(*polls)) == 6


class _Counted:
    """A store that counts what it is asked for."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._store, name)


def _count(sqs: Client) -> Counter[str]:
    """How often the store is asked for something from now on, by method."""
    counted = _Counted(sqs.world.store)
    # Ports are frozen, and their store may be compiled: the counter is slipped in between.
    object.__setattr__(sqs.world.ports, "store", counted)
    return counted.asked


async def test_polls_are_served_in_the_order_of_their_coming(sqs: Client, url: str) -> None:
    polls = []
    for _ in range(5):
        polls.append(asyncio.create_task(sqs.bodies(url, 1, WaitTimeSeconds=20)))
        await _settle()
    for n in range(5):
        await sqs.send(url, str(n))
        await _settle()
    assert [await poll for poll in polls] == [["0"], ["1"], ["2"], ["3"], ["4"]]


@pytest.mark.parametrize("gone", [0, 1, 2])
async def test_a_poll_that_went_away_swallows_nothing(sqs: Client, url: str, gone: int) -> None:
    polls = [asyncio.create_task(sqs.bodies(url, WaitTimeSeconds=20)) for _ in range(3)]
    await _settle()
    polls[gone].cancel()
    await _settle()
    await sqs.send(url, "a")
    await _settle()
    await sqs.send(url, "b")
    await _settle()
    rest = [poll for n, poll in enumerate(polls) if n != gone]
    assert sorted([await poll for poll in rest]) == [["a"], ["b"]]
    assert polls[gone].cancelled()


async def test_the_place_of_a_poll_that_leaves_when_woken_goes_to_the_next(
    sqs: Client, url: str
) -> None:
    polls = [asyncio.create_task(sqs.bodies(url, WaitTimeSeconds=20)) for _ in range(3)]
    await _settle()
    await sqs.send(url, "a")
    polls[0].cancel()
    done, _ = await asyncio.wait(polls[1:], timeout=5, return_when=asyncio.FIRST_COMPLETED)
    if not polls[0].cancelled():
        return
    (got,) = [poll.result() for poll in done]
    assert got == ["a"]
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)


async def test_a_poll_ends_when_its_queue_is_deleted(sqs: Client, url: str) -> None:
    poll = asyncio.create_task(sqs.receive(url, WaitTimeSeconds=20))
    await _settle()
    await sqs.delete_queue(QueueUrl=url)
    with pytest.raises(errors.QueueDoesNotExist):
        await asyncio.wait_for(poll, 5)


async def test_no_line_remains_when_nobody_waits(sqs: Client, url: str) -> None:
    from ogi.services.sqs.waiting import _Lines

    polls = [asyncio.create_task(sqs.receive(url, WaitTimeSeconds=1)) for _ in range(3)]
    await _settle()
    assert sqs.world.store.beside(_Lines)
    sqs.clock.advance(1)
    await asyncio.gather(*polls)
    assert not sqs.world.store.beside(_Lines)


async def test_a_poll_of_a_fifo_queue_wakes_when_its_group_is_free(sqs: Client) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    await sqs.send(url, "1", MessageGroupId="g")
    await sqs.send(url, "2", MessageGroupId="g")
    (first,) = await sqs.receive(url, 1)
    poll = asyncio.create_task(sqs.bodies(url, WaitTimeSeconds=20))
    await _settle()
    assert not poll.done()
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert await asyncio.wait_for(poll, 5) == ["2"]


async def test_too_many_in_flight_is_told_to_short_polls_and_waited_for_by_long_ones(
    sqs: Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "IN_FLIGHT_MAX", 5)
    for n in range(7):
        await sqs.send(url, str(n))
    held = await sqs.receive(url, 5)
    with pytest.raises(errors.OverLimit, match="Too many messages have been received"):
        await sqs.receive(url)
    poll = asyncio.create_task(sqs.bodies(url, WaitTimeSeconds=20))
    await _settle()
    assert not poll.done()
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=held[0]["ReceiptHandle"])
    assert await asyncio.wait_for(poll, 5) == ["5", "6"]


async def test_too_many_in_flight_is_not_told_by_a_fifo_queue(
    sqs: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "IN_FLIGHT_MAX", 1)
    url = await sqs.queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for n in range(2):
        await sqs.send(url, str(n), MessageGroupId=str(n))
    assert await sqs.bodies(url, 1) == ["0"]
    assert await sqs.receive(url, 1) == []


async def test_polls_that_wait_ask_the_store_for_nothing(sqs: Client, url: str) -> None:
    """However many they are, and however long they wait; the bench `waits` measures ten thousand
    of a server's."""
    polls = [asyncio.create_task(sqs.receive(url, 1, WaitTimeSeconds=20)) for _ in range(1_000)]
    await _settle()
    asked = _count(sqs)
    for _ in range(19):
        sqs.clock.advance(1)
        await _settle()
    assert asked["transact"] == asked["read"] == 0
    assert not any(poll.done() for poll in polls)
    sqs.clock.advance(1)
    assert await asyncio.gather(*polls) == [[]] * len(polls)
    assert asked["transact"] == 0

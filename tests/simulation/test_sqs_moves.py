"""Dead letters and move tasks against a model: random actions, on each engine, in virtual time.

Whatever is started, cancelled, refused, deleted or restarted: every message is in one queue, once,
and a task says how many it moved.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from ogi.services.sqs import errors
from tests.simulation.machines import Machine, check

PREFIX = "arn:aws:sqs:eu-west-1:111122223333:"


class Moves(Machine):
    """Two sources, their dead-letter queue, and a queue that is neither."""

    suffix = ""

    def __init__(self) -> None:
        super().__init__()
        self.urls: dict[str, str] = {}
        self.there: Counter[str] = Counter()
        """The bodies of all messages that must be somewhere."""
        self.sent = 0
        self.handle = ""
        self.running = False
        for name in ("dead", "other", "a", "b"):
            self.run(self._create(name))

    async def _create(self, name: str) -> None:
        attributes = {"FifoQueue": "true"} if self.suffix else {}
        if name in ("a", "b"):
            target = {"deadLetterTargetArn": self._arn("dead"), "maxReceiveCount": 1}
            attributes["RedrivePolicy"] = json.dumps(target)
        self.urls[name] = await self.sqs.queue(name + self.suffix, **attributes)

    def _arn(self, name: str) -> str:
        return f"{PREFIX}{name}{self.suffix}"

    def teardown(self) -> None:
        try:
            self.run(self._end())
        finally:
            super().teardown()

    async def _end(self) -> None:
        """All that was sent is found, and found once."""
        await self.sqs.world.deliver()
        found: Counter[str] = Counter()
        for url in self.urls.values():
            found.update(await self._drained(url))
        assert found == self.there

    async def _drained(self, url: str) -> list[str]:
        bodies: list[str] = []
        while sum(await self.sqs.counts(url)):
            for one in await self.sqs.receive(url):
                bodies.append(one["Body"])
                await self.sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            await self.sqs.world.deliver()
        return bodies

    # -- actions ------------------------------------------------------------------------------

    @rule(name=st.sampled_from("ab"), count=st.integers(1, 30))
    def send(self, name: str, count: int) -> None:
        for _ in range(count):
            body = str(self.sent)
            self.sent += 1
            rest: dict[str, Any] = {}
            if self.suffix:
                group = str(self.sent % 3)
                rest = {"MessageGroupId": group, "MessageDeduplicationId": body}
            self.run(self.sqs.send(self.urls[name], body, **rest))
            self.there[body] += 1

    @rule(name=st.sampled_from("ab"))
    def bury(self, name: str) -> None:
        """Receive all that is there until it moves away."""
        url = self.urls[name]
        while self.run(self.sqs.counts(url))[0]:
            self.run(self.sqs.receive(url, VisibilityTimeout=0))
        self.run(self.sqs.world.deliver())

    @rule(rate=st.sampled_from([None, 1, 7, 500]), elsewhere=st.booleans())
    def start(self, rate: int | None, elsewhere: bool) -> None:
        request: dict[str, Any] = {"SourceArn": self._arn("dead")}
        if rate is not None:
            request["MaxNumberOfMessagesPerSecond"] = rate
        if elsewhere:
            request["DestinationArn"] = self._arn("other")
        starting = self.sqs.start_message_move_task(**request)
        if self.running:
            with pytest.raises(errors.InvalidParameterValue, match="already a task running"):
                self.run(starting)
            return
        self.handle = self.run(starting)["TaskHandle"]
        self.running = True
        self._go_on(0)

    @precondition(lambda self: self.handle)
    @rule()
    def cancel(self) -> None:
        cancelling = self.sqs.cancel_message_move_task(TaskHandle=self.handle)
        if not self.running:
            with pytest.raises(errors.ResourceNotFoundException):
                self.run(cancelling)
            return
        moved = self.run(cancelling)["ApproximateNumberOfMessagesMoved"]
        assert self._task()["Status"] == "CANCELLING"
        self._go_on(60)
        assert self._task()["Status"] == "CANCELLED"
        assert self._task()["ApproximateNumberOfMessagesMoved"] == moved

    @rule(seconds=st.sampled_from([0.2, 1, 5, 40]))
    def wait(self, seconds: float) -> None:
        """A long time in small steps, so that a rate has its time."""
        for _ in range(5):
            self._go_on(seconds / 5)

    def _go_on(self, seconds: float) -> None:
        self.sqs.clock.advance(seconds)
        self.run(self.sqs.world.deliver())
        self.running = bool(self.handle) and self._task()["Status"] == "RUNNING"

    @rule()
    def delete_a_source(self) -> None:
        """What it holds is gone; what came from it has no way back but stays."""
        self.there.subtract(self.run(self._drained(self.urls["b"])))
        self.there = +self.there
        self.run(self.sqs.delete_queue(QueueUrl=self.urls["b"]))
        self._go_on(0)
        if self.running:
            self._go_on(61)
        else:
            self.sqs.clock.advance(61)
        self.run(self._create("b"))

    @precondition(lambda self: self.engine != "memory")
    @rule()
    def restart(self) -> None:
        self.start_again(self.sent)

    # -- what is always true ------------------------------------------------------------------

    def _task(self) -> dict[str, Any]:
        listed = self.run(self.sqs.list_message_move_tasks(SourceArn=self._arn("dead")))
        task: dict[str, Any] = listed["Results"][0]
        return task

    @invariant()
    def every_message_is_in_one_queue(self) -> None:
        counts = [sum(self.run(self.sqs.counts(url))) for url in self.urls.values()]
        assert sum(counts) == self.there.total()

    @invariant()
    def a_task_knows_what_it_did(self) -> None:
        if not self.handle:
            return
        task = self._task()
        moved, wanted = (
            task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"],
        )  # fmt: skip
        assert 0 <= moved <= wanted
        assert ("TaskHandle" in task) == (task["Status"] == "RUNNING")
        if task["Status"] == "COMPLETED":
            assert moved == wanted
        if task["Status"] == "FAILED":
            assert task["FailureReason"] == "AWS.SimpleQueueService.NonExistentQueue"


class FifoMoves(Moves):
    suffix = ".fifo"


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@pytest.mark.parametrize("kind", [Moves, FifoMoves])
def test_no_message_is_lost_or_doubled_on_its_way(kind: type[Moves], engine: str) -> None:
    check(kind, engine, examples=24, steps=20)

"""SQS against a small model of its documented semantics: random actions, on each engine, in virtual
time. Standard: nothing lost, nothing twice while it is hidden, counts exact. FIFO: order, blocking,
exactly once into the queue. Fair: every tenant's messages come in their order.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ogi.services.sqs import errors
from ogi.storage import Store, open
from ogi.storage.memory import MemoryStore
from tests.services.sqs.conftest import Client
from tests.world import World

DEAD = "arn:aws:sqs:eu-west-1:111122223333:dead"
TIMEOUT_S = 30
RECEIVES_MAX = 3


async def _opened(engine: str, folder: Path) -> Store:
    """A store belongs to the loop on which it is opened."""
    return open(engine, folder)


@dataclass
class Message:
    """What the model knows of one message."""

    body: str
    group: str
    ready_at: float
    count: int = 0
    handle: str = ""
    received_at: float = 0.0
    flying: bool = False

    def ready(self, now: float) -> bool:
        return self.ready_at <= now


class Queue(RuleBasedStateMachine):
    """Actions on one queue, and what must be true of them."""

    engine = "memory"
    fifo = False
    groups: tuple[str, ...] = ("",)

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.store: Store = (
            MemoryStore(reruns=1)
            if self.engine == "memory"
            else self.loop.run_until_complete(_opened(self.engine, self.folder))
        )
        self.sqs = Client(World("sqs", store=self.store))
        self.messages: list[Message] = []
        self.dead: list[str] = []
        self.deduplicated: dict[str, float] = {}
        self.sent = 0
        self.run(self._create())

    async def _create(self) -> None:
        kind = {"FifoQueue": "true"} if self.fifo else {}
        suffix = ".fifo" if self.fifo else ""
        self.dead_url = await self.sqs.queue(f"dead{suffix}", **kind)
        policy = f'{{"deadLetterTargetArn": "{DEAD}{suffix}", "maxReceiveCount": {RECEIVES_MAX}}}'
        self.url = await self.sqs.queue(f"orders{suffix}", RedrivePolicy=policy, **kind)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @property
    def now(self) -> float:
        return self.sqs.clock.now()

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    # -- actions ------------------------------------------------------------------------------

    @rule(group=st.integers(0, 9), delay=st.sampled_from([None, None, 0, 1, 45]))
    def send(self, group: int, delay: int | None) -> None:
        name = self.groups[group % len(self.groups)]
        body = str(self.sent)
        self.sent += 1
        rest: dict[str, Any] = {"MessageGroupId": name} if name else {}
        if self.fifo:
            rest["MessageDeduplicationId"] = body
            self.deduplicated[body] = self.now
            delay = None
        elif delay is not None:
            rest["DelaySeconds"] = delay
        self.run(self.sqs.send(self.url, body, **rest))
        self.messages.append(Message(body, name, self.now + (delay or 0)))

    @precondition(lambda self: self.fifo and self.deduplicated)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """Within five minutes nothing happens; afterwards it is a new message."""
        id = data.draw(st.sampled_from(sorted(self.deduplicated)))
        body, group = str(self.sent), self.groups[int(id) % len(self.groups)]
        self.sent += 1
        self.run(self.sqs.send(self.url, body, MessageGroupId=group, MessageDeduplicationId=id))
        if self.now >= self.deduplicated[id] + 300:
            self.deduplicated[id] = self.now
            self.messages.append(Message(body, group, self.now))

    @rule(limit=st.integers(1, 10), timeout=st.sampled_from([None, None, 0, 1, 100]))
    def receive(self, limit: int, timeout: int | None) -> None:
        rest = {} if timeout is None else {"VisibilityTimeout": timeout}
        free = self._free()
        found = self.run(
            self.sqs.receive(self.url, limit, MessageSystemAttributeNames=["All"], **rest)
        )
        dead = [message for message in free if message.count >= RECEIVES_MAX]
        self.run(self.sqs.world.deliver())
        self._see_dead_letters()
        taken = [self._taken(one, free) for one in found]
        # Poisoned messages move on the way, so fewer may be found, but never none without reason.
        healthy = [message for message in free if message.count < RECEIVES_MAX]
        assert len(taken) <= limit
        if not dead:
            assert len(taken) == min(limit, len(healthy)) or (self.fifo and taken)
        self._check_order(taken)
        for one, message in zip(found, taken, strict=True):
            message.count += 1
            message.handle = one["ReceiptHandle"]
            message.received_at = self.now
            message.ready_at = self.now + (TIMEOUT_S if timeout is None else timeout)
            message.flying = True
            assert one["Attributes"]["ApproximateReceiveCount"] == str(message.count)

    def _free(self) -> list[Message]:
        """What may be received now."""
        ready = [message for message in self.messages if message.ready(self.now)]
        if not self.fifo:
            return ready
        blocked = {
            message.group
            for message in self.messages
            if message.flying and not message.ready(self.now)
        }
        return [message for message in ready if message.group not in blocked]

    def _taken(self, one: dict[str, Any], free: list[Message]) -> Message:
        (message,) = [
            message for message in free if message.body == one["Body"] and message in self.messages
        ][:1]
        return message

    def _check_order(self, taken: list[Message]) -> None:
        """Of a FIFO group always the first; messages that are before them are none."""
        if not self.fifo:
            return
        for group in {message.group for message in taken}:
            first = [message for message in self.messages if message.group == group]
            got = [message for message in taken if message.group == group]
            assert got == first[: len(got)]

    def _see_dead_letters(self) -> None:
        """What was received too often has moved, and only that."""
        for one in self.run(self._drain_dead()):
            (message,) = [message for message in self.messages if message.body == one][:1]
            assert message.count >= RECEIVES_MAX
            assert message.ready(self.now)
            self.messages.remove(message)
            self.dead.append(one)

    async def _drain_dead(self) -> list[str]:
        bodies: list[str] = []
        while found := await self.sqs.receive(self.dead_url):
            for one in found:
                bodies.append(one["Body"])
                await self.sqs.delete_message(
                    QueueUrl=self.dead_url, ReceiptHandle=one["ReceiptHandle"]
                )
        return bodies

    @precondition(lambda self: any(message.handle for message in self.messages))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        received = [message for message in self.messages if message.handle]
        message = data.draw(st.sampled_from(received))
        holds = message.flying and not message.ready(self.now)
        deleting = self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.handle)
        if self.fifo and not holds:
            with pytest.raises(errors.InvalidParameterValue, match="expired"):
                self.run(deleting)
            return
        self.run(deleting)
        self.messages.remove(message)

    @precondition(lambda self: any(message.handle for message in self.messages))
    @rule(data=st.data(), timeout=st.sampled_from([0, 1, 60]))
    def change_visibility(self, data: st.DataObject, timeout: int) -> None:
        received = [message for message in self.messages if message.handle]
        message = data.draw(st.sampled_from(received))
        changing = self.sqs.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message.handle, VisibilityTimeout=timeout
        )
        if not message.flying or message.ready(self.now):
            with pytest.raises(errors.MessageNotInflight):
                self.run(changing)
            return
        self.run(changing)
        message.ready_at = self.now + timeout
        message.flying = timeout > 0

    @rule(seconds=st.sampled_from([0.5, 1, 10, 29.999, 30, 60, 301]), tended=st.booleans())
    def wait(self, seconds: float, tended: bool) -> None:
        self.sqs.clock.advance(seconds)
        if tended:
            self.run(self.sqs.world.deliver())

    @precondition(lambda self: self.sent > 5)
    @rule()
    def purge(self) -> None:
        try:
            self.run(self.sqs.purge_queue(QueueUrl=self.url))
        except errors.PurgeQueueInProgress:
            return
        self.messages.clear()

    # -- what is always true ------------------------------------------------------------------

    @invariant()
    def counts_are_exact(self) -> None:
        now = self.now
        ready = [message for message in self.messages if message.ready(now)]
        flying = [m for m in self.messages if m.flying and not m.ready(now)]
        delayed = len(self.messages) - len(ready) - len(flying)
        assert self.run(self.sqs.counts(self.url)) == (len(ready), len(flying), delayed)


class Fifo(Queue):
    fifo = True
    groups = ("a", "b", "c")


class Fair(Queue):
    groups = ("", "a", "b")


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@pytest.mark.parametrize("kind", [Queue, Fifo, Fair])
def test_a_queue_does_what_the_model_says(kind: type[Queue], engine: str) -> None:
    machine = type(kind.__name__, (kind,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40 if engine == "memory" else 12,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""SQS against a small model of its documented semantics: random actions, on each engine, in virtual
time. Standard: nothing lost, nothing twice while it is hidden, counts exact. FIFO: order, blocking,
exactly once into the queue. Fair: every tenant's messages come in their order. All of it through
changes of the queue's attributes, its deletion, and restarts of the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from ogi.services.sqs import errors
from tests.simulation.machines import Machine, check

DEAD = "arn:aws:sqs:eu-west-1:111122223333:dead"
RECEIVES_MAX = 3
REMEMBERED_S = 300


@dataclass
class Message:
    """What the model knows of one message."""

    body: str
    group: str
    sent_at: float
    ready_at: float
    count: int = 0
    handle: str = ""
    old_handles: list[str] = field(default_factory=list)
    flying: bool = False

    def ready(self, now: float) -> bool:
        return self.ready_at <= now

    def held(self, now: float) -> bool:
        """In flight, by its newest handle."""
        return self.flying and not self.ready(now)


@dataclass
class Attempt:
    """What a ReceiveRequestAttemptId received."""

    at: float
    due: float
    taken: list[tuple[Message, str]]

    def counts(self, now: float) -> bool:
        """It is remembered, and what it received has not come back by itself."""
        return now < min(self.due, self.at + REMEMBERED_S)

    def repeats(self, messages: list[Message]) -> bool:
        """Nothing that it received was changed since."""
        return all(
            message in messages and message.flying and message.handle == handle
            and message.ready_at == self.due
            for message, handle in self.taken
        )  # fmt: skip


class Queue(Machine):
    """Actions on one queue, and what must be true of them."""

    fifo = False
    groups: tuple[str, ...] = ("",)

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.deduplicated: dict[str, float] = {}
        self.attempts: dict[str, Attempt] = {}
        self.sent = 0
        self.run(self._create())

    async def _create(self) -> None:
        kind = {"FifoQueue": "true"} if self.fifo else {}
        suffix = ".fifo" if self.fifo else ""
        self.timeout_s, self.retention_s, self.delay_s = 30, 345_600, 0
        self.dead_url = await self.sqs.queue(f"dead{suffix}", **kind)
        policy = f'{{"deadLetterTargetArn": "{DEAD}{suffix}", "maxReceiveCount": {RECEIVES_MAX}}}'
        self.url = await self.sqs.queue(f"orders{suffix}", RedrivePolicy=policy, **kind)

    # -- actions ------------------------------------------------------------------------------

    @rule(group=st.integers(0, 9), delay=st.sampled_from([None, None, 0, 1, 45]))
    def send(self, group: int, delay: int | None) -> None:
        entry = self._entry(group, delay)
        self.run(self.sqs.send_message(QueueUrl=self.url, **entry))
        self._note_sent(entry)

    @rule(groups=st.lists(st.integers(0, 9), min_size=1, max_size=9), bad=st.booleans())
    def send_batch(self, groups: list[int], bad: bool) -> None:
        """What is bad fails alone."""
        entries = [{"Id": str(n), **self._entry(group, None)} for n, group in enumerate(groups)]
        spoilt = [{**entries[0], "Id": "bad", "MessageBody": "\x00"}] if bad else []
        result = self.run(
            self.sqs.send_message_batch(QueueUrl=self.url, Entries=[*spoilt, *entries])
        )
        assert [one["Id"] for one in result.get("Failed", [])] == ["bad"] * bad
        assert [one["Id"] for one in result.get("Successful", [])] == [one["Id"] for one in entries]
        for entry in entries:
            self._note_sent(entry)

    def _entry(self, group: int, delay: int | None) -> dict[str, Any]:
        name = self.groups[group % len(self.groups)]
        entry: dict[str, Any] = {"MessageBody": str(self.sent)}
        self.sent += 1
        if name:
            entry["MessageGroupId"] = name
        if self.fifo:
            entry["MessageDeduplicationId"] = entry["MessageBody"]
        elif delay is not None:
            entry["DelaySeconds"] = delay
        return entry

    def _note_sent(self, entry: dict[str, Any]) -> None:
        body, group = entry["MessageBody"], entry.get("MessageGroupId", "")
        if self.fifo:
            self.deduplicated[entry["MessageDeduplicationId"]] = self.now
        due = self.now + entry.get("DelaySeconds", self.delay_s)
        self.messages.append(Message(body, group, self.now, due))

    @precondition(lambda self: self.fifo and self.deduplicated)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """Within five minutes nothing happens; afterwards it is a new message."""
        id = data.draw(st.sampled_from(sorted(self.deduplicated)))
        entry = {**self._entry(int(id), None), "MessageDeduplicationId": id}
        self.run(self.sqs.send_message(QueueUrl=self.url, **entry))
        if self.now >= self.deduplicated[id] + REMEMBERED_S:
            self._note_sent(entry)

    @rule(
        limit=st.integers(1, 10),
        timeout=st.sampled_from([None, None, 0, 1, 100]),
        attempt=st.sampled_from(["", "", "a", "b"]),
    )
    def receive(self, limit: int, timeout: int | None, attempt: str) -> None:
        rest: dict[str, Any] = {} if timeout is None else {"VisibilityTimeout": timeout}
        due = self.now + (self.timeout_s if timeout is None else timeout)
        if self.fifo and attempt:
            rest["ReceiveRequestAttemptId"] = attempt
        free = self._free()
        earlier = self.attempts.get(attempt) if "ReceiveRequestAttemptId" in rest else None
        if earlier is not None and not earlier.counts(self.now):
            earlier = None
        receiving = self.sqs.receive(self.url, limit, MessageSystemAttributeNames=["All"], **rest)
        if earlier is not None and not earlier.repeats(self.messages):
            with pytest.raises(errors.InvalidParameterValue, match="not retryable"):
                self.run(receiving)
            return
        found = self.run(receiving)
        if earlier is not None:
            self._check_repeated(found, earlier, due)
            return
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
            message.old_handles.append(message.handle)
            message.handle = one["ReceiptHandle"]
            message.ready_at, message.flying = due, True
            assert one["Attributes"]["ApproximateReceiveCount"] == str(message.count)
        if taken and "ReceiveRequestAttemptId" in rest:
            handles = [(message, message.handle) for message in taken]
            self.attempts[attempt] = Attempt(self.now, due, handles)

    def _check_repeated(self, found: list[Any], earlier: Attempt, due: float) -> None:
        """The same messages by the same handles, hidden anew."""
        assert [one["ReceiptHandle"] for one in found] == [handle for _, handle in earlier.taken]
        for one, (message, _) in zip(found, earlier.taken, strict=True):
            assert one["Body"] == message.body
            assert one["Attributes"]["ApproximateReceiveCount"] == str(message.count)
            message.ready_at = due
        earlier.due = due

    def _free(self) -> list[Message]:
        """What may be received now."""
        ready = [message for message in self.messages if message.ready(self.now)]
        if not self.fifo:
            return ready
        blocked = {message.group for message in self.messages if message.held(self.now)}
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
        deleting = self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.handle)
        if self.fifo and not message.held(self.now):
            with pytest.raises(errors.InvalidParameterValue, match="expired"):
                self.run(deleting)
            return
        self.run(deleting)
        self.messages.remove(message)

    @precondition(lambda self: any(len(message.old_handles) > 1 for message in self.messages))
    @rule(data=st.data())
    def delete_by_an_old_handle(self, data: st.DataObject) -> None:
        """A standard queue deletes; in a FIFO queue only the newest receipt counts."""
        candidates = [message for message in self.messages if len(message.old_handles) > 1]
        message = data.draw(st.sampled_from(candidates))
        handle = data.draw(st.sampled_from(message.old_handles[1:]))
        deleting = self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=handle)
        if self.fifo:
            with pytest.raises(errors.InvalidParameterValue, match="expired"):
                self.run(deleting)
            return
        self.run(deleting)
        self.messages.remove(message)

    @precondition(lambda self: any(message.handle for message in self.messages))
    @rule(data=st.data())
    def delete_batch(self, data: st.DataObject) -> None:
        received = [message for message in self.messages if message.handle]
        chosen = data.draw(st.lists(st.sampled_from(received), max_size=9, unique_by=id))
        entries = [{"Id": m.body, "ReceiptHandle": m.handle} for m in chosen]
        entries.append({"Id": "nonsense", "ReceiptHandle": "nonsense"})
        result = self.run(self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries))
        gone = [m for m in chosen if not self.fifo or m.held(self.now)]
        assert [one["Id"] for one in result.get("Successful", [])] == [m.body for m in gone]
        assert len(result["Failed"]) == len(entries) - len(gone)
        for message in gone:
            self.messages.remove(message)

    @precondition(lambda self: any(message.handle for message in self.messages))
    @rule(data=st.data(), timeout=st.sampled_from([0, 1, 60]), batch=st.booleans())
    def change_visibility(self, data: st.DataObject, timeout: int, batch: bool) -> None:
        received = [message for message in self.messages if message.handle]
        message = data.draw(st.sampled_from(received))
        wish = {"ReceiptHandle": message.handle, "VisibilityTimeout": timeout}
        if batch:
            change = self.sqs.change_message_visibility_batch
            result = self.run(change(QueueUrl=self.url, Entries=[{"Id": "x", **wish}]))
            refused = [one["Code"] for one in result.get("Failed", [])]
        else:
            try:
                self.run(self.sqs.change_message_visibility(QueueUrl=self.url, **wish))
                refused = []
            except errors.InvalidParameterValue as error:
                refused = [error.code]
        if not message.held(self.now):
            assert refused == ([errors.InvalidParameterValue.code] if self.fifo else [])
            return
        assert not refused
        message.ready_at = self.now + timeout
        message.flying = timeout > 0
        if not message.flying and message.sent_at + self.retention_s <= self.now:
            self.messages.remove(message)

    @rule(seconds=st.sampled_from([0.5, 1, 10, 29.999, 30, 60, 301]), tended=st.booleans())
    def wait(self, seconds: float, tended: bool) -> None:
        self.sqs.clock.advance(seconds)
        self._settle(tended)

    def _settle(self, tended: bool) -> None:
        """Let what is past its retention go; what is in flight goes when it comes back."""
        old = [m for m in self.messages if m.sent_at + self.retention_s <= self.now]
        if tended or old:
            self.run(self.sqs.world.deliver())
        for message in old:
            if not message.held(self.now):
                self.messages.remove(message)

    @rule(timeout=st.sampled_from([0, 20, 30]), retention=st.sampled_from([60, 200, 345_600]))
    def set_attributes(self, timeout: int, retention: int) -> None:
        self.timeout_s, self.retention_s = timeout, retention
        texts = {"VisibilityTimeout": str(timeout), "MessageRetentionPeriod": str(retention)}
        self.run(self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes=texts))
        self._settle(tended=True)

    @rule(delay=st.sampled_from([0, 5, 40]))
    def set_delay(self, delay: int) -> None:
        """What is there already follows in a FIFO queue, and not in a standard one."""
        self.run(self.sqs.world.deliver())
        waiting = [m for m in self.messages if not m.count and not m.ready(self.now)]
        self.delay_s = delay
        texts = {"DelaySeconds": str(delay)}
        self.run(self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes=texts))
        self.run(self.sqs.world.deliver())
        for message in waiting if self.fifo else ():
            message.ready_at = message.sent_at + delay

    @precondition(lambda self: self.sent > 5)
    @rule()
    def purge(self) -> None:
        try:
            self.run(self.sqs.purge_queue(QueueUrl=self.url))
        except errors.PurgeQueueInProgress:
            return
        self.messages.clear()

    @precondition(lambda self: self.sent > 5)
    @rule()
    def delete_and_create(self) -> None:
        """The name is free after a minute; nothing is left of the queue that had it."""
        self.run(self.sqs.delete_queue(QueueUrl=self.url))
        with pytest.raises(errors.QueueDeletedRecently):
            self.run(self._create())
        self.sqs.clock.advance(60)
        self.run(self.sqs.world.deliver())
        self.run(self._create())
        self.messages.clear()
        self.deduplicated.clear()
        self.attempts.clear()

    @precondition(lambda self: self.engine != "memory")
    @rule()
    def restart(self) -> None:
        self.start_again(self.sent)

    # -- what is always true ------------------------------------------------------------------

    @invariant()
    def counts_are_exact(self) -> None:
        now = self.now
        ready = [message for message in self.messages if message.ready(now)]
        flying = [message for message in self.messages if message.held(now)]
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
    check(kind, engine, examples=40, steps=40)

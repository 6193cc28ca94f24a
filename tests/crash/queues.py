"""The loads of SQS's actions: whole lives of queues, FIFO orders, dead letters and their moves."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import ge
from typing import Any

from tests.crash.child import ACCOUNT, REGION, SEED, Child, Line, drain, eventually, waiting

Job = Callable[[Line], Coroutine[Any, Any, None]]

HIDDEN_S = 40_000
"""What is received stays in flight for the whole test."""
OTHER_ACCOUNT = "111122223333"
BATCH = 5


@dataclass(frozen=True)
class View:
    """What can be seen of a queue."""

    visibility_s: int
    visible: int = 0
    flight: int = 0
    tags: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Step:
    """One action, and what is to be seen after it; None: no queue."""

    action: str
    request: dict[str, Any]
    after: View | None


class Life:
    """One queue after the other, each with one action under way."""

    def __init__(self, number: int) -> None:
        self._chance = random.Random(f"{SEED}{number}")
        self._number = number
        self._generation = 0
        self.view: View | None = None
        self.step: Step | None = None
        self.url = ""
        self._handles: list[str] = []
        self._purged = False

    @property
    def name(self) -> str:
        return f"life-{self._number}-{self._generation}"

    def plan(self) -> Step:
        self.step = self._chance.choice(list(self._steps()))
        return self.step

    def done(self, answer: dict[str, Any]) -> None:
        """The step was acknowledged."""
        step = self.step
        assert step is not None
        if step.action == "CreateQueue":
            self.url = answer["QueueUrl"]
        elif step.action == "ReceiveMessage":
            found = answer.get("Messages", [])
            assert self.view is not None
            assert step.after is not None
            assert len(found) == step.after.flight - self.view.flight
            self._handles += [message["ReceiptHandle"] for message in found]
        self._arrive(step, step.after)

    def see(self, view: View | None) -> None:
        """What is there after a kill: the state before the step under way, or after it."""
        step = self.step
        if step is None:
            assert view == self.view, f"{self.name}: {view} instead of {self.view}"
            return
        assert view in (self.view, step.after), (
            f"{self.name}, {step.action}: {view} is neither {self.view} nor {step.after}"
        )
        # The handles of a receive that nobody heard of are lost, and so are those of this step.
        self._arrive(step, view)

    def _arrive(self, step: Step, view: View | None) -> None:
        entries = step.request.get("Entries", [step.request])
        used = {entry.get("ReceiptHandle") for entry in entries}
        self._handles = [handle for handle in self._handles if handle not in used]
        self._purged = self._purged or step.action == "PurgeQueue"
        if step.action == "PurgeQueue":
            self._handles = []
        if step.action == "DeleteQueue" and view is None:
            self._generation += 1
            self._handles, self._purged = [], False
        self.view, self.step = view, None

    def _steps(self) -> Iterator[Step]:
        """All that can be done now."""
        chance, view = self._chance, self.view
        if view is None:
            seconds = chance.randint(0, 43_200)
            attributes = {"VisibilityTimeout": str(seconds)}
            yield Step(
                "CreateQueue",
                {"QueueName": self.name, "Attributes": attributes, "tags": {"born": "here"}},
                View(seconds, tags=frozenset({"born"})),
            )
            return
        yield from self._messages(view)
        yield from self._settings(view)
        if not self._purged:
            yield Step("PurgeQueue", {}, replace(view, visible=0, flight=0))
        elif chance.random() < 0.3:
            yield Step("DeleteQueue", {}, None)

    def _messages(self, view: View) -> Iterator[Step]:
        yield Step("SendMessage", {"MessageBody": "a"}, replace(view, visible=view.visible + 1))
        entries = [{"Id": str(n), "MessageBody": "b"} for n in range(BATCH)]
        yield Step(
            "SendMessageBatch", {"Entries": entries}, replace(view, visible=view.visible + BATCH)
        )
        limit = self._chance.randint(1, 10)
        taken = min(limit, view.visible)
        yield Step(
            "ReceiveMessage",
            {"MaxNumberOfMessages": limit, "VisibilityTimeout": HIDDEN_S},
            replace(view, visible=view.visible - taken, flight=view.flight + taken),
        )
        if len(self._handles) < 2:
            return
        one = {"ReceiptHandle": self._handles[0]}
        two = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in
               enumerate(self._handles[:2])]  # fmt: skip
        yield Step("DeleteMessage", one, replace(view, flight=view.flight - 1))
        yield Step("DeleteMessageBatch", {"Entries": two}, replace(view, flight=view.flight - 2))
        yield Step(
            "ChangeMessageVisibility",
            {**one, "VisibilityTimeout": 0},
            replace(view, flight=view.flight - 1, visible=view.visible + 1),
        )
        yield Step(
            "ChangeMessageVisibilityBatch",
            {"Entries": [{**entry, "VisibilityTimeout": 0} for entry in two]},
            replace(view, flight=view.flight - 2, visible=view.visible + 2),
        )

    def _settings(self, view: View) -> Iterator[Step]:
        seconds = self._chance.randint(0, 43_200)
        yield Step(
            "SetQueueAttributes",
            {"Attributes": {"VisibilityTimeout": str(seconds)}},
            replace(view, visibility_s=seconds),
        )
        label = f"x{self._chance.randrange(5)}"
        tags, labels = view.tags, view.labels
        two = {label: "1", "other": "2"}
        yield Step("TagQueue", {"Tags": two}, replace(view, tags=tags | set(two)))
        yield Step("UntagQueue", {"TagKeys": list(two)}, replace(view, tags=tags - set(two)))
        if label in labels:
            gone = replace(view, labels=labels - {label})
            yield Step("RemovePermission", {"Label": label}, gone)
        else:
            request = {
                "Label": label, "AWSAccountIds": [OTHER_ACCOUNT], "Actions": ["SendMessage"],
            }  # fmt: skip
            yield Step("AddPermission", request, replace(view, labels=labels | {label}))


@dataclass
class Queues:
    """Queues that go through all that can be done to one."""

    workers: int
    lives: list[Life] = field(default_factory=list)
    acknowledged: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    actions: tuple[str, ...] = (
        "CreateQueue", "SetQueueAttributes", "SendMessage", "SendMessageBatch", "ReceiveMessage",
        "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch", "PurgeQueue", "DeleteQueue", "TagQueue", "UntagQueue",
        "AddPermission", "RemovePermission",
    )  # fmt: skip

    def set_up(self, child: Child) -> None:
        self.lives = [Life(number) for number in range(self.workers)]

    def jobs(self) -> Sequence[Job]:
        return [self._live(life) for life in self.lives]

    def _live(self, life: Life) -> Job:
        async def live(line: Line) -> None:
            while True:
                step = life.plan()
                where = {} if step.action == "CreateQueue" else {"QueueUrl": life.url}
                life.done(await line.sqs(step.action, **where, **step.request))
                self.acknowledged[step.action] += 1

        return live

    def check(self, sqs: Any) -> None:
        for life in self.lives:
            if life.step is not None:
                self.unsure[life.step.action] += 1
            life.see(_view(sqs, life))


def _view(sqs: Any, life: Life) -> View | None:
    try:
        life.url = sqs.get_queue_url(QueueName=life.name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        return None
    found = sqs.get_queue_attributes(QueueUrl=life.url, AttributeNames=["All"])["Attributes"]
    policy = json.loads(found.get("Policy", '{"Statement": []}'))
    return View(
        int(found["VisibilityTimeout"]),
        int(found["ApproximateNumberOfMessages"]),
        int(found["ApproximateNumberOfMessagesNotVisible"]),
        frozenset(sqs.list_queue_tags(QueueUrl=life.url).get("Tags", {})),
        frozenset(statement["Sid"] for statement in policy["Statement"]),
    )


@dataclass
class Orders:
    """A FIFO queue, whose senders send again what they do not know of: it must come once."""

    senders: int
    url: str = ""
    sent: list[int] = field(default_factory=list)
    """Per group, how many were acknowledged."""
    seen: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.seen)

    def set_up(self, child: Child) -> None:
        self.url = child.client("sqs").create_queue(
            QueueName="orders.fifo", Attributes={"FifoQueue": "true"}
        )["QueueUrl"]
        self.sent, self.seen = [0] * self.senders, [0] * self.senders

    def jobs(self) -> Sequence[Job]:
        return [self._sender(group) for group in range(self.senders)]

    def _sender(self, group: int) -> Job:
        async def send(line: Line) -> None:
            while True:
                entries = [
                    {
                        "Id": str(n), "MessageBody": f"{group} {n}", "MessageGroupId": str(group),
                        "MessageDeduplicationId": f"{group}-{n}",
                    }
                    for n in range(self.sent[group], self.sent[group] + BATCH)
                ]  # fmt: skip
                await line.sqs("SendMessageBatch", QueueUrl=self.url, Entries=entries)
                self.sent[group] += BATCH

        return send

    def check(self, sqs: Any) -> None:
        self.take(sqs, self.url)
        self.compare()

    def take(self, sqs: Any, url: str) -> None:
        for body in drain(sqs, url):
            group, number = map(int, body.split())
            assert number == self.seen[group], f"{number} came when {self.seen[group]} was next"
            self.seen[group] += 1

    def compare(self) -> None:
        for sent, seen in zip(self.sent, self.seen, strict=True):
            assert seen in (sent, sent + BATCH), f"{seen} seen of {sent}, or half a batch"


@dataclass
class Deaths(Orders):
    """A FIFO queue in which all die at their second receive: they come to its dead-letter queue
    once, and each group in its order."""

    dead: str = ""

    def set_up(self, child: Child) -> None:
        sqs, fifo = child.client("sqs"), {"FifoQueue": "true"}
        self.dead = sqs.create_queue(QueueName="deaths-dead.fifo", Attributes=fifo)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:deaths-dead.fifo"
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
        self.url = sqs.create_queue(
            QueueName="deaths.fifo", Attributes={**fifo, "RedrivePolicy": policy}
        )["QueueUrl"]
        self.sent, self.seen = [0] * self.senders, [0] * self.senders

    def jobs(self) -> Sequence[Job]:
        return [*super().jobs(), self._kill, self._kill]

    async def _kill(self, line: Line) -> None:
        while True:
            await line.sqs(
                "ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=3, VisibilityTimeout=0
            )

    def check(self, sqs: Any) -> None:
        def all_seen() -> bool:
            sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
            self.take(sqs, self.dead)
            return not waiting(sqs, self.url) and all(map(ge, self.seen, self.sent))

        assert eventually(all_seen), f"{self.seen} of {self.sent}"
        self.compare()


@dataclass
class Moves:
    """Messages on their way between queues and their dead-letter queues: each in one of them."""

    workers: int
    urls: list[tuple[str, str]] = field(default_factory=list)
    """(source, dead-letter queue)"""
    batches: list[list[str]] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    started: int = 0

    def set_up(self, child: Child) -> None:
        sqs = child.client("sqs")
        for number in range(self.workers):
            dead = sqs.create_queue(QueueName=f"dead-{number}")["QueueUrl"]
            policy = json.dumps({"deadLetterTargetArn": _dead(number), "maxReceiveCount": 1})
            source = sqs.create_queue(
                QueueName=f"source-{number}", Attributes={"RedrivePolicy": policy}
            )["QueueUrl"]
            self.urls.append((source, dead))

    def jobs(self) -> Sequence[Job]:
        return [self._worker(number) for number in range(self.workers)]

    def _worker(self, number: int) -> Job:
        source, _ = self.urls[number]

        async def work(line: Line) -> None:
            while True:
                bodies = [f"m{len(self.batches)}-{n}" for n in range(BATCH)]
                self.batches.append(bodies)
                entries = [{"Id": body, "MessageBody": body} for body in bodies]
                await line.sqs("SendMessageBatch", QueueUrl=source, Entries=entries)
                self.sent.update(bodies)
                for _ in range(2):
                    await line.sqs(
                        "ReceiveMessage",
                        QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=0,
                    )  # fmt: skip
                # Refused while one runs.
                handle = (await line.attempt("StartMessageMoveTask", SourceArn=_dead(number))).get(
                    "TaskHandle"
                )
                if handle:
                    self.started += 1
                    if self.started % 3 == 0:
                        # Refused if it is done.
                        await line.attempt("CancelMessageMoveTask", TaskHandle=handle)

        return work

    def check(self, sqs: Any) -> None:
        def all_seen() -> bool:
            for pair in self.urls:
                for url in pair:
                    self.seen.update(drain(sqs, url))
            return self.sent <= set(self.seen)

        assert eventually(all_seen), f"acknowledged, and lost: {self.sent - set(self.seen)}"
        assert not [body for body, count in self.seen.items() if count > 1], "in two queues"

    def halves(self) -> list[list[str]]:
        """Batches of which only a part was ever seen."""
        return [batch for batch in self.batches if len({body in self.seen for body in batch}) > 1]


def _dead(number: int) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-{number}"

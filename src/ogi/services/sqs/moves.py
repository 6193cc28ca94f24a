"""Message move tasks: the messages of a dead-letter queue go back to where they came from.

A task is a record in the source queue's home. Each run of `move` takes a page of messages out of
the source and posts it to its destinations; it is posted again until none is left that was there at
the start, so that a restart loses nothing. Messages that their destination refuses come back, and
the task has failed. Developer guide, 'dead-letter queue redrive': moved messages are new messages
there, with a new id and a new time of sending; a task runs for 36 hours at most, and an account has
100 at most that run. Those are also listed in its control home.
"""

from __future__ import annotations

import binascii
import json
from typing import Any

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sqs import (
    encryption,
    ids,
    lanes,
    messages,
    queues,
    records,
    redrive,
)
from ogi.services.sqs.errors import (
    CouldNotDetermineMessageSource,
    OverLimit,
    QueueDoesNotExist,
    ResourceNotFoundException,
)
from ogi.services.sqs.ledgers import Ledger
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.service import SERVICE
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.tables import Table

RATE_MAX = 500
"""API reference, StartMessageMoveTask: messages per second."""
PAGE = 100
RUNS_PER_S = 5
"""How often a task with a rate takes a page."""
TASKS_MAX = 10
"""Tasks that are remembered per queue; API reference, ListMessageMoveTasks."""

ACTIVE_MAX = 100
"""Tasks of an account and region that run."""
RUN_S_MAX = 36 * 3600
TIMED_OUT = "TaskTimedOut"
"""FailureReason of a task that ran so long; no page says AWS's."""

RUNNING, CANCELLING, CANCELLED, COMPLETED, FAILED = (
    "RUNNING", "CANCELLING", "CANCELLED", "COMPLETED", "FAILED",
)  # fmt: skip


class Task(msgspec.Struct, frozen=True):
    id: str
    source_arn: str
    destination_arn: str
    """'' for each message's own source."""
    rate: int
    """Messages per second; 0 without limit."""
    started_ms: int
    until: int
    """Messages from this number on came later and stay."""
    to_move: int
    moved: int = 0
    status: str = RUNNING
    failure: str = ""


class Active(msgspec.Struct, frozen=True):
    """A queue's task that runs; found under its ARN in the account's control home."""

    id: str


TABLE = Table("sqs.move", Task)
ACTIVE = Table("sqs.moving", Active)


def handle(task: Task) -> str:
    text = json.dumps({"taskId": task.id, "sourceArn": task.source_arn}, separators=(",", ":"))
    return binascii.b2a_base64(text.encode(), newline=False).decode()


def parse_handle(text: str) -> tuple[str, str]:
    """(source ARN, task id)"""
    try:
        fields = json.loads(binascii.a2b_base64(text, strict_mode=True))
        source_arn, id = str(fields["sourceArn"]), str(fields["taskId"])
        source_arn.encode("ascii")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ResourceNotFoundException("Task does not exist.") from None
    return source_arn, id


def latest(tx: Reader, source_arn: str, limit: int) -> list[Task]:
    """The newest tasks of a source, newest first."""
    rows = TABLE.scan(tx, Home(source_arn), limit=limit, reverse=True)
    return [task for _, task in rows]


def find(tx: Reader, source_arn: str, id: str) -> Task:
    for task in latest(tx, source_arn, TASKS_MAX):
        if task.id == id:
            return task
    raise ResourceNotFoundException("Task does not exist.")


def save(tx: Transaction, task: Task) -> None:
    TABLE.put(tx, task, Home(task.source_arn), task.started_ms, task.id)


def forget(tx: Transaction, source_arn: str) -> None:
    """The source was deleted."""
    for task in latest(tx, source_arn, TASKS_MAX + 1):
        TABLE.delete(tx, Home(source_arn), task.started_ms, task.id)


def homes(source_arn: str) -> tuple[Home, Home]:
    """Where a task is written: with its source, and where its account's are listed."""
    parsed = arns.parse(source_arn)
    account, region = (parsed.account, parsed.region) if parsed else ("", "")
    return Home(source_arn), control(account, region)


def end(tx: Transaction, task: Task, status: str, **changes: Any) -> None:
    save(tx, msgspec.structs.replace(task, status=status, **changes))
    home, arn = homes(task.source_arn)[1], task.source_arn
    active = ACTIVE.get(tx, home, arn)
    # What was refused late may belong to a task that ended, while another runs.
    if active is not None and active.id == task.id:
        ACTIVE.delete(tx, home, arn)


def begin(tx: Transaction, call: Call, queue: Queue, destination_arn: str, rate: int) -> Task:
    control_home = homes(queue.arn)[1]
    if len(ACTIVE.scan(tx, control_home, limit=ACTIVE_MAX)) == ACTIVE_MAX:
        raise OverLimit(f"An account can have {ACTIVE_MAX} active message movement tasks at most.")
    ledger = Ledger(tx, queue)
    now_ms = messages.milliseconds(call)
    ready, _, _ = ledger.counts(tx, now_ms)
    # Tasks lie in the order of their starts, also those of one millisecond.
    started_ms = max([now_ms, *(task.started_ms + 1 for task in latest(tx, queue.arn, 1))])
    task = Task(
        call.new_id(), queue.arn, destination_arn, rate, started_ms, ledger.next_number, ready
    )  # fmt: skip
    save(tx, task)
    ACTIVE.put(tx, Active(task.id), control_home, queue.arn)
    for old in latest(tx, queue.arn, TASKS_MAX + 1)[TASKS_MAX:]:
        TABLE.delete(tx, Home(queue.arn), old.started_ms, old.id)
    _post_move(tx, call, queue.arn, task.id, call.now)
    return task


def _post_move(tx: Transaction, call: Call, source_arn: str, id: str, due: float) -> None:
    request = {"source": source_arn, "task": id}
    deliveries.post(tx, call, Home(source_arn), "sqs", "move", request, due=due)


def _homes_of_source(call: Call, request: Fields) -> tuple[Home, Home]:
    return homes(request["source"])


@SERVICE.duty(home=_homes_of_source)
def move(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Take a page of messages out of the source; as who started the task."""
    task = find(tx, request["source"], request["task"])
    queue = queues.find_by_arn(tx, task.source_arn)
    if task.status == CANCELLING:
        end(tx, task, CANCELLED)
        return {}
    if task.status != RUNNING:
        return {}
    if queue is None:
        end(tx, task, FAILED, failure=QueueDoesNotExist.code or "")
        return {}
    if call.now >= task.started_ms / 1000 + RUN_S_MAX:
        end(tx, task, FAILED, failure=TIMED_OUT)
        return {}
    limit = PAGE if not task.rate else max(1, min(PAGE, task.rate // RUNS_PER_S))
    loads = _take(tx, call, queue, task, limit)
    if not loads:
        end(tx, task, COMPLETED)
        return {}
    taken = sum(len(load) for _, load in loads)
    save(tx, msgspec.structs.replace(task, moved=task.moved + taken))
    due = call.now + (taken / task.rate if task.rate else 0.0)
    for destination, load in loads:
        land: Fields = {
            "arn": destination, "source": queue.arn, "task": task.id, "messages": load,
            "then": due if queue.attributes.fifo else None,
        }  # fmt: skip
        deliveries.post(
            tx, call, Home(queue.arn), "sqs", "land", land, refused=("sqs", "come_back")
        )
    if not queue.attributes.fifo:
        _post_move(tx, call, queue.arn, task.id, due)
    return {}


Loads = list[tuple[str, list[dict[str, Any]]]]
"""Messages on their way, by their destination."""


def _take(tx: Transaction, call: Call, queue: Queue, task: Task, limit: int) -> Loads:
    """Up to `limit` messages, taken out of the source; of a FIFO queue one load, for its order."""
    ledger = Ledger(tx, queue)
    lanes.settle(tx, ledger, messages.milliseconds(call), PAGE)
    found: dict[str, list[dict[str, Any]]] = {}
    room = redrive.LOAD_BYTES_MAX
    for key, number, state in lanes.ready(tx, ledger, limit):
        if number >= task.until:
            continue
        record = messages.record_of(tx, ledger, state, number)
        destination = task.destination_arn or record.source_arn
        room -= len(record.sealed)
        if found and (room < 0 or (queue.attributes.fifo and destination not in found)):
            break
        lanes.take(tx, ledger, lanes.READY, key, state)
        lanes.forget(tx, ledger, state, number)
        found.setdefault(destination, []).append(redrive.passenger(state, number, record))
    ledger.save(tx, call)
    return list(found.items())


def _home_of_destination(call: Call, request: Fields) -> Home:
    return Home(request["arn"] or request["source"])


@SERVICE.duty(home=_home_of_destination)
def land(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Moved messages become new messages of their destination, sealed for it."""
    if not request["arn"]:
        raise CouldNotDetermineMessageSource
    queue = queues.find_by_arn(tx, request["arn"])
    if queue is None:
        raise QueueDoesNotExist
    call.ports.authorise(tx, call, SERVICE, ("sqs:SendMessage",), (queue.arn,), call.context)
    ledger = Ledger(tx, queue)
    now_ms = messages.milliseconds(call)
    ready_ms = now_ms + queue.attributes.delay_s * 1000
    for message in request["messages"]:
        old = records.decode(message["record"])
        plain = encryption.open_(
            tx, call, old.sealed_for or request["source"], old.sealed, kms=old.kms, bound=old.id
        )
        id = ids.new_id(call)
        sealed, kms = encryption.seal(tx, call, queue, plain, bound=id)
        record = records.Record(id, ready_ms, old.sender, sealed, kms, old.group, old.deduplication)
        messages.put(tx, ledger, record, now_ms, now_ms)
        call.note("sqs.move", queue=queue.arn, source=request["source"],
                  message_id=ids.message_id(id))  # fmt: skip
    ledger.save(tx, call)
    if request["then"] is not None:
        _post_move(tx, call, request["source"], request["task"], request["then"])
    return {}


def _homes_of_refused(call: Call, report: Fields) -> tuple[Home, Home]:
    return homes(report["request"]["source"])


@SERVICE.duty(home=_homes_of_refused)
def come_back(tx: Transaction, call: Call, report: Fields) -> Fields:
    """The destination refused: the messages are in the source again, and the task has failed."""
    request: dict[str, Any] = report["request"]
    queue = queues.find_by_arn(tx, request["source"])
    if queue is None:
        return {}
    ledger = Ledger(tx, queue)
    now_ms = messages.milliseconds(call)
    for message in request["messages"]:
        record = msgspec.structs.replace(records.decode(message["record"]), ready_ms=now_ms)
        messages.put(
            tx, ledger, record, message["sent_ms"], now_ms,
            count=message["count"], first_ms=message["first_ms"], number=message["number"],
        )  # fmt: skip
    ledger.save(tx, call)
    task = find(tx, request["source"], request["task"])
    moved = max(0, task.moved - len(request["messages"]))
    end(tx, task, FAILED, failure=report["code"], moved=moved)
    return {}

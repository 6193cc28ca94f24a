"""Dead letters: a message that was received too often moves to the queue that RedrivePolicy names.

It moves at the receive that would be one too many: the receive takes it out of its queue and posts
it to the other's home, all of one receive together; those of a FIFO queue stand in a line
(crossings.py), so that a group keeps its order. It stays as it was encrypted. Developer guide,
'Using dead-letter queues': in standard queues the time of sending is kept, in FIFO queues it is
that of the move.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sqs import attributes, crossings, queues, records
from ogi.services.sqs.attributes import Attributes
from ogi.services.sqs.crossings import Load
from ogi.services.sqs.errors import InvalidParameterValue
from ogi.services.sqs.layout import State
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.records import Record, Source
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.tables import Table

LOAD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of messages that one delivery carries; one message is smaller."""


SOURCES: Final = Table("sqs.source", Source)


# -- policies -------------------------------------------------------------------------------------


def check(tx: Reader, queue: Queue, changed: Attributes, texts: Mapping[str, str]) -> None:
    """Refuse a RedrivePolicy whose target is not there, of another type, or does not allow it, and
    a RedriveAllowPolicy that names queues of another region.

    `texts`: what the request sets; a policy that stands already is not looked at again.
    """
    if changed.redrive is not None and "RedrivePolicy" in texts:
        reason = _hindrance(tx, queue, changed, changed.redrive.target_arn)
        if reason is not None:
            raise InvalidParameterValue.of("RedrivePolicy", texts["RedrivePolicy"], reason)
    allow = changed.redrive_allow
    if allow is not None and "RedriveAllowPolicy" in texts:
        parsed = [arns.parse(arn) for arn in allow.source_arns]
        if any(arn is None or arn.region != queue.region for arn in parsed):
            raise InvalidParameterValue.of(
                "RedriveAllowPolicy", texts["RedriveAllowPolicy"],
                "All source queue ARNs must be in the same region as the current SQS queue.",
            )  # fmt: skip


def _hindrance(tx: Reader, queue: Queue, changed: Attributes, target_arn: str) -> str | None:
    """Why a queue cannot have this dead-letter queue."""
    parsed = arns.parse(target_arn)
    if parsed is not None and parsed.region != queue.region:
        return "Dead-letter target must be in same region as the source."
    if parsed is not None and parsed.account != queue.account:
        return "Dead-letter target owner should be same as the source."
    target = queues.find_by_arn(tx, target_arn)
    if target is None:
        return "Dead letter target does not exist."
    if target.attributes.fifo != changed.fifo:
        return "Dead-letter queue must be same type of queue as the source."
    allow = target.attributes.redrive_allow
    if allow is not None and not attributes.allows(allow, queue.arn):
        return "The RedriveAllowPolicy of the dead-letter queue does not allow this queue."
    return None


def link(tx: Transaction, queue: Queue, changed: Attributes | None) -> None:
    """Keep the list of a dead-letter queue's sources; `changed` is None when the queue goes."""
    home = control(queue.account, queue.region)
    before, now = queue.attributes.redrive, changed.redrive if changed else None
    if before is not None and (now is None or now.target_arn != before.target_arn):
        SOURCES.delete(tx, home, before.target_arn, queue.name)
    if now is not None:
        SOURCES.put(tx, Source(queue.name), home, now.target_arn, queue.name)


# -- moving ---------------------------------------------------------------------------------------


class Graves:
    """The messages of one receive that go to the dead-letter queue."""

    __slots__ = ("_buried", "_queue", "_target")

    def __init__(self, tx: Reader, queue: Queue) -> None:
        self._queue = queue
        policy = queue.attributes.redrive
        # Without its target a policy has no effect: better received once more than lost.
        self._target = queues.find_by_arn(tx, policy.target_arn) if policy else None
        self._buried: list[dict[str, Any]] = []

    def takes(self, state: State) -> bool:
        """The receive that is about to happen would be one too many."""
        policy = self._queue.attributes.redrive
        return (
            self._target is not None and policy is not None and (state.count >= policy.receives_max)
        )

    def bury(self, state: State, number: int, record: Record) -> None:
        moved = msgspec.structs.replace(
            record,
            sealed_for=record.sealed_for or self._queue.arn,
            source_arn=self._queue.arn,
        )
        self._buried.append(passenger(state, number, moved))

    def post(self, tx: Transaction, call: Call) -> None:
        if not self._buried or self._target is None:
            return
        queue, target = self._queue, self._target
        own = call.as_service("sqs.amazonaws.com", queue.arn, queue.account)
        if queue.attributes.fifo:
            for load in loads(self._buried):
                crossings.join(tx, own, queue.arn, Load(target.arn, load))
            return
        for n, load in enumerate(loads(self._buried)):
            request: Fields = {"arn": target.arn, "source": queue.arn, "messages": load}
            # A millisecond between two, because deliveries are made in the order of their times.
            due = call.now + n / 1000
            deliveries.post(tx, own, Home(queue.arn), "sqs", "bury", request, due=due)


# -- messages on their way ------------------------------------------------------------------------


def passenger(state: State, number: int, record: Record) -> dict[str, Any]:
    """A message as a delivery carries it to another queue; its content stays sealed."""
    return {
        "record": records.encode(record),
        "number": number,
        "sent_ms": state.sent_ms,
        "count": state.count,
        "first_ms": state.first_ms,
    }


def loads(passengers: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """In order, so many together as one delivery can carry."""
    found: list[list[dict[str, Any]]] = []
    room = 0
    for one in passengers:
        size = len(one["record"])
        if size > room:
            found.append([])
            room = LOAD_BYTES_MAX
        found[-1].append(one)
        room -= size
    return found

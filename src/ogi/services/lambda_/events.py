"""Asynchronous events: each is a delivery that runs its function, tried again as Lambda does.

Lambda guide, "How Lambda handles errors and retries with asynchronous invocation": two more tries
after a function error, one and two minutes later; throttling and faults of Lambda's are tried again
from one second to five minutes later, until the event is six hours old.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi import deliveries
from ogi.errors import AwsError
from ogi.sandbox import Outcome
from ogi.service import Call, Fields
from ogi.services.lambda_ import destinations, runs
from ogi.services.lambda_.errors import (
    ResourceNotFoundException,
    ServiceException,
    TooManyRequestsException,
)
from ogi.services.lambda_.names import Target
from ogi.services.lambda_.records import EVENT_CONFIGS, EventConfig
from ogi.services.lambda_.service import SERVICE
from ogi.storage import Home, Reader, Transaction

RETRIES_MAX = 2
AGE_S_MAX = 6 * 3600
RETRY_S = (60.0, 120.0)
BUSY_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Pending(msgspec.Struct, frozen=True):
    """An event that waits to be run; the request of the delivery."""

    account: str
    region: str
    name: str
    qualifier: str
    payload: bytes
    request_id: str
    accepted: float
    tries: int = 0
    """Runs that ended with an error of the function."""
    busy: int = 0
    """Tries that found no room."""

    @property
    def target(self) -> Target:
        return Target(self.account, self.region, self.name, self.qualifier)


def accept(tx: Transaction, call: Call, target: Target, payload: bytes, request_id: str) -> None:
    """Owe one run. The event lies in the function's own home."""
    pending = Pending(
        target.account, target.region, target.name, target.qualifier, payload, request_id, call.now
    )
    _post(tx, call, pending, call.now)


def _post(tx: Transaction, call: Call, pending: Pending, due: float) -> None:
    request: dict[str, Any] = msgspec.structs.asdict(pending)
    deliveries.post(tx, call, pending.target.data, "lambda", "run_event", request, due=due)


def config(tx: Reader, target: Target) -> EventConfig:
    """How events of a function, version or alias are handled."""
    found = EVENT_CONFIGS.get(tx, target.home, target.name, target.qualifier or "$LATEST")
    return found or EventConfig(0.0)


@SERVICE.duty(home=lambda call, request: Home(Pending(**request).target.data))
async def run_event(call: Call, request: Fields) -> Fields:
    """Run one event, and owe what comes next: another try, or its record."""
    pending = Pending(**request)
    target = pending.target
    try:
        found = await call.read(lambda tx: runs.find(tx, target))
    except ResourceNotFoundException:
        return {}  # The function was deleted meanwhile, and its events with it.
    event = _Event(pending, found, await call.read(lambda tx: config(tx, target)))
    try:
        outcome = await runs.of(call.ports).run(
            call, found, pending.payload, request_id=pending.request_id
        )
    except (TooManyRequestsException, ServiceException) as error:
        await _refused(call, event, error)
    except AwsError as error:
        # The role is gone, the key refuses: an error like the function's own.
        await _failed(call, event, error.code or error.shape, status=error.status or 400)
    else:
        if outcome.error:
            await _failed(call, event, outcome.error_type, outcome=outcome)
        else:
            await _end(call, event, "Success", outcome=outcome)
    return {}


class _Event(msgspec.Struct, frozen=True):
    """One try of an event."""

    pending: Pending
    found: runs.Found
    config: EventConfig

    @property
    def age_s_max(self) -> int:
        return self.config.age_s_max or AGE_S_MAX

    @property
    def retries_max(self) -> int:
        told = self.config.retries_max
        return RETRIES_MAX if told is None else told


async def _refused(call: Call, event: _Event, error: AwsError) -> None:
    """There was no room for it, or the fault is Lambda's: it waits."""
    pending = event.pending
    status = 429 if isinstance(error, TooManyRequestsException) else 500
    if event.found.reserved.get(pending.name) == 0 and _kept(event, "RetriesExhausted"):
        # "When you set reserved concurrency to zero for an asynchronously invoked function, Lambda
        # begins sending new events to the configured dead-letter queue or the on-failure event
        # destination, without any retries": the page of `destinations`.
        await _end(call, event, "RetriesExhausted", status=status)
        return
    wait_s = BUSY_S[min(pending.busy, len(BUSY_S) - 1)]
    again = msgspec.structs.replace(pending, busy=pending.busy + 1)
    if not await _again(call, event, again, wait_s):
        await _drop(call, event, "EventAgeExceeded", "the function is busy", status=status)


async def _failed(
    call: Call, event: _Event, reason: str, *, status: int = 200, outcome: Outcome | None = None
) -> None:
    pending = event.pending
    if pending.tries >= event.retries_max:
        await _drop(call, event, "RetriesExhausted", reason, status=status, outcome=outcome)
        return
    wait_s = RETRY_S[min(pending.tries, len(RETRY_S) - 1)]
    again = msgspec.structs.replace(pending, tries=pending.tries + 1)
    if not await _again(call, event, again, wait_s):
        await _drop(call, event, "EventAgeExceeded", reason, status=status, outcome=outcome)


async def _again(call: Call, event: _Event, pending: Pending, wait_s: float) -> bool:
    """Owe another try, unless the event would be too old for it."""
    due = call.ports.clock.now() + wait_s
    if due - pending.accepted > event.age_s_max:
        return False
    await call.transact(lambda tx, running: _post(tx, running, pending, due), pending.target.data)
    return True


async def _drop(
    call: Call, event: _Event, condition: str, reason: str, *, status: int,
    outcome: Outcome | None = None,
) -> None:  # fmt: skip
    call.note(
        "lambda.dropped", function=event.pending.target.qualified,
        request_id=event.pending.request_id, condition=condition, reason=reason,
    )  # fmt: skip
    await _end(call, event, condition, status=status, outcome=outcome)


def _kept(event: _Event, condition: str) -> tuple[str, str] | None:
    """Where the record of an event goes that ends so, if anywhere."""
    targets = destinations.wanted(event.config, event.found.version, condition)
    return targets if any(targets) else None


async def _end(
    call: Call, event: _Event, condition: str, *, status: int = 200,
    outcome: Outcome | None = None,
) -> None:  # fmt: skip
    pending, targets = event.pending, _kept(event, condition)
    if targets is None:
        return
    ran = pending.tries + (0 if outcome is None else 1)
    ended = destinations.Ended(
        condition, pending.request_id, pending.payload, ran, pending.target.qualified, status,
        outcome,
    )  # fmt: skip
    home, found = pending.target.data, event.found
    await call.transact(
        lambda tx, running: destinations.send(
            tx, running, home, found.function, found.version, targets, ended
        ),
        home,
    )

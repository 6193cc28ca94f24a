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
from ogi.service import Call, Fields
from ogi.services.lambda_ import runs
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


def config(tx: Reader, target: Target) -> tuple[int, int]:
    """(retries, seconds that an event may be old) of a function, version or alias."""
    found = EVENT_CONFIGS.get(tx, target.home, target.name, target.qualifier or "$LATEST")
    found = found or EventConfig(0.0)
    retries = RETRIES_MAX if found.retries_max is None else found.retries_max
    return retries, found.age_s_max or AGE_S_MAX


@SERVICE.duty(home=lambda call, request: Home(Pending(**request).target.data))
async def run_event(call: Call, request: Fields) -> Fields:
    """Run one event, and owe the next try if need be."""
    pending = Pending(**request)
    target = pending.target
    try:
        found = await call.read(lambda tx: runs.find(tx, target))
    except ResourceNotFoundException:
        return {}  # The function was deleted meanwhile, and its events with it.
    retries, age_s = await call.read(lambda tx: config(tx, target))
    try:
        outcome = await runs.of(call.ports).run(
            call, found, pending.payload, request_id=pending.request_id
        )
    except (TooManyRequestsException, ServiceException):
        wait_s = BUSY_S[min(pending.busy, len(BUSY_S) - 1)]
        again = msgspec.structs.replace(pending, busy=pending.busy + 1)
        await _again(call, again, wait_s, age_s, "the function is busy")
        return {}
    except AwsError as error:
        # The role is gone, the key refuses: an error like the function's own.
        await _failed(call, pending, retries, age_s, error.code or error.shape)
        return {}
    if outcome.error:
        await _failed(call, pending, retries, age_s, outcome.error_type)
    return {}


async def _failed(call: Call, pending: Pending, retries: int, age_s: int, reason: str) -> None:
    if pending.tries >= retries:
        _note_dropped(call, pending, "RetriesExhausted", reason)
        return
    wait_s = RETRY_S[min(pending.tries, len(RETRY_S) - 1)]
    again = msgspec.structs.replace(pending, tries=pending.tries + 1)
    await _again(call, again, wait_s, age_s, reason)


async def _again(call: Call, pending: Pending, wait_s: float, age_s: int, reason: str) -> None:
    due = call.ports.clock.now() + wait_s
    if due - pending.accepted > age_s:
        _note_dropped(call, pending, "EventAgeExceeded", reason)
        return
    await call.transact(lambda tx, running: _post(tx, running, pending, due), pending.target.data)


def _note_dropped(call: Call, pending: Pending, condition: str, reason: str) -> None:
    call.note(
        "lambda.dropped", function=pending.target.qualified, request_id=pending.request_id,
        condition=condition, reason=reason,
    )  # fmt: skip

"""How things reach each other: a delivery is a request to be made later, as a record; the courier
makes it.

Law: a delivery that was posted in a transaction is made at least once if and only if that
transaction commits. A plain target is run in the same transaction that forgets the delivery, so it
is made exactly once; an async target is leased first, so it may be made again after a crash.
"""

from __future__ import annotations

import logging
from typing import Final

from ogi import owed
from ogi.errors import AwsError
from ogi.owed import Delivery, Unmade
from ogi.recording import record
from ogi.service import Call, Fields
from ogi.storage import Home, Transaction
from ogi.storage.keys import AGENDA, u64
from ogi.storage.writes import Writes
from ogi.vault import NONCE_BYTES

BELL: Final = b"agenda"
log = logging.getLogger("ogi.deliveries")


def post(
    tx: Transaction,
    call: Call,
    home: Home,
    service: str,
    operation: str,
    request: Fields,
    *,
    due: float | None = None,
    refused: tuple[str, str] | None = None,
    reference: Fields | None = None,
    attempt: int = 0,
) -> bytes:
    """Owe `request` to a service's operation or duty, as `call`'s principal, in its account.

    home: the home of this transaction. due: seconds since the epoch, at once if None. The promise
    holds if and only if `tx` commits. Returns what `cancel` takes.
    """
    delivery = made_of(call, service, operation, request, refused, reference, attempt)
    key = _key(call.now if due is None else due, home, call.entropy(12))
    tx.set(key, owed.seal(call.ports, delivery, call.entropy(NONCE_BYTES)))
    tx.ring(BELL)
    return key


def hand_over(
    tx: Transaction,
    call: Call,
    home: Home,
    service: str,
    operation: str,
    request: Fields,
    *,
    refused: tuple[str, str] | None = None,
    reference: Fields | None = None,
) -> None:
    """As `post`, but made within `tx` where the target is plain and its home is held here.

    The same promise with half the writes: the target's changes are part of this transaction, or,
    if it refuses, none of them, and `refused` hears of it.
    """
    refusal = make_now(tx, call, home, service, operation, request)
    if refusal is not None:
        hear(
            tx, call, home, service, operation, request, refusal, refused=refused,
            reference=reference,
        )  # fmt: skip


def hear(
    tx: Transaction,
    call: Call,
    home: Home,
    service: str,
    operation: str,
    request: Fields,
    refusal: AwsError,
    *,
    refused: tuple[str, str] | None,
    reference: Fields | None,
) -> None:
    """What becomes of a request that `make_now` could not make: owed, or told to `refused`."""
    if isinstance(refusal, Unmade):
        post(tx, call, home, service, operation, request, refused=refused, reference=reference)
    else:
        tell(tx, call, made_of(call, service, operation, request, refused, reference), refusal)


def make_now(
    tx: Transaction, call: Call, home: Home, service: str, operation: str, request: Fields
) -> AwsError | None:
    """Make a request within `tx`: None if it was made, else why not, and nothing of it is in `tx`.

    `Unmade` if it may still be made later: its target is not plain or its home is not held here,
    or the fault was ours, which must not undo what the sender did.
    """
    target = call.ports.services[service].operation_named(operation)
    homes = target.homes(call, request)
    if target.asynchronous or not tx.also(*homes):
        return Unmade()
    writes = Writes(tx, ())
    writes.also(home, *homes)
    try:
        target.authorise(writes, call, request)
        result = target.function(writes, call, request)
        writes.check()
        record(call, target, request, result, None)
    except AwsError as error:
        record(call, target, request, None, error)
        return error
    except Exception as fault:
        log.error("hand-over failed", exc_info=fault, extra={"operation": operation})
        return Unmade()
    tx.take(writes.changes, writes.bells)
    return None


def cancel(tx: Transaction, key: bytes) -> bool:
    """Owe it no longer; False if it was made (or begun) meanwhile and cannot be taken back."""
    if tx.get(key) is None:
        return False
    tx.delete(key)
    return True


def made_of(
    call: Call,
    service: str,
    operation: str,
    request: Fields,
    refused: tuple[str, str] | None,
    reference: Fields | None,
    attempt: int = 0,
) -> Delivery:
    """What is owed, as a record. `call`: as whom, and for which trace."""
    return Delivery(
        service, operation, request, call.account, call.region, call.principal,
        dict(call.context), call.trace, call.now, attempt, refused, reference or {},
        call.trace_header,
    )  # fmt: skip


def tell(tx: Transaction, call: Call, delivery: Delivery, error: AwsError) -> None:
    """Note the target's refusal, and tell the sender's duty if it named one."""
    note_refusal(call, delivery, error)
    if delivery.refused is not None:
        service, duty = delivery.refused
        told = call.ports.services[service].operation_named(duty)
        report = report_of(delivery, error)
        tx.also(*told.homes(call, report))
        told.function(tx, call, report)


def note_refusal(call: Call, delivery: Delivery, error: AwsError) -> None:
    call.note(
        "refused", service=delivery.service, operation=delivery.operation,
        code=error.code or error.shape, message=error.message, principal=delivery.principal.arn,
    )  # fmt: skip


def report_of(delivery: Delivery, error: AwsError) -> Fields:
    """What whoever hears of a refusal is told."""
    return {
        "request": delivery.request,
        "code": error.code or error.shape,
        "message": error.message,
        "status": error.status or 400,
        "attempt": delivery.attempt,
        "posted": delivery.posted,
        "reference": delivery.reference,
    }


def _key(due: float, home: Home, id: bytes) -> bytes:
    return AGENDA + u64(max(0, int(due * 1000))) + home.encode() + b"\x00" + id

"""Tending: what happens to a queue's messages with time alone, in bounded pages.

The ledger posts `tend` for the moment at which the next message comes back from flight or delay,
and `expire` for the moment at which the oldest is past its retention. `sweep` deletes the rows of
an epoch that is over.
"""

from __future__ import annotations

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sqs import fifo, lanes, messages, moves, queues, records
from ogi.services.sqs import layout as layouts
from ogi.services.sqs.layout import LASTING, NEVER, unpair
from ogi.services.sqs.ledgers import Ledger
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.service import SERVICE
from ogi.storage import Home, Reader, Transaction
from ogi.storage.keys import after, u64

PAGE = 200
"""Messages that one run brings back, and that it expires."""
SWEEP_PAGE = 500


def home(call: Call, request: Fields) -> Home:
    return Home(request["arn"])


@SERVICE.duty(home=home)
def tend(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Bring back what is due and forget what is over; the ledger then posts the next run."""
    queue = _queue(tx, request)
    if queue is None:
        return {}
    ledger = Ledger(tx, queue)
    if request["at"] is None:
        # After a purge the new ledger does not know what is remembered beyond it.
        ledger.memory_next = 0
    elif ledger.tended_at != request["at"]:
        return {}
    ledger.tended_at = NEVER
    now_ms = messages.milliseconds(call)
    lanes.settle(tx, ledger, now_ms, PAGE)
    fifo.sweep(tx, ledger, now_ms, NEVER)
    ledger.save(tx, call)
    return {}


@SERVICE.duty(home=home)
def expire(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Delete a page of messages past their retention, and go on.

    One that is in flight expires when it comes back: in flight for the first time it has no row
    that says where its state lies.
    """
    queue = _queue(tx, request)
    if queue is None:
        return {}
    ledger = Ledger(tx, queue)
    layout = ledger.layout
    at = request["at"]
    if at is not None and ledger.expired_at != at:
        return {}
    retention_ms = queue.attributes.retention_s * 1000
    end = layout.records + u64(max(0, messages.milliseconds(call) - retention_ms) + 1)
    page = tx.scan(max(layout.records, request.get("cursor", b"")), end, PAGE)
    for key, raw in page:
        sent_ms, number = unpair(key)
        place = lanes.place_of(tx, ledger, records.decode(raw), sent_ms, number)
        if place is not None and place.lane != lanes.FLIGHT:
            lanes.remove(tx, ledger, place, number)
    if len(page) == PAGE:
        cursor = page[-1][0] + b"\x00"
        deliveries.post(tx, call, layout.home, "sqs", "expire", {**request, "cursor": cursor})
    else:
        rest = tx.scan(end, after(layout.records), 1)
        ledger.expires_next = unpair(rest[0][0])[0] + retention_ms if rest else NEVER
        ledger.expired_at = NEVER
    ledger.save(tx, call)
    return {}


def _queue(tx: Reader, request: Fields) -> Queue | None:
    """The queue, if it is still in the epoch for which the duty was posted."""
    queue = queues.find_by_arn(tx, request["arn"])
    return queue if queue is not None and queue.epoch == request["epoch"] else None


def post(tx: Transaction, call: Call, queue: Queue, duty: str) -> None:
    """Have `tend` or `expire` look now, after an attribute changed on which it depends."""
    request = {"arn": queue.arn, "epoch": queue.epoch, "at": None}
    deliveries.post(tx, _own(call, queue), Home(queue.arn), "sqs", duty, request)


def post_sweep(tx: Transaction, call: Call, queue: Queue, epoch: int) -> None:
    """Delete the rows of an epoch that is over when `tx` commits."""
    request = {"arn": queue.arn, "epoch": epoch}
    deliveries.post(tx, _own(call, queue), Home(queue.arn), "sqs", "sweep", request)


def sweep_now(tx: Transaction, call: Call, queue: Queue, epoch: int) -> None:
    """The same with a first page in this transaction, which has to name the queue's home."""
    sweep(tx, _own(call, queue), {"arn": queue.arn, "epoch": epoch})


def _own(call: Call, queue: Queue) -> Call:
    return call.as_service("sqs.amazonaws.com", queue.arn, queue.account)


@SERVICE.duty(home=home)
def sweep(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Delete a page of the rows of an epoch that is over, and go on."""
    if request["epoch"] == LASTING:
        moves.forget(tx, request["arn"])
    base = layouts.of(request["arn"], request["epoch"]).base
    page = tx.scan(base, after(base), SWEEP_PAGE)
    for key, _ in page:
        tx.delete(key)
    if len(page) == SWEEP_PAGE:
        deliveries.post(tx, call, Home(request["arn"]), "sqs", "sweep", request)
    return {}

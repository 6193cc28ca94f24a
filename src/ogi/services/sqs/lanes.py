"""Lanes: how the state of a message moves between ready, delayed and in flight.

Every move keeps the ledger's counts, and the group's where the message has one.
"""

from __future__ import annotations

from ogi.services.sqs import groups
from ogi.services.sqs.groups import Ready
from ogi.services.sqs.layout import END, State, pack, pair, unpack, unpair
from ogi.services.sqs.ledgers import Ledger, first_due
from ogi.services.sqs.receipts import Receipt
from ogi.services.sqs.records import Record
from ogi.storage import Reader, Transaction
from ogi.storage.keys import number as number_of
from ogi.storage.keys import u64

READY, DELAYED, FLIGHT = b"r", b"d", b"f"
IN_FLIGHT_MAX = 120_000
"""API reference, ChangeMessageVisibility: then OverLimit, or silence from a FIFO queue."""


class Place:
    """Where the state of a message lies."""

    __slots__ = ("due_ms", "key", "lane", "state")

    def __init__(self, key: bytes, lane: bytes, due_ms: int, state: State) -> None:
        self.key = key
        self.lane = lane
        """READY, DELAYED or FLIGHT; a state in DELAYED or FLIGHT may be overdue."""
        self.due_ms = due_ms
        self.state = state


# -- moving ---------------------------------------------------------------------------------------


def enter(
    tx: Transaction, ledger: Ledger, state: State, number: int, ready_ms: int, now_ms: int
) -> None:
    """Put a new message among the ready or the delayed ones."""
    if ready_ms <= now_ms:
        _to_ready(tx, ledger, state, number, ready_ms)
        return
    at_ms = ready_ms - ledger.shift_ms
    tx.set(ledger.layout.delayed + pair(at_ms, number), pack(state))
    ledger.delayed += 1
    ledger.delayed_next = min(ledger.delayed_next, at_ms)


def hide(tx: Transaction, ledger: Ledger, state: State, number: int, due_ms: int) -> None:
    """Put a state in flight until `due_ms`."""
    layout = ledger.layout
    tx.set(layout.flight + pair(due_ms, number), pack(state))
    if state.wanders:
        tx.set(layout.where + u64(number), FLIGHT + u64(due_ms))
    ledger.flight += 1
    if due_ms < ledger.flight_next:
        ledger.flight_next = due_ms
    if state.group:
        groups.of(tx, ledger, state.group).flight += 1


def show(tx: Transaction, ledger: Ledger, state: State, number: int, due_ms: int) -> None:
    """Put a state that was in flight or delayed among the ready ones."""
    wandering = State(state.sent_ms, state.first_ms, state.count, True, state.group)
    due_ms = 0 if ledger.queue.attributes.fifo else due_ms
    where = READY + u64(due_ms) + state.group.encode()
    tx.set(ledger.layout.where + u64(number), where)
    _to_ready(tx, ledger, wandering, number, due_ms)


def wandering(state: State) -> State:
    """The state of a message that will lie elsewhere than its receipt says."""
    return State(state.sent_ms, state.first_ms, state.count, True, state.group)


def _to_ready(tx: Transaction, ledger: Ledger, state: State, number: int, due_ms: int) -> None:
    if state.group:
        key = groups.lane_key(ledger, state.group, due_ms, number)
        order = number if ledger.queue.attributes.fifo else due_ms
        groups.of(tx, ledger, state.group).joined(order)
    else:
        key = ledger.layout.ready + pair(due_ms, number)
    tx.set(key, pack(state))
    ledger.ready += 1
    tx.ring(ledger.layout.bell)


def take(tx: Transaction, ledger: Ledger, lane: bytes, key: bytes, state: State) -> None:
    """Take a state out of its lane."""
    tx.delete(key)
    if lane == READY:
        ledger.ready -= 1
        if state.group:
            groups.of(tx, ledger, state.group).left()
    elif lane == FLIGHT:
        if ledger.flight == IN_FLIGHT_MAX:
            tx.ring(ledger.layout.bell)
        ledger.flight -= 1
        if state.group:
            groups.of(tx, ledger, state.group).flight -= 1
    else:
        ledger.delayed -= 1


def forget(tx: Transaction, ledger: Ledger, state: State, number: int) -> None:
    """Delete what is left of a message whose state was taken."""
    layout = ledger.layout
    tx.delete(layout.records + pair(state.sent_ms, number))
    if state.wanders:
        tx.delete(layout.where + u64(number))


def remove(tx: Transaction, ledger: Ledger, place: Place, number: int) -> None:
    """Delete all rows of a message."""
    take(tx, ledger, place.lane, place.key, place.state)
    forget(tx, ledger, place.state, number)


def settle(tx: Transaction, ledger: Ledger, now_ms: int, limit: int) -> None:
    """Move up to `limit` overdue states, of flight and of delay each, to the ready ones."""
    layout = ledger.layout
    if ledger.flight_next <= now_ms:
        page = tx.scan(layout.flight, layout.flight + u64(now_ms + 1), limit)
        _bring_back(tx, ledger, FLIGHT, page, now_ms)
        ledger.flight_next = first_due(tx, layout.flight)
    ripe_ms = now_ms - ledger.shift_ms
    if ledger.delayed_next <= ripe_ms:
        page = tx.scan(layout.delayed, layout.delayed + u64(ripe_ms + 1), limit)
        _bring_back(tx, ledger, DELAYED, page, now_ms)
        ledger.delayed_next = first_due(tx, layout.delayed)


def _bring_back(
    tx: Transaction, ledger: Ledger, lane: bytes, page: list[tuple[bytes, bytes]], now_ms: int
) -> None:
    for key, raw in page:
        state = unpack(raw)
        due_ms, number = unpair(key)
        take(tx, ledger, lane, key, state)
        if expired(ledger, state, now_ms):
            forget(tx, ledger, state, number)
        else:
            show(tx, ledger, state, number, due_ms)


def expired(ledger: Ledger, state: State, now_ms: int) -> bool:
    return state.sent_ms + ledger.queue.attributes.retention_s * 1000 <= now_ms


# -- looking --------------------------------------------------------------------------------------


def ready(tx: Transaction, ledger: Ledger, limit: int) -> list[Ready]:
    """The messages that are to be received next."""
    ledger.save_groups(tx)
    if ledger.queue.attributes.fifo:
        return groups.ready_fifo(tx, ledger, limit)
    if ledger.turns:
        return groups.ready_fair(tx, ledger, limit)
    lane = ledger.layout.ready
    return [
        (key, number_of(key, len(key) - 8), unpack(raw))
        for key, raw in tx.scan(lane, lane + END, limit)
    ]


def fetch_records(tx: Reader, ledger: Ledger, page: list[Ready]) -> None:
    """Read the records of messages together."""
    if len(page) < 2:
        return
    prefix = ledger.layout.records
    raws = tx.get_many([prefix + pair(state.sent_ms, number) for _, number, state in page])
    ledger.fetched = {number: raw for (_, number, _), raw in zip(page, raws, strict=True) if raw}


def fetch_flights(tx: Reader, ledger: Ledger, batch: list[Receipt]) -> None:
    """Read the states of a batch of receipts together."""
    if len(batch) < 2:
        return
    prefix = ledger.layout.flight
    raws = tx.get_many([prefix + pair(receipt.due_ms, receipt.number) for receipt in batch])
    ledger.fetched = {one.number: raw for one, raw in zip(batch, raws, strict=True) if raw}


def find(tx: Reader, ledger: Ledger, receipt: Receipt) -> Place | None:
    """The message of a receipt, wherever it is now; None if it is gone."""
    if receipt.epoch != ledger.queue.epoch:
        return None
    key = ledger.layout.flight + pair(receipt.due_ms, receipt.number)
    raw = ledger.fetched.pop(receipt.number, None)
    if raw is None:
        raw = tx.get(key)
    if raw is not None:
        return Place(key, FLIGHT, receipt.due_ms, unpack(raw))
    return _wanderer(tx, ledger, receipt.number)


def place_of(tx: Reader, ledger: Ledger, record: Record, sent_ms: int, number: int) -> Place | None:
    """The message of a record; None if it is in flight for the first time."""
    layout, fifo = ledger.layout, ledger.queue.attributes.fifo
    delayed = layout.delayed + pair(sent_ms if fifo else record.ready_ms, number)
    if record.group:
        ready = groups.lane_key(ledger, record.group, record.ready_ms, number)
    else:
        ready = layout.ready + pair(record.ready_ms, number)
    for lane, key in ((READY, ready), (DELAYED, delayed)):
        raw = tx.get(key)
        if raw is not None:
            return Place(key, lane, record.ready_ms, unpack(raw))
    return _wanderer(tx, ledger, number)


def _wanderer(tx: Reader, ledger: Ledger, number: int) -> Place | None:
    layout = ledger.layout
    where = tx.get(layout.where + u64(number))
    if where is None:
        return None
    lane, due_ms, group = where[:1], number_of(where, 1), where[9:].decode()
    key = (
        groups.lane_key(ledger, group, due_ms, number)
        if group
        else (layout.base + lane + pair(due_ms, number))
    )
    raw = tx.get(key)
    if raw is None:
        raise RuntimeError(f"message {number} of {layout.home} is not where it should be")
    return Place(key, lane, due_ms, unpack(raw))


def outlook(tx: Reader, ledger: Ledger, now_ms: int) -> tuple[int, int]:
    """How many receives would find something now, and when the next message comes back."""
    due_ms = min(ledger.flight_next, ledger.delayed_next + ledger.shift_ms)
    ready, flight, _ = ledger.counts(tx, now_ms)
    if flight >= IN_FLIGHT_MAX:
        return 0, due_ms
    if ledger.queue.attributes.fifo and due_ms > now_ms:
        # Ready messages of a group that has some in flight have to wait.
        return ledger.turns, due_ms
    return ready, due_ms

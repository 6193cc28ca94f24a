"""Messages: sent, received, deleted, hidden for longer or shown again.

A message is ready, delayed or in flight (layout.py says where its rows lie then). Sending writes
two rows, receiving moves the small one, deleting deletes both. A receipt names the due time under
which the state lies, so that deleting is one look; a message that changed visibility or came back
has a row that says where it is, so that older receipts find it too.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from ogi.service import Call
from ogi.services.sqs import contents, encryption, receipts
from ogi.services.sqs import layout as layouts
from ogi.services.sqs.contents import Content
from ogi.services.sqs.errors import (
    InvalidParameterValue,
    MessageNotInflight,
    OverLimit,
)
from ogi.services.sqs.layout import END, Layout, State, pack, pair, unpack, unpair
from ogi.services.sqs.ledgers import Ledger, first_due
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.receipts import Receipt
from ogi.storage import Reader, Transaction
from ogi.storage.keys import number as number_of
from ogi.storage.keys import u64

IN_FLIGHT_MAX = 120_000
"""API reference, ChangeMessageVisibility: about 120,000 in flight, then OverLimit."""
VISIBILITY_S_MAX = 43_200
SETTLE_PAGE = 100
"""States moved back to ready by one receive."""
ROUNDS_MAX = 10
"""Pages that one receive looks at when messages turn out to have expired."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What of a message never changes."""

    id: bytes
    ready_ms: int
    """When it became or becomes ready first."""
    sender: str
    sealed: bytes
    kms: bool = False
    group: str = ""
    deduplication: str = ""
    sealed_for: str = ""
    """The ARN of the queue for which it was sealed, if that was another."""
    source_arn: str = ""
    """The queue from which it came to this dead-letter queue."""


class Sent(msgspec.Struct, frozen=True):
    message_id: str
    content: Content
    sequence: str = ""


class Received(msgspec.Struct, frozen=True):
    message_id: str
    handle: str
    content: Content
    record: Record
    state: State
    number: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
decode = _decoder.decode


def message_id_of(id: bytes) -> str:
    return str(uuid.UUID(bytes=id, version=4))


def milliseconds(call: Call) -> int:
    return int(call.now * 1000)


# -- sending --------------------------------------------------------------------------------------


def send(
    tx: Transaction, call: Call, queue: Queue, ledger: Ledger, entry: Mapping[str, Any]
) -> Sent:
    """One request's or batch entry's message."""
    content, _ = contents.read(entry, queue.attributes.message_bytes_max)
    delay_s = delay_of(queue, entry)
    id = call.entropy(16)
    sealed = encryption.seal(tx, call, queue, contents.encode(content), bound=id)
    principal = call.principal
    now_ms = milliseconds(call)
    record = Record(
        id, now_ms + delay_s * 1000, principal.id or principal.arn, sealed.data, sealed.kms
    )
    put(tx, ledger, queue, record, now_ms, now_ms)
    message_id = message_id_of(id)
    call.note("sqs.send", queue=queue.arn, message_id=message_id,
              kms_key=queue.attributes.kms_key_id or None)  # fmt: skip
    return Sent(message_id, content)


def delay_of(queue: Queue, entry: Mapping[str, Any]) -> int:
    delay_s: int = entry.get("DelaySeconds", queue.attributes.delay_s)
    if not 0 <= delay_s <= 900:
        raise InvalidParameterValue.of(
            "DelaySeconds", delay_s, "DelaySeconds must be >= 0 and <= 900."
        )
    return int(delay_s)


def put(
    tx: Transaction, ledger: Ledger, queue: Queue, record: Record, sent_ms: int, now_ms: int
) -> int:
    """Write a message's two rows; its number."""
    layout = ledger.layout
    number = ledger.next_number
    ledger.next_number = number + 1
    tx.set(layout.records + pair(sent_ms, number), _encoder.encode(record))
    state = pack(State(sent_ms, 0, 0, False, record.group))
    due_ms = record.ready_ms
    if due_ms > now_ms:
        tx.set(layout.delayed + pair(due_ms, number), state)
        ledger.delayed += 1
        ledger.delayed_next = min(ledger.delayed_next, due_ms)
    else:
        tx.set(layout.ready + pair(due_ms, number), state)
        ledger.ready += 1
        tx.ring(layout.bell)
    ledger.expires_next = min(ledger.expires_next, sent_ms + queue.attributes.retention_s * 1000)
    return number


# -- receiving ------------------------------------------------------------------------------------


def receive(
    tx: Transaction, call: Call, queue: Queue, limit: int, visibility_s: int | None
) -> list[Received]:
    """Up to `limit` messages that are ready, now in flight."""
    layout = layouts.of(queue.arn, queue.epoch)
    ledger = Ledger(tx, layout)
    now_ms = milliseconds(call)
    settle(tx, ledger, queue, now_ms, SETTLE_PAGE)
    if ledger.flight >= IN_FLIGHT_MAX:
        raise OverLimit(
            "The maximum number of in flight messages is reached; the limit is 120,000."
        )
    found: list[Received] = []
    hidden_s = queue.attributes.visibility_s if visibility_s is None else visibility_s
    for _ in range(ROUNDS_MAX):
        wanted = limit - len(found)
        page = tx.scan(layout.ready, layout.ready + END, wanted)
        for key, raw in page:
            state = unpack(raw)
            number = number_of(key, len(key) - 8)
            tx.delete(key)
            ledger.ready -= 1
            if _expired(queue, state, now_ms):
                forget(tx, layout, state, number)
            else:
                found.append(_hand_out(tx, call, queue, ledger, state, number, hidden_s, now_ms))
        if len(page) < wanted or len(found) == limit:
            break
    ledger.save(tx, call, queue)
    return found


def _hand_out(
    tx: Transaction, call: Call, queue: Queue, ledger: Ledger, state: State, number: int,
    hidden_s: int, now_ms: int,
) -> Received:  # fmt: skip
    layout = ledger.layout
    raw = tx.get(layout.records + pair(state.sent_ms, number))
    if raw is None:
        raise RuntimeError(f"message {number} of {queue.arn} has a state but no record")
    record = decode(raw)
    content = open_content(tx, call, queue, record)
    state = State(
        state.sent_ms, state.first_ms or now_ms, state.count + 1, state.wanders, state.group
    )
    due_ms = now_ms + hidden_s * 1000
    hide(tx, ledger, state, number, due_ms)
    receipt = Receipt(record.id, queue.epoch, state.sent_ms, number, due_ms, state.count, now_ms)
    message_id = message_id_of(record.id)
    call.note("sqs.receive", queue=queue.arn, message_id=message_id, count=state.count,
              kms_key=queue.attributes.kms_key_id or None)  # fmt: skip
    handle = receipts.write(call.ports.vault, queue.arn, receipt)
    return Received(message_id, handle, content, record, state, number)


def open_content(tx: Transaction, call: Call, queue: Queue, record: Record) -> Content:
    sealed = encryption.Sealed(record.sealed, record.kms)
    plain = encryption.open_(tx, call, record.sealed_for or queue.arn, sealed, bound=record.id)
    return contents.decode(plain)


def hide(tx: Transaction, ledger: Ledger, state: State, number: int, due_ms: int) -> None:
    """Put a state in flight until `due_ms`."""
    layout = ledger.layout
    tx.set(layout.flight + pair(due_ms, number), pack(state))
    if state.wanders:
        tx.set(layout.where + u64(number), b"f" + u64(due_ms))
    ledger.flight += 1
    ledger.flight_next = min(ledger.flight_next, due_ms)


def show(tx: Transaction, ledger: Ledger, state: State, number: int, due_ms: int) -> None:
    """Put a state that lay elsewhere among the ready ones."""
    layout = ledger.layout
    wandering = State(state.sent_ms, state.first_ms, state.count, True, state.group)
    tx.set(layout.ready + pair(due_ms, number), pack(wandering))
    tx.set(layout.where + u64(number), b"r" + u64(due_ms))
    ledger.ready += 1
    tx.ring(layout.bell)


def settle(tx: Transaction, ledger: Ledger, queue: Queue, now_ms: int, limit: int) -> bool:
    """Move what is overdue in flight or delayed to the ready ones; True if there is more."""
    more = False
    layout = ledger.layout
    if ledger.flight_next <= now_ms:
        page = tx.scan(layout.flight, layout.flight + u64(now_ms + 1), limit)
        ledger.flight -= len(page)
        _bring_back(tx, ledger, queue, page, now_ms)
        more = len(page) == limit
        ledger.flight_next = first_due(tx, layout.flight)
    if ledger.delayed_next <= now_ms:
        page = tx.scan(layout.delayed, layout.delayed + u64(now_ms + 1), limit)
        ledger.delayed -= len(page)
        _bring_back(tx, ledger, queue, page, now_ms)
        more = more or len(page) == limit
        ledger.delayed_next = first_due(tx, layout.delayed)
    return more


def _bring_back(
    tx: Transaction, ledger: Ledger, queue: Queue, page: list[tuple[bytes, bytes]], now_ms: int
) -> None:
    for key, raw in page:
        state = unpack(raw)
        due_ms, number = unpair(key)
        tx.delete(key)
        if _expired(queue, state, now_ms):
            forget(tx, ledger.layout, state, number)
        else:
            show(tx, ledger, state, number, due_ms)


def _expired(queue: Queue, state: State, now_ms: int) -> bool:
    return state.sent_ms + queue.attributes.retention_s * 1000 <= now_ms


def forget(tx: Transaction, layout: Layout, state: State, number: int) -> None:
    """Delete what is left of a message whose state was taken."""
    tx.delete(layout.records + pair(state.sent_ms, number))
    if state.wanders:
        tx.delete(layout.where + u64(number))


# -- finding and removing -------------------------------------------------------------------------


class Place(msgspec.Struct, frozen=True):
    """Where the state of a message lies."""

    key: bytes
    lane: bytes
    """`r`, `f` or `d`; a state in `f` may be overdue."""
    due_ms: int
    state: State


def find(tx: Reader, layout: Layout, receipt: Receipt) -> Place | None:
    """The message of a receipt, wherever it is now; None if it is gone."""
    key = layout.flight + pair(receipt.due_ms, receipt.number)
    raw = tx.get(key)
    if raw is not None:
        return Place(key, b"f", receipt.due_ms, unpack(raw))
    return _wanderer(tx, layout, receipt.number)


def place_of(tx: Reader, layout: Layout, record: Record, number: int) -> Place | None:
    """The message of a record; None if it is in flight for the first time."""
    for lane in (b"r", b"d"):
        key = layout.base + lane + pair(record.ready_ms, number)
        raw = tx.get(key)
        if raw is not None:
            return Place(key, lane, record.ready_ms, unpack(raw))
    return _wanderer(tx, layout, number)


def _wanderer(tx: Reader, layout: Layout, number: int) -> Place | None:
    where = tx.get(layout.where + u64(number))
    if where is None:
        return None
    lane, due_ms = where[:1], number_of(where, 1)
    key = layout.base + lane + pair(due_ms, number)
    raw = tx.get(key)
    if raw is None:
        raise RuntimeError(f"message {number} of {layout.home} is not where it should be")
    return Place(key, lane, due_ms, unpack(raw))


def remove(tx: Transaction, ledger: Ledger, place: Place, number: int) -> None:
    """Delete all rows of a message."""
    tx.delete(place.key)
    if place.lane == b"f":
        ledger.flight -= 1
    elif place.lane == b"r":
        ledger.ready -= 1
    else:
        ledger.delayed -= 1
    forget(tx, ledger.layout, place.state, number)


# -- by receipt handle ----------------------------------------------------------------------------


def delete(tx: Transaction, call: Call, queue: Queue, ledger: Ledger, handle: str) -> None:
    """Delete the message of a receipt; nothing happens if it is gone already."""
    receipt = receipts.read(call.ports.vault, queue.arn, handle)
    if receipt.epoch != queue.epoch:
        return
    place = find(tx, ledger.layout, receipt)
    if place is not None:
        remove(tx, ledger, place, receipt.number)
        call.note("sqs.delete", queue=queue.arn, message_id=message_id_of(receipt.id))


def change_visibility(
    tx: Transaction, call: Call, queue: Queue, ledger: Ledger, handle: str, hidden_s: int
) -> None:
    """Hide a received message for `hidden_s` from now on; 0 shows it at once."""
    if not 0 <= hidden_s <= VISIBILITY_S_MAX:
        raise InvalidParameterValue.of(
            "VisibilityTimeout", hidden_s, "Must be between 0 and 43200, if provided."
        )
    receipt = receipts.read(call.ports.vault, queue.arn, handle)
    now_ms = milliseconds(call)
    found = find(tx, ledger.layout, receipt) if receipt.epoch == queue.epoch else None
    if found is None or found.state.count != receipt.count:
        raise InvalidParameterValue.of(
            "ReceiptHandle", handle,
            "Message does not exist or is not available for visibility timeout change.",
        )  # fmt: skip
    if found.lane != b"f" or found.due_ms <= now_ms:
        raise MessageNotInflight
    if now_ms + hidden_s * 1000 > receipt.received_ms + VISIBILITY_S_MAX * 1000:
        raise InvalidParameterValue.of(
            "VisibilityTimeout", hidden_s, "Total VisibilityTimeout for the message is beyond the "
            "limit [43200 seconds]",
        )  # fmt: skip
    tx.delete(found.key)
    ledger.flight -= 1
    state = found.state
    if hidden_s == 0:
        show(tx, ledger, state, receipt.number, now_ms)
        return
    wandering = State(state.sent_ms, state.first_ms, state.count, True, state.group)
    hide(tx, ledger, wandering, receipt.number, now_ms + hidden_s * 1000)

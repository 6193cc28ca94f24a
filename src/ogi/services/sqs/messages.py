"""Messages: sent, received, deleted, hidden for longer or shown again.

Sending writes two rows, receiving moves the small one, deleting deletes both (layout.py). A receipt
names the due time under which the state lies in flight, so that deleting is one look; a message
that changed visibility or came back has a row that says where it is, so that older receipts find it
too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from ogi.service import Call
from ogi.services.sqs import (
    contents,
    encryption,
    fifo,
    groups,
    ids,
    lanes,
    receipts,
    records,
    redrive,
)
from ogi.services.sqs.errors import (
    InvalidParameterValue,
    OverLimit,
    ReceiptHandleIsInvalid,
)
from ogi.services.sqs.layout import State, pair
from ogi.services.sqs.ledgers import Ledger
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.receipts import Receipt
from ogi.services.sqs.records import Content, Record
from ogi.storage import Transaction

VISIBILITY_S_MAX: Final = 43_200
SETTLE_PAGE: Final = 100
"""States moved back to ready by one receive."""
ROUNDS_MAX: Final = 10
"""Pages that one receive looks at when messages turn out to be past their time."""


class Sent:
    """What its sender hears of a message."""

    __slots__ = ("content", "message_id", "new", "sequence")

    def __init__(self, message_id: str, content: Content, sequence: str, new: bool) -> None:
        self.message_id = message_id
        self.content = content
        self.sequence = sequence
        self.new = new
        """It is no duplicate of an earlier one."""


class Received:
    """A message as it is handed out."""

    __slots__ = ("content", "handle", "message_id", "record", "sequence", "state")

    def __init__(
        self, message_id: str, handle: str, content: Content, record: Record, state: State,
        sequence: str = "",
    ) -> None:  # fmt: skip
        self.message_id = message_id
        self.handle = handle
        self.content = content
        self.record = record
        self.state = state
        self.sequence = sequence


def milliseconds(call: Call) -> int:
    return int(call.now * 1000)


# -- sending --------------------------------------------------------------------------------------


def send(tx: Transaction, call: Call, ledger: Ledger, entry: Mapping[str, Any]) -> Sent:
    """One request's or batch entry's message."""
    queue, now_ms = ledger.queue, milliseconds(call)
    content = contents.read(
        entry, queue.attributes.message_bytes_max, digested=call.principal.kind != "service",
        trace_header=call.trace_header,
    )  # fmt: skip
    delay_s = _delay_s(ledger, entry)
    group, deduplication = "", ""
    if queue.attributes.fifo:
        group, deduplication = fifo.check(queue, entry)
        earlier = fifo.duplicate_of(tx, ledger, group, deduplication, now_ms)
        if earlier is not None:
            return Sent(ids.message_id(earlier.id), content, earlier.sequence, False)
    else:
        group = fifo.tenant(entry)
    id = ids.new_id(call)
    sealed, kms = encryption.seal(tx, call, queue, records.encode(content), bound=id)
    principal = call.principal
    record = Record(
        id, now_ms + delay_s * 1000, principal.id or principal.arn, sealed, kms, group,
        deduplication,
    )  # fmt: skip
    number = put(tx, ledger, record, now_ms, now_ms)
    sequence = ""
    if queue.attributes.fifo:
        sequence = fifo.sequence(queue, number)
        fifo.remember(tx, ledger, group, deduplication, id, sequence, now_ms)
    return Sent(ids.message_id(id), content, sequence, True)


def note_sent(call: Call, queue: Queue, **what: Any) -> None:
    """what: `message_id` or `message_ids`."""
    call.note("sqs.send", queue=queue.arn, **what, kms_key=queue.attributes.kms_key_id or None)


def _delay_s(ledger: Ledger, entry: Mapping[str, Any]) -> int:
    attributes = ledger.queue.attributes
    delay_s = entry.get("DelaySeconds")
    if delay_s is None:
        return attributes.delay_s
    if not 0 <= delay_s <= 900:
        raise InvalidParameterValue.of(
            "DelaySeconds", delay_s, "DelaySeconds must be >= 0 and <= 900."
        )
    if attributes.fifo and delay_s != 0:
        raise fifo.not_for_this_type("DelaySeconds", delay_s)
    return attributes.delay_s if attributes.fifo else int(delay_s)


def put(
    tx: Transaction, ledger: Ledger, record: Record, sent_ms: int, now_ms: int,
    *, count: int = 0, first_ms: int = 0, number: int | None = None,
) -> int:  # fmt: skip
    """Write a message's two rows; its number, the next one if none is given."""
    if number is None:
        number = ledger.next_number
        ledger.next_number = number + 1
    tx.set(ledger.layout.records + pair(sent_ms, number), records.encode(record))
    state = State(sent_ms, first_ms, count, False, record.group)
    lanes.enter(tx, ledger, state, number, record.ready_ms, now_ms)
    expires_ms = sent_ms + ledger.queue.attributes.retention_s * 1000
    if expires_ms < ledger.expires_next:
        ledger.expires_next = expires_ms
    return number


# -- receiving ------------------------------------------------------------------------------------


def receive(
    tx: Transaction, call: Call, ledger: Ledger, limit: int, visibility_s: int | None,
    *, attempt: str = "", patient: bool = False,
) -> list[Received]:  # fmt: skip
    """Up to `limit` messages that are ready, now in flight.

    `patient`: a long poll, which waits instead of hearing that too many are in flight.
    """
    queue, now_ms = ledger.queue, milliseconds(call)
    hidden_s = queue.attributes.visibility_s if visibility_s is None else visibility_s
    lanes.settle(tx, ledger, now_ms, SETTLE_PAGE)
    if attempt:
        again = _receive_again(tx, call, ledger, attempt, now_ms + hidden_s * 1000)
        if again:
            return again
    if ledger.flight >= lanes.IN_FLIGHT_MAX:
        if patient or queue.attributes.fifo:
            return []
        raise OverLimit(
            "Too many messages have been received without being deleted. "
            "Please delete your received messages or let them timeout before receiving more."
        )
    graves = redrive.Graves(tx, queue)
    found: list[Received] = []
    for _ in range(ROUNDS_MAX):
        wanted = limit - len(found)
        page = lanes.ready(tx, ledger, wanted)
        lanes.fetch_records(tx, ledger, page)
        for key, number, state in page:
            lanes.take(tx, ledger, lanes.READY, key, state)
            if lanes.expired(ledger, state, now_ms):
                lanes.forget(tx, ledger, state, number)
            elif graves.takes(state):
                graves.bury(state, number, record_of(tx, ledger, state, number))
                lanes.forget(tx, ledger, state, number)
            else:
                found.append(_hand_out(tx, call, ledger, state, number, hidden_s, now_ms))
        if len(page) < wanted or len(found) == limit:
            break
    graves.post(tx, call)
    _note_received(call, ledger, found)
    if attempt and found:
        fifo.remember_attempt(tx, ledger, attempt, [one.handle for one in found],
                              now_ms + hidden_s * 1000, now_ms)  # fmt: skip
    return found


def _note_received(call: Call, ledger: Ledger, found: list[Received]) -> None:
    if found:
        call.note("sqs.receive", queue=ledger.queue.arn,
                  message_ids=[one.message_id for one in found],
                  kms_key=ledger.queue.attributes.kms_key_id or None)  # fmt: skip


def _hand_out(
    tx: Transaction, call: Call, ledger: Ledger, state: State, number: int, hidden_s: int,
    now_ms: int,
) -> Received:  # fmt: skip
    queue = ledger.queue
    record = record_of(tx, ledger, state, number)
    content = encryption.open_content(tx, call, queue, record)
    state = State(
        state.sent_ms, state.first_ms or now_ms, state.count + 1, state.wanders, state.group
    )
    due_ms = now_ms + hidden_s * 1000
    lanes.hide(tx, ledger, state, number, due_ms)
    receipt = Receipt(record.id, queue.epoch, state.sent_ms, number, due_ms, state.count, now_ms)
    return _received(call, ledger, record, content, state, receipt)


def _received(
    call: Call, ledger: Ledger, record: Record, content: Content, state: State, receipt: Receipt
) -> Received:
    queue = ledger.queue
    handle = receipts.write(call.ports.vault, queue.arn, receipt)
    sequence = fifo.sequence(queue, receipt.number) if queue.attributes.fifo else ""
    return Received(ids.message_id(record.id), handle, content, record, state, sequence)


def record_of(tx: Transaction, ledger: Ledger, state: State, number: int) -> Record:
    raw = ledger.fetched.pop(number, None)
    if raw is None:
        raw = tx.get(ledger.layout.records + pair(state.sent_ms, number))
    if raw is None:
        raise RuntimeError(f"message {number} of {ledger.queue.arn} has a state but no record")
    return records.decode(raw)


def _receive_again(
    tx: Transaction, call: Call, ledger: Ledger, attempt: str, due_ms: int
) -> list[Received]:
    """What the same ReceiveRequestAttemptId received; nothing, if that is visible again.

    API reference, ReceiveMessage: it can be retried if none of the messages have been modified. The
    refusal is AWS's as users report it (awslabs/amazon-sqs-java-messaging-lib#213 on GitHub).
    """
    now_ms = milliseconds(call)
    made = fifo.attempt_made(tx, ledger, attempt, now_ms)
    if made is None or made.due_ms <= now_ms:
        return []
    receipts_ = [
        receipts.read(call.ports.vault, ledger.queue.arn, handle) for handle in made.handles
    ]
    places = [lanes.find(tx, ledger, receipt) for receipt in receipts_]
    found: list[Received] = []
    for receipt, place in zip(receipts_, places, strict=True):
        kept = place is not None and place.lane == lanes.FLIGHT and place.due_ms == made.due_ms
        if place is None or not kept or place.state.count != receipt.count:
            raise InvalidParameterValue.of(
                "ReceiveRequestAttemptId", attempt, "The receiveRequestAttemptId is not valid "
                "anymore since the receive call is not retryable.",
            )  # fmt: skip
        record = record_of(tx, ledger, place.state, receipt.number)
        content = encryption.open_content(tx, call, ledger.queue, record)
        found.append(_received(call, ledger, record, content, place.state, receipt))
    for receipt, place in zip(receipts_, places, strict=True):
        assert place is not None
        lanes.take(tx, ledger, lanes.FLIGHT, place.key, place.state)
        lanes.hide(tx, ledger, lanes.wandering(place.state), receipt.number, due_ms)
    fifo.remember_attempt(tx, ledger, attempt, list(made.handles), due_ms, made.at_ms)
    _note_received(call, ledger, found)
    return found


# -- by receipt handle ----------------------------------------------------------------------------


def delete(
    tx: Transaction, call: Call, ledger: Ledger, handle: str, receipt: Receipt | None = None
) -> bytes:
    """Delete the message of a receipt, if it is not gone already; the message's id.

    `receipt`: what the handle says, if it was read before.
    """
    queue, now_ms = ledger.queue, milliseconds(call)
    if receipt is None:
        receipt = receipts.read(call.ports.vault, queue.arn, handle)
    place = lanes.find(tx, ledger, receipt)
    if place is None:
        return receipt.id
    if queue.attributes.fifo and not _holds(place, receipt, now_ms):
        raise _expired(handle)
    lanes.remove(tx, ledger, place, receipt.number)
    if place.lane == lanes.FLIGHT:
        groups.processed(tx, ledger, place.state.group, now_ms - receipt.received_ms, now_ms)
    return receipt.id


def note_deleted(call: Call, ledger: Ledger, gone: list[bytes]) -> None:
    call.note("sqs.delete", queue=ledger.queue.arn, message_ids=list(map(ids.message_id, gone)))


def read_receipts(
    tx: Transaction, call: Call, ledger: Ledger, entries: list[dict[str, Any]]
) -> dict[str, Receipt]:
    """By batch entry the receipts that are valid, with their states fetched together."""
    found: dict[str, Receipt] = {}
    for entry in entries:
        with contextlib.suppress(ReceiptHandleIsInvalid):
            found[entry["Id"]] = receipts.read(
                call.ports.vault, ledger.queue.arn, entry["ReceiptHandle"]
            )
    lanes.fetch_flights(tx, ledger, list(found.values()))
    return found


def change_visibility(
    tx: Transaction, call: Call, ledger: Ledger, handle: str, hidden_s: int
) -> None:
    """Hide a received message for `hidden_s` from now on; 0 shows it at once.

    In a standard queue an older receipt does it too, and of a message that is visible again it says
    nothing and does nothing, as AWS does (getmoto/moto#4655, localstack/localstack#9632 on GitHub).
    A FIFO queue takes the latest receipt alone (aws/aws-sdk-java#1628).
    """
    if not 0 <= hidden_s <= VISIBILITY_S_MAX:
        raise InvalidParameterValue.of(
            "VisibilityTimeout", hidden_s, "Must be between 0 and 43200, if provided."
        )
    receipt = receipts.read(call.ports.vault, ledger.queue.arn, handle)
    now_ms = milliseconds(call)
    place = lanes.find(tx, ledger, receipt)
    if place is None:
        raise InvalidParameterValue.of(
            "ReceiptHandle", handle,
            "Message does not exist or is not available for visibility timeout change.",
        )  # fmt: skip
    if ledger.queue.attributes.fifo and not _holds(place, receipt, now_ms):
        raise _expired(handle)
    if place.lane != lanes.FLIGHT or place.due_ms <= now_ms:
        return
    if now_ms + hidden_s * 1000 > receipt.received_ms + VISIBILITY_S_MAX * 1000:
        raise InvalidParameterValue.of(
            "VisibilityTimeout", hidden_s, "Total VisibilityTimeout for the message is beyond the "
            "limit [43200 seconds]",
        )  # fmt: skip
    lanes.take(tx, ledger, lanes.FLIGHT, place.key, place.state)
    if hidden_s == 0 and lanes.expired(ledger, place.state, now_ms):
        lanes.forget(tx, ledger, place.state, receipt.number)
    elif hidden_s == 0:
        lanes.show(tx, ledger, place.state, receipt.number, now_ms)
    else:
        due_ms = now_ms + hidden_s * 1000
        lanes.hide(tx, ledger, lanes.wandering(place.state), receipt.number, due_ms)


def _expired(handle: str) -> InvalidParameterValue:
    return InvalidParameterValue.of("ReceiptHandle", handle, "The receipt handle has expired.")


def _holds(place: lanes.Place, receipt: Receipt, now_ms: int) -> bool:
    """The receipt is the latest, and its time has not passed."""
    return (
        place.lane == lanes.FLIGHT and place.due_ms > now_ms and place.state.count == receipt.count
    )

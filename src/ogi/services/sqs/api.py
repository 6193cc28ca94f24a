"""SQS's actions on messages, in AWS's words: requests in, results out.

API reference: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ogi.service import Call, Fields
from ogi.services.sqs import (
    attributes,
    batches,
    contents,
    fifo,
    lanes,
    messages,
    queues,
    rates,
    receipts,
    waiting,
)
from ogi.services.sqs import layout as layouts
from ogi.services.sqs.errors import (
    BatchRequestTooLong,
    InvalidAttributeName,
    InvalidParameterValue,
    ReceiptHandleIsInvalid,
)
from ogi.services.sqs.ledgers import Ledger
from ogi.services.sqs.messages import Received, Sent
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.service import SERVICE
from ogi.storage import Home, Reader, Transaction

RECEIVE_MAX: Final = 10
WAIT_S_MAX: Final = 20
_SYSTEM_NAMES: Final = frozenset((
    "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
    "SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
))  # fmt: skip
"""What can be asked for; names of queue attributes are accepted too (the older member's type in the
model) and are none of a message's."""


@SERVICE.operation(on=queues.on_queue, home=queues.home_of_messages)
def send_message(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = queues.find(tx, call, request["QueueUrl"])
    if call.ports.settings.sqs_quotas:
        rates.admit(call, queue, rates.SEND, _group_sent(request))
    ledger = Ledger(tx, queue)
    sent = messages.send(tx, call, ledger, request)
    if sent.new:
        messages.note_sent(call, queue, message_id=sent.message_id)
    ledger.save(tx, call)
    return _sent(sent)


@SERVICE.operation(on=queues.on_queue, action="SendMessage", home=queues.home_of_messages)
def send_message_batch(tx: Transaction, call: Call, request: Fields) -> Fields:
    entries = batches.check(request, "SendMessageBatchRequestEntry")
    queue = queues.find(tx, call, request["QueueUrl"])
    size = sum(map(contents.size_of, entries))
    if size > attributes.MESSAGE_BYTES_MAX:
        # The queue's MaximumMessageSize is of each message; API reference, SendMessageBatch.
        raise BatchRequestTooLong(
            f"Batch requests cannot be longer than {attributes.MESSAGE_BYTES_MAX} bytes. "
            f"You have sent {size} bytes."
        )
    if queue.attributes.fifo:
        fifo.check_batch(queue, entries)
    ledger = Ledger(tx, queue)
    new: list[str] = []

    def act(entry: Fields) -> Fields:
        sent = messages.send(tx, call, ledger, entry)
        if sent.new:
            new.append(sent.message_id)
        return _sent(sent)

    result = _run(tx, call, ledger, rates.SEND, entries, act)
    if new:
        messages.note_sent(call, queue, message_ids=new)
    ledger.save(tx, call)
    return result


def _group_sent(entry: Fields) -> str:
    return entry.get("MessageGroupId") or ""


def _sent(sent: Sent) -> Fields:
    content = sent.content
    result: Fields = {"MessageId": sent.message_id}
    if content.md5:
        result["MD5OfMessageBody"] = content.md5
    if content.md5_of_attributes:
        result["MD5OfMessageAttributes"] = content.md5_of_attributes
    if content.md5_of_system_attributes:
        result["MD5OfMessageSystemAttributes"] = content.md5_of_system_attributes
    if sent.sequence:
        result["SequenceNumber"] = sent.sequence
    return result


@SERVICE.operation(on=queues.on_queue, preauthorised=False)
async def receive_message(call: Call, request: Fields) -> Fields:
    """At once if something is ready or nobody wants to wait; else in the queue's line."""
    _check_range(request, "MaxNumberOfMessages", 1, RECEIVE_MAX, "Must be between 1 and 10")
    _check_range(request, "WaitTimeSeconds", 0, WAIT_S_MAX, "Must be >= 0 and <= 20")
    _check_range(
        request, "VisibilityTimeout", 0, messages.VISIBILITY_S_MAX, "Must be between 0 and 43200"
    )
    for name in _system_names(request):
        if name not in _SYSTEM_NAMES and name not in attributes.READABLE:
            raise InvalidAttributeName.of(name)
    url = request["QueueUrl"]
    home = Home(queues.arn_of_url(url, call.region, call.account))
    limit = request.get("MaxNumberOfMessages") or 1
    attempt: str = request.get("ReceiveRequestAttemptId") or ""
    started = call.ports.clock.now()

    wait_s = request.get("WaitTimeSeconds")
    admitted = False

    def body(tx: Transaction, call: Call) -> tuple[list[Fields], Queue]:
        queue = queues.find(tx, call, url)
        if not admitted and call.ports.settings.sqs_quotas:
            rates.admit(call, queue, rates.RECEIVE)
        ledger = Ledger(tx, queue)
        found = messages.receive(
            tx, call, ledger, limit, request.get("VisibilityTimeout"),
            attempt=fifo.attempt_of(queue, attempt),
            patient=bool(queue.attributes.wait_s if wait_s is None else wait_s),
        )  # fmt: skip
        ledger.save(tx, call)
        return [_received(one, request) for one in found], queue

    found, queue = await call.transact(body, home)
    admitted = True
    until = started + (queue.attributes.wait_s if wait_s is None else wait_s)
    store, clock = call.ports.store, call.ports.clock
    bell = layouts.of(queue.arn, queue.epoch).bell
    while not found and clock.now() < until:
        line = await waiting.turn(store, clock, bell, until, lambda: _look(call, url))
        if line is None:
            break
        more = True
        try:
            found, queue = await call.transact(body, home)
            more = bool(found)
        finally:
            line.end_turn(more)
    return {"Messages": found} if found else {}


async def _look(call: Call, url: str) -> tuple[int, float]:
    """For the head of a line: how many messages are ready, and when the next will be."""
    now_ms = int(call.ports.clock.now() * 1000)

    def body(tx: Reader) -> tuple[int, float]:
        ledger = Ledger(tx, queues.find(tx, call, url))
        ready, due_ms = lanes.outlook(tx, ledger, now_ms)
        return ready, due_ms / 1000

    return await call.read(body)


def _check_range(request: Fields, name: str, low: int, high: int, rule: str) -> None:
    value = request.get(name)
    if value is not None and not low <= value <= high:
        raise InvalidParameterValue.of(name, value, f"{rule}, if provided.")


def _received(one: Received, request: Fields) -> Fields:
    content = one.content
    result: Fields = {
        "MessageId": one.message_id,
        "ReceiptHandle": one.handle,
        "MD5OfBody": contents.digest_of(content),
        "Body": content.body,
    }
    system = _system_names(request)
    if system:
        found = _system_attributes(one)
        if "All" not in system:
            found = {name: text for name, text in found.items() if name in system}
        if found:
            result["Attributes"] = found
    names: list[str] = request.get("MessageAttributeNames") or []
    if names and content.attributes:
        chosen = contents.chosen(content.attributes, names)
        if chosen:
            result["MessageAttributes"] = chosen
            # The digest is of the attributes that are returned, so that clients can check it.
            result["MD5OfMessageAttributes"] = (
                content.md5_of_attributes
                if len(chosen) == len(content.attributes)
                else contents.md5_of_attributes(chosen)
            )
    return result


def _system_names(request: Fields) -> list[str]:
    """Of both members, the newer and the older."""
    newer, older = request.get("MessageSystemAttributeNames"), request.get("AttributeNames")
    return [*(newer or ()), *(older or ())]


def _system_attributes(one: Received) -> dict[str, str]:
    record, state = one.record, one.state
    found = {
        "SenderId": record.sender,
        "ApproximateFirstReceiveTimestamp": str(state.first_ms),
        "ApproximateReceiveCount": str(state.count),
        "SentTimestamp": str(state.sent_ms),
    }
    optional = {
        "SequenceNumber": one.sequence,
        "AWSTraceHeader": one.content.trace_header,
        "DeadLetterQueueSourceArn": record.source_arn,
        "MessageGroupId": record.group,
        "MessageDeduplicationId": record.deduplication,
    }
    found.update({name: text for name, text in optional.items() if text})
    return found


@SERVICE.operation(on=queues.on_queue, home=queues.home_of_messages)
def delete_message(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = queues.find(tx, call, request["QueueUrl"])
    ledger = Ledger(tx, queue)
    if call.ports.settings.sqs_quotas:
        rates.admit(call, queue, rates.DELETE, _group_received(tx, call, ledger, request))
    id = messages.delete(tx, call, ledger, request["ReceiptHandle"])
    messages.note_deleted(call, ledger, [id])
    ledger.save(tx, call)
    return {}


@SERVICE.operation(on=queues.on_queue, action="DeleteMessage", home=queues.home_of_messages)
def delete_message_batch(tx: Transaction, call: Call, request: Fields) -> Fields:
    entries = batches.check(request, "DeleteMessageBatchRequestEntry")
    queue = queues.find(tx, call, request["QueueUrl"])
    ledger = Ledger(tx, queue)
    known = messages.read_receipts(tx, call, ledger, entries)
    gone: list[bytes] = []

    def act(entry: dict[str, Any]) -> Fields:
        receipt = known.get(entry["Id"])
        gone.append(messages.delete(tx, call, ledger, entry["ReceiptHandle"], receipt))
        return {}

    result = _run(tx, call, ledger, rates.DELETE, entries, act)
    messages.note_deleted(call, ledger, gone)
    ledger.save(tx, call)
    return result


@SERVICE.operation(on=queues.on_queue, home=queues.home_of_messages)
def change_message_visibility(tx: Transaction, call: Call, request: Fields) -> Fields:
    queue = queues.find(tx, call, request["QueueUrl"])
    ledger = Ledger(tx, queue)
    if call.ports.settings.sqs_quotas:
        rates.admit(call, queue, rates.CHANGE, _group_received(tx, call, ledger, request))
    messages.change_visibility(
        tx, call, ledger, request["ReceiptHandle"], request["VisibilityTimeout"]
    )
    ledger.save(tx, call)
    return {}


@SERVICE.operation(
    on=queues.on_queue, action="ChangeMessageVisibility", home=queues.home_of_messages
)
def change_message_visibility_batch(tx: Transaction, call: Call, request: Fields) -> Fields:
    entries = batches.check(request, "ChangeMessageVisibilityBatchRequestEntry")
    queue = queues.find(tx, call, request["QueueUrl"])
    ledger = Ledger(tx, queue)

    def act(entry: dict[str, Any]) -> Fields:
        hidden_s = entry.get("VisibilityTimeout", queue.attributes.visibility_s)
        messages.change_visibility(tx, call, ledger, entry["ReceiptHandle"], hidden_s)
        return {}

    result = _run(tx, call, ledger, rates.CHANGE, entries, act)
    ledger.save(tx, call)
    return result


def _run(
    tx: Reader, call: Call, ledger: Ledger, action: str, entries: list[Fields],
    act: Callable[[Fields], Fields],
) -> Fields:  # fmt: skip
    """Each entry for itself; where rates are counted, the request and its groups first."""
    if not call.ports.settings.sqs_quotas:
        return batches.run(entries, act)
    rates.admit(call, ledger.queue, action)

    def group_of(entry: Fields) -> str:
        if action == rates.SEND:
            return _group_sent(entry)
        return _group_received(tx, call, ledger, entry)

    return batches.run(entries, rates.guarded(call, ledger.queue, action, group_of, act))


def _group_received(tx: Reader, call: Call, ledger: Ledger, entry: Fields) -> str:
    """The group of a receipt's message; '' if there is none, or none any more."""
    try:
        receipt = receipts.read(call.ports.vault, ledger.queue.arn, entry["ReceiptHandle"])
    except ReceiptHandleIsInvalid:
        return ""
    place = lanes.find(tx, ledger, receipt)
    return "" if place is None else place.state.group

"""Burials: messages arrive in a dead-letter queue."""

from __future__ import annotations

import msgspec

from ogi.service import Call, Fields
from ogi.services.sqs import crossings, ids, messages, queues, records
from ogi.services.sqs.ledgers import Ledger
from ogi.services.sqs.service import SERVICE
from ogi.storage import Home, Transaction

LOADS_MAX = 4
"""Loads that cross in one transaction."""


def _home(call: Call, request: Fields) -> Home:
    return Home(request["arn"])


def _homes(call: Call, request: Fields) -> tuple[Home, Home]:
    return Home(request["source"]), Home(request["arn"])


@SERVICE.duty(home=_homes)
def cross(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Bury the oldest that wait in a FIFO queue's home for this queue, and owe the next."""
    source: str = request["source"]
    for _ in range(LOADS_MAX):
        load = crossings.first(tx, source)
        if load is None or load.arn != request["arn"]:
            break
        bury(tx, call, {"arn": load.arn, "source": source, "messages": load.messages})
        crossings.forget_first(tx, source)
    load = crossings.first(tx, source)
    if load is not None:
        crossings.go_on(tx, call, source, load.arn)
    return {}


@SERVICE.duty(home=_home)
def bury(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Put what one receive of the source gave up, in its order."""
    queue = queues.find_by_arn(tx, request["arn"])
    if queue is None:
        # Deleted since: its messages are gone, as those are that it held.
        return {}
    ledger = Ledger(tx, queue)
    now_ms = messages.milliseconds(call)
    for message in request["messages"]:
        record = msgspec.structs.replace(records.decode(message["record"]), ready_ms=now_ms)
        sent_ms = message["sent_ms"]
        if queue.attributes.fifo:
            # Developer guide, 'dead-letter queue redrive': the message's id takes the place of its
            # deduplication id.
            sent_ms, id = now_ms, ids.message_id(record.id)
            record = msgspec.structs.replace(record, deduplication=id)
        messages.put(
            tx, ledger, record, sent_ms, now_ms,
            count=message["count"], first_ms=message["first_ms"],
        )  # fmt: skip
        call.note("sqs.redrive", queue=queue.arn, source=request["source"],
                  message_id=ids.message_id(record.id))  # fmt: skip
    ledger.save(tx, call)
    return {}

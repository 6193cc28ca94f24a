"""FIFO queues: what they ask of a message, its sequence number, deduplication, receive attempts.

Deduplication and attempts are remembered for five minutes, in buckets of five minutes, so that a
look is at two keys and forgetting is a range. API reference, SendMessage and ReceiveMessage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from ogi.services.sqs.errors import InvalidParameterValue, MissingParameter
from ogi.services.sqs.ledgers import Ledger
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.records import Attempt, Earlier, decode_attempt, decode_earlier, encode
from ogi.storage import Reader, Transaction
from ogi.storage.keys import text, u64

REMEMBERED_MS: Final = 300_000
SWEPT_PAGE: Final = 200
_ID: Final = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


def check(queue: Queue, entry: Mapping[str, Any]) -> tuple[str, str]:
    """(group, deduplication id) of a message to a FIFO queue; refuses what AWS refuses."""
    group = entry.get("MessageGroupId")
    if not group:
        raise MissingParameter.of("MessageGroupId")
    _check_id("MessageGroupId", group)
    deduplication = entry.get("MessageDeduplicationId")
    if deduplication:
        _check_id("MessageDeduplicationId", deduplication)
        return group, deduplication
    _check_deduplicated(queue)
    return group, hashlib.sha256(entry["MessageBody"].encode()).hexdigest()


def check_batch(queue: Queue, entries: list[dict[str, Any]]) -> None:
    """What AWS refuses a batch for as a whole, and with another code than one message: as users
    report it (Jimdo/sqs-dead-letter-handling#10, lumigo-io/lumigo-CLI#100 and
    localstack/localstack#8596 on GitHub)."""
    for entry in entries:
        if not entry.get("MessageGroupId"):
            raise InvalidParameterValue(MissingParameter.of("MessageGroupId").message)
        if not entry.get("MessageDeduplicationId"):
            _check_deduplicated(queue)


def _check_deduplicated(queue: Queue) -> None:
    if queue.attributes.content_based_deduplication != "true":
        raise InvalidParameterValue(
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly"
        )


def tenant(entry: Mapping[str, Any]) -> str:
    """The group of a message to a standard queue, '' if none."""
    if entry.get("MessageDeduplicationId"):
        raise not_for_this_type("MessageDeduplicationId", entry["MessageDeduplicationId"])
    group: str = entry.get("MessageGroupId") or ""
    if group:
        _check_id("MessageGroupId", group)
    return group


def not_for_this_type(name: str, value: object) -> InvalidParameterValue:
    return InvalidParameterValue.of(
        name, value, "The request include parameter that is not valid for this queue type."
    )


def _check_id(name: str, value: str) -> None:
    if not _ID.fullmatch(value):
        raise InvalidParameterValue.of(
            name, value,
            f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length.",
        )  # fmt: skip


def attempt_of(queue: Queue, attempt: str) -> str:
    """The ReceiveRequestAttemptId, '' in a standard queue: AWS takes it there, without effect, and
    clients sent it to both types (awspring/spring-cloud-aws#529 on GitHub)."""
    if not attempt or not queue.attributes.fifo:
        return ""
    _check_id("ReceiveRequestAttemptId", attempt)
    return attempt


def sequence(queue: Queue, number: int) -> str:
    """Twenty digits that grow with every message, beyond purges too: an epoch of messages begins
    a millisecond after the one before at least, and none sends ten million in that time."""
    return f"{queue.epoch * 10_000_000 + number:020d}"


# -- what is remembered for five minutes ----------------------------------------------------------


def duplicate_of(
    tx: Reader, ledger: Ledger, group: str, deduplication: str, now_ms: int
) -> Earlier | None:
    """The message of the last five minutes of which this would be a duplicate."""
    name = _name(ledger.queue, group, deduplication)
    raw = _recall(tx, ledger.layout.duplicates, name, now_ms)
    earlier = None if raw is None else decode_earlier(raw)
    return earlier if earlier is not None and now_ms < earlier.at_ms + REMEMBERED_MS else None


def remember(
    tx: Transaction, ledger: Ledger, group: str, deduplication: str, id: bytes, sequence: str,
    now_ms: int,
) -> None:  # fmt: skip
    name = _name(ledger.queue, group, deduplication)
    key = ledger.layout.duplicates + u64(now_ms // REMEMBERED_MS) + name
    tx.set(key, encode(Earlier(now_ms, id, sequence)))
    _schedule(ledger, now_ms)


def _name(queue: Queue, group: str, deduplication: str) -> bytes:
    """Of an id in its scope: the queue or the group."""
    scope = group if queue.attributes.deduplication_scope == "messageGroup" else ""
    return hashlib.blake2b(text(scope) + text(deduplication), digest_size=16).digest()


def attempt_made(tx: Reader, ledger: Ledger, attempt: str, now_ms: int) -> Attempt | None:
    raw = _recall(tx, ledger.layout.attempts, _attempt_name(attempt), now_ms)
    made = None if raw is None else decode_attempt(raw)
    return made if made is not None and now_ms < made.at_ms + REMEMBERED_MS else None


def remember_attempt(
    tx: Transaction, ledger: Ledger, attempt: str, handles: list[str], due_ms: int, at_ms: int
) -> None:
    key = ledger.layout.attempts + u64(at_ms // REMEMBERED_MS) + _attempt_name(attempt)
    tx.set(key, encode(Attempt(at_ms, due_ms, tuple(handles))))
    _schedule(ledger, at_ms)


def _attempt_name(attempt: str) -> bytes:
    return hashlib.blake2b(attempt.encode(), digest_size=16).digest()


def _recall(tx: Reader, prefix: bytes, name: bytes, now_ms: int) -> bytes | None:
    bucket = now_ms // REMEMBERED_MS
    return tx.get(prefix + u64(bucket) + name) or tx.get(prefix + u64(bucket - 1) + name)


def _schedule(ledger: Ledger, at_ms: int) -> None:
    over_ms = (at_ms // REMEMBERED_MS + 2) * REMEMBERED_MS
    if over_ms < ledger.memory_next:
        ledger.memory_next = over_ms


def sweep(tx: Transaction, ledger: Ledger, now_ms: int, never: int) -> None:
    """Forget a page of what is older than two buckets, and say when to come again."""
    if now_ms < ledger.memory_next:
        return
    oldest = u64(max(0, now_ms // REMEMBERED_MS - 1))
    next_ms = never
    for prefix in (ledger.layout.duplicates, ledger.layout.attempts):
        page = tx.scan(prefix, prefix + oldest, SWEPT_PAGE)
        for key, _ in page:
            tx.delete(key)
        if len(page) == SWEPT_PAGE:
            next_ms = now_ms
        else:
            rest = tx.scan(prefix + oldest, prefix + b"\xff" * 9, 1)
            if rest:
                at = len(prefix)
                bucket = int.from_bytes(rest[0][0][at : at + 8], "big")
                next_ms = min(next_ms, (bucket + 2) * REMEMBERED_MS)
    ledger.memory_next = next_ms

"""FIFO topics: groups in which messages keep their order, and deduplication for five minutes.

Laws: a group is served by one duty at a time, from the front; who publishes to an empty group posts
that duty, and it posts itself until the group is empty, each in the transaction that says so.
docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html and fifo-message-dedup.html
"""

from __future__ import annotations

import hashlib

import msgspec

from ogi import deliveries
from ogi.service import Call, Fields, Principal
from ogi.services.sns import audiences, fanout, topics
from ogi.services.sns.audiences import Cursor
from ogi.services.sns.backlogs import Backlogs
from ogi.services.sns.contents import Content
from ogi.services.sns.service import SERVICE
from ogi.services.sns.topics import Topic
from ogi.storage import Reader, Transaction
from ogi.storage.keys import number
from ogi.storage.tables import Table

REMEMBERED_MS = 300_000
FORGOTTEN_PAGE = 8
"""Old deduplication ids that a publish takes away: more than it adds."""
SERVED_MAX = 50
"""Subscribers looked at in one transaction, over several messages."""


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A message in its group, and how far it has come."""

    sealed: bytes
    publisher: Principal
    trace: str
    cursor: Cursor = audiences.START


class Seen(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    message_id: str
    sequence: str


class Last(msgspec.Struct, frozen=True, array_like=True):
    number: int


WAITING = Table("sns.waiting", Waiting, cached=False)
SEEN = Table("sns.seen", Seen, cached=False)
LAST = Table("sns.sequence", Last, cached=False)


def next_sequence(tx: Transaction, topic: Topic) -> str:
    """Twenty digits that grow with every message of the topic."""
    last = LAST.get(tx, topic.home)
    new = Last(1 if last is None else last.number + 1)
    LAST.put(tx, new, topic.home)
    return f"1{new.number:019d}"


def last_number(tx: Reader, topic: Topic) -> int:
    """The sequence number of what was published last; 0 if nothing was."""
    last = LAST.get(tx, topic.home)
    return 0 if last is None else last.number


def duplicate_of(tx: Reader, call: Call, topic: Topic, content: Content) -> Seen | None:
    """The message of the last five minutes of which this is a duplicate."""
    now_ms, name = int(call.now * 1000), _name(topic, content)
    slot = now_ms // REMEMBERED_MS
    for at in (slot, slot - 1):
        seen = SEEN.get(tx, topic.home, at, name)
        if seen is not None and now_ms < seen.at_ms + REMEMBERED_MS:
            return seen
    return None


def remember(tx: Transaction, call: Call, topic: Topic, content: Content) -> None:
    now_ms, home = int(call.now * 1000), topic.home
    slot = now_ms // REMEMBERED_MS
    old = tx.scan(SEEN.key(home), SEEN.key(home, slot - 1), FORGOTTEN_PAGE)
    for key, _ in old:
        tx.delete(key)
    SEEN.put(tx, Seen(now_ms, content.id, content.sequence), home, slot, _name(topic, content))


def _name(topic: Topic, content: Content) -> bytes:
    scope = content.group if topic.throughput_scope == "MessageGroup" else ""
    return hashlib.sha256(f"{scope}\x00{content.deduplication}".encode()).digest()


def join(tx: Transaction, call: Call, topic: Topic, content: Content, sealed: bytes) -> None:
    """Put a message at the end of its group."""
    idle = not WAITING.scan(tx, topic.home, content.group, limit=1)
    waiting = Waiting(sealed, call.principal, call.trace)
    WAITING.put(tx, waiting, topic.home, content.group, int(content.sequence[1:]))
    if idle:
        _serve_later(tx, call, topic, content.group)


def _serve_later(tx: Transaction, call: Call, topic: Topic, group: str) -> None:
    deliveries.post(
        tx, call, topic.home, "sns", "serve_group", {"TopicArn": topic.arn, "Group": group}
    )


@SERVICE.duty(home=topics.home_of_messages)
def serve_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Serve the front of a group to a page of subscribers, and owe what is left."""
    topic, group = topics.look(tx, request["TopicArn"]), request["Group"]
    if topic is None:
        return _sweep(tx, call, request)
    left, backlogs = SERVED_MAX, Backlogs(tx, topic)
    rows = WAITING.scan(tx, topic.home, group, limit=SERVED_MAX)
    for rest, waiting in rows:
        if left <= 0:
            break
        at = number(rest)
        who = call.but(principal=waiting.publisher, trace=waiting.trace)
        content = fanout.opened(tx, who, topic, waiting.sealed)
        cursor = None
        if content is not None:
            sealed = fanout.Sealed(tx, who, topic, content, waiting.sealed)
            cursor, count = fanout.serve(
                tx, who, topic, content, sealed, waiting.cursor, left, backlogs=backlogs
            )
            left -= max(count, 1)
        if cursor is not None:
            WAITING.put(tx, msgspec.structs.replace(waiting, cursor=cursor), topic.home, group, at)
            break
        WAITING.delete(tx, topic.home, group, at)
    if WAITING.scan(tx, topic.home, group, limit=1):
        _serve_later(tx, call, topic, group)
    return {}


def _sweep(tx: Transaction, call: Call, request: Fields) -> Fields:
    """The topic is gone: so are the messages that wait in it."""
    home, group = topics.home_of_messages(call, request), request["Group"]
    rows = WAITING.scan(tx, home, group, limit=SERVED_MAX)
    for rest, _ in rows:
        tx.delete(WAITING.key(home, group) + rest)
    if len(rows) == SERVED_MAX:
        deliveries.post(tx, call, home, "sns", "serve_group", request)
    return {}

"""Archives: what a FIFO topic publishes is kept for some days, as the ciphertext that it was.

Laws: a message is in the archive of the transaction that published it; the order of the archive is
the order of the sequence numbers, also where the clock went back between two messages.
"""

from __future__ import annotations

import msgspec

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sns import envelopes, topics
from ogi.services.sns.archive_policies import Archive
from ogi.services.sns.contents import Content
from ogi.services.sns.service import SERVICE
from ogi.services.sns.topics import Topic
from ogi.storage import Reader, Transaction
from ogi.storage.keys import number, u64
from ogi.storage.tables import Table

SWEPT_MAX = 100
"""Messages deleted in one transaction."""
SWEEP_EVERY_S = 3_600
"""Old messages are replayed to nobody; they are deleted at most so long after."""


class Archived(msgspec.Struct, frozen=True, array_like=True):
    sealed: bytes


TABLE = Table("sns.archived", Archived, cached=False)
"""archive's number, ms, sequence number; in the topic's home"""


def keep(tx: Transaction, topic: Topic, archive: Archive, content: Content, sealed: bytes) -> None:
    """Put a published message at the end of the archive."""
    newest = TABLE.scan(tx, topic.home, archive.number, limit=1, reverse=True)
    at_ms = int(content.published * 1000)
    if newest:
        at_ms = max(at_ms, number(newest[0][0]))
    TABLE.put(tx, Archived(sealed), topic.home, archive.number, at_ms, int(content.sequence[1:]))


def page(
    tx: Reader, topic: Topic, archive: Archive, begin_ms: int, after: int, limit: int
) -> list[tuple[int, int, bytes]]:
    """Messages from a time on, behind the sequence number `after` of that time: (ms, sequence
    number, sealed)."""
    start = u64(begin_ms) + u64(after + 1)
    rows = TABLE.scan(tx, topic.home, archive.number, limit=limit, start=start)
    return [(number(rest), number(rest, 8), row.sealed) for rest, row in rows]


def changed(tx: Transaction, call: Call, before: Archive | None, topic: Topic) -> Topic:
    """The topic as it is to be saved, where a request has changed its archive policy.

    `before`: the archive as it was. The home of `tx` is the topic's control home.
    """
    archive = topic.archive
    if archive == before:
        return topic
    if archive is None:
        assert before is not None
        # "When you deactivate a message archive policy, Amazon SNS deletes all of the archived
        # messages" (message-archiving-and-replay-topic-owner).
        _sweep_at(tx, call, topic, before, call.now)
        return topic
    if before is None:
        archive = msgspec.structs.replace(archive, since=call.now, number=call.new_id())
        _sweep_at(tx, call, topic, archive, call.now + archive.days * 86_400)
    else:
        archive = msgspec.structs.replace(archive, series=archive.series + 1)
        _sweep_at(tx, call, topic, archive, call.now)
    return msgspec.structs.replace(topic, archive=archive)


def shown(call: Call, topic: Topic) -> dict[str, str]:
    """The attributes of a topic's archive."""
    if topic.archive is None:
        return {}
    return {
        "ArchivePolicy": topic.archive.shown(),
        "BeginningArchiveTime": envelopes.timestamp(topic.archive.begins(call.now)),
    }


def _sweep_at(tx: Transaction, call: Call, topic: Topic, archive: Archive, due: float) -> None:
    deliveries.post(
        tx, call, topic.control, "sns", "sweep_archive",
        {"TopicArn": topic.arn, "Number": archive.number, "Series": archive.series}, due=due,
    )  # fmt: skip


@SERVICE.duty(home=topics.home_of_messages)
def sweep_archive(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Delete a piece of what is too old, or of an archive that is no more, and post the next."""
    home, of = topics.home_of_messages(call, request), request["Number"]
    topic = topics.look(tx, request["TopicArn"])
    archive = None if topic is None else topic.archive
    alive = archive is not None and archive.number == of
    if alive and archive is not None and archive.series != request["Series"]:
        return {}  # Another series of sweeps goes by the policy that counts now.
    keep_s = archive.days * 86_400 if alive and archive is not None else 0
    end_ms = int((call.now - keep_s) * 1000) if alive else 2**63
    rows = tx.scan(TABLE.key(home, of), TABLE.key(home, of, end_ms), SWEPT_MAX)
    for key, _ in rows:
        tx.delete(key)
    if len(rows) == SWEPT_MAX:
        deliveries.post(tx, call, home, "sns", "sweep_archive", request)
    elif alive:
        oldest = TABLE.scan(tx, home, of, limit=1)
        expires = number(oldest[0][0]) / 1000 + keep_s if oldest else call.now + keep_s
        deliveries.post(
            tx, call, home, "sns", "sweep_archive", request,
            due=max(expires, call.now + SWEEP_EVERY_S),
        )  # fmt: skip
    return {}

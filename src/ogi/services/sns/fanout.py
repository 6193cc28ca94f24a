"""The fan-out: a published message goes to a topic's subscribers, a page of them at a time.

Law: until a page's copies are handed over, in the same transaction, the message is owed to it.
"""

from __future__ import annotations

from typing import Final

from ogi import deliveries
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import audiences, contents, copies, postings, protections, statuses, topics
from ogi.services.sns.audiences import Audience, Cursor
from ogi.services.sns.backlogs import Backlogs
from ogi.services.sns.contents import Content
from ogi.services.sns.envelopes import Envelopes
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Transaction

AT_ONCE_MAX: Final = 10
"""So many subscribers are served in the publish's own transaction: it costs less than owing."""
PAGE: Final = 50
"""Subscribers looked at in one transaction."""


def begin(tx: Transaction, call: Call, topic: Topic, content: Content) -> None:
    """Hand a message over at once where the subscribers are few, else owe it to them all.

    Those with a filter do not count: most of them get nothing, and whoever does is soon found.
    """
    sealed = Sealed(tx, call, topic, content)
    if topic.kms_key_id:
        sealed.text()  # Whether the key may be used is decided now, whoever gets the message.
    counts = topics.counts(tx, topic)
    cursor: Cursor | None = audiences.START
    if counts.confirmed + counts.pending - counts.filters <= AT_ONCE_MAX:
        # One more than there are, so that their end is seen.
        limit = AT_ONCE_MAX + 1
        cursor, _ = serve(tx, call, topic, content, sealed, audiences.START, limit, PAGE)
    if cursor is not None:
        _owe(tx, call, topic, sealed.text(), cursor)


def _owe(tx: Transaction, call: Call, topic: Topic, sealed: bytes, cursor: Cursor) -> None:
    deliveries.post(
        tx, call, topic.home, "sns", "fan_out",
        {
            "TopicArn": topic.arn, "Sealed": sealed,
            "Bucket": cursor.bucket, "After": cursor.after,
        },
    )  # fmt: skip


class Sealed:
    """A message as it is kept while it waits for somebody: sealed when it has to wait."""

    __slots__ = ("_call", "_content", "_text", "_topic", "_tx")

    def __init__(
        self, tx: Transaction, call: Call, topic: Topic, content: Content, text: bytes = b""
    ) -> None:
        self._tx = tx
        self._call = call
        self._topic = topic
        self._content = content
        self._text = text

    def text(self) -> bytes:
        if not self._text:
            self._text = contents.seal(self._tx, self._call, self._topic, self._content)
        return self._text


@SERVICE.duty(home=topics.home_of_messages)
def fan_out(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Hand a message over to one page of subscribers, and owe it to the next."""
    topic = topics.look(tx, request["TopicArn"])
    if topic is None:
        return {}  # Deleted meanwhile: what it published goes with it.
    content = opened(tx, call, topic, request["Sealed"])
    if content is None:
        return {}
    start = Cursor(request["Bucket"], request["After"])
    sealed = Sealed(tx, call, topic, content, request["Sealed"])
    cursor, _ = serve(tx, call, topic, content, sealed, start, PAGE)
    if cursor is not None:
        _owe(tx, call, topic, request["Sealed"], cursor)
    return {}


def opened(tx: Transaction, call: Call, topic: Topic, sealed: bytes) -> Content | None:
    """What waits, in the clear; None if the key was taken away after the publish."""
    try:
        return contents.open_(tx, call, topic, sealed)
    except AwsError as error:
        call.note("sns.unreadable", topic=topic.arn, code=error.shape, message=error.message)
        return None


def serve(
    tx: Transaction,
    call: Call,
    topic: Topic,
    content: Content,
    sealed: Sealed,
    cursor: Cursor = audiences.START,
    limit: int = PAGE,
    look: int = audiences.LOOKED_AT_MAX,
    backlogs: Backlogs | None = None,
) -> tuple[Cursor | None, int]:
    """Hand copies over to a page of subscribers: (where to go on or None, how many there were).

    backlogs: of a FIFO topic.
    """
    page, cursor_after = Audience(tx, topic, content).page(cursor, limit, look)
    envelopes = Envelopes(tx, call, topic, content)
    sender = call.as_service(copies.PRINCIPAL, topic.arn, topic.account)
    for subscription in page:
        if topic.protection and not protections.outgoing(topic, subscription, content):
            _tell_denied(tx, call, topic, subscription, content)
            continue
        sender.run.note(sender.trace, "sns.deliver", {
            "at": sender.now, "topic": topic.arn, "subscription": subscription.arn,
            "sns_message_id": content.id, "protocol": subscription.protocol,
            "endpoint": subscription.shown,
        })  # fmt: skip
        if subscription.protocol == "sqs":
            copies.hand_over(tx, sender, topic, subscription, content, envelopes, backlogs)
        else:
            notice = statuses.notice(topic, subscription, content) if topic.feedback else None
            postings.owe(tx, call, topic, subscription, sealed.text(), notice=notice)
    return cursor_after, len(page)


def _tell_denied(
    tx: Transaction, call: Call, topic: Topic, subscription: Subscription, content: Content
) -> None:
    """The data protection policy denies a copy: nobody gets it, and the status log says so."""
    error = protections.prohibition(subscription.arn)
    call.note("sns.undelivered", subscription=subscription.arn, code=error.shape,
              message=error.message)  # fmt: skip
    report = {"code": error.shape, "message": error.message, "status": error.status, "attempt": 0}
    told = statuses.notice(topic, subscription, content)
    statuses.failed(tx, call, topic.home, told, report)

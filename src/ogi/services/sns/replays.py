"""Replays: what a topic's archive holds goes to one subscription again, in order.

Laws: a subscription that is replayed to gets nothing of what is published meanwhile; it goes live
in the transaction that finds nothing more in the archive, and remembers up to which message it has
got all, so that none comes twice and none is left out.
docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-subscriber.html
"""

from __future__ import annotations

import msgspec

from ogi import deliveries
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import archives, contents, copies, groups, topics
from ogi.services.sns import subscriptions as subscribers
from ogi.services.sns.archive_policies import COMPLETED, FAILED, PENDING, RUNNING, Archive, Replay
from ogi.services.sns.audiences import Audience
from ogi.services.sns.backlogs import Backlogs
from ogi.services.sns.envelopes import Envelopes
from ogi.services.sns.errors import InvalidParameterException
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Transaction

PAGE = 50
"""Messages replayed in one transaction."""
EARLY_S_MAX = 60.0
"""By so much may a starting point lie before the archive's beginning, which moves on between the
request that reads it and the one that uses it."""


def begin(tx: Transaction, call: Call, topic: Topic, subscription: Subscription) -> Subscription:
    """The subscription with its replay begun anew, as it is to be saved.

    One that waits for its confirmation begins when it is confirmed.
    """
    replay = subscription.replay
    if replay is None:
        return subscription
    _check(call, topic, replay)
    if subscription.pending:
        return subscription
    replay = msgspec.structs.replace(replay, number=call.new_id(), status=PENDING, held=True)
    _go_on(tx, call, topic.control, topic, subscription, replay, replay.start_ms, 0)
    return msgspec.structs.replace(subscription, replay=replay, live_after=0)


def _check(call: Call, topic: Topic, replay: Replay) -> None:
    if topic.archive is None:
        raise InvalidParameterException.of(
            "ReplayPolicy: The topic has no active message archive policy"
        )
    if replay.start_ms < (topic.archive.begins(call.now) - EARLY_S_MAX) * 1000:
        raise InvalidParameterException.of(
            "ReplayPolicy: StartingPoint must not be before the topic's BeginningArchiveTime"
        )
    if max(replay.start_ms, replay.end_ms) > call.now * 1000:
        raise InvalidParameterException.of(
            "ReplayPolicy: StartingPoint and EndingPoint must not be in the future"
        )


def release(tx: Transaction, topic: Topic) -> None:
    """The archive is no more: whoever waited for it goes live. (At most as many as a FIFO topic
    has subscriptions.)"""
    rows = subscribers.TABLE.scan(
        tx, topic.control, topic.name, limit=topics.SUBSCRIPTIONS_OF_FIFO_MAX
    )
    for _, row in rows:
        if row.epoch == topic.epoch and row.replay is not None and row.replay.held:
            status = COMPLETED if row.replay.status == COMPLETED else FAILED
            _save(tx, topic, row, row.replay, status, held=False)


def _save(
    tx: Transaction, topic: Topic, found: Subscription, replay: Replay, status: str, held: bool
) -> None:
    live_after = 0 if held else groups.last_number(tx, topic)
    new = msgspec.structs.replace(replay, status=status, held=held)
    made = msgspec.structs.replace(found, replay=new, live_after=live_after)
    subscribers.save(tx, topic, made, found)


def _go_on(
    tx: Transaction,
    call: Call,
    home: Home,
    topic: Topic,
    subscription: Subscription,
    replay: Replay,
    begin_ms: int,
    after: int,
) -> None:
    deliveries.post(
        tx, call.as_service(copies.PRINCIPAL, topic.arn, topic.account), home, "sns", "replay_page",
        {
            "TopicArn": topic.arn, "SubscriptionArn": subscription.arn, "Number": replay.number,
            "Begin": begin_ms, "After": after,
        },
    )  # fmt: skip


def _homes(call: Call, request: Fields) -> tuple[Home, ...]:
    return topics.home_of_messages(call, request), topics.home_of(call, request)


@SERVICE.duty(home=_homes)
def replay_page(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Hand a page of the archive over, and owe the next; or end."""
    topic = topics.look(tx, request["TopicArn"])
    if topic is None or topic.archive is None:
        return {}
    id = request["SubscriptionArn"].rpartition(":")[2]
    found = subscribers.TABLE.get(tx, topic.control, topic.name, id)
    replay = None if found is None or found.epoch != topic.epoch else found.replay
    if found is None or replay is None or replay.number != request["Number"]:
        return {}  # Unsubscribed, or replayed to from elsewhere by now.
    try:
        begin_ms, after, more = _hand_over(tx, call, topic, topic.archive, found, replay, request)
    except AwsError as error:
        # "If the KMS key policy is not correctly configured for Amazon SNS, Amazon SNS cannot
        # replay messages" (message-archiving-and-replay-topic-owner).
        call.note("sns.unreadable", topic=topic.arn, code=error.shape, message=error.message)
        _save(tx, topic, found, replay, FAILED, held=True)
        return {}
    if more:
        if replay.status != RUNNING:
            _save(tx, topic, found, replay, RUNNING, held=True)
        _go_on(tx, call, topic.home, topic, found, replay, begin_ms, after)
    else:
        _save(tx, topic, found, replay, COMPLETED, held=replay.end_ms > 0)
    return {}


def _hand_over(
    tx: Transaction,
    call: Call,
    topic: Topic,
    archive: Archive,
    found: Subscription,
    replay: Replay,
    request: Fields,
) -> tuple[int, int, bool]:
    """One page: (where to go on: ms, behind which sequence number; whether there may be more)."""
    begin_ms, after = request["Begin"], request["After"]
    # What is too old, but has not been swept yet, is as good as gone.
    oldest_ms = int(archive.begins(call.now) * 1000)
    if begin_ms < oldest_ms:
        begin_ms, after = oldest_ms, 0
    sender = call.as_service(copies.PRINCIPAL, topic.arn, topic.account)
    rows = archives.page(tx, topic, archive, begin_ms, after, PAGE)
    inside = [row for row in rows if not replay.end_ms or row[0] < replay.end_ms]
    # All are opened before any is handed over: a page is replayed or refused as a whole.
    opened = [contents.open_(tx, sender, topic, sealed) for _, _, sealed in inside]
    backlogs = Backlogs(tx, topic)
    for content in opened:
        if Audience(tx, topic, content).wants(found):
            envelopes = Envelopes(tx, call, topic, content, replayed=True)
            copies.hand_over(tx, sender, topic, found, content, envelopes, backlogs, replay.number)
    if inside:
        begin_ms, after, _ = inside[-1]
    return begin_ms, after, len(inside) == PAGE

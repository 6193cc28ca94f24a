"""Departures: endpoints that were taken off a topic by a link, and who may come back.

"If the unsubscribe call does not require authentication and the requester is not the subscription
owner, a final cancellation message is delivered to the endpoint" (the page of Unsubscribe); who
shows its token has the subscription again, as it was (docs: http-unsubscribe-confirmation-json).
"""

from __future__ import annotations

from typing import Final

import msgspec

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sns import confirmations, postings, subscriptions, topics
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import DEPARTED, Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Transaction

TOLD: Final = frozenset(("http", "https", "email", "email-json"))
"""Protocols whose endpoints hear of it."""


def end(tx: Transaction, call: Call, topic: Topic, gone: Subscription) -> None:
    """End a subscription, and tell its endpoint if that did not ask for it with its signature."""
    subscriptions.end(tx, topic, gone)
    own = call.principal.account == gone.owner
    if own or gone.locked or gone.pending or gone.protocol not in TOLD:
        return
    left = msgspec.structs.replace(
        gone,
        token=confirmations.new_token(call, gone),
        token_until=call.now + confirmations.VALID_S,
    )
    DEPARTED.put(tx, left, topic.control, topic.name, gone.id)
    postings.post_departure(tx, call, topic, left)
    deliveries.post(
        tx, call, topic.control, "sns", "forget_departed",
        {"TopicArn": topic.arn, "Id": gone.id}, due=left.token_until,
    )  # fmt: skip


@SERVICE.duty(home=topics.home_of)
def forget_departed(tx: Transaction, call: Call, request: Fields) -> Fields:
    """It did not come back in time."""
    name, id = request["TopicArn"].rpartition(":")[2], request["Id"]
    left = DEPARTED.get(tx, topics.home_of(call, request), name, id)
    if left is not None and left.token_until <= call.now:
        DEPARTED.delete(tx, topics.home_of(call, request), name, id)
    return {}

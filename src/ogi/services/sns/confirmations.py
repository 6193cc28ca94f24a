"""Confirmations: a subscription waits until its endpoint has shown the token that it was sent.

docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html
"""

from __future__ import annotations

import hmac

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sns import copies, envelopes, postings, replays, subscriptions, topics
from ogi.services.sns.errors import InvalidParameterException
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Reader, Transaction

VALID_S = 2 * 86_400
SECRET_BYTES = 64


def ask(tx: Transaction, call: Call, topic: Topic, pending: Subscription) -> Subscription:
    """Send a new token to the endpoint; the subscription as it is to be kept."""
    token = new_token(call, pending)
    asked = msgspec.structs.replace(pending, token=token, token_until=call.now + VALID_S)
    deliveries.post(
        tx, call, topic.control, "sns", "ask_endpoint",
        {"TopicArn": topic.arn, "SubscriptionArn": pending.arn},
    )  # fmt: skip
    deliveries.post(
        tx, call, topic.control, "sns", "expire_pending",
        {"TopicArn": topic.arn, "SubscriptionArn": pending.arn}, due=asked.token_until,
    )  # fmt: skip
    return asked


def new_token(call: Call, subscription: Subscription) -> str:
    """What only its endpoint is told; it begins with the id by which it is found."""
    return subscription.id.replace("-", "") + call.entropy(SECRET_BYTES).hex()


@SERVICE.duty(home=topics.home_of)
def ask_endpoint(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Hand the confirmation's message to the endpoint's own way."""
    found = _pending(tx, request)
    if found is None:
        return {}
    topic, subscription = found
    if subscription.protocol == "sqs":
        queue = arns.parse(subscription.endpoint)
        assert queue is not None
        text = envelopes.confirmation(tx, call, topic, subscription, call.new_id(), call.now)
        message: Fields = {"QueueUrl": copies.queue_url(queue), "MessageBody": text}
        if queue.resource.endswith(".fifo"):
            message |= {"MessageGroupId": subscription.id, "MessageDeduplicationId": call.new_id()}
        sender = call.as_service(copies.PRINCIPAL, topic.arn, topic.account)
        deliveries.post(
            tx, sender.in_place(queue.account, queue.region), topic.control, "sqs", "SendMessage",
            message,
        )  # fmt: skip
    else:
        postings.post_confirmation(tx, call, topic, subscription)
    return {}


@SERVICE.duty(home=topics.home_of)
def expire_pending(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Nobody confirmed in time: the subscription goes."""
    found = _pending(tx, request)
    if found is not None and found[1].token_until <= call.now:
        subscriptions.end(tx, *found)
    return {}


def _pending(tx: Reader, request: Fields) -> tuple[Topic, Subscription] | None:
    topic = topics.look(tx, request["TopicArn"])
    if topic is None:
        return None
    id = request["SubscriptionArn"].rpartition(":")[2]
    found = subscriptions.TABLE.get(tx, topic.control, topic.name, id)
    return (
        None if found is None or not found.pending or found.epoch != topic.epoch else (topic, found)
    )


def confirm(
    tx: Transaction, call: Call, topic: Topic, token: str, authenticated: bool, locked: bool
) -> Subscription:
    """The subscription whose endpoint knows this token: from now on it gets messages."""
    raw = token[:32]
    id = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
    found = subscriptions.TABLE.get(tx, topic.control, topic.name, id)
    departed = found is None
    if departed:
        found = subscriptions.DEPARTED.get(tx, topic.control, topic.name, id)
    known = found is not None and hmac.compare_digest(found.token.encode(), token.encode())
    if found is None or not known or found.epoch != topic.epoch or found.token_until <= call.now:
        raise InvalidParameterException.of("Token")
    if departed:
        return _restored(tx, topic, found)
    if not found.pending:
        return found
    confirmed = msgspec.structs.replace(
        found, pending=False, authenticated=authenticated, locked=locked
    )
    if confirmed.replay is not None:
        confirmed = replays.begin(tx, call, topic, confirmed)
    subscriptions.save(tx, topic, confirmed, found)
    return confirmed


def _restored(tx: Transaction, topic: Topic, left: Subscription) -> Subscription:
    """An endpoint that was taken off comes back, unless it has subscribed anew meanwhile."""
    subscriptions.DEPARTED.delete(tx, topic.control, topic.name, left.id)
    anew = subscriptions.of_endpoint(tx, topic, left.protocol, left.endpoint)
    if anew is not None and not anew.pending:
        return anew
    if anew is not None:
        subscriptions.end(tx, topic, anew)
    subscriptions.save(tx, topic, left)
    return left

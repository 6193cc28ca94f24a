"""Copies: what a queue gets of a message, as the request that SQS is asked."""

from __future__ import annotations

from ogi import arn as arns
from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sns.contents import Content
from ogi.services.sns.envelopes import Envelopes
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Transaction

PRINCIPAL = "sns.amazonaws.com"


def hand_over(
    tx: Transaction,
    call: Call,
    topic: Topic,
    subscription: Subscription,
    content: Content,
    envelopes: Envelopes,
) -> None:
    """Give a queue its copy in this transaction where that is possible, else owe it.

    `call` is the service acting for the topic.
    """
    target = arns.parse(subscription.endpoint)
    assert target is not None
    call = call.in_place(target.account, target.region)
    deliveries.hand_over(
        tx, call, topic.home, "sqs", "SendMessage",
        _for_queue(target, subscription, content, envelopes), refused=("sns", "undelivered"),
        reference={
            "TopicArn": topic.arn,
            "SubscriptionArn": subscription.arn,
            "Endpoint": subscription.endpoint,
        },
    )  # fmt: skip


def queue_url(queue: arns.Arn) -> str:
    return f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.resource}"


def _for_queue(
    target: arns.Arn, subscription: Subscription, content: Content, envelopes: Envelopes
) -> Fields:
    request: Fields = {"QueueUrl": queue_url(target)}
    if target.resource.endswith(".fifo"):
        request["MessageGroupId"] = content.group
        request["MessageDeduplicationId"] = content.deduplication
    elif content.group and not content.sequence:
        # A standard topic's groups make fair queues; a FIFO topic's do not reach standard queues
        # (docs: fifo-message-grouping).
        request["MessageGroupId"] = content.group
    if not subscription.raw:
        request["MessageBody"] = envelopes.for_queue(subscription)
        return request
    request["MessageBody"] = content.text_for("sqs")
    if content.attributes:
        request["MessageAttributes"] = {
            name: {"DataType": value.type, "BinaryValue": value.binary}
            if value.binary
            else {"DataType": value.type, "StringValue": value.text}
            for name, value in content.attributes.items()
        }
    return request

"""Copies: what a queue gets of a message, as the request that SQS is asked."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.sns import statuses, topics
from ogi.services.sns.backlogs import COPY, Backlogs, Name
from ogi.services.sns.contents import Content
from ogi.services.sns.envelopes import Envelopes
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Transaction

PRINCIPAL: Final = statuses.PRINCIPAL
ATTRIBUTES_MAX: Final = 10
"""What SQS takes on one message."""


def hand_over(
    tx: Transaction,
    call: Call,
    topic: Topic,
    subscription: Subscription,
    content: Content,
    envelopes: Envelopes,
    backlogs: Backlogs | None,
    replay: str = "",
) -> None:
    """Give a queue its copy in this transaction where that is possible, else owe it.

    `call` is the service acting for the topic. backlogs: of a FIFO topic. replay: the number of the
    replay that gives it.
    """
    target = arns.parse(subscription.endpoint)
    assert target is not None
    call = call.in_place(target.account, target.region)
    service, operation = "sqs", "SendMessage"
    request = _for_queue(target, subscription, content, envelopes)
    if replay:
        _mark(request, subscription, content, replay)
    notice: Fields | None = None
    if topic.feedback:
        notice = statuses.notice(topic, subscription, content)
        if statuses.sampled(call, topic, "sqs"):
            service, operation = "sns", "send_copy"
            request = {"Copy": request, "Notice": notice, "Attempt": 0}
    if backlogs is not None and target.resource.endswith(".fifo"):
        name, reference = Name(content.group, subscription.arn, COPY), _about(subscription, notice)
        backlogs.hand_over(
            tx, call, name, subscription.endpoint, service, operation, request, reference
        )
        return
    refusal = deliveries.make_now(tx, call, topic.home, service, operation, request)
    if refusal is not None:
        deliveries.hear(
            tx, call, topic.home, service, operation, request, refusal,
            refused=("sns", "undelivered"), reference=_about(subscription, notice),
        )  # fmt: skip


def _about(subscription: Subscription, notice: Fields | None) -> Fields:
    """What whoever hears of a refusal is told of the copy."""
    told: Fields = {
        "TopicArn": subscription.topic_arn,
        "SubscriptionArn": subscription.arn,
        "Endpoint": subscription.endpoint,
    }
    return told if notice is None else {**told, "Notice": notice}


def _homes_of_copy(call: Call, request: Fields) -> tuple[Home, ...]:
    notice = request["Notice"]
    return Home(notice["destination"]), Home(notice["topic_arn"])


@SERVICE.duty(home=_homes_of_copy)
def send_copy(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Give a queue a copy whose success is to be told; raises the queue's refusal."""
    answer = call.invoke(tx, "sqs", "SendMessage", request["Copy"])
    topic = topics.look(tx, request["Notice"]["topic_arn"])
    if topic is not None:
        told = {"sqsRequestId": call.request_id, "sqsMessageId": answer["MessageId"]}
        statuses.succeeded(
            tx, call, topic, topic.home, request["Notice"], attempts=request["Attempt"] + 1,
            status=200, response=msgspec.json.encode(told).decode(),
        )  # fmt: skip
    return {}


def _mark(request: Fields, subscription: Subscription, content: Content, replay: str) -> None:
    """A copy out of the archive says so, and is no duplicate of the first one.

    A FIFO queue would drop what has an id of the last five minutes, so each replay has ids of its
    own: they are the same again where a page of it is handed over again.
    """
    if "MessageDeduplicationId" in request:
        name = f"{replay}/{content.id}"
        request["MessageDeduplicationId"] = hashlib.sha256(name.encode()).hexdigest()
    if subscription.raw and len(content.attributes) < ATTRIBUTES_MAX:
        told = {"DataType": "String", "StringValue": "true"}
        request["MessageAttributes"] = {**request.get("MessageAttributes", {}), "Replayed": told}


def traced(content: Content) -> Fields:
    """The publisher's tracing header, as members of a SendMessage.

    "The topic passes through the tracing header it receives from an Amazon SNS publisher to its
    subscriptions" (API reference, SetTopicAttributes, TracingConfig), and a queue carries it as
    that attribute: docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
    """
    if not content.trace_header:
        return {}
    header = {"DataType": "String", "StringValue": content.trace_header}
    return {"MessageSystemAttributes": {"AWSTraceHeader": header}}


def queue_url(queue: arns.Arn) -> str:
    return f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.resource}"


def _for_queue(
    target: arns.Arn, subscription: Subscription, content: Content, envelopes: Envelopes
) -> Fields:
    request: Fields = {"QueueUrl": queue_url(target)}
    if content.trace_header:
        request |= traced(content)
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

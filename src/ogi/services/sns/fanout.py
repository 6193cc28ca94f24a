"""The fan-out: a published message goes to a topic's subscribers, a page of them at a time.

Law: until a page's copies are handed over, in the same transaction, the message is owed to it.
"""

from __future__ import annotations

from ogi import arn as arns
from ogi import deliveries
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import contents, subscriptions, topics
from ogi.services.sns.contents import Content
from ogi.services.sns.envelopes import Envelopes
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Transaction

PAGE = 50
"""Subscribers served in one transaction."""


def begin(tx: Transaction, call: Call, topic: Topic, sealed: bytes) -> None:
    """Owe a published message to all who subscribe to the topic."""
    deliveries.post(
        tx, call, topic.home, "sns", "fan_out",
        {"TopicArn": topic.arn, "Sealed": sealed, "After": ""},
    )  # fmt: skip


def _home(call: Call, request: Fields) -> Home:
    return Home(request["TopicArn"])


@SERVICE.duty(home=_home)
def fan_out(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Hand a message over to one page of subscribers, and owe it to the next."""
    topic = topics.look(tx, request["TopicArn"])
    if topic is None:
        return {}  # Deleted meanwhile: what it published goes with it.
    page = subscriptions.page(tx, topic, request["After"], PAGE)
    if not page:
        return {}
    try:
        content = contents.open_(tx, call, topic, request["Sealed"])
    except AwsError as error:
        # The key was taken away after the publish: no subscriber can be served.
        call.note("sns.unreadable", topic=topic.arn, code=error.shape, message=error.message)
        return {}
    if len(page) == PAGE:
        deliveries.post(tx, call, topic.home, "sns", "fan_out", {**request, "After": page[-1].id})
    envelopes = Envelopes(tx, call, topic, content)
    sender = call.as_service("sns.amazonaws.com", topic.arn, topic.account)
    for subscription in page:
        _deliver(tx, sender, topic, subscription, content, envelopes)
    return {}


def _deliver(
    tx: Transaction,
    call: Call,
    topic: Topic,
    subscription: Subscription,
    content: Content,
    envelopes: Envelopes,
) -> None:
    target = arns.parse(subscription.endpoint)
    assert target is not None
    call = call.in_place(target.account, target.region)
    call.note(
        "sns.deliver", topic=topic.arn, subscription=subscription.arn, sns_message_id=content.id,
        protocol=subscription.protocol, endpoint=subscription.endpoint,
    )  # fmt: skip
    if subscription.protocol == "sqs":
        service, operation = "sqs", "SendMessage"
        request = _for_queue(target, subscription, content, envelopes)
    else:
        service, operation = "lambda", "Invoke"
        request = {
            "FunctionName": subscription.endpoint,
            "InvocationType": "Event",
            "Payload": envelopes.for_function(subscription),
        }
    deliveries.hand_over(
        tx, call, topic.home, service, operation, request, refused=("sns", "undelivered"),
        reference={"TopicArn": topic.arn, "SubscriptionArn": subscription.arn},
    )  # fmt: skip


def _for_queue(
    target: arns.Arn, subscription: Subscription, content: Content, envelopes: Envelopes
) -> Fields:
    request: Fields = {
        "QueueUrl": f"https://sqs.{target.region}.amazonaws.com/{target.account}/{target.resource}"
    }
    if content.group:
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


def _home_of_report(call: Call, report: Fields) -> Home:
    return Home(report["reference"]["TopicArn"])


@SERVICE.duty(home=_home_of_report)
def undelivered(tx: Transaction, call: Call, report: Fields) -> Fields:
    """A subscriber refused for good: a client-side error is not tried again
    (docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html)."""
    call.note(
        "sns.undelivered", subscription=report["reference"]["SubscriptionArn"],
        code=report["code"], message=report["message"],
    )  # fmt: skip
    return {}

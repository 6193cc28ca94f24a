"""What could not be delivered: tried again where that may help, else the dead-letter queue's.

docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html and
docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
"""

from __future__ import annotations

from ogi import arn as arns
from ogi import deliveries
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import (
    copies,
    retries,
    statuses,
    subscription_attributes,
    subscriptions,
    topics,
)
from ogi.services.sns.backlogs import DEAD, Backlogs, Name
from ogi.services.sns.service import SERVICE
from ogi.storage import Home, Transaction

ERROR_CHARS_MAX = 1024


def _home(call: Call, report: Fields) -> Home:
    return topics.home_of_messages(call, report["reference"])


@SERVICE.duty(home=_home)
def undelivered(tx: Transaction, call: Call, report: Fields) -> Fields:
    """A queue refused: a server's error is tried again, a client's is final."""
    if retries.may_pass(report):
        wait_s = retries.MANAGED.wait_s(report["attempt"] + 1)
        if wait_s is not None:
            owe_again(tx, call, report, retries.jittered_s(call, wait_s))
            return {}
    return given_up(tx, call, report)


@SERVICE.duty(home=_home)
def given_up(tx: Transaction, call: Call, report: Fields) -> Fields:
    """A queue refused for good, or for too long: tell it, and give the copy up."""
    reference = report["reference"]
    if "Notice" in reference:
        statuses.failed(tx, call, _home(call, report), reference["Notice"], report)
    copy = report["request"].get("Copy", report["request"])
    rest = {k: v for k, v in copy.items() if k not in ("QueueUrl", "MessageBody")}
    body = copy["MessageBody"]
    bury(tx, call, reference, body, rest, report["code"], report["message"])
    return {}


def owe_again(tx: Transaction, call: Call, report: Fields, wait_s: float) -> None:
    """Post what was refused for a later attempt, as the topic."""
    reference = report["reference"]
    topic = arns.parse(reference["TopicArn"])
    endpoint = arns.parse(reference["Endpoint"])
    assert topic is not None and endpoint is not None
    sender = call.as_service(copies.PRINCIPAL, str(topic), topic.account)
    service, operation, request = "sqs", "SendMessage", report["request"]
    attempt = report["attempt"] + 1
    if "Copy" in request:
        service, operation, request = "sns", "send_copy", {**request, "Attempt": attempt}
    deliveries.post(
        tx, sender.in_place(endpoint.account, endpoint.region), Home(str(topic)),
        service, operation, request, due=call.now + wait_s, refused=("sns", "undelivered"),
        reference=reference, attempt=attempt,
    )  # fmt: skip


def bury(
    tx: Transaction,
    call: Call,
    reference: Fields,
    body: str,
    rest: Fields,
    code: str,
    reason: str,
) -> None:
    """Give a message up: to the subscription's dead-letter queue if it has one."""
    subscription_arn = reference["SubscriptionArn"]
    call.note("sns.undelivered", subscription=subscription_arn, code=code, message=reason)
    try:
        topic, subscription = subscriptions.find(tx, subscription_arn)
    except AwsError:
        return  # Unsubscribed meanwhile.
    queue = subscription_attributes.dead_letter_queue(subscription)
    if queue is None:
        return
    attributes = dict(rest.get("MessageAttributes", {}))
    if len(attributes) > copies.ATTRIBUTES_MAX:
        # "Discarded as client side errors" (sns-message-attributes), and what is discarded goes to
        # the dead-letter queue (sns-dead-letter-queues), which does not take so many either.
        attributes = {}
    told = {"RequestID": call.new_id(), "ErrorCode": code, "ErrorMessage": reason}
    if len(attributes) + len(told) <= copies.ATTRIBUTES_MAX:
        for name, value in told.items():
            text = value[:ERROR_CHARS_MAX] or "-"
            attributes[name] = {"DataType": "String", "StringValue": text}
    request: Fields = {
        **rest,
        "QueueUrl": copies.queue_url(queue),
        "MessageBody": body,
        "MessageAttributes": attributes,
    }
    if not topic.fifo:
        request.pop("MessageGroupId", None)
    elif "MessageDeduplicationId" not in request:
        # A standard queue's copy of a FIFO topic's message has lost its group on the way.
        request["MessageGroupId"] = subscription.id
        request["MessageDeduplicationId"] = call.new_id()
    sender = call.as_service(copies.PRINCIPAL, topic.arn, topic.account)
    sender = sender.in_place(queue.account, queue.region)
    if topic.fifo:
        backlog = Name(request["MessageGroupId"], subscription.arn, DEAD)
        Backlogs(tx, topic).hand_over(
            tx, sender, backlog, str(queue), "sqs", "SendMessage", request, reference
        )
    else:
        deliveries.hand_over(
            tx, sender, topic.home, "sqs", "SendMessage", request, refused=("sns", "lost"),
            reference=reference,
        )  # fmt: skip
    call.note("sns.dead_letter", subscription=subscription_arn, queue=str(queue), code=code)


@SERVICE.duty(home=_home)
def lost(tx: Transaction, call: Call, report: Fields) -> Fields:
    """The dead-letter queue refused as well: the message is gone, which is noted."""
    call.note(
        "sns.lost", subscription=report["reference"]["SubscriptionArn"], code=report["code"],
        message=report["message"],
    )  # fmt: skip
    return {}

"""Delivery statuses: what became of a delivery, as a record in Logs, written as the topic's role.

Law: the record is owed in the transaction that says what became of the delivery. Where a topic has
no feedback attributes nothing of this is asked or done.
docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html; the record's members:
docs.aws.amazon.com/sns/latest/dg/sns-message-data-protection-operations.html
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.access import sessions
from ogi.entropy import uuid_of
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import feedback, topics
from ogi.services.sns.contents import Content
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Transaction, control

DAY_S = 86_400
"""A topic's records of one day lie in one stream."""
PRINCIPAL = "sns.amazonaws.com"
_ANSWERED = re.compile(r"answered (\d{3})$")
_json = msgspec.json.Encoder().encode


class Notice(msgspec.Struct, frozen=True):
    """What a status says of the message and of where it went."""

    topic_arn: str
    protocol: str
    destination: str
    message_id: str
    md5: str
    published: float


def notice(topic: Topic, subscription: Subscription, content: Content) -> Fields:
    """A Notice as it travels with what is owed."""
    text = content.text_for(subscription.protocol)
    made = Notice(
        topic.arn, subscription.protocol, subscription.shown, content.id,
        _md5(text), content.published,
    )  # fmt: skip
    fields: Fields = msgspec.to_builtins(made)
    return fields


@lru_cache(maxsize=4)
def _md5(text: str) -> str:
    """Kept for the next subscriber of a fan-out, who mostly gets the same text."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def sampled(call: Call, topic: Topic, protocol: str) -> bool:
    """Whether a success of this protocol is to be told, decided by lot anew each time."""
    role, percent = feedback.role_of_successes(topic.feedback, protocol)
    if not role:
        return False
    return percent == 100 or int.from_bytes(call.entropy(4), "big") % 100 < percent


def succeeded(
    tx: Transaction,
    call: Call,
    topic: Topic,
    home: Home,
    told: Fields,
    *,
    attempts: int,
    status: int,
    response: str,
) -> None:
    """Owe the record of a delivery that was made. home: of this transaction."""
    role, _ = feedback.role_of_successes(topic.feedback, told["protocol"])
    if role:
        _owe(tx, call, home, role, told, attempts, status, response, failed=False)


def failed(tx: Transaction, call: Call, home: Home, told: Fields, report: Fields) -> None:
    """Owe the record of a delivery that was given up, with the reason that its target gave."""
    topic = topics.look(tx, told["topic_arn"])
    if topic is None:
        return
    role = feedback.role_of_failures(topic.feedback, told["protocol"])
    if not role:
        return
    response, status = _reason(told["protocol"], report)
    _owe(tx, call, home, role, told, report["attempt"] + 1, status, response, failed=True)


def _reason(protocol: str, report: Fields) -> tuple[str, int | None]:
    """(providerResponse, statusCode or None if nobody answered)."""
    if protocol in ("http", "https") and report["code"] != "Prohibited":
        answered = _ANSWERED.search(report["message"])
        return report["message"], int(answered[1]) if answered else None
    names = {"sqs": "sqsRequestId", "lambda": "lambdaRequestId"}
    if protocol not in names or report["code"] == "Prohibited":
        return report["message"], report["status"]
    told = {
        "ErrorCode": report["code"],
        "ErrorMessage": report["message"],
        names[protocol]: "Unrecoverable",
    }
    return _json(told).decode(), report["status"]


def _owe(
    tx: Transaction,
    call: Call,
    home: Home,
    role: str,
    told: Fields,
    attempts: int,
    status: int | None,
    response: str,
    *,
    failed: bool,
) -> None:
    seen = msgspec.convert(told, Notice)
    delivery: Fields = {
        "deliveryId": call.new_id(),
        "destination": seen.destination,
        "providerResponse": response,
        "dwellTimeMs": max(0, int((call.now - seen.published) * 1000)),
        "attempts": attempts,
    }
    if status is not None:
        delivery["statusCode"] = status
    record = {
        "notification": {
            "messageMD5Sum": seen.md5,
            "messageId": seen.message_id,
            "topicArn": seen.topic_arn,
            "timestamp": moment(seen.published),
        },
        "delivery": delivery,
        "status": "FAILURE" if failed else "SUCCESS",
    }
    owe(tx, call, home, seen.topic_arn, role, record, failed=failed)


def owe(
    tx: Transaction, call: Call, home: Home, arn: str, role: str, record: Fields, *, failed: bool
) -> None:
    """Owe a record to the log group of a topic, or of whatever else this ARN of SNS names.

    home: of this transaction.
    """
    source = arns.parse(arn)
    assert source is not None
    sender = call.as_service(PRINCIPAL, arn, source.account)
    deliveries.post(
        tx, sender.in_place(source.account, source.region), home, "sns", "write_status",
        {"TopicArn": arn, "Role": role, "Failed": failed, "Record": _json(record).decode()},
    )  # fmt: skip


def moment(seconds: float) -> str:
    """2020-02-23 15:52:51.904, without zeros at the end but for the first digit."""
    moment = datetime.fromtimestamp(seconds, UTC)
    part = f"{moment.microsecond // 1000:03}".rstrip("0") or "0"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{part}"


def group_of(topic: arns.Arn, failed: bool) -> str:
    """The name of the log group of a topic's successes, or of its failures."""
    name = f"sns/{topic.region}/{topic.account}/{topic.resource}"
    return f"{name}/Failure" if failed else name


def _homes(call: Call, request: Fields) -> tuple[Home, ...]:
    topic = topics.parse(request["TopicArn"])
    group = f"log-group:{group_of(topic, request['Failed'])}"
    return (
        Home(arns.make("logs", topic.region, topic.account, group)),
        control(topic.account, topic.region),
    )


@SERVICE.duty(home=_homes)
def write_status(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Put one record into the topic's log group as its role; a role that may not has no log."""
    topic = topics.parse(request["TopicArn"])
    group, day = group_of(topic, request["Failed"]), int(call.now) // DAY_S
    writer = _as_role(tx, call, request["Role"])
    stream = uuid_of(hashlib.sha256(f"{request['TopicArn']}/{day}".encode()).digest()[:16])
    put: Fields = {
        "logGroupName": group,
        "logStreamName": stream,
        "logEvents": [{"timestamp": int(call.now * 1000), "message": request["Record"]}],
    }
    try:
        writer.invoke(tx, "logs", "PutLogEvents", put)
    except AwsError as error:
        if error.shape != "ResourceNotFoundException":
            raise
        _make_stream(tx, writer, group, stream)
        writer.invoke(tx, "logs", "PutLogEvents", put)
    return {}


def _as_role(tx: Transaction, call: Call, role_arn: str) -> Call:
    """The same call as a session of the role. Raises sessions.CannotAssume."""
    role = sessions.role_at(tx, role_arn)
    if role is None or not sessions.trusts(call, role, PRINCIPAL, call.context):
        raise sessions.CannotAssume(
            f"User: {PRINCIPAL} is not authorized to perform: sts:AssumeRole on resource:"
            f" {role_arn}"
        )
    # The audit says who works as the role.
    return call.as_principal(sessions.principal_of(role, "SNS"), **{"ogi:InvokedBy": PRINCIPAL})


def _make_stream(tx: Transaction, writer: Call, group: str, stream: str) -> None:
    """The stream, and the group if need be."""
    named = {"logGroupName": group, "logStreamName": stream}
    try:
        writer.invoke(tx, "logs", "CreateLogStream", named)
    except AwsError as error:
        if error.shape != "ResourceNotFoundException":
            raise
        writer.invoke(tx, "logs", "CreateLogGroup", {"logGroupName": group})
        writer.invoke(tx, "logs", "CreateLogStream", named)

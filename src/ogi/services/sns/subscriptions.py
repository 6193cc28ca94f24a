"""Subscriptions: who gets what a topic publishes. They lie in the topic's control home."""

from __future__ import annotations

import re

import msgspec

from ogi import arn as arns
from ogi.errors import unsupported
from ogi.service import Call
from ogi.services.sns import topics
from ogi.services.sns.errors import InvalidParameterException, NotFoundException
from ogi.services.sns.topics import Topic
from ogi.storage import Reader, Transaction, control
from ogi.storage.keys import text
from ogi.storage.tables import Table

PROTOCOLS = frozenset(
    ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")
)
SUPPORTED = frozenset(("sqs", "lambda"))
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Subscription(msgspec.Struct, frozen=True):
    id: str
    arn: str
    topic_arn: str
    topic_name: str
    protocol: str
    endpoint: str
    owner: str
    raw: bool = False


class Pointer(msgspec.Struct, frozen=True):
    """From a topic's protocol and endpoint to the subscription's id."""

    id: str


TABLE = Table("sns.subscription", Subscription)
ENDPOINTS = Table("sns.endpoint", Pointer)


def subscribe(
    tx: Transaction,
    call: Call,
    topic: Topic,
    protocol: str,
    endpoint: str,
    attributes: dict[str, str],
) -> Subscription:
    """The subscription of an endpoint: the one that is there, or a new one."""
    _check(protocol, endpoint)
    pointer = ENDPOINTS.get(tx, topic.control, topic.name, protocol, endpoint)
    if pointer is not None:
        found = TABLE.get(tx, topic.control, topic.name, pointer.id)
        assert found is not None
        if attributes and _with(found, attributes) != found:
            raise InvalidParameterException.of(
                "Attributes", "Subscription already exists with different attributes"
            )
        return found
    id = call.new_id()
    made = _with(
        Subscription(
            id=id,
            arn=f"{topic.arn}:{id}",
            topic_arn=topic.arn,
            topic_name=topic.name,
            protocol=protocol,
            endpoint=endpoint,
            owner=call.principal.account or call.account,
        ),
        attributes,
    )
    TABLE.put(tx, made, topic.control, topic.name, id)
    ENDPOINTS.put(tx, Pointer(id), topic.control, topic.name, protocol, endpoint)
    topics.count(tx, topic, confirmed=1)
    return made


def find(tx: Reader, subscription_arn: str) -> tuple[Topic, Subscription]:
    parts = arns.parse(subscription_arn)
    if parts is None or parts.service != "sns" or parts.resource.count(":") != 1:
        elements = len(subscription_arn.split(":"))
        reason = f"An ARN must have at least 6 elements, not {elements}" if elements < 6 else ""
        raise InvalidParameterException.of("SubscriptionArn", reason)
    name, id = parts.resource.split(":")
    if not _ID.fullmatch(id):
        raise InvalidParameterException.of("SubscriptionId")
    home = control(parts.account, parts.region)
    found = TABLE.get(tx, home, name, id)
    topic = topics.TABLE.get(tx, home, name)
    if found is None or topic is None:
        raise NotFoundException("Subscription does not exist")
    return topic, found


def forget(tx: Transaction, topic: Topic, subscription: Subscription) -> None:
    TABLE.delete(tx, topic.control, topic.name, subscription.id)
    ENDPOINTS.delete(tx, topic.control, topic.name, subscription.protocol, subscription.endpoint)
    topics.count(tx, topic, confirmed=-1, deleted=1)


def set_attribute(tx: Transaction, subscription: Subscription, name: str, value: str) -> None:
    parts = topics.parse(subscription.topic_arn)
    changed = _with(subscription, {name: value})
    TABLE.put(
        tx, changed, control(parts.account, parts.region), subscription.topic_name,
        subscription.id,
    )  # fmt: skip


def page(tx: Reader, topic: Topic, after: str, limit: int) -> list[Subscription]:
    """At most `limit` subscriptions of a topic, in the order of their ids, behind `after`."""
    start = text(after) + b"\x00" if after else None
    return [s for _, s in TABLE.scan(tx, topic.control, topic.name, limit=limit, start=start)]


def attributes(topic: Topic, subscription: Subscription) -> dict[str, str]:
    """As GetSubscriptionAttributes answers them."""
    return {
        "SubscriptionArn": subscription.arn,
        "TopicArn": subscription.topic_arn,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "Owner": subscription.owner,
        "RawMessageDelivery": "true" if subscription.raw else "false",
        "PendingConfirmation": "false",
        "ConfirmationWasAuthenticated": "true",
        "SubscriptionPrincipal": f"arn:aws:iam::{subscription.owner}:root",
    }


def _with(subscription: Subscription, attributes: dict[str, str]) -> Subscription:
    for name, value in attributes.items():
        if name == "RawMessageDelivery":
            subscription = _with_raw(subscription, value)
        elif name in (
            "DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy",
            "ReplayPolicy", "SubscriptionRoleArn",
        ):  # fmt: skip
            raise unsupported(f"the subscription attribute {name}")
        else:
            raise InvalidParameterException.of("AttributeName")
    return subscription


def _with_raw(subscription: Subscription, value: str) -> Subscription:
    if value.lower() not in ("true", "false"):
        raise InvalidParameterException.of(
            "RawMessageDelivery", f"Invalid value [{value}]. Must be true or false."
        )
    raw = value.lower() == "true"
    if raw and subscription.protocol == "lambda":
        raise InvalidParameterException.of(
            "Attributes", "Delivery protocol [lambda] does not support raw message delivery."
        )
    return msgspec.structs.replace(subscription, raw=raw)


def _check(protocol: str, endpoint: str) -> None:
    if protocol not in PROTOCOLS:
        raise InvalidParameterException.of(
            f"Amazon SNS does not support this protocol string: {protocol}"
        )
    if protocol not in SUPPORTED:
        raise unsupported(f"the protocol {protocol} of sns:Subscribe")
    found = arns.parse(endpoint)
    if protocol == "sqs":
        if found is None or found.service != "sqs":
            raise InvalidParameterException.of("SQS endpoint ARN")
        if found.resource.endswith(".fifo"):
            raise InvalidParameterException.of(
                "Invalid parameter: Endpoint",
                "FIFO SQS Queues can not be subscribed to standard SNS topics",
            )
    elif found is None or found.service != "lambda":
        raise InvalidParameterException.of("Lambda endpoint ARN")

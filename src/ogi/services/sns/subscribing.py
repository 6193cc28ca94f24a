"""Subscribing: which endpoints a topic takes, and the subscription that an endpoint gets."""

from __future__ import annotations

import re

import msgspec

from ogi import arn as arns
from ogi.errors import unsupported
from ogi.service import Call
from ogi.services.sns import (
    confirmations,
    devices,
    endpoints,
    owners,
    phones,
    quotas,
    replays,
    subscription_attributes,
    subscriptions,
    topics,
)
from ogi.services.sns.errors import InvalidParameterException, of_attributes
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import PROTOCOLS_OF_LARGE, SUBSCRIPTIONS_OF_LARGE_MAX, Topic
from ogi.storage import Reader, Transaction

PROTOCOLS = frozenset(
    ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")
)
SUPPORTED = PROTOCOLS - {"firehose"}
ADDRESS_CHARS_MAX = 254
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
"""One mailbox, without quotes, comments or a display name."""


def subscribe(
    tx: Transaction,
    call: Call,
    topic: Topic,
    protocol: str,
    endpoint: str,
    attributes: dict[str, str],
) -> Subscription:
    """The subscription of an endpoint: the one that is there, or a new one."""
    check(tx, call, topic, protocol, endpoint)
    found = subscriptions.of_endpoint(tx, topic, protocol, endpoint)
    if found is not None:
        with of_attributes():
            asked = subscription_attributes.changed(found, attributes) if attributes else found
        if asked != found:
            raise InvalidParameterException.of(
                "Attributes", "Subscription already exists with different attributes"
            )
        if found.pending:
            asked = confirmations.ask(tx, call, topic, found)
            subscriptions.save(tx, topic, asked, found)
            return asked
        return found
    if topic.message_bytes_max > topics.MESSAGE_BYTES_DEFAULT:
        counts = topics.counts(tx, topic)
        many = counts.confirmed + counts.pending >= SUBSCRIPTIONS_OF_LARGE_MAX
        if many or protocol not in PROTOCOLS_OF_LARGE:
            raise InvalidParameterException.of("MaximumMessageSize")
    id = call.new_id()
    made = Subscription(
        id=id,
        arn=f"{topic.arn}:{id}",
        topic_arn=topic.arn,
        topic_name=topic.name,
        protocol=protocol,
        endpoint=endpoint,
        owner=call.principal.account or call.account,
        epoch=topic.epoch,
        principal=call.principal.role_arn or call.principal.arn,
    )
    with of_attributes():
        made = subscription_attributes.changed(made, attributes)
    must_confirm = _must_confirm(call, protocol, endpoint)
    quotas.check(tx, call, topic, new=True, pending=must_confirm, filtered=bool(made.filter_policy))
    if must_confirm:
        pending = msgspec.structs.replace(made, pending=True, authenticated=False)
        made = confirmations.ask(tx, call, topic, pending)
    if made.replay is not None:
        with of_attributes():
            made = replays.begin(tx, call, topic, made)
    subscriptions.save(tx, topic, made)
    owners.remember(tx, made)
    return made


def _must_confirm(call: Call, protocol: str, endpoint: str) -> bool:
    """Endpoints that nobody here owns, and another account's queues (the action's page)."""
    if protocol == "sqs":
        return endpoint.split(":")[4] != call.principal.account
    return protocol in ("http", "https", "email", "email-json")


def check(tx: Reader, call: Call, topic: Topic, protocol: str, endpoint: str) -> None:
    """Raise what is refused of an endpoint as it is written."""
    if protocol not in PROTOCOLS:
        raise InvalidParameterException.of(
            f"Amazon SNS does not support this protocol string: {protocol}"
        )
    if topic.fifo and protocol != "sqs":
        raise InvalidParameterException.of(f"Invalid protocol type: {protocol}")
    if protocol not in SUPPORTED:
        raise unsupported(f"the protocol {protocol} of sns:Subscribe")
    if protocol in ("http", "https"):
        _check_url(call, protocol, endpoint)
        return
    if protocol in ("email", "email-json"):
        if len(endpoint) > ADDRESS_CHARS_MAX or not _ADDRESS.fullmatch(endpoint):
            raise InvalidParameterException.of("Email address")
        return
    if protocol == "sms":
        if not phones.is_number(phones.dialled(endpoint)):
            raise InvalidParameterException(f"Invalid SMS endpoint: {endpoint}")
        return
    if protocol == "application":
        _check_device(tx, call, endpoint)
        return
    found = arns.parse(endpoint)
    if protocol == "sqs":
        if found is None or found.service != "sqs":
            raise InvalidParameterException.of("SQS endpoint ARN")
        if found.resource.endswith(".fifo") and not topic.fifo:
            raise InvalidParameterException.of(
                "Invalid parameter: Endpoint",
                "FIFO SQS Queues can not be subscribed to standard SNS topics",
            )
    elif found is None or found.service != "lambda":
        raise InvalidParameterException.of("Lambda endpoint ARN")


def _check_device(tx: Reader, call: Call, endpoint: str) -> None:
    """A device of the subscriber's own: who else's it is cannot confirm.

    What is said of none: the tests of github.com/ballerina-platform/module-ballerinax-aws.sns.
    """
    if not devices.is_arn(endpoint):
        raise InvalidParameterException.of(f"Application endpoint arn invalid:{endpoint}")
    found, _, _ = devices.parse(endpoint, "Endpoint")
    if found.account != call.principal.account or devices.look(tx, endpoint) is None:
        raise InvalidParameterException.of(
            "Endpoint", f"Endpoint does not exist for endpoint {endpoint}"
        )


def _check_url(call: Call, protocol: str, endpoint: str) -> None:
    if not endpoint.startswith(f"{protocol}://"):
        raise InvalidParameterException.of("Endpoint must match the specified protocol")
    parts = endpoints.split(endpoint, protocol)
    # "Your hostname must not contain an underscore":
    # repost.aws/knowledge-center/sns-topic-https-endpoints-notification
    if parts is None or "_" in (parts.hostname or ""):
        raise InvalidParameterException.of("Endpoint")
    if endpoints.refused_literal(call.ports.settings, parts):
        raise endpoints.internal()

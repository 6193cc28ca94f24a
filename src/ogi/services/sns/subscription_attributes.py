"""Subscriptions' attributes: each with its rule, by the names that SNS's actions use.

docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from ogi import arn as arns
from ogi.errors import unsupported
from ogi.services.sns import archive_policies, delivery_policies, filters
from ogi.services.sns.conditions import FilterError, NestedPolicy
from ogi.services.sns.errors import InvalidParameterException
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic

RAW = frozenset(("sqs", "http", "https", "firehose"))
"""Protocols that can deliver the message as it is."""


def changed(subscription: Subscription, attributes: Mapping[str, str]) -> Subscription:
    """The subscription with these attributes; raises what SNS refuses."""
    for name, value in attributes.items():
        if name == "RawMessageDelivery":
            subscription = _with_raw(subscription, value)
        elif name == "FilterPolicy":
            policy = "" if value.strip() in ("", "{}") else value
            subscription = msgspec.structs.replace(subscription, filter_policy=policy)
        elif name == "FilterPolicyScope":
            if value not in (filters.ATTRIBUTES, filters.BODY):
                raise InvalidParameterException.of(
                    f"FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or"
                    " MessageAttributes"
                )
            subscription = msgspec.structs.replace(subscription, filter_scope=value)
        elif name == "RedrivePolicy":
            subscription = _with_redrive(subscription, value)
        elif name == "DeliveryPolicy":
            # Kept whatever the protocol, as AWS keeps it (the tests of Ballerina's client give one
            # to a phone's subscription); only HTTP/S goes by it.
            delivery_policies.of("", value)
            subscription = msgspec.structs.replace(subscription, delivery_policy=value)
        elif name == "ReplayPolicy":
            if not subscription.topic_name.endswith(".fifo"):
                raise InvalidParameterException.of(
                    "ReplayPolicy: Replay is for subscriptions of FIFO topics only"
                )
            replay = archive_policies.replay(subscription.replay, value)
            subscription = msgspec.structs.replace(subscription, replay=replay)
        elif name == "SubscriptionRoleArn":
            raise unsupported(f"the subscription attribute {name}")
        else:
            raise InvalidParameterException.unknown(name)
    if subscription.filter_policy:
        # Last, since the scope decides what a policy may say.
        try:
            filters.compile(subscription.filter_policy, subscription.filter_scope)
        except NestedPolicy as error:
            raise InvalidParameterException.of(str(error)) from error
        except FilterError as error:
            raise InvalidParameterException.of(f"FilterPolicy: {error}") from error
    return subscription


def shown(topic: Topic, subscription: Subscription) -> dict[str, str]:
    """As GetSubscriptionAttributes answers them."""
    found = {
        "SubscriptionArn": subscription.arn,
        "TopicArn": subscription.topic_arn,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "Owner": subscription.owner,
        "RawMessageDelivery": "true" if subscription.raw else "false",
        "PendingConfirmation": "true" if subscription.pending else "false",
        "ConfirmationWasAuthenticated": "true" if subscription.authenticated else "false",
        "SubscriptionPrincipal": subscription.principal
        or f"arn:aws:iam::{subscription.owner}:root",
    }
    if subscription.filter_policy:
        found["FilterPolicy"] = subscription.filter_policy
        found["FilterPolicyScope"] = subscription.filter_scope
    if subscription.replay is not None:
        found["ReplayPolicy"] = subscription.replay.policy
        found["ReplayStatus"] = subscription.replay.status
    if subscription.redrive_policy:
        found["RedrivePolicy"] = subscription.redrive_policy
    if subscription.delivery_policy:
        found["DeliveryPolicy"] = subscription.delivery_policy
    if subscription.protocol in ("http", "https"):
        policy = delivery_policies.of(topic.delivery_policy, subscription.delivery_policy)
        found["EffectiveDeliveryPolicy"] = msgspec.json.encode(policy.shown()).decode()
    return found


def dead_letter_queue(subscription: Subscription) -> arns.Arn | None:
    """The queue that gets what could not be delivered."""
    if not subscription.redrive_policy:
        return None
    return arns.parse(json.loads(subscription.redrive_policy)["deadLetterTargetArn"])


def _with_raw(subscription: Subscription, value: str) -> Subscription:
    if value.lower() not in ("true", "false"):
        raise InvalidParameterException.of(
            f"RawMessageDelivery: Invalid value [{value}]. Must be true or false."
        )
    raw = value.lower() == "true"
    if raw and subscription.protocol not in RAW:
        raise InvalidParameterException.of(
            f"Delivery protocol [{subscription.protocol}] does not support raw message delivery."
        )
    return msgspec.structs.replace(subscription, raw=raw)


def _with_redrive(subscription: Subscription, value: str) -> Subscription:
    """ "The Amazon SNS subscription and Amazon SQS queue must be under the same AWS account and
    Region"; FIFO goes with FIFO (docs: sns-dead-letter-queues)."""
    if value.strip() in ("", "{}"):
        return msgspec.structs.replace(subscription, redrive_policy="")
    try:
        policy = json.loads(value)
    except (ValueError, RecursionError):
        raise InvalidParameterException.of("RedrivePolicy: failed to parse JSON.") from None
    if not isinstance(policy, dict):
        raise InvalidParameterException.of("RedrivePolicy: invalid JSON.")
    for name in policy:
        if name != "deadLetterTargetArn":
            # AWS's answer in github.com/ministryofjustice/cloud-platform-environments/pull/11520
            raise InvalidParameterException.of(
                f"RedrivePolicy: invalid JSON. Attribute {name} is unknown."
            )
    # Missing, no queue, another region: as real deployments were told (cdk-preflight).
    if "deadLetterTargetArn" not in policy:
        raise InvalidParameterException.of("RedrivePolicy: Missing deadLetterTargetArn attribute")
    queue = arns.parse(str(policy["deadLetterTargetArn"]))
    if queue is None:
        raise InvalidParameterException.of("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if queue.service != "sqs":
        raise InvalidParameterException.of("RedrivePolicy: deadLetterTargetArn must be a SQS queue")
    for whose, here, there in (
        ("region", subscription.topic_arn.split(":")[3], queue.region),
        ("account", subscription.owner, queue.account),
    ):
        if here != there:
            raise InvalidParameterException.of(
                f"RedrivePolicy: deadLetterTargetArn must be in the same {whose} as the"
                " subscription"
            )
    if queue.resource.endswith(".fifo") != subscription.topic_name.endswith(".fifo"):
        raise InvalidParameterException.of(
            "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO topic"
            if subscription.topic_name.endswith(".fifo")
            else "RedrivePolicy: must use a standard queue as DLQ for a standard topic"
        )
    return msgspec.structs.replace(subscription, redrive_policy=value)

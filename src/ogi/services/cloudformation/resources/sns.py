"""AWS::SNS::Topic, TopicPolicy, TopicInlinePolicy and Subscription.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SNS.html
"""

from __future__ import annotations

import json
from typing import Any

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import (
    BOOLEAN,
    POLICY,
    TAGS,
    TEXT,
    TEXTS,
    List,
    Shape,
)
from ogi.services.cloudformation.values import text_of

_TOPIC_ATTRIBUTES = (
    "ContentBasedDeduplication", "DisplayName", "FifoThroughputScope", "KmsMasterKeyId",
    "SignatureVersion", "TracingConfig",
)  # fmt: skip
_TOPIC_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DisplayName": "",
    "FifoThroughputScope": "Topic",
    "KmsMasterKeyId": "",
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
}
_SUBSCRIPTION_ATTRIBUTES = (
    "DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy",
)  # fmt: skip
_SUBSCRIPTION_DEFAULTS = {
    "DeliveryPolicy": "",
    "FilterPolicy": "",
    "FilterPolicyScope": "MessageAttributes",
    "RawMessageDelivery": "false",
    "RedrivePolicy": "",
}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else text_of(value)


def _given(properties: Fields, names: tuple[str, ...]) -> dict[str, str]:
    return {name: _text(properties[name]) for name in names if name in properties}


def _changed(new: dict[str, str], old: dict[str, str], defaults: dict[str, str]) -> Fields:
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    changed.update({name: defaults[name] for name in old if name not in new})
    return changed


# -- topics -------------------------------------------------------------------------------------


def _topic(arn: str) -> Made:
    return Made(arn, {"TopicArn": arn, "TopicName": arn.rsplit(":", 1)[-1]})


async def _create_topic(hands: Hands, properties: Fields) -> Made:
    attributes = _given(properties, _TOPIC_ATTRIBUTES)
    if properties.get("FifoTopic"):
        attributes["FifoTopic"] = "true"
    request: Fields = {"Name": hands.name, "Attributes": attributes}
    if properties.get("Tags"):
        request["Tags"] = properties["Tags"]
    arn = hands.arn("sns", hands.name)
    await hands.create(
        ("sns", "GetTopicAttributes", {"TopicArn": arn}),
        ("sns", "CreateTopic", request),
        "AWS::SNS::Topic",
        arn,
    )
    hands.made(arn)
    for each in properties.get("Subscription", []):
        await hands.do("sns", "Subscribe", {"TopicArn": arn, **each})
    return _topic(arn)


async def _update_topic(hands: Hands, present: Present, properties: Fields) -> Made:
    arn, old = present.physical, present.properties
    changed = _changed(
        _given(properties, _TOPIC_ATTRIBUTES), _given(old, _TOPIC_ATTRIBUTES), _TOPIC_DEFAULTS
    )
    for name, value in changed.items():
        request = {"TopicArn": arn, "AttributeName": name, "AttributeValue": value}
        await hands.do("sns", "SetTopicAttributes", request)
    await _update_subscriptions(hands, arn, old, properties)
    await _update_tags(hands, arn, old, properties)
    return _topic(arn)


async def _update_subscriptions(hands: Hands, arn: str, old: Fields, new: Fields) -> None:
    wanted, had = new.get("Subscription", []), old.get("Subscription", [])
    for each in wanted:
        if each not in had:
            await hands.do("sns", "Subscribe", {"TopicArn": arn, **each})
    gone = [each for each in had if each not in wanted]
    if gone:
        listed = await hands.look("sns", "ListSubscriptionsByTopic", {"TopicArn": arn})
        for each in listed.get("Subscriptions", []):
            if {"Endpoint": each["Endpoint"], "Protocol": each["Protocol"]} in gone:
                request = {"SubscriptionArn": each["SubscriptionArn"]}
                await hands.drop("sns", "Unsubscribe", request)


async def _update_tags(hands: Hands, arn: str, old: Fields, new: Fields) -> None:
    tags, tagged = new.get("Tags", []), old.get("Tags", [])
    keys = {tag["Key"] for tag in tags}
    gone = [tag["Key"] for tag in tagged if tag["Key"] not in keys]
    if gone:
        await hands.do("sns", "UntagResource", {"ResourceArn": arn, "TagKeys": gone})
    if tags and tags != tagged:
        await hands.do("sns", "TagResource", {"ResourceArn": arn, "Tags": tags})


async def _delete_topic(hands: Hands, present: Present) -> None:
    await hands.drop("sns", "DeleteTopic", {"TopicArn": present.physical})


# -- policies -----------------------------------------------------------------------------------


def _default_policy(hands: Hands, arn: str) -> Fields:
    """What a topic's policy is when nobody has set one.

    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ]
    return {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [f"SNS:{action}" for action in actions],
                "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": hands.account}},
            }
        ],
    }


async def _set_policy(hands: Hands, topics: list[str], document: Fields | None) -> None:
    for arn in topics:
        policy = _default_policy(hands, arn) if document is None else document
        request = {
            "TopicArn": arn, "AttributeName": "Policy", "AttributeValue": json.dumps(policy),
        }  # fmt: skip
        if document is None:
            await hands.drop("sns", "SetTopicAttributes", request)
        else:
            await hands.do("sns", "SetTopicAttributes", request)


async def _create_policy(hands: Hands, properties: Fields) -> Made:
    hands.made(hands.name)
    await _set_policy(hands, properties["Topics"], properties["PolicyDocument"])
    return Made(hands.name, {"Id": hands.name})


async def _update_policy(hands: Hands, present: Present, properties: Fields) -> Made:
    gone = [arn for arn in present.properties["Topics"] if arn not in properties["Topics"]]
    await _set_policy(hands, gone, None)
    await _set_policy(hands, properties["Topics"], properties["PolicyDocument"])
    return Made(present.physical, {"Id": present.physical})


async def _delete_policy(hands: Hands, present: Present) -> None:
    await _set_policy(hands, present.properties["Topics"], None)


async def _create_inline(hands: Hands, properties: Fields) -> Made:
    hands.made(properties["TopicArn"])
    await _set_policy(hands, [properties["TopicArn"]], properties["PolicyDocument"])
    return Made(properties["TopicArn"])


async def _update_inline(hands: Hands, present: Present, properties: Fields) -> Made:
    await _set_policy(hands, [present.physical], properties["PolicyDocument"])
    return Made(present.physical)


async def _delete_inline(hands: Hands, present: Present) -> None:
    await _set_policy(hands, [present.physical], None)


# -- subscriptions ------------------------------------------------------------------------------


async def _create_subscription(hands: Hands, properties: Fields) -> Made:
    request: Fields = {
        "TopicArn": properties["TopicArn"],
        "Protocol": properties["Protocol"],
        "ReturnSubscriptionArn": True,
    }
    if "Endpoint" in properties:
        request["Endpoint"] = properties["Endpoint"]
    attributes = _given(properties, _SUBSCRIPTION_ATTRIBUTES)
    if attributes:
        request["Attributes"] = attributes
    arn = (await hands.do("sns", "Subscribe", request))["SubscriptionArn"]
    return Made(arn, {"Arn": arn})


async def _update_subscription(hands: Hands, present: Present, properties: Fields) -> Made:
    changed = _changed(
        _given(properties, _SUBSCRIPTION_ATTRIBUTES),
        _given(present.properties, _SUBSCRIPTION_ATTRIBUTES),
        _SUBSCRIPTION_DEFAULTS,
    )
    for name, value in changed.items():
        request = {
            "SubscriptionArn": present.physical, "AttributeName": name, "AttributeValue": value,
        }  # fmt: skip
        await hands.do("sns", "SetSubscriptionAttributes", request)
    return Made(present.physical, {"Arn": present.physical})


async def _delete_subscription(hands: Hands, present: Present) -> None:
    await hands.drop("sns", "Unsubscribe", {"SubscriptionArn": present.physical})


TYPES = (
    Type(
        name="AWS::SNS::Topic",
        properties=Shape(
            {
                "ContentBasedDeduplication": BOOLEAN,
                "DisplayName": TEXT,
                "FifoThroughputScope": TEXT,
                "FifoTopic": BOOLEAN,
                "KmsMasterKeyId": TEXT,
                "SignatureVersion": TEXT,
                "Subscription": List(
                    Shape({"Endpoint": TEXT, "Protocol": TEXT}, required=("Endpoint", "Protocol"))
                ),
                "Tags": TAGS,
                "TopicName": TEXT,
                "TracingConfig": TEXT,
            },
            refused=frozenset({"ArchivePolicy", "DataProtectionPolicy", "DeliveryStatusLogging"}),
        ),
        create=_create_topic,
        update=_update_topic,
        delete=_delete_topic,
        attributes=frozenset({"TopicArn", "TopicName"}),
        replaced_by=frozenset({"TopicName", "FifoTopic"}),
        naming=Naming(
            "TopicName",
            256,
            suffix=lambda properties: ".fifo" if properties.get("FifoTopic") else "",
        ),
    ),
    Type(
        name="AWS::SNS::TopicPolicy",
        properties=Shape(
            {"PolicyDocument": POLICY, "Topics": TEXTS}, required=("PolicyDocument", "Topics")
        ),
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
        attributes=frozenset({"Id"}),
        naming=Naming(chars_max=128),
    ),
    Type(
        name="AWS::SNS::TopicInlinePolicy",
        properties=Shape(
            {"PolicyDocument": POLICY, "TopicArn": TEXT}, required=("PolicyDocument", "TopicArn")
        ),
        create=_create_inline,
        update=_update_inline,
        delete=_delete_inline,
        replaced_by=frozenset({"TopicArn"}),
    ),
    Type(
        name="AWS::SNS::Subscription",
        properties=Shape(
            {
                "DeliveryPolicy": POLICY,
                "Endpoint": TEXT,
                "FilterPolicy": POLICY,
                "FilterPolicyScope": TEXT,
                "Protocol": TEXT,
                "RawMessageDelivery": BOOLEAN,
                "RedrivePolicy": POLICY,
                "TopicArn": TEXT,
            },
            required=("Protocol", "TopicArn"),
            refused=frozenset({"Region", "ReplayPolicy", "SubscriptionRoleArn"}),
        ),
        create=_create_subscription,
        update=_update_subscription,
        delete=_delete_subscription,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"Endpoint", "Protocol", "TopicArn"}),
    ),
)

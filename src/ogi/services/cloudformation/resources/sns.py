"""AWS::SNS::Topic, TopicPolicy and TopicInlinePolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SNS.html
"""

from __future__ import annotations

import json
from typing import Any

from ogi.errors import unsupported
from ogi.service import Fields
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.resources import attributes, policies
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import (
    BOOLEAN,
    INTEGER,
    POLICY,
    TAGS,
    TEXT,
    List,
    Shape,
)
from ogi.services.cloudformation.values import is_known

_DEFAULTS = {
    "ArchivePolicy": "{}",
    "ContentBasedDeduplication": "false",
    "DisplayName": "",
    "FifoThroughputScope": "Topic",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "262144",
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
}
_KINDS = {"http/s": "HTTP", "sqs": "SQS", "lambda": "Lambda", "application": "Application"}
"""The beginning of the feedback attributes' names, by the Protocol of a LoggingConfig."""
_FEEDBACK = ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")


def _topic(arn: str) -> Made:
    return Made(arn, {"TopicArn": arn, "TopicName": arn.rsplit(":", 1)[-1]})


def _attributes(properties: Fields) -> dict[str, str]:
    found = attributes.given(properties, _DEFAULTS)
    for config in properties.get("DeliveryStatusLogging", []):
        kind = _KINDS[config["Protocol"]]
        found |= {f"{kind}{name}": config[name] for name in _FEEDBACK if name in config}
    return found


def _check(properties: Fields) -> None:
    for config in properties.get("DeliveryStatusLogging", []):
        if not is_known(config):
            continue
        protocol = config["Protocol"]
        if protocol == "firehose":
            raise unsupported("Amazon Data Firehose (the Protocol of DeliveryStatusLogging)")
        if protocol not in _KINDS:
            raise ValidationError(
                f"Value of property Protocol must be one of {', '.join(sorted(_KINDS))}"
            )


async def _create_topic(hands: Hands, properties: Fields) -> Made:
    given = _attributes(properties)
    if properties.get("FifoTopic"):
        given["FifoTopic"] = "true"
    request: Fields = {"Name": hands.name, "Attributes": given}
    if properties.get("Tags"):
        request["Tags"] = _tags(properties)
    if "DataProtectionPolicy" in properties:
        request["DataProtectionPolicy"] = json.dumps(properties["DataProtectionPolicy"])
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
    changed = attributes.changed(_attributes(properties), _attributes(old), _DEFAULTS)
    for name, value in changed.items():
        request = {"TopicArn": arn, "AttributeName": name, "AttributeValue": value}
        await hands.do("sns", "SetTopicAttributes", request)
    await _update_protection(hands, arn, old, properties)
    await _update_subscriptions(hands, arn, old, properties)
    await _update_tags(hands, arn, old, properties)
    return _topic(arn)


async def _update_protection(hands: Hands, arn: str, old: Fields, new: Fields) -> None:
    wanted = new.get("DataProtectionPolicy")
    if wanted == old.get("DataProtectionPolicy"):
        return
    text = "" if wanted is None else json.dumps(wanted)
    request = {"ResourceArn": arn, "DataProtectionPolicy": text}
    await hands.do("sns", "PutDataProtectionPolicy", request)


async def _update_subscriptions(hands: Hands, arn: str, old: Fields, new: Fields) -> None:
    wanted, had = new.get("Subscription", []), old.get("Subscription", [])
    for each in wanted:
        if each not in had:
            await hands.do("sns", "Subscribe", {"TopicArn": arn, **each})
    gone = [each for each in had if each not in wanted]
    if gone:
        for each in await _subscriptions(hands, arn):
            confirmed = each["SubscriptionArn"].startswith("arn:")
            if confirmed and {"Endpoint": each["Endpoint"], "Protocol": each["Protocol"]} in gone:
                request = {"SubscriptionArn": each["SubscriptionArn"]}
                await hands.drop("sns", "Unsubscribe", request)


async def _subscriptions(hands: Hands, arn: str) -> list[Fields]:
    found: list[Fields] = []
    asked: Fields = {"TopicArn": arn}
    while True:
        page = await hands.look("sns", "ListSubscriptionsByTopic", asked)
        found += page.get("Subscriptions", [])
        if "NextToken" not in page:
            return found
        asked = {"TopicArn": arn, "NextToken": page["NextToken"]}


def _tags(properties: Fields) -> list[Fields]:
    """Of several with one key the last: "the resolve rule is that last tag wins"
    (github.com/aws-cloudformation/aws-cloudformation-resource-providers-sns/pull/45)."""
    return list({tag["Key"]: tag for tag in properties.get("Tags", [])}.values())


async def _update_tags(hands: Hands, arn: str, old: Fields, new: Fields) -> None:
    tags, tagged = _tags(new), _tags(old)
    keys = {tag["Key"] for tag in tags}
    gone = [tag["Key"] for tag in tagged if tag["Key"] not in keys]
    if gone:
        await hands.do("sns", "UntagResource", {"ResourceArn": arn, "TagKeys": gone})
    if tags and tags != tagged:
        await hands.do("sns", "TagResource", {"ResourceArn": arn, "Tags": tags})


async def _delete_topic(hands: Hands, present: Present) -> None:
    await hands.drop("sns", "DeleteTopic", {"TopicArn": present.physical})


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
    statement: dict[str, Any] = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in actions],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": hands.account}},
    }
    return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}


async def _set_policy(hands: Hands, arn: str, document: Fields | None) -> None:
    policy = _default_policy(hands, arn) if document is None else document
    request = {"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": json.dumps(policy)}
    if document is None:
        await hands.drop("sns", "SetTopicAttributes", request)
    else:
        await hands.do("sns", "SetTopicAttributes", request)


TYPES = (
    Type(
        name="AWS::SNS::Topic",
        properties=Shape(
            {
                "ArchivePolicy": POLICY,
                "ContentBasedDeduplication": BOOLEAN,
                "DataProtectionPolicy": POLICY,
                "DeliveryStatusLogging": List(
                    Shape(
                        {"Protocol": TEXT, **dict.fromkeys(_FEEDBACK, TEXT)},
                        required=("Protocol",),
                    )
                ),
                "DisplayName": TEXT,
                "FifoThroughputScope": TEXT,
                "FifoTopic": BOOLEAN,
                "KmsMasterKeyId": TEXT,
                "MaximumMessageSize": INTEGER,
                "SignatureVersion": TEXT,
                "Subscription": List(
                    Shape({"Endpoint": TEXT, "Protocol": TEXT}, required=("Endpoint", "Protocol"))
                ),
                "Tags": TAGS,
                "TopicName": TEXT,
                "TracingConfig": TEXT,
            },
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
        check=_check,
    ),
    policies.of_several("AWS::SNS::TopicPolicy", "Topics", _set_policy),
    policies.of_one("AWS::SNS::TopicInlinePolicy", "TopicArn", _set_policy),
)

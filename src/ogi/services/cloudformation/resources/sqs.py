"""AWS::SQS::Queue, AWS::SQS::QueuePolicy and AWS::SQS::QueueInlinePolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SQS.html
"""

from __future__ import annotations

import json
from typing import Any

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import (
    BOOLEAN,
    INTEGER,
    POLICY,
    TAGS,
    TEXT,
    TEXTS,
    Shape,
)
from ogi.services.cloudformation.values import text_of

_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "DelaySeconds": "0",
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
"""What an attribute is when its property is taken away (API reference, SetQueueAttributes)."""


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else text_of(value)


def _attributes(properties: Fields) -> dict[str, str]:
    names = properties.keys() & _DEFAULTS.keys()
    return {name: _text(properties[name]) for name in sorted(names)}


def _tags(properties: Fields) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def _queue(hands: Hands, url: str, name: str) -> Made:
    return Made(url, {"Arn": hands.arn("sqs", name), "QueueName": name, "QueueUrl": url})


async def _create_queue(hands: Hands, properties: Fields) -> Made:
    attributes = _attributes(properties)
    if properties.get("FifoQueue"):
        attributes["FifoQueue"] = "true"
    request: Fields = {"QueueName": hands.name, "Attributes": attributes}
    if _tags(properties):
        request["tags"] = _tags(properties)
    # CreateQueue would answer with a queue that is there already, if it is the same.
    created = await hands.create(
        ("sqs", "GetQueueUrl", {"QueueName": hands.name}),
        ("sqs", "CreateQueue", request),
        "AWS::SQS::Queue",
        hands.name,
    )
    return _queue(hands, created["QueueUrl"], hands.name)


async def _update_queue(hands: Hands, present: Present, properties: Fields) -> Made:
    url, name = present.physical, present.attributes["QueueName"]
    new, old = _attributes(properties), _attributes(present.properties)
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    changed.update({key: _DEFAULTS[key] for key in old if key not in new})
    if changed:
        await hands.do("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": changed})
    tags, tagged = _tags(properties), _tags(present.properties)
    gone = [key for key in tagged if key not in tags]
    if gone:
        await hands.do("sqs", "UntagQueue", {"QueueUrl": url, "TagKeys": gone})
    if tags and tags != tagged:
        await hands.do("sqs", "TagQueue", {"QueueUrl": url, "Tags": tags})
    return _queue(hands, url, name)


async def _delete_queue(hands: Hands, present: Present) -> None:
    await hands.drop("sqs", "DeleteQueue", {"QueueUrl": present.physical})


async def _set_policy(hands: Hands, queues: list[str], document: Fields | None) -> None:
    text = "" if document is None else json.dumps(document)
    for url in queues:
        request = {"QueueUrl": url, "Attributes": {"Policy": text}}
        if document is None:
            await hands.drop("sqs", "SetQueueAttributes", request)
        else:
            await hands.do("sqs", "SetQueueAttributes", request)


async def _create_policy(hands: Hands, properties: Fields) -> Made:
    hands.made(hands.name)
    await _set_policy(hands, properties["Queues"], properties["PolicyDocument"])
    return Made(hands.name, {"Id": hands.name})


async def _update_policy(hands: Hands, present: Present, properties: Fields) -> Made:
    gone = [url for url in present.properties["Queues"] if url not in properties["Queues"]]
    await _set_policy(hands, gone, None)
    await _set_policy(hands, properties["Queues"], properties["PolicyDocument"])
    return Made(present.physical, {"Id": present.physical})


async def _delete_policy(hands: Hands, present: Present) -> None:
    await _set_policy(hands, present.properties["Queues"], None)


async def _create_inline(hands: Hands, properties: Fields) -> Made:
    hands.made(properties["Queue"])
    await _set_policy(hands, [properties["Queue"]], properties["PolicyDocument"])
    return Made(properties["Queue"])


async def _update_inline(hands: Hands, present: Present, properties: Fields) -> Made:
    await _set_policy(hands, [present.physical], properties["PolicyDocument"])
    return Made(present.physical)


async def _delete_inline(hands: Hands, present: Present) -> None:
    await _set_policy(hands, [present.physical], None)


TYPES = (
    Type(
        name="AWS::SQS::Queue",
        properties=Shape(
            {
                "ContentBasedDeduplication": BOOLEAN,
                "DeduplicationScope": TEXT,
                "DelaySeconds": INTEGER,
                "FifoQueue": BOOLEAN,
                "FifoThroughputLimit": TEXT,
                "KmsDataKeyReusePeriodSeconds": INTEGER,
                "KmsMasterKeyId": TEXT,
                "MaximumMessageSize": INTEGER,
                "MessageRetentionPeriod": INTEGER,
                "QueueName": TEXT,
                "ReceiveMessageWaitTimeSeconds": INTEGER,
                "RedriveAllowPolicy": POLICY,
                "RedrivePolicy": POLICY,
                "SqsManagedSseEnabled": BOOLEAN,
                "Tags": TAGS,
                "VisibilityTimeout": INTEGER,
            }
        ),
        create=_create_queue,
        update=_update_queue,
        delete=_delete_queue,
        attributes=frozenset({"Arn", "QueueName", "QueueUrl"}),
        replaced_by=frozenset({"QueueName", "FifoQueue"}),
        naming=Naming(
            "QueueName",
            80,
            suffix=lambda properties: ".fifo" if properties.get("FifoQueue") else "",
        ),
    ),
    Type(
        name="AWS::SQS::QueuePolicy",
        properties=Shape(
            {"PolicyDocument": POLICY, "Queues": TEXTS}, required=("PolicyDocument", "Queues")
        ),
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
        attributes=frozenset({"Id"}),
        naming=Naming(chars_max=128),
    ),
    Type(
        name="AWS::SQS::QueueInlinePolicy",
        properties=Shape(
            {"PolicyDocument": POLICY, "Queue": TEXT}, required=("PolicyDocument", "Queue")
        ),
        create=_create_inline,
        update=_update_inline,
        delete=_delete_inline,
        replaced_by=frozenset({"Queue"}),
    ),
)

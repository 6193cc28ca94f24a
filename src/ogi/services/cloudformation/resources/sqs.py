"""AWS::SQS::Queue, AWS::SQS::QueuePolicy and AWS::SQS::QueueInlinePolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SQS.html
"""

from __future__ import annotations

import json

from ogi.service import Fields
from ogi.services.cloudformation.resources import attributes, policies
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import (
    BOOLEAN,
    INTEGER,
    POLICY,
    TAGS,
    TEXT,
    Shape,
)

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


def _tags(properties: Fields) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def _queue(hands: Hands, url: str, name: str) -> Made:
    return Made(url, {"Arn": hands.arn("sqs", name), "QueueName": name, "QueueUrl": url})


async def _create_queue(hands: Hands, properties: Fields) -> Made:
    given = attributes.given(properties, sorted(_DEFAULTS))
    if properties.get("FifoQueue"):
        given["FifoQueue"] = "true"
    request: Fields = {"QueueName": hands.name, "Attributes": given}
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
    changed = attributes.changed(
        attributes.given(properties, sorted(_DEFAULTS)),
        attributes.given(present.properties, sorted(_DEFAULTS)),
        _DEFAULTS,
    )
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


async def _set_policy(hands: Hands, url: str, document: Fields | None) -> None:
    text = "" if document is None else json.dumps(document)
    request = {"QueueUrl": url, "Attributes": {"Policy": text}}
    if document is None:
        await hands.drop("sqs", "SetQueueAttributes", request)
    else:
        await hands.do("sqs", "SetQueueAttributes", request)


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
    policies.of_several("AWS::SQS::QueuePolicy", "Queues", _set_policy),
    policies.of_one("AWS::SQS::QueueInlinePolicy", "Queue", _set_policy),
)

"""AWS::S3::Bucket and AWS::S3::BucketPolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_S3.html
"""

from __future__ import annotations

import json
from typing import Any

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Ask, Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import BOOLEAN, POLICY, TAGS, TEXT, Kind, List, Shape

_DESTINATIONS = (
    ("TopicConfigurations", "Topic", "TopicConfigurations", "TopicArn"),
    ("QueueConfigurations", "Queue", "QueueConfigurations", "QueueArn"),
    (
        "LambdaConfigurations", "Function", "LambdaFunctionConfigurations", "LambdaFunctionArn",
    ),
)  # fmt: skip
"""The template's words and S3's."""


def _notifications(given: Fields) -> Fields:
    """The property as PutBucketNotificationConfiguration wants it."""
    found: Fields = {}
    for section, target, list_name, arn_name in _DESTINATIONS:
        entries = [
            {
                arn_name: entry[target],
                "Events": [entry["Event"]],
                **(_filter(entry["Filter"]) if "Filter" in entry else {}),
            }
            for entry in given.get(section, [])
        ]
        if entries:
            found[list_name] = entries
    if given.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
        found["EventBridgeConfiguration"] = {}
    return found


def _filter(given: Fields) -> Fields:
    rules = [{"Name": r["Name"], "Value": r["Value"]} for r in given["S3Key"]["Rules"]]
    return {"Filter": {"Key": {"FilterRules": rules}}}


def _encryption(given: Fields) -> Fields:
    rules = []
    for rule in given["ServerSideEncryptionConfiguration"]:
        made: Fields = {}
        if "ServerSideEncryptionByDefault" in rule:
            made["ApplyServerSideEncryptionByDefault"] = rule["ServerSideEncryptionByDefault"]
        if "BucketKeyEnabled" in rule:
            made["BucketKeyEnabled"] = rule["BucketKeyEnabled"]
        rules.append(made)
    return {"Rules": rules}


def _settings(bucket: str, properties: Fields) -> dict[str, Ask]:
    """What has to be asked of S3, by property."""
    asks: dict[str, tuple[str, str, Any]] = {}
    if "BucketEncryption" in properties:
        asks["BucketEncryption"] = (
            "PutBucketEncryption",
            "ServerSideEncryptionConfiguration",
            _encryption(properties["BucketEncryption"]),
        )
    if "PublicAccessBlockConfiguration" in properties:
        asks["PublicAccessBlockConfiguration"] = (
            "PutPublicAccessBlock",
            "PublicAccessBlockConfiguration",
            properties["PublicAccessBlockConfiguration"],
        )
    if "OwnershipControls" in properties:
        asks["OwnershipControls"] = (
            "PutBucketOwnershipControls", "OwnershipControls", properties["OwnershipControls"],
        )  # fmt: skip
    if "VersioningConfiguration" in properties:
        asks["VersioningConfiguration"] = (
            "PutBucketVersioning",
            "VersioningConfiguration",
            {"Status": properties["VersioningConfiguration"]["Status"]},
        )
    if properties.get("Tags"):
        asks["Tags"] = ("PutBucketTagging", "Tagging", {"TagSet": properties["Tags"]})
    if "NotificationConfiguration" in properties:
        asks["NotificationConfiguration"] = (
            "PutBucketNotificationConfiguration",
            "NotificationConfiguration",
            _notifications(properties["NotificationConfiguration"]),
        )
    return {
        name: ("s3", operation, {"Bucket": bucket, member: value})
        for name, (operation, member, value) in asks.items()
    }


_REMOVALS = {
    "BucketEncryption": "DeleteBucketEncryption",
    "OwnershipControls": "DeleteBucketOwnershipControls",
    "PublicAccessBlockConfiguration": "DeletePublicAccessBlock",
    "Tags": "DeleteBucketTagging",
}


def _bucket(hands: Hands, name: str) -> Made:
    return Made(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{hands.region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{hands.region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website-{hands.region}.amazonaws.com",
        },
    )


async def _create_bucket(hands: Hands, properties: Fields) -> Made:
    name = hands.name
    request: Fields = {"Bucket": name}
    if hands.region != "us-east-1":
        request["CreateBucketConfiguration"] = {"LocationConstraint": hands.region}
    await hands.create(
        ("s3", "HeadBucket", {"Bucket": name}), ("s3", "CreateBucket", request),
        "AWS::S3::Bucket", name,
    )  # fmt: skip
    hands.made(name)
    for ask in _settings(name, properties).values():
        await hands.do(*ask)
    return _bucket(hands, name)


async def _update_bucket(hands: Hands, present: Present, properties: Fields) -> Made:
    name, old = present.physical, present.properties
    asks = _settings(name, properties)
    for setting, ask in asks.items():
        if properties[setting] != old.get(setting):
            await hands.do(*ask)
    for setting in _settings(name, old):
        if setting in asks:
            continue
        if setting in _REMOVALS:
            await hands.drop("s3", _REMOVALS[setting], {"Bucket": name})
        elif setting == "NotificationConfiguration":
            request: Fields = {"Bucket": name, "NotificationConfiguration": {}}
            await hands.do("s3", "PutBucketNotificationConfiguration", request)
        elif setting == "VersioningConfiguration":
            request = {"Bucket": name, "VersioningConfiguration": {"Status": "Suspended"}}
            await hands.do("s3", "PutBucketVersioning", request)
    return _bucket(hands, name)


async def _delete_bucket(hands: Hands, present: Present) -> None:
    await hands.drop("s3", "DeleteBucket", {"Bucket": present.physical})


async def _put_policy(hands: Hands, bucket: str, document: Fields) -> None:
    request = {"Bucket": bucket, "Policy": json.dumps(document)}
    await hands.do("s3", "PutBucketPolicy", request)


async def _create_policy(hands: Hands, properties: Fields) -> Made:
    await _put_policy(hands, properties["Bucket"], properties["PolicyDocument"])
    return Made(properties["Bucket"])


async def _update_policy(hands: Hands, present: Present, properties: Fields) -> Made:
    await _put_policy(hands, present.physical, properties["PolicyDocument"])
    return Made(present.physical)


async def _delete_policy(hands: Hands, present: Present) -> None:
    await hands.drop("s3", "DeleteBucketPolicy", {"Bucket": present.physical})


_FILTER = Shape(
    {
        "S3Key": Shape(
            {"Rules": List(Shape({"Name": TEXT, "Value": TEXT}, required=("Name", "Value")))},
            required=("Rules",),
        )
    },
    required=("S3Key",),
)


def _destination(target: str) -> List:
    members: dict[str, Kind] = {"Event": TEXT, "Filter": _FILTER, target: TEXT}
    return List(Shape(members, required=("Event", target)))


TYPES = (
    Type(
        name="AWS::S3::Bucket",
        properties=Shape(
            {
                "BucketEncryption": Shape(
                    {
                        "ServerSideEncryptionConfiguration": List(
                            Shape(
                                {
                                    "BucketKeyEnabled": BOOLEAN,
                                    "ServerSideEncryptionByDefault": Shape(
                                        {"KMSMasterKeyID": TEXT, "SSEAlgorithm": TEXT},
                                        required=("SSEAlgorithm",),
                                    ),
                                },
                                refused=frozenset({"BlockedEncryptionTypes"}),
                            )
                        )
                    },
                    required=("ServerSideEncryptionConfiguration",),
                ),
                "BucketName": TEXT,
                "NotificationConfiguration": Shape(
                    {
                        "EventBridgeConfiguration": Shape({"EventBridgeEnabled": BOOLEAN}),
                        "LambdaConfigurations": _destination("Function"),
                        "QueueConfigurations": _destination("Queue"),
                        "TopicConfigurations": _destination("Topic"),
                    }
                ),
                "OwnershipControls": Shape(
                    {"Rules": List(Shape({"ObjectOwnership": TEXT}))}, required=("Rules",)
                ),
                "PublicAccessBlockConfiguration": Shape(
                    {
                        "BlockPublicAcls": BOOLEAN,
                        "BlockPublicPolicy": BOOLEAN,
                        "IgnorePublicAcls": BOOLEAN,
                        "RestrictPublicBuckets": BOOLEAN,
                    }
                ),
                "Tags": TAGS,
                "VersioningConfiguration": Shape({"Status": TEXT}, required=("Status",)),
            },
            refused=frozenset(
                {
                    "AbacStatus",
                    "AccelerateConfiguration",
                    "AccessControl",
                    "AnalyticsConfigurations",
                    "BucketNamePrefix",
                    "BucketNamespace",
                    "CorsConfiguration",
                    "IntelligentTieringConfigurations",
                    "InventoryConfigurations",
                    "LifecycleConfiguration",
                    "LoggingConfiguration",
                    "MetadataConfiguration",
                    "MetadataTableConfiguration",
                    "MetricsConfigurations",
                    "ObjectLockConfiguration",
                    "ObjectLockEnabled",
                    "ReplicationConfiguration",
                    "WebsiteConfiguration",
                }
            ),
        ),
        create=_create_bucket,
        update=_update_bucket,
        delete=_delete_bucket,
        attributes=frozenset(
            {"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"}
        ),
        replaced_by=frozenset({"BucketName"}),
        naming=Naming("BucketName", 63, lower=True),
        asks={
            "BucketEncryption": ("s3", "PutBucketEncryption"),
            "NotificationConfiguration": ("s3", "PutBucketNotificationConfiguration"),
            "OwnershipControls": ("s3", "PutBucketOwnershipControls"),
            "PublicAccessBlockConfiguration": ("s3", "PutPublicAccessBlock"),
            "Tags": ("s3", "PutBucketTagging"),
            "VersioningConfiguration": ("s3", "PutBucketVersioning"),
        },
    ),
    Type(
        name="AWS::S3::BucketPolicy",
        properties=Shape(
            {"Bucket": TEXT, "PolicyDocument": POLICY}, required=("Bucket", "PolicyDocument")
        ),
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
        replaced_by=frozenset({"Bucket"}),
    ),
)

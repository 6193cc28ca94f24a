"""AWS::Logs::LogGroup.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
"""

from __future__ import annotations

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import INTEGER, TAGS, TEXT, Shape


def _group(hands: Hands, name: str) -> Made:
    return Made(name, {"Arn": hands.arn("logs", f"log-group:{name}:*")})


def _tags(properties: Fields) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


async def _create(hands: Hands, properties: Fields) -> Made:
    request: Fields = {"logGroupName": hands.name}
    if "KmsKeyId" in properties:
        request["kmsKeyId"] = properties["KmsKeyId"]
    if "LogGroupClass" in properties:
        request["logGroupClass"] = properties["LogGroupClass"]
    if _tags(properties):
        request["tags"] = _tags(properties)
    await hands.do("logs", "CreateLogGroup", request)
    hands.made(hands.name)
    if "RetentionInDays" in properties:
        await _retain(hands, hands.name, properties["RetentionInDays"])
    return _group(hands, hands.name)


async def _retain(hands: Hands, name: str, days: int) -> None:
    request = {"logGroupName": name, "retentionInDays": days}
    await hands.do("logs", "PutRetentionPolicy", request)


async def _update(hands: Hands, present: Present, properties: Fields) -> Made:
    name, old = present.physical, present.properties
    days = properties.get("RetentionInDays")
    if days != old.get("RetentionInDays"):
        if days is None:
            await hands.do("logs", "DeleteRetentionPolicy", {"logGroupName": name})
        else:
            await _retain(hands, name, days)
    key = properties.get("KmsKeyId")
    if key != old.get("KmsKeyId"):
        if key is None:
            await hands.do("logs", "DisassociateKmsKey", {"logGroupName": name})
        else:
            request = {"logGroupName": name, "kmsKeyId": key}
            await hands.do("logs", "AssociateKmsKey", request)
    tags, tagged = _tags(properties), _tags(old)
    arn = hands.arn("logs", f"log-group:{name}")
    gone = [tag for tag in tagged if tag not in tags]
    if gone:
        await hands.do("logs", "UntagResource", {"resourceArn": arn, "tagKeys": gone})
    if tags and tags != tagged:
        await hands.do("logs", "TagResource", {"resourceArn": arn, "tags": tags})
    return _group(hands, name)


async def _delete(hands: Hands, present: Present) -> None:
    await hands.drop("logs", "DeleteLogGroup", {"logGroupName": present.physical})


TYPES = (
    Type(
        name="AWS::Logs::LogGroup",
        properties=Shape(
            {
                "KmsKeyId": TEXT,
                "LogGroupClass": TEXT,
                "LogGroupName": TEXT,
                "RetentionInDays": INTEGER,
                "Tags": TAGS,
            },
            refused=frozenset(
                {
                    "BearerTokenAuthenticationEnabled",
                    "DataProtectionPolicy",
                    "DeletionProtectionEnabled",
                    "FieldIndexPolicies",
                    "ResourcePolicyDocument",
                }
            ),
        ),
        create=_create,
        update=_update,
        delete=_delete,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"LogGroupName", "LogGroupClass"}),
        naming=Naming("LogGroupName", 512),
        asks={
            "RetentionInDays": ("logs", "PutRetentionPolicy"),
            "KmsKeyId": ("logs", "AssociateKmsKey"),
        },
    ),
)

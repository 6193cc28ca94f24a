"""AWS::KMS::Key and AWS::KMS::Alias.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_KMS.html
"""

from __future__ import annotations

import json

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Hands, Made, Naming, Present, Refusal
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import BOOLEAN, INTEGER, POLICY, TAGS, TEXT, Shape

PENDING_DAYS = 30


def _tags(properties: Fields) -> list[Fields]:
    return [{"TagKey": t["Key"], "TagValue": t["Value"]} for t in properties.get("Tags", [])]


def _check_rotation(properties: Fields) -> None:
    """In the handler's words (github.com/badmintoncryer/cdk-preflight, pf-kms-key-rotation)."""
    symmetric = properties.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    if properties.get("EnableKeyRotation") and (
        not symmetric or properties.get("Origin") == "EXTERNAL"
    ):
        raise Refusal(
            "Invalid request provided: You cannot set the EnableKeyRotation property to true on "
            "asymmetric or external keys.",
            "InvalidRequest", bare=True,
        )  # fmt: skip


async def _create_key(hands: Hands, properties: Fields) -> Made:
    _check_rotation(properties)
    request: Fields = {
        "Policy": json.dumps(properties["KeyPolicy"]) if "KeyPolicy" in properties else None,
        "Tags": _tags(properties) or None,
    }
    for name in (
        "Description", "KeySpec", "KeyUsage", "MultiRegion", "Origin",
        "BypassPolicyLockoutSafetyCheck",
    ):  # fmt: skip
        request[name] = properties.get(name)
    request = {name: value for name, value in request.items() if value is not None}

    async def recognise() -> Fields | None:
        return await _made_before(hands, request)

    created = await hands.do("kms", "CreateKey", request, recognise)
    key = created["KeyMetadata"]
    hands.made(key["KeyId"])
    if properties.get("EnableKeyRotation"):
        await hands.do("kms", "EnableKeyRotation", _rotation(key["KeyId"], properties))
    if properties.get("Enabled") is False:
        await hands.do("kms", "DisableKey", {"KeyId": key["KeyId"]})
    return _key(key["KeyId"], key["Arn"])


async def _made_before(hands: Hands, request: Fields) -> Fields | None:
    """The key that an earlier run asked for before the process died: CreateKey names its key
    itself, so it is recognised by being new, unused and exactly what was asked for."""
    marker: Fields = {}
    while True:
        page = await hands.look("kms", "ListKeys", marker)
        for entry in page["Keys"]:
            found = await hands.look("kms", "DescribeKey", {"KeyId": entry["KeyId"]})
            metadata: Fields = found["KeyMetadata"]
            if (
                metadata["CreationDate"] < hands.since
                or metadata.get("Description", "") != request.get("Description", "")
                or await hands.owned("AWS::KMS::Key", metadata["KeyId"])
            ):
                continue
            if "Policy" in request:
                ask = {"KeyId": entry["KeyId"], "PolicyName": "default"}
                policy = await hands.look("kms", "GetKeyPolicy", ask)
                if json.loads(policy["Policy"]) != json.loads(request["Policy"]):
                    continue
            return found
        if not page.get("Truncated"):
            return None
        marker = {"Marker": page["NextMarker"]}


def _rotation(key_id: str, properties: Fields) -> Fields:
    request: Fields = {"KeyId": key_id}
    if "RotationPeriodInDays" in properties:
        request["RotationPeriodInDays"] = properties["RotationPeriodInDays"]
    return request


def _key(key_id: str, arn: str) -> Made:
    return Made(key_id, {"Arn": arn, "KeyId": key_id})


async def _update_key(hands: Hands, present: Present, properties: Fields) -> Made:
    _check_rotation(properties)
    key, old = present.physical, present.properties
    enabled, was = properties.get("Enabled", True), old.get("Enabled", True)
    if enabled and not was:
        await hands.do("kms", "EnableKey", {"KeyId": key})
    if properties.get("Description", "") != old.get("Description", ""):
        request = {"KeyId": key, "Description": properties.get("Description", "")}
        await hands.do("kms", "UpdateKeyDescription", request)
    if "KeyPolicy" in properties and properties["KeyPolicy"] != old.get("KeyPolicy"):
        request = {"KeyId": key, "Policy": json.dumps(properties["KeyPolicy"])}
        if properties.get("BypassPolicyLockoutSafetyCheck"):
            request["BypassPolicyLockoutSafetyCheck"] = True
        await hands.do("kms", "PutKeyPolicy", request)
    rotated, rotating = old.get("EnableKeyRotation", False), properties.get("EnableKeyRotation")
    if rotating and (
        not rotated or properties.get("RotationPeriodInDays") != old.get("RotationPeriodInDays")
    ):
        await hands.do("kms", "EnableKeyRotation", _rotation(key, properties))
    elif rotated and not rotating:
        await hands.do("kms", "DisableKeyRotation", {"KeyId": key})
    tags = {tag["TagKey"] for tag in _tags(properties)}
    gone = [tag["TagKey"] for tag in _tags(old) if tag["TagKey"] not in tags]
    if gone:
        await hands.do("kms", "UntagResource", {"KeyId": key, "TagKeys": gone})
    if tags and _tags(properties) != _tags(old):
        await hands.do("kms", "TagResource", {"KeyId": key, "Tags": _tags(properties)})
    if was and not enabled:
        await hands.do("kms", "DisableKey", {"KeyId": key})
    return _key(key, hands.arn("kms", f"key/{key}"))


async def _delete_key(hands: Hands, present: Present) -> None:
    days = present.properties.get("PendingWindowInDays", PENDING_DAYS)
    metadata = await hands.look("kms", "DescribeKey", {"KeyId": present.physical})
    if metadata["KeyMetadata"]["KeyState"] == "PendingDeletion":
        return
    request = {"KeyId": present.physical, "PendingWindowInDays": days}
    await hands.drop("kms", "ScheduleKeyDeletion", request)


async def _create_alias(hands: Hands, properties: Fields) -> Made:
    request = {"AliasName": hands.name, "TargetKeyId": properties["TargetKeyId"]}
    await hands.do_all(("kms", "CreateAlias", request))
    return Made(hands.name)


async def _update_alias(hands: Hands, present: Present, properties: Fields) -> Made:
    request = {"AliasName": present.physical, "TargetKeyId": properties["TargetKeyId"]}
    await hands.do("kms", "UpdateAlias", request)
    return Made(present.physical)


async def _delete_alias(hands: Hands, present: Present) -> None:
    await hands.drop("kms", "DeleteAlias", {"AliasName": present.physical})


TYPES = (
    Type(
        name="AWS::KMS::Key",
        properties=Shape(
            {
                "BypassPolicyLockoutSafetyCheck": BOOLEAN,
                "Description": TEXT,
                "Enabled": BOOLEAN,
                "EnableKeyRotation": BOOLEAN,
                "KeyPolicy": POLICY,
                "KeySpec": TEXT,
                "KeyUsage": TEXT,
                "MultiRegion": BOOLEAN,
                "Origin": TEXT,
                "PendingWindowInDays": INTEGER,
                "RotationPeriodInDays": INTEGER,
                "Tags": TAGS,
            }
        ),
        create=_create_key,
        update=_update_key,
        delete=_delete_key,
        attributes=frozenset({"Arn", "KeyId"}),
        fixed=frozenset({"KeySpec", "KeyUsage", "MultiRegion", "Origin"}),
        asks={"EnableKeyRotation": ("kms", "EnableKeyRotation")},
    ),
    Type(
        name="AWS::KMS::Alias",
        properties=Shape(
            {"AliasName": TEXT, "TargetKeyId": TEXT}, required=("AliasName", "TargetKeyId")
        ),
        create=_create_alias,
        update=_update_alias,
        delete=_delete_alias,
        replaced_by=frozenset({"AliasName"}),
        naming=Naming("AliasName", 256),
    ),
)

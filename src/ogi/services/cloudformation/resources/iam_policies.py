"""AWS::IAM::Policy and AWS::IAM::ManagedPolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

import json

from ogi.service import Fields
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.resources.contract import Ask, Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.resources.iam import ROLE, USER, Entity
from ogi.services.cloudformation.schemas import POLICY, TAGS, TEXT, TEXTS, Shape
from ogi.services.cloudformation.values import Later

_HOLDERS: tuple[tuple[str, Entity], ...] = (("Roles", ROLE), ("Users", USER))


def _holders(properties: Fields) -> list[tuple[Entity, str]]:
    return [(entity, name) for key, entity in _HOLDERS for name in properties.get(key, [])]


# -- inline policies ----------------------------------------------------------------------------


def _check(properties: Fields) -> None:
    given = [properties.get(key) for key, _ in _HOLDERS]
    if not any(isinstance(value, Later) or value for value in given):
        raise ValidationError("At least one of [Groups,Roles,Users] must be non-empty.")


def _puts(properties: Fields) -> list[Ask]:
    document = json.dumps(properties["PolicyDocument"])
    name = properties["PolicyName"]
    return [
        entity.ask("Put", holder, "Policy", PolicyName=name, PolicyDocument=document)
        for entity, holder in _holders(properties)
    ]


async def _create_policy(hands: Hands, properties: Fields) -> Made:
    await hands.do_all(*_puts(properties))
    hands.made(hands.name)
    return Made(hands.name, {"Id": hands.name})


async def _update_policy(hands: Hands, present: Present, properties: Fields) -> Made:
    old, name = present.properties, properties["PolicyName"]
    await hands.do_all(*_puts(properties))
    kept = _holders(properties) if old["PolicyName"] == name else []
    await _take(hands, old, kept)
    return Made(present.physical, {"Id": present.physical})


async def _take(hands: Hands, old: Fields, kept: list[tuple[Entity, str]]) -> None:
    for entity, holder in _holders(old):
        if (entity, holder) not in kept:
            ask = entity.ask("Delete", holder, "Policy", PolicyName=old["PolicyName"])
            await hands.drop(*ask)


async def _delete_policy(hands: Hands, present: Present) -> None:
    await _take(hands, present.properties, [])


# -- managed policies ---------------------------------------------------------------------------


def _attachments(arn: str, properties: Fields, verb: str, but: Fields) -> list[Ask]:
    spared = _holders(but)
    return [
        entity.ask(verb, holder, "Policy", PolicyArn=arn)
        for entity, holder in _holders(properties)
        if (entity, holder) not in spared
    ]


async def _create_managed(hands: Hands, properties: Fields) -> Made:
    path = properties.get("Path", "/")
    request: Fields = {
        "PolicyName": hands.name,
        "PolicyDocument": json.dumps(properties["PolicyDocument"]),
        "Path": path,
    }
    for key in ("Description", "Tags"):
        if properties.get(key):
            request[key] = properties[key]
    arn = f"arn:aws:iam::{hands.account}:policy{path}{hands.name}"
    created, *_ = await hands.do_all(
        ("iam", "CreatePolicy", request), *_attachments(arn, properties, "Attach", {})
    )
    hands.made(arn)
    return _managed(arn, created["Policy"])


def _managed(arn: str, policy: Fields) -> Made:
    return Made(arn, {"PolicyArn": arn, "PolicyId": policy.get("PolicyId", "")})


async def _update_managed(hands: Hands, present: Present, properties: Fields) -> Made:
    arn, old = present.physical, present.properties
    if properties["PolicyDocument"] != old["PolicyDocument"]:
        # A policy has at most five versions: CloudFormation keeps only the one in force.
        listed = await hands.look("iam", "ListPolicyVersions", {"PolicyArn": arn})
        asks: list[Ask] = [
            ("iam", "DeletePolicyVersion", {"PolicyArn": arn, "VersionId": v["VersionId"]})
            for v in listed["Versions"]
            if not v["IsDefaultVersion"]
        ]
        request = {
            "PolicyArn": arn,
            "PolicyDocument": json.dumps(properties["PolicyDocument"]),
            "SetAsDefault": True,
        }
        await hands.do_all(*asks, ("iam", "CreatePolicyVersion", request))
    asks = [
        *_attachments(arn, properties, "Attach", old),
        *_attachments(arn, old, "Detach", properties),
    ]
    if asks:
        await hands.do_all(*asks)
    return Made(arn, present.attributes)


async def _delete_managed(hands: Hands, present: Present) -> None:
    arn = present.physical
    for ask in _attachments(arn, present.properties, "Detach", {}):
        await hands.drop(*ask)
    listed = await hands.look("iam", "ListPolicyVersions", {"PolicyArn": arn})
    for version in listed["Versions"]:
        if not version["IsDefaultVersion"]:
            request = {"PolicyArn": arn, "VersionId": version["VersionId"]}
            await hands.drop("iam", "DeletePolicyVersion", request)
    await hands.drop("iam", "DeletePolicy", {"PolicyArn": arn})


TYPES = (
    Type(
        name="AWS::IAM::Policy",
        properties=Shape(
            {"PolicyDocument": POLICY, "PolicyName": TEXT, "Roles": TEXTS, "Users": TEXTS},
            required=("PolicyDocument", "PolicyName"),
            refused=frozenset({"Groups"}),
        ),
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
        attributes=frozenset({"Id"}),
        naming=Naming(chars_max=128),
        capability="CAPABILITY_IAM",
        check=_check,
    ),
    Type(
        name="AWS::IAM::ManagedPolicy",
        properties=Shape(
            {
                "Description": TEXT,
                "ManagedPolicyName": TEXT,
                "Path": TEXT,
                "PolicyDocument": POLICY,
                "Roles": TEXTS,
                "Tags": TAGS,
                "Users": TEXTS,
            },
            required=("PolicyDocument",),
            refused=frozenset({"Groups"}),
        ),
        create=_create_managed,
        update=_update_managed,
        delete=_delete_managed,
        attributes=frozenset({"PolicyArn", "PolicyId"}),
        replaced_by=frozenset({"Description", "ManagedPolicyName", "Path"}),
        fixed=frozenset({"Tags"}),
        naming=Naming("ManagedPolicyName", 128, iam=True),
        capability="CAPABILITY_IAM",
    ),
)

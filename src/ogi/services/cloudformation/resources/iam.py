"""AWS::IAM::Role and AWS::IAM::User.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ogi.service import Fields
from ogi.services.cloudformation.resources.contract import Ask, Hands, Made, Naming, Present
from ogi.services.cloudformation.resources.contract import ResourceType as Type
from ogi.services.cloudformation.schemas import INTEGER, POLICY, TAGS, TEXT, TEXTS, List, Shape

POLICIES = List(
    Shape({"PolicyDocument": POLICY, "PolicyName": TEXT}, required=("PolicyDocument", "PolicyName"))
)


@dataclass(frozen=True)
class Entity:
    """IAM's operations on a role or a user differ in this word only."""

    word: str

    @property
    def name(self) -> str:
        return f"{self.word}Name"

    def ask(self, verb: str, name: str, rest: str = "", **members: object) -> Ask:
        return ("iam", f"{verb}{self.word}{rest}", {self.name: name, **members})


ROLE, USER = Entity("Role"), Entity("User")


def _inline(properties: Fields) -> dict[str, str]:
    return {
        policy["PolicyName"]: json.dumps(policy["PolicyDocument"])
        for policy in properties.get("Policies", [])
    }


def _grants(entity: Entity, name: str, properties: Fields, old: Fields) -> list[Ask]:
    """What makes the entity's policies what `properties` say, from what `old` says."""
    asks: list[Ask] = []
    managed, had = properties.get("ManagedPolicyArns", []), old.get("ManagedPolicyArns", [])
    asks += [entity.ask("Attach", name, "Policy", PolicyArn=a) for a in managed if a not in had]
    asks += [entity.ask("Detach", name, "Policy", PolicyArn=a) for a in had if a not in managed]
    inline, was = _inline(properties), _inline(old)
    for key, document in inline.items():
        if was.get(key) != document:
            asks.append(entity.ask("Put", name, "Policy", PolicyName=key, PolicyDocument=document))
    asks += [entity.ask("Delete", name, "Policy", PolicyName=k) for k in was if k not in inline]
    return asks


def _boundary_and_tags(entity: Entity, name: str, properties: Fields, old: Fields) -> list[Ask]:
    asks: list[Ask] = []
    boundary = properties.get("PermissionsBoundary")
    if boundary != old.get("PermissionsBoundary"):
        if boundary is None:
            asks.append(entity.ask("Delete", name, "PermissionsBoundary"))
        else:
            asks.append(
                entity.ask("Put", name, "PermissionsBoundary", PermissionsBoundary=boundary)
            )
    tags, tagged = properties.get("Tags", []), old.get("Tags", [])
    keys = {tag["Key"] for tag in tags}
    gone = [tag["Key"] for tag in tagged if tag["Key"] not in keys]
    if gone:
        asks.append(entity.ask("Untag", name, TagKeys=gone))
    if tags and tags != tagged:
        asks.append(entity.ask("Tag", name, Tags=tags))
    return asks


def _creation(properties: Fields, names: tuple[str, ...]) -> Fields:
    found = {name: properties[name] for name in names if name in properties}
    if properties.get("Tags"):
        found["Tags"] = properties["Tags"]
    return found


# -- roles --------------------------------------------------------------------------------------


async def _create_role(hands: Hands, properties: Fields) -> Made:
    name = hands.name
    members = _creation(
        properties, ("Description", "MaxSessionDuration", "Path", "PermissionsBoundary")
    )
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    create = ROLE.ask("Create", name, AssumeRolePolicyDocument=trust, **members)
    created, *_ = await hands.do_all(create, *_grants(ROLE, name, properties, {}))
    hands.made(name)
    return Made(name, {"Arn": created["Role"]["Arn"], "RoleId": created["Role"]["RoleId"]})


async def _update_role(hands: Hands, present: Present, properties: Fields) -> Made:
    name, old = present.physical, present.properties
    asks: list[Ask] = []
    if properties["AssumeRolePolicyDocument"] != old["AssumeRolePolicyDocument"]:
        trust = json.dumps(properties["AssumeRolePolicyDocument"])
        asks.append(("iam", "UpdateAssumeRolePolicy", {"RoleName": name, "PolicyDocument": trust}))
    described = ("Description", "MaxSessionDuration")
    if any(properties.get(key) != old.get(key) for key in described):
        members = {
            "Description": properties.get("Description", ""),
            "MaxSessionDuration": properties.get("MaxSessionDuration", 3600),
        }
        asks.append(ROLE.ask("Update", name, **members))
    asks += _boundary_and_tags(ROLE, name, properties, old)
    asks += _grants(ROLE, name, properties, old)
    if asks:
        await hands.do_all(*asks)
    return Made(name, present.attributes)


async def _delete_role(hands: Hands, present: Present) -> None:
    await _delete_entity(hands, ROLE, present)


async def _delete_entity(hands: Hands, entity: Entity, present: Present) -> None:
    """With the policies that the template gave it; others make IAM refuse, as on AWS."""
    name = present.physical
    for ask in _grants(entity, name, {}, present.properties):
        await hands.drop(*ask)
    await hands.drop(*entity.ask("Delete", name))


# -- users --------------------------------------------------------------------------------------


async def _create_user(hands: Hands, properties: Fields) -> Made:
    name = hands.name
    members = _creation(properties, ("Path", "PermissionsBoundary"))
    created, *_ = await hands.do_all(
        USER.ask("Create", name, **members), *_grants(USER, name, properties, {})
    )
    hands.made(name)
    return Made(name, {"Arn": created["User"]["Arn"]})


async def _update_user(hands: Hands, present: Present, properties: Fields) -> Made:
    name, old = present.physical, present.properties
    asks = [
        *_boundary_and_tags(USER, name, properties, old),
        *_grants(USER, name, properties, old),
    ]
    if asks:
        await hands.do_all(*asks)
    return Made(name, present.attributes)


async def _delete_user(hands: Hands, present: Present) -> None:
    await _delete_entity(hands, USER, present)


TYPES = (
    Type(
        name="AWS::IAM::Role",
        properties=Shape(
            {
                "AssumeRolePolicyDocument": POLICY,
                "Description": TEXT,
                "ManagedPolicyArns": TEXTS,
                "MaxSessionDuration": INTEGER,
                "Path": TEXT,
                "PermissionsBoundary": TEXT,
                "Policies": POLICIES,
                "RoleName": TEXT,
                "Tags": TAGS,
            },
            required=("AssumeRolePolicyDocument",),
        ),
        create=_create_role,
        update=_update_role,
        delete=_delete_role,
        attributes=frozenset({"Arn", "RoleId"}),
        replaced_by=frozenset({"Path", "RoleName"}),
        naming=Naming("RoleName", 64, iam=True),
        capability="CAPABILITY_IAM",
        asks={
            "Policies": ("iam", "PutRolePolicy"),
            "PermissionsBoundary": ("iam", "PutRolePermissionsBoundary"),
        },
    ),
    Type(
        name="AWS::IAM::User",
        properties=Shape(
            {
                "ManagedPolicyArns": TEXTS,
                "Path": TEXT,
                "PermissionsBoundary": TEXT,
                "Policies": POLICIES,
                "Tags": TAGS,
                "UserName": TEXT,
            },
            refused=frozenset({"Groups", "LoginProfile"}),
        ),
        create=_create_user,
        update=_update_user,
        delete=_delete_user,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"Path", "UserName"}),
        naming=Naming("UserName", 64, iam=True),
        capability="CAPABILITY_IAM",
        asks={
            "Policies": ("iam", "PutUserPolicy"),
            "PermissionsBoundary": ("iam", "PutUserPermissionsBoundary"),
        },
    ),
)

"""What policies may ask about a request to IAM: boundaries, policies, tags, and passed roles.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.lambda_ import roles
from tests.services.sts.test_sts import policy, role, trust, user
from tests.world import ACCOUNT, World

SQS = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
FUNCTIONS = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:"
RED, BLUE = [{"Key": "Team", "Value": "red"}], [{"Key": "Team", "Value": "blue"}]


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", "sts", "lambda_", authorise=authorise)


async def denied(world: World, call: Call, operation: str, **request: Any) -> str:
    with pytest.raises(AwsError, match="not authorized to perform") as refusal:
        await world.call_as(call, "iam", operation, **request)
    return refusal.value.message


async def test_a_delegate_makes_only_users_within_the_boundary(world: World) -> None:
    """The example of access_policies_boundaries.html#access_policies_boundaries-delegate."""
    within = {"StringEquals": {"iam:PermissionsBoundary": SQS}}
    actions = ["CreateUser", "PutUserPolicy", "AttachUserPolicy", "PutUserPermissionsBoundary"]
    zhang = await user(world, policy([f"iam:{a}" for a in actions], Condition=within), "zhang")
    await denied(world, zhang, "CreateUser", UserName="free")
    await denied(world, zhang, "CreateUser", UserName="free", PermissionsBoundary=ADMIN)
    await world.call_as(zhang, "iam", "CreateUser", UserName="bound", PermissionsBoundary=SQS)
    document = policy("*")
    put = {"PolicyName": "p", "PolicyDocument": document}
    await world.call_as(zhang, "iam", "PutUserPolicy", UserName="bound", **put)
    await world.call_as(zhang, "iam", "AttachUserPolicy", UserName="bound", PolicyArn=ADMIN)
    await world.call("iam", "CreateUser", UserName="other")
    await denied(world, zhang, "PutUserPolicy", UserName="other", **put)
    await denied(world, zhang, "AttachUserPolicy", UserName="other", PolicyArn=ADMIN)
    await denied(
        world, zhang, "PutUserPermissionsBoundary", UserName="bound", PermissionsBoundary=ADMIN
    )
    await world.call_as(
        zhang, "iam", "PutUserPermissionsBoundary", UserName="bound", PermissionsBoundary=SQS
    )
    await denied(world, zhang, "DeleteUserPermissionsBoundary", UserName="bound")


async def test_only_named_policies_may_be_attached(world: World) -> None:
    named = {"ArnEquals": {"iam:PolicyARN": SQS}}
    bob = await user(world, policy("iam:AttachUserPolicy", Condition=named))
    await world.call_as(bob, "iam", "AttachUserPolicy", UserName="bob", PolicyArn=SQS)
    await denied(world, bob, "AttachUserPolicy", UserName="bob", PolicyArn=ADMIN)


@pytest.mark.parametrize("key", ["aws:ResourceTag/Team", "iam:ResourceTag/team"])
async def test_access_to_identities_can_depend_on_their_tags(world: World, key: str) -> None:
    may = policy(["iam:Get*", "iam:Delete*"], Condition={"StringEquals": {key: "red"}})
    bob = await user(world, may)
    for name, tags in (("red", RED), ("blue", BLUE)):
        await world.call("iam", "CreateUser", UserName=name, Tags=tags)
        await role(world, trust({"AWS": ACCOUNT}), name=f"r-{name}", Tags=tags)
        await world.call("iam", "CreatePolicy", PolicyName=name, PolicyDocument=policy(), Tags=tags)
        await world.call("iam", "CreateInstanceProfile", InstanceProfileName=name, Tags=tags)
    for operation, member, value in (
        ("GetUser", "UserName", "{}"), ("GetRole", "RoleName", "r-{}"),
        ("GetPolicy", "PolicyArn", f"arn:aws:iam::{ACCOUNT}:policy/{{}}"),
        ("GetInstanceProfile", "InstanceProfileName", "{}"), ("DeleteUser", "UserName", "{}"),
    ):  # fmt: skip
        await world.call_as(bob, "iam", operation, **{member: value.format("red")})
        await denied(world, bob, operation, **{member: value.format("blue")})


async def test_tags_may_be_asked_for_and_need_permission_of_their_own(world: World) -> None:
    tagged = {"StringEquals": {"aws:RequestTag/Team": "red"},
              "ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}}  # fmt: skip
    may = ["iam:CreateUser", "iam:CreateRole", "iam:TagUser", "iam:UntagUser"]
    bob = await user(world, policy(may, Condition=tagged))
    await world.call_as(bob, "iam", "CreateUser", UserName="eve", Tags=RED)
    await denied(world, bob, "CreateUser", UserName="ann", Tags=BLUE)
    await denied(world, bob, "CreateUser", UserName="ann")
    more = [*RED, {"Key": "Cost", "Value": "1"}]
    await denied(world, bob, "CreateUser", UserName="ann", Tags=more)
    await denied(world, bob, "TagUser", UserName="eve", Tags=BLUE)
    document = trust({"AWS": ACCOUNT})
    refusal = await denied(
        world, bob, "CreateRole", RoleName="x", AssumeRolePolicyDocument=document, Tags=RED
    )
    assert "iam:TagRole" in refusal


async def test_a_role_that_is_passed_to_instances_needs_permission_to_pass_it(
    world: World,
) -> None:
    """Who could pass an administrator's role on would be one."""
    bob = await user(world, policy("iam:AddRoleToInstanceProfile"))
    await world.call("iam", "CreateInstanceProfile", InstanceProfileName="p")
    await role(world, trust({"Service": "ec2.amazonaws.com"}))
    add = {"InstanceProfileName": "p", "RoleName": "r"}
    assert "iam:PassRole" in await denied(world, bob, "AddRoleToInstanceProfile", **add)
    passing = {
        "StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"},
        "ArnLike": {"iam:AssociatedResourceArn": f"arn:aws:ec2:*:{ACCOUNT}:instance/*"},
    }
    texts = policy("iam:AddRoleToInstanceProfile"), policy("iam:PassRole", Condition=passing)
    statements = [json.loads(text)["Statement"][0] for text in texts]
    await world.call(
        "iam", "PutUserPolicy", UserName="bob", PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )  # fmt: skip
    await world.call_as(bob, "iam", "AddRoleToInstanceProfile", **add)


@pytest.mark.parametrize(
    ("condition", "good"),
    [
        ({}, True),
        ({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}, True),
        ({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, False),
        ({"ArnLike": {"iam:AssociatedResourceArn": FUNCTIONS + "f"}}, True),
        ({"ArnLike": {"iam:AssociatedResourceArn": FUNCTIONS + "g"}}, False),
        ({"StringEquals": {"iam:ResourceTag/Team": "red"}}, True),
        ({"StringEquals": {"aws:ResourceTag/Team": "blue"}}, False),
    ],
)  # fmt: skip
async def test_a_role_is_passed_to_whom_and_for_what_the_policy_says(
    world: World, condition: Any, good: bool
) -> None:
    statements = [json.loads(policy("lambda:CreateFunction"))["Statement"][0],
                  json.loads(policy("iam:PassRole"))["Statement"][0]]  # fmt: skip
    if condition:
        statements[1]["Condition"] = condition
    bob = await user(world, json.dumps({"Version": "2012-10-17", "Statement": statements}))
    await role(world, trust({"Service": "lambda.amazonaws.com"}), Tags=RED)
    lambda_ = world.ports.services["lambda"]

    def check(tx: Any) -> None:
        roles.check(tx, bob, lambda_, f"arn:aws:iam::{ACCOUNT}:role/r", f"{FUNCTIONS}f")

    if good:
        await world.store.read(check)
        return
    with pytest.raises(AwsError, match="not authorized to perform: iam:PassRole"):
        await world.store.read(check)

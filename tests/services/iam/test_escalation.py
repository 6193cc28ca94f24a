"""Ways in which somebody with a little permission tries to get more, and where each ends.

docs.aws.amazon.com/IAM/latest/UserGuide: access_policies_managed-versioning.html,
id_roles_use_passrole.html, access_policies_boundaries.html.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Call
from tests.services.sts.test_sts import assume, policy, role, trust, user
from tests.world import ACCOUNT, World

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
FOREIGN = "arn:aws:iam::999988887777:policy/p"
OWN = f"arn:aws:iam::{ACCOUNT}:policy/own"
READ = ["iam:Get*", "iam:List*"]


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", "sts", "sns", authorise=authorise)


async def denied(
    world: World, call: Call, operation: str, service: str = "iam", **asked: Any
) -> str:
    with pytest.raises(AwsError, match=r"(?i)not authorized to perform") as refusal:
        await world.call_as(call, service, operation, **asked)
    return refusal.value.message


async def reader(world: World, *more: str, **rest: Any) -> Call:
    """Somebody with a policy of his own that lets him read, and whatever `more` says."""
    await world.call("iam", "CreatePolicy", PolicyName="own", PolicyDocument=policy([*READ, *more]))
    bob = await user(world)
    await world.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=OWN)
    if rest:
        await world.call("iam", "PutUserPermissionsBoundary", UserName="bob", **rest)
    return bob


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreatePolicyVersion", {"PolicyArn": OWN, "PolicyDocument": policy()}),
        ("SetDefaultPolicyVersion", {"PolicyArn": OWN, "VersionId": "v2"}),
        ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": ADMIN}),
        ("PutUserPolicy", {"UserName": "bob", "PolicyName": "p", "PolicyDocument": policy()}),
        ("AddUserToGroup", {"GroupName": "admins", "UserName": "bob"}),
        ("CreateAccessKey", {"UserName": "root-like"}),
        ("UpdateAssumeRolePolicy", {"RoleName": "admin", "PolicyDocument": trust({"AWS": "*"})}),
        ("AttachRolePolicy", {"RoleName": "weak", "PolicyArn": ADMIN}),
        ("PutRolePolicy", {"RoleName": "weak", "PolicyName": "p", "PolicyDocument": policy()}),
        ("CreateRole", {"RoleName": "mine", "AssumeRolePolicyDocument": trust({"AWS": ACCOUNT})}),
        ("DeleteUserPermissionsBoundary", {"UserName": "bob"}),
        ("UpdateUser", {"UserName": "bob", "NewUserName": "admin"}),
        ("CreateOpenIDConnectProvider", {"Url": "https://evil.example"}),
        ("TagUser", {"UserName": "bob", "Tags": [{"Key": "role", "Value": "admin"}]}),
    ],
)  # fmt: skip
async def test_who_may_only_read_cannot_make_himself_more(
    world: World, operation: str, request_: dict[str, Any]
) -> None:
    bob = await reader(world)
    await world.call(
        "iam", "CreatePolicyVersion", PolicyArn=OWN, PolicyDocument=policy(), SetAsDefault=False
    )
    message = await denied(world, bob, operation, **request_)
    assert f"iam:{operation}" in message
    await denied(world, bob, "CreateUser", UserName="eve")


async def test_an_old_version_that_allowed_more_is_no_way_back(world: World) -> None:
    """Versions stay; who may set the default one may choose any, so only that needs guarding."""
    bob = await reader(world, "iam:CreatePolicyVersion")
    await world.call_as(
        bob, "iam", "CreatePolicyVersion", PolicyArn=OWN, PolicyDocument=policy()
    )  # Allowed, and worth nothing while it is not the default...
    await denied(world, bob, "CreateUser", UserName="eve")
    await denied(world, bob, "SetDefaultPolicyVersion", PolicyArn=OWN, VersionId="v2")
    # ...but setting it in the same request needs no other permission on AWS, nor here:
    await world.call_as(
        bob, "iam", "CreatePolicyVersion", PolicyArn=OWN, PolicyDocument=policy(),
        SetAsDefault=True,
    )  # fmt: skip
    await world.call_as(bob, "iam", "CreateUser", UserName="eve")


async def test_a_boundary_holds_whatever_one_gives_oneself(world: World) -> None:
    limit = policy([*READ, "iam:CreatePolicyVersion", "iam:PutUserPolicy", "sns:*"])
    await world.call("iam", "CreatePolicy", PolicyName="limit", PolicyDocument=limit)
    bob = await reader(
        world, "iam:CreatePolicyVersion", "iam:PutUserPolicy",
        PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/limit",
    )  # fmt: skip
    await world.call_as(
        bob, "iam", "CreatePolicyVersion", PolicyArn=OWN, PolicyDocument=policy(),
        SetAsDefault=True,
    )  # fmt: skip
    everything = {"UserName": "bob", "PolicyName": "p", "PolicyDocument": policy()}
    await world.call_as(bob, "iam", "PutUserPolicy", **everything)
    for operation, request in (
        ("CreateUser", {"UserName": "eve"}),
        ("DeleteUserPermissionsBoundary", {"UserName": "bob"}),
        ("PutUserPermissionsBoundary", {"UserName": "bob", "PermissionsBoundary": ADMIN}),
    ):
        assert "because no permissions boundary allows" in await denied(
            world, bob, operation, **request
        )
    await world.call_as(bob, "sns", "CreateTopic", Name="t")


async def test_a_session_s_limits_hold_for_the_sessions_it_begins(world: World) -> None:
    """A session policy limits the session only; whom it may become, it must be allowed to."""
    bob = await user(world, policy())
    await role(world, trust({"AWS": ACCOUNT}), policy())
    await role(world, trust({"AWS": ACCOUNT}), policy(), name="r2")
    narrow = await assume(world, bob, Policy=policy("iam:ListUsers"))
    second = f"arn:aws:iam::{ACCOUNT}:role/r2"
    message = await denied(world, narrow, "AssumeRole", "sts", RoleArn=second, RoleSessionName="xx")
    assert "sts:AssumeRole" in message
    await denied(world, narrow, "PutRolePolicy", RoleName="r", PolicyName="p",
                 PolicyDocument=policy())  # fmt: skip


async def test_a_role_is_not_passed_by_who_may_not_pass_it(world: World) -> None:
    """SNS writes its delivery logs as a role; who could name any would write as any."""
    await role(world, trust({"Service": "sns.amazonaws.com"}), policy())
    bob = await user(world, policy("sns:*"))
    topic = (await world.call_as(bob, "sns", "CreateTopic", Name="t"))["TopicArn"]
    asked = {"TopicArn": topic, "AttributeName": "SQSSuccessFeedbackRoleArn",
             "AttributeValue": f"arn:aws:iam::{ACCOUNT}:role/r"}  # fmt: skip
    assert "iam:PassRole" in await denied(world, bob, "SetTopicAttributes", "sns", **asked)
    shown = await world.call("sns", "GetTopicAttributes", TopicArn=topic)
    assert "SQSSuccessFeedbackRoleArn" not in shown["Attributes"], "nothing happened by half"


async def test_another_account_s_identities_are_out_of_reach(world: World) -> None:
    """Not even an administrator says anything about another account's identities."""
    admin = await user(world, policy())
    for operation, request in (
        ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": FOREIGN}),
        ("GetPolicy", {"PolicyArn": FOREIGN}),
        ("CreatePolicyVersion", {"PolicyArn": FOREIGN,
                                 "PolicyDocument": policy()}),
        ("DeleteOpenIDConnectProvider",
         {"OpenIDConnectProviderArn": "arn:aws:iam::999988887777:oidc-provider/x.org"}),
    ):  # fmt: skip
        with pytest.raises(AwsError) as refusal:
            await world.call_as(admin, "iam", operation, **request)
        assert refusal.value.shape in ("NoSuchEntityException", "AccessDenied")


async def test_a_document_of_hostile_depth_or_size_is_refused_before_it_costs(world: World) -> None:
    for document in (
        '{"Version":"2012-10-17","Statement":' + "[" * 60_000 + "]" * 60_000 + "}",
        '{"a":' * 20_000 + "1" + "}" * 20_000,
        json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"}] * 1500}),
        policy("iam:" + "*a" * 40_000),
    ):  # fmt: skip
        with pytest.raises(AwsError) as refusal:
            await world.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=document)
        assert refusal.value.shape in (
            "MalformedPolicyDocumentException", "LimitExceededException"
        )  # fmt: skip

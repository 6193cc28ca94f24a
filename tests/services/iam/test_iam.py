"""IAM's rules: entities and their names, policies and their versions, conflicts and quotas."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from ogi.access.authorise import authorise
from ogi.access.credentials import root
from ogi.errors import AwsError
from ogi.services.iam import quotas
from ogi.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NoSuchEntityException,
    ValidationError,
)
from tests.world import ACCOUNT, World

TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
         "Action": "sts:AssumeRole"}
    ],
})  # fmt: skip
ALLOW = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}'
SQS = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", "sts", authorise=authorise)


async def refused(error: type[AwsError], awaited: Any) -> str:
    with pytest.raises(error) as caught:
        await awaited
    return caught.value.message


# -- entities -------------------------------------------------------------------------------------


async def test_a_role_is_as_it_was_made(world: World) -> None:
    made = await world.call(
        "iam", "CreateRole", RoleName="r", Path="/app/", AssumeRolePolicyDocument=TRUST,
        Description="d", MaxSessionDuration=7200, Tags=[{"Key": "k", "Value": "v"}],
    )  # fmt: skip
    role = (await world.call("iam", "GetRole", RoleName="r"))["Role"]
    assert {**made["Role"], "RoleLastUsed": {}} == role
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/app/r"
    assert role["RoleId"].startswith("AROA")
    assert unquote(role["AssumeRolePolicyDocument"]) == TRUST
    assert "{" not in role["AssumeRolePolicyDocument"]
    assert role["MaxSessionDuration"] == 7200
    assert role["Tags"] == [{"Key": "k", "Value": "v"}]


@pytest.mark.parametrize(
    ("create", "member", "sentence"),
    [
        ("CreateUser", "UserName", "User with name N already exists."),
        ("CreateGroup", "GroupName", "Group with name N already exists."),
        ("CreateRole", "RoleName", "Role with name N already exists."),
        ("CreatePolicy", "PolicyName",
         "A policy called N already exists. Duplicate names are not allowed."),
        ("CreateInstanceProfile", "InstanceProfileName", "Instance Profile N already exists."),
    ],
)  # fmt: skip
async def test_names_are_unique_without_regard_to_case(
    world: World, create: str, member: str, sentence: str
) -> None:
    rest = {
        "CreateRole": {"AssumeRolePolicyDocument": TRUST},
        "CreatePolicy": {"PolicyDocument": ALLOW},
    }
    await world.call("iam", create, **{member: "n"}, **rest.get(create, {}))
    again = world.call("iam", create, **{member: "N"}, **rest.get(create, {}))
    assert await refused(EntityAlreadyExistsException, again) == sentence


@pytest.mark.parametrize(
    ("operation", "request_", "sentence"),
    [
        ("GetUser", {"UserName": "x"}, "The user with name x cannot be found."),
        ("GetGroup", {"GroupName": "x"}, "The group with name x cannot be found."),
        ("GetRole", {"RoleName": "x"}, "The role with name x cannot be found."),
        ("DeleteRole", {"RoleName": "x"}, "The role with name x cannot be found."),
        ("GetInstanceProfile", {"InstanceProfileName": "x"},
         "Instance Profile x cannot be found."),
        ("GetPolicy", {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/x"},
         f"Policy arn:aws:iam::{ACCOUNT}:policy/x was not found."),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_said(
    world: World, operation: str, request_: dict[str, str], sentence: str
) -> None:
    assert (
        await refused(NoSuchEntityException, world.call("iam", operation, **request_)) == sentence
    )


async def test_accounts_do_not_see_each_other(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    other = world.caller(root("999988887777"), "999988887777")
    assert (await world.call_as(other, "iam", "ListUsers"))["Users"] == []
    await world.call_as(other, "iam", "CreateUser", UserName="bob")


async def test_lists_come_in_pages(world: World) -> None:
    for n in range(7):
        await world.call("iam", "CreateUser", UserName=f"u{n}", Path="/a/" if n % 2 else "/b/")
    first = await world.call("iam", "ListUsers", MaxItems=3)
    assert first["IsTruncated"]
    names = [user["UserName"] for user in first["Users"]]
    marker = first["Marker"]
    while True:
        page = await world.call("iam", "ListUsers", MaxItems=3, Marker=marker)
        names += [user["UserName"] for user in page["Users"]]
        if not page["IsTruncated"]:
            break
        marker = page["Marker"]
    assert names == [f"u{n}" for n in range(7)]
    some = await world.call("iam", "ListUsers", PathPrefix="/a/")
    assert [user["UserName"] for user in some["Users"]] == ["u1", "u3", "u5"]
    await refused(ValidationError, world.call("iam", "ListUsers", Marker="%"))


async def test_a_renamed_user_keeps_keys_and_groups(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    await world.call("iam", "CreateGroup", GroupName="g")
    await world.call("iam", "AddUserToGroup", GroupName="g", UserName="bob")
    key = (await world.call("iam", "CreateAccessKey", UserName="bob"))["AccessKey"]
    await world.call("iam", "UpdateUser", UserName="bob", NewUserName="bert", NewPath="/x/")
    await refused(NoSuchEntityException, world.call("iam", "GetUser", UserName="bob"))
    keys = await world.call("iam", "ListAccessKeys", UserName="bert")
    assert keys["AccessKeyMetadata"][0]["AccessKeyId"] == key["AccessKeyId"]
    members = await world.call("iam", "GetGroup", GroupName="g")
    assert members["Users"][0]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/x/bert"


async def test_a_renamed_group_keeps_its_members(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    await world.call("iam", "CreateGroup", GroupName="g")
    await world.call("iam", "AddUserToGroup", GroupName="g", UserName="bob")
    await world.call("iam", "UpdateGroup", GroupName="g", NewGroupName="h")
    groups = await world.call("iam", "ListGroupsForUser", UserName="bob")
    assert [group["GroupName"] for group in groups["Groups"]] == ["h"]
    await world.call("iam", "RemoveUserFromGroup", GroupName="h", UserName="bob")
    await world.call("iam", "DeleteGroup", GroupName="h")


# -- conflicts ------------------------------------------------------------------------------------


async def test_what_still_holds_something_is_not_deleted(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    await world.call("iam", "CreateGroup", GroupName="g")
    key = (await world.call("iam", "CreateAccessKey", UserName="bob"))["AccessKey"]["AccessKeyId"]
    await world.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=SQS)
    await world.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=ALLOW)
    await world.call("iam", "AddUserToGroup", GroupName="g", UserName="bob")
    steps = [
        ("must detach all policies first", "DetachUserPolicy", {"PolicyArn": SQS}),
        ("must delete policies first", "DeleteUserPolicy", {"PolicyName": "p"}),
        ("must delete access keys first", "DeleteAccessKey", {"AccessKeyId": key}),
        ("must remove users from group first", "RemoveUserFromGroup", {"GroupName": "g"}),
    ]
    for sentence, operation, rest in steps:
        said = await refused(
            DeleteConflictException, world.call("iam", "DeleteUser", UserName="bob")
        )
        assert sentence in said
        await world.call("iam", operation, UserName="bob", **rest)
    await world.call("iam", "DeleteUser", UserName="bob")


async def test_a_role_in_a_profile_is_not_deleted(world: World) -> None:
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await world.call("iam", "CreateInstanceProfile", InstanceProfileName="i")
    both = {"RoleName": "r", "InstanceProfileName": "i"}
    await world.call("iam", "AddRoleToInstanceProfile", **both)
    profile = await world.call("iam", "GetInstanceProfile", InstanceProfileName="i")
    assert profile["InstanceProfile"]["Roles"][0]["RoleName"] == "r"
    await refused(DeleteConflictException, world.call("iam", "DeleteRole", RoleName="r"))
    await world.call("iam", "RemoveRoleFromInstanceProfile", **both)
    await world.call("iam", "DeleteInstanceProfile", InstanceProfileName="i")
    await world.call("iam", "DeleteRole", RoleName="r")


# -- access keys ----------------------------------------------------------------------------------


async def test_a_user_has_at_most_two_keys(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    made = [await world.call("iam", "CreateAccessKey", UserName="bob") for _ in range(2)]
    assert made[0]["AccessKey"]["Status"] == "Active"
    third = world.call("iam", "CreateAccessKey", UserName="bob")
    assert await refused(LimitExceededException, third) == (
        "Cannot exceed quota for AccessKeysPerUser: 2"
    )
    key = made[0]["AccessKey"]["AccessKeyId"]
    await world.call("iam", "UpdateAccessKey", UserName="bob", AccessKeyId=key, Status="Inactive")
    listed = await world.call("iam", "ListAccessKeys", UserName="bob")
    assert [entry["Status"] for entry in listed["AccessKeyMetadata"]] == ["Inactive", "Active"]
    assert all("SecretAccessKey" not in entry for entry in listed["AccessKeyMetadata"])
    await world.call("iam", "DeleteAccessKey", UserName="bob", AccessKeyId=key)
    gone = world.call("iam", "DeleteAccessKey", UserName="bob", AccessKeyId=key)
    assert await refused(NoSuchEntityException, gone) == (
        f"The Access Key with id {key} cannot be found."
    )


async def test_the_key_of_another_user_is_not_this_ones(world: World) -> None:
    for name in ("bob", "eve"):
        await world.call("iam", "CreateUser", UserName=name)
    key = (await world.call("iam", "CreateAccessKey", UserName="bob"))["AccessKey"]["AccessKeyId"]
    await refused(
        NoSuchEntityException,
        world.call("iam", "DeleteAccessKey", UserName="eve", AccessKeyId=key),
    )


# -- policies -------------------------------------------------------------------------------------


async def test_policies_are_attached_listed_and_detached(world: World) -> None:
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    for _ in range(2):
        await world.call("iam", "AttachRolePolicy", RoleName="r", PolicyArn=SQS)
    listed = await world.call("iam", "ListAttachedRolePolicies", RoleName="r")
    assert listed["AttachedPolicies"] == [{"PolicyName": "AmazonSQSFullAccess", "PolicyArn": SQS}]
    counted = (await world.call("iam", "GetPolicy", PolicyArn=SQS))["Policy"]
    assert counted["AttachmentCount"] == 1
    held = await world.call("iam", "ListEntitiesForPolicy", PolicyArn=SQS)
    assert held["PolicyRoles"][0]["RoleName"] == "r"
    await world.call("iam", "DetachRolePolicy", RoleName="r", PolicyArn=SQS)
    again = world.call("iam", "DetachRolePolicy", RoleName="r", PolicyArn=SQS)
    assert await refused(NoSuchEntityException, again) == f"Policy {SQS} was not found."


@pytest.mark.parametrize(
    "arn",
    [
        "x" * 20,
        "arn:aws:iam::aws:policies/p",
        "arn:aws:iam:eu-west-1:aws:policy/AdministratorAccess",
    ],
)
async def test_what_is_no_arn_of_a_policy_is_invalid_input(world: World, arn: str) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    for operation, request in (
        ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": arn}),
        ("DetachUserPolicy", {"UserName": "bob", "PolicyArn": arn}),
        ("GetPolicy", {"PolicyArn": arn}),
        ("PutUserPermissionsBoundary", {"UserName": "bob", "PermissionsBoundary": arn}),
    ):
        asked = world.call("iam", operation, **request)
        assert await refused(InvalidInputException, asked) == f"ARN {arn} is not valid."


@pytest.mark.parametrize("noun", ["User", "Role"])
async def test_a_boundary_must_exist(world: World, noun: str) -> None:
    """The sentence is AWS's by the memory of its users; no page has it."""
    arn = f"arn:aws:iam::{ACCOUNT}:policy/none"
    trust = {"AssumeRolePolicyDocument": TRUST} if noun == "Role" else {}
    asked = {f"{noun}Name": "x", "PermissionsBoundary": arn, **trust}
    made = world.call("iam", f"Create{noun}", **asked)
    assert await refused(NoSuchEntityException, made) == (
        f"Scope ARN: {arn} does not exist or is not attachable."
    )


@pytest.mark.parametrize(
    "arn", ["arn:aws:iam::aws:policy/Nope", "arn:aws:iam::999988887777:policy/p"]
)
async def test_only_what_exists_is_attached(world: World, arn: str) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    attach = world.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=arn)
    assert await refused(NoSuchEntityException, attach) == (
        f"Policy {arn} does not exist or is not attachable."
    )


@pytest.mark.parametrize(("noun", "most"), [("User", 10), ("Group", 10), ("Role", 20)])
async def test_so_many_policies_can_be_attached(world: World, noun: str, most: int) -> None:
    trust = {"AssumeRolePolicyDocument": TRUST} if noun == "Role" else {}
    name = {f"{noun}Name": "bob"}
    await world.call("iam", f"Create{noun}", **name, **trust)
    for n in range(most + 1):
        made = await world.call("iam", "CreatePolicy", PolicyName=f"p{n}", PolicyDocument=ALLOW)
        arn = made["Policy"]["Arn"]
        attach = world.call("iam", f"Attach{noun}Policy", **name, PolicyArn=arn)
        if n < most:
            await attach
    assert await refused(LimitExceededException, attach) == (
        f"Cannot exceed quota for PoliciesPer{noun}: {most}"
    )


@pytest.mark.parametrize("operation", ["CreateUser", "CreateGroup", "CreateRole", "CreatePolicy",
                                       "CreateInstanceProfile"])  # fmt: skip
async def test_the_paths_of_service_linked_roles_are_reserved(world: World, operation: str) -> None:
    noun = operation.removeprefix("Create")
    rest = {"Role": {"AssumeRolePolicyDocument": TRUST}, "Policy": {"PolicyDocument": ALLOW}}
    request = {f"{noun}Name": "x", "Path": "/aws-service-role/x/", **rest.get(noun, {})}
    assert await refused(InvalidInputException, world.call("iam", operation, **request)) == (
        "Paths beginning with '/aws-service-role' are reserved for AWS Service Linked Roles"
    )


async def test_inline_policies_come_back_encoded(world: World) -> None:
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await world.call("iam", "PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=ALLOW)
    found = await world.call("iam", "GetRolePolicy", RoleName="r", PolicyName="p")
    assert unquote(found["PolicyDocument"]) == ALLOW
    assert (await world.call("iam", "ListRolePolicies", RoleName="r"))["PolicyNames"] == ["p"]
    await world.call("iam", "DeleteRolePolicy", RoleName="r", PolicyName="p")
    gone = world.call("iam", "GetRolePolicy", RoleName="r", PolicyName="p")
    assert await refused(NoSuchEntityException, gone) == (
        "The role policy with name p cannot be found."
    )


async def test_inline_policies_have_a_size(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    large = ALLOW.replace('"*"', '"arn:aws:sqs:::' + "x" * 2048 + '"')
    put = world.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=large)
    assert await refused(LimitExceededException, put) == (
        "Maximum policy size of 2048 bytes exceeded for user bob"
    )


async def test_a_malformed_policy_is_refused(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    for text in ("{", "{}", TRUST):
        put = world.call(
            "iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=text
        )
        await refused(MalformedPolicyDocumentException, put)
    assert (await world.call("iam", "ListUserPolicies", UserName="bob"))["PolicyNames"] == []


async def test_a_policy_has_versions_of_which_one_counts(world: World) -> None:
    arn = (await world.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=ALLOW))["Policy"][
        "Arn"
    ]
    other = ALLOW.replace("sqs", "sns")
    for n in range(2, 6):
        made = await world.call(
            "iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=other, SetAsDefault=n == 3
        )
        assert made["PolicyVersion"]["VersionId"] == f"v{n}"
    more = world.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=other)
    assert "can have up to 5 versions" in await refused(LimitExceededException, more)
    default = world.call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId="v3")
    assert await refused(DeleteConflictException, default) == (
        "Cannot delete the default version of a policy."
    )
    await world.call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    versions = (await world.call("iam", "ListPolicyVersions", PolicyArn=arn))["Versions"]
    assert [v["VersionId"] for v in versions] == ["v5", "v4", "v3", "v2"]
    made = await world.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=other)
    assert made["PolicyVersion"]["VersionId"] == "v6"  # A number is used once.
    await world.call("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v6")
    found = await world.call("iam", "GetPolicy", PolicyArn=arn)
    assert found["Policy"]["DefaultVersionId"] == "v6"


async def test_an_attached_policy_and_one_with_versions_are_not_deleted(world: World) -> None:
    arn = (await world.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=ALLOW))["Policy"][
        "Arn"
    ]
    await world.call("iam", "CreateUser", UserName="bob")
    await world.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=arn)
    delete = world.call("iam", "DeletePolicy", PolicyArn=arn)
    assert await refused(DeleteConflictException, delete) == (
        "Cannot delete a policy attached to entities."
    )
    await world.call("iam", "DetachUserPolicy", UserName="bob", PolicyArn=arn)
    await world.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=ALLOW)
    delete = world.call("iam", "DeletePolicy", PolicyArn=arn)
    assert "more than one version" in await refused(DeleteConflictException, delete)


async def test_a_policy_that_is_a_boundary_is_not_deleted(world: World) -> None:
    """github.com/gruntwork-io/cloud-nuke/issues/972"""
    made = await world.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=ALLOW)
    arn = made["Policy"]["Arn"]
    await world.call("iam", "CreateUser", UserName="bob", PermissionsBoundary=arn)
    deleted = world.call("iam", "DeletePolicy", PolicyArn=arn)
    said = "Cannot delete a policy attached to entities."
    assert await refused(DeleteConflictException, deleted) == said
    await world.call("iam", "DeleteUserPermissionsBoundary", UserName="bob")
    await world.call("iam", "DeletePolicy", PolicyArn=arn)


async def test_nobody_changes_awss_policies(world: World) -> None:
    await refused(ValidationError, world.call("iam", "TagPolicy", PolicyArn=SQS, Tags=[]))
    change = world.call("iam", "CreatePolicyVersion", PolicyArn=SQS, PolicyDocument=ALLOW)
    await refused(ValidationError, change)


# -- trust policies -------------------------------------------------------------------------------


def _trust(arn: str) -> str:
    body = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [body]})


async def test_a_trust_policy_names_who_exists(world: World) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/bob"
    create = world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=_trust(arn))
    assert await refused(MalformedPolicyDocumentException, create) == (
        f'Invalid principal in policy: "AWS":"{arn}"'
    )


@pytest.mark.parametrize("arn", [
    "12345", f"{ACCOUNT} ", f"arn:aws:iam::{ACCOUNT}:*", f"arn:aws:iam::{ACCOUNT}:user/*",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/nobody/session",
])  # fmt: skip
async def test_a_trust_policy_names_nothing_else(world: World, arn: str) -> None:
    create = world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=_trust(arn))
    assert await refused(MalformedPolicyDocumentException, create) == (
        f'Invalid principal in policy: "AWS":"{arn}"'
    )


async def test_a_trust_policy_may_name_a_session_of_a_role(world: World) -> None:
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    trust = _trust(f"arn:aws:sts::{ACCOUNT}:assumed-role/r/session")
    await world.call("iam", "CreateRole", RoleName="s", AssumeRolePolicyDocument=trust)


async def test_policies_are_of_this_partition(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    arn = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"
    for awaited in (
        world.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=arn),
        world.call("iam", "CreateUser", UserName="eve", PermissionsBoundary=arn),
    ):
        assert await refused(ValidationError, awaited) == "Invalid ARN partition"


async def test_who_is_made_anew_under_an_old_name_is_not_trusted(world: World) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/bob"
    id = (await world.call("iam", "CreateUser", UserName="bob"))["User"]["UserId"]
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=_trust(arn))
    role = (await world.call("iam", "GetRole", RoleName="r"))["Role"]
    assert arn in unquote(role["AssumeRolePolicyDocument"])
    await world.call("iam", "DeleteUser", UserName="bob")
    await world.call("iam", "CreateUser", UserName="bob")
    role = (await world.call("iam", "GetRole", RoleName="r"))["Role"]
    shown = unquote(role["AssumeRolePolicyDocument"])
    assert id in shown
    assert arn not in shown


async def test_a_trust_policy_can_be_replaced(world: World) -> None:
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    change = _trust(ACCOUNT)
    await world.call("iam", "UpdateAssumeRolePolicy", RoleName="r", PolicyDocument=change)
    role = (await world.call("iam", "GetRole", RoleName="r"))["Role"]
    assert unquote(role["AssumeRolePolicyDocument"]) == change


# -- tags and boundaries --------------------------------------------------------------------------


async def test_tag_keys_are_one_without_regard_to_case(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob", Tags=[{"Key": "Team", "Value": "a"}])
    await world.call("iam", "TagUser", UserName="bob", Tags=[{"Key": "team", "Value": "b"}])
    tags = await world.call("iam", "ListUserTags", UserName="bob")
    assert tags["Tags"] == [{"Key": "Team", "Value": "b"}]
    twice = [{"Key": "x", "Value": "1"}, {"Key": "X", "Value": "2"}]
    await refused(InvalidInputException, world.call("iam", "TagUser", UserName="bob", Tags=twice))
    await world.call("iam", "UntagUser", UserName="bob", TagKeys=["TEAM"])
    assert (await world.call("iam", "ListUserTags", UserName="bob"))["Tags"] == []


async def test_tag_keys_of_policies_and_profiles_tell_case_apart(world: World) -> None:
    """docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules"""
    made = await world.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=ALLOW)
    await world.call("iam", "CreateInstanceProfile", InstanceProfileName="p")
    of_policy = {"PolicyArn": made["Policy"]["Arn"]}
    both = [{"Key": "Team", "Value": "a"}, {"Key": "team", "Value": "b"}]
    for noun, which in (("Policy", of_policy), ("InstanceProfile", {"InstanceProfileName": "p"})):
        await world.call("iam", f"Tag{noun}", Tags=both, **which)
        assert (await world.call("iam", f"List{noun}Tags", **which))["Tags"] == both
        await world.call("iam", f"Untag{noun}", TagKeys=["TEAM", "team"], **which)
        assert (await world.call("iam", f"List{noun}Tags", **which))["Tags"] == both[:1]


@pytest.mark.parametrize("tag", [("aws:k", "v"), ("AWS:k", "v"), ("k", "aws:v")])
async def test_tags_that_begin_with_aws_are_reserved(world: World, tag: tuple[str, str]) -> None:
    """docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html"""
    await world.call("iam", "CreateUser", UserName="bob")
    tags = [{"Key": tag[0], "Value": tag[1]}]
    await refused(InvalidInputException, world.call("iam", "TagUser", UserName="bob", Tags=tags))


async def test_an_account_has_as_many_groups_as_its_quota(world: World) -> None:
    for n in range(quotas.GROUPS_MAX):
        await world.call("iam", "CreateGroup", GroupName=f"g{n}")
    more = world.call("iam", "CreateGroup", GroupName="more")
    said = f"Cannot exceed quota for GroupsPerAccount: {quotas.GROUPS_MAX}"
    assert await refused(LimitExceededException, more) == said
    summary = (await world.call("iam", "GetAccountSummary"))["SummaryMap"]
    assert summary["Groups"] == summary["GroupsQuota"] == quotas.GROUPS_MAX
    await world.call("iam", "DeleteGroup", GroupName="g0")
    await world.call("iam", "CreateGroup", GroupName="more")


async def test_a_boundary_is_put_and_taken_away(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob", PermissionsBoundary=SQS)
    user = (await world.call("iam", "GetUser", UserName="bob"))["User"]
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == SQS
    await world.call("iam", "DeleteUserPermissionsBoundary", UserName="bob")
    again = world.call("iam", "DeleteUserPermissionsBoundary", UserName="bob")
    await refused(NoSuchEntityException, again)


async def test_a_policy_knows_whose_boundary_it_is(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob", PermissionsBoundary=SQS)
    await world.call("iam", "CreateUser", UserName="eve")
    await world.call("iam", "AttachUserPolicy", UserName="eve", PolicyArn=SQS)
    shown = (await world.call("iam", "GetPolicy", PolicyArn=SQS))["Policy"]
    assert (shown["AttachmentCount"], shown["PermissionsBoundaryUsageCount"]) == (1, 1)

    async def holders(**rest: Any) -> list[str]:
        got = await world.call("iam", "ListEntitiesForPolicy", PolicyArn=SQS, **rest)
        return [row["UserName"] for row in got["PolicyUsers"]]

    assert await holders() == ["bob", "eve"]
    assert await holders(PolicyUsageFilter="PermissionsBoundary") == ["bob"]
    assert await holders(PolicyUsageFilter="PermissionsPolicy") == ["eve"]
    await world.call("iam", "DetachUserPolicy", UserName="eve", PolicyArn=SQS)
    for kind, count in (("PermissionsBoundary", 1), ("PermissionsPolicy", 0)):
        got = await world.call("iam", "ListPolicies", PolicyUsageFilter=kind)
        assert len(got["Policies"]) == count

"""The account as a whole, and the policy simulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from ogi.access.authorise import authorise
from ogi.access.credentials import root
from ogi.services.iam.errors import (
    EntityAlreadyExistsException,
    InvalidInputException,
    NoSuchEntityException,
)
from tests.services.iam.test_iam import ALLOW, SQS, TRUST
from tests.world import ACCOUNT, World

BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q"


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("iam", authorise=authorise)


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", effect: str = "Allow", **rest: Any) -> Any:
    return {"Effect": effect, "Action": action, "Resource": resource, **rest}


async def test_an_alias_belongs_to_one_account(world: World) -> None:
    await world.call("iam", "CreateAccountAlias", AccountAlias="first")
    await world.call("iam", "CreateAccountAlias", AccountAlias="second")
    assert (await world.call("iam", "ListAccountAliases"))["AccountAliases"] == ["second"]
    other = root("999988887777")
    with pytest.raises(EntityAlreadyExistsException):
        await world.call_as(
            world.caller(other, other.account), "iam", "CreateAccountAlias", AccountAlias="second"
        )
    await world.call_as(
        world.caller(other, other.account), "iam", "CreateAccountAlias", AccountAlias="first"
    )
    await world.call("iam", "DeleteAccountAlias", AccountAlias="second")
    with pytest.raises(NoSuchEntityException):
        await world.call("iam", "DeleteAccountAlias", AccountAlias="second")
    with pytest.raises(InvalidInputException):
        await world.call("iam", "CreateAccountAlias", AccountAlias=ACCOUNT)


async def test_the_summary_counts(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    summary = (await world.call("iam", "GetAccountSummary"))["SummaryMap"]
    assert (summary["Users"], summary["Roles"], summary["Groups"]) == (1, 1, 0)
    assert summary["AccessKeysPerUserQuota"] == 2


async def test_all_identities_come_in_one_answer_and_in_pages(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    await world.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=ALLOW)
    await world.call("iam", "CreateGroup", GroupName="g")
    await world.call("iam", "AddUserToGroup", GroupName="g", UserName="bob")
    await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await world.call("iam", "AttachRolePolicy", RoleName="r", PolicyArn=SQS)
    await world.call("iam", "CreatePolicy", PolicyName="own", PolicyDocument=ALLOW)
    found = await world.call("iam", "GetAccountAuthorizationDetails")
    (user,) = found["UserDetailList"]
    assert user["GroupList"] == ["g"]
    assert unquote(user["UserPolicyList"][0]["PolicyDocument"]) == ALLOW
    (role,) = found["RoleDetailList"]
    assert role["AttachedManagedPolicies"][0]["PolicyArn"] == SQS
    assert [policy["PolicyName"] for policy in found["Policies"]] == ["own", "AmazonSQSFullAccess"]
    assert found["Policies"][1]["PolicyVersionList"][0]["IsDefaultVersion"]
    some = await world.call("iam", "GetAccountAuthorizationDetails", Filter=["Role"])
    assert some["UserDetailList"] == []
    assert len(some["RoleDetailList"]) == 1
    first = await world.call("iam", "GetAccountAuthorizationDetails", MaxItems=2)
    rest = await world.call("iam", "GetAccountAuthorizationDetails", Marker=first["Marker"])
    assert len(first["UserDetailList"]) + len(first["GroupDetailList"]) == 2
    assert len(rest["RoleDetailList"]) + len(rest["Policies"]) == 3


# -- the simulator --------------------------------------------------------------------------------


async def simulate(world: World, **rest: Any) -> list[str]:
    found = await world.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=BOB, **rest)
    return [result["EvalDecision"] for result in found["EvaluationResults"]]


async def test_the_simulator_decides_as_the_real_thing_would(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    text = document(allow("sqs:*", QUEUE), allow("sqs:PurgeQueue", effect="Deny"))
    await world.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=text)
    actions = ["sqs:SendMessage", "sqs:PurgeQueue", "s3:GetObject"]
    found = await world.call(
        "iam", "SimulatePrincipalPolicy", PolicySourceArn=BOB, ActionNames=actions,
        ResourceArns=[QUEUE],
    )  # fmt: skip
    results = found["EvaluationResults"]
    assert [result["EvalDecision"] for result in results] == [
        "allowed", "explicitDeny", "implicitDeny",
    ]  # fmt: skip
    (matched,) = results[0]["MatchedStatements"]
    assert matched["SourcePolicyId"] == "p" and matched["SourcePolicyType"] == "user"
    assert len(results[1]["MatchedStatements"]) == 1
    assert results[2]["MatchedStatements"] == []


async def test_the_simulator_tells_where_the_statement_is(world: World) -> None:
    """The AWS CLI's examples of simulate-custom-policy and simulate-principal-policy."""
    line = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"'
        ',"Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}'
    )
    lines = """{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["codecommit:ListRepositories"],
            "Resource": "*",
            "Sid": "one"
        }, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    ]
}"""
    time = {
        "ContextKeyName": "aws:CurrentTime", "ContextKeyType": "date",
        "ContextKeyValues": ["2019-04-25T11:00:00Z"],
    }  # fmt: skip
    for text, action, wanted in (
        (line, "dynamodb:CreateBackup", (1, 38, 1, 167)),
        (lines, "codecommit:ListRepositories", (3, 19, 9, 10)),
        (lines, "s3:GetObject", (9, 10, 9, 66)),
    ):
        found = await world.call(
            "iam", "SimulateCustomPolicy", PolicyInputList=[text], ActionNames=[action],
            ContextEntries=[time],
        )  # fmt: skip
        (matched,) = found["EvaluationResults"][0]["MatchedStatements"]
        assert matched["SourcePolicyId"] == "PolicyInputList.1"
        start, end = matched["StartPosition"], matched["EndPosition"]
        assert (start["Line"], start["Column"], end["Line"], end["Column"]) == wanted


async def test_the_simulator_takes_more_policies_and_a_boundary(world: World) -> None:
    await world.call("iam", "CreateUser", UserName="bob")
    asked = {"ActionNames": ["sqs:SendMessage"], "ResourceArns": [QUEUE]}
    assert await simulate(world, **asked) == ["implicitDeny"]
    more = document(allow("sqs:*"))
    assert await simulate(world, PolicyInputList=[more], **asked) == ["allowed"]
    boundary = [document(allow("s3:*"))]
    assert await simulate(
        world, PolicyInputList=[more], PermissionsBoundaryPolicyInputList=boundary, **asked
    ) == ["implicitDeny"]
    named = {**allow("sqs:*"), "Principal": {"AWS": BOB}}
    assert await simulate(world, ResourcePolicy=document(named), **asked) == ["allowed"]


async def test_the_simulator_says_which_context_is_missing(world: World) -> None:
    text = document(
        allow(
            "sqs:*",
            Condition={"StringEquals": {"aws:SourceVpc": "v", "x:Y": "${aws:FederatedProvider}"}},
        )
    )
    keys = await world.call("iam", "GetContextKeysForCustomPolicy", PolicyInputList=[text])
    assert keys["ContextKeyNames"] == ["aws:SourceVpc", "x:Y", "aws:FederatedProvider"]
    entries = [{"ContextKeyName": "x:y", "ContextKeyValues": ["1"], "ContextKeyType": "string"}]
    found = await world.call(
        "iam", "SimulateCustomPolicy", PolicyInputList=[text], ActionNames=["sqs:SendMessage"],
        ContextEntries=entries,
    )  # fmt: skip
    (result,) = found["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["MissingContextValues"] == ["aws:SourceVpc", "aws:FederatedProvider"]


async def test_the_simulator_refuses_what_it_does_not_know(world: World) -> None:
    with pytest.raises(NoSuchEntityException):
        await simulate(world, ActionNames=["sqs:SendMessage"])
    with pytest.raises(InvalidInputException):
        await world.call(
            "iam", "SimulateCustomPolicy", PolicyInputList=["{"], ActionNames=["sqs:SendMessage"]
        )

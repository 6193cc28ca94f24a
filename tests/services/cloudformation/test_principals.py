"""As whom a stack's resources are made, and who is told of its events."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from tests.services.cloudformation.driving import ask, events, stack
from tests.world import ACCOUNT, World

MakeWorld = Callable[..., Awaitable[World]]
QUEUE = "Resources: {Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}}"


async def _role(world: World, service: str, *actions: str) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        ],
    }
    made = await world.call(
        "iam", "CreateRole", RoleName="maker", AssumeRolePolicyDocument=json.dumps(trust)
    )
    if actions:
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        await world.call(
            "iam", "PutRolePolicy", RoleName="maker", PolicyName="p", PolicyDocument=document
        )
    return str(made["Role"]["Arn"])


async def test_a_stack_is_made_with_the_permissions_of_its_role(whole_world: MakeWorld) -> None:
    world = await whole_world(authorise=authorise)
    role = await _role(world, "cloudformation.amazonaws.com", "sqs:*")
    await ask(world, "CreateStack", StackName="s", TemplateBody=QUEUE, RoleARN=role)
    shown = await stack(world, "s")
    assert (shown["StackStatus"], shown["RoleARN"]) == ("CREATE_COMPLETE", role)


async def test_what_the_role_may_not_do_fails_though_the_caller_may(
    whole_world: MakeWorld,
) -> None:
    world = await whole_world(authorise=authorise)
    role = await _role(world, "cloudformation.amazonaws.com", "sqs:GetQueueUrl")
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=QUEUE, RoleARN=role)
    told = await events(world, made["StackId"])
    reason = next(r for name, s, r in told if (name, s) == ("Queue", "CREATE_FAILED"))
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/maker/AWSCloudFormation" in reason
    assert "sqs:createqueue" in reason.lower()
    assert reason.endswith("HandlerErrorCode: AccessDenied)")
    assert told[-1][1] == "ROLLBACK_COMPLETE"


async def test_a_role_that_does_not_trust_cloudformation_is_refused(
    whole_world: MakeWorld,
) -> None:
    world = await whole_world()
    role = await _role(world, "lambda.amazonaws.com")
    with pytest.raises(AwsError, match="is invalid or cannot be assumed"):
        await ask(world, "CreateStack", StackName="s", TemplateBody=QUEUE, RoleARN=role)


async def test_events_are_published_to_the_stacks_topics(whole_world: MakeWorld) -> None:
    world = await whole_world()
    topic = (await world.call("sns", "CreateTopic", Name="told"))["TopicArn"]
    url = (await world.call("sqs", "CreateQueue", QueueName="ears"))["QueueUrl"]
    await world.call(
        "sns", "Subscribe", TopicArn=topic, Protocol="sqs",
        Endpoint=f"arn:aws:sqs:eu-west-1:{ACCOUNT}:ears",
        Attributes={"RawMessageDelivery": "true"},
    )  # fmt: skip
    await ask(world, "CreateStack", StackName="s", TemplateBody=QUEUE, NotificationARNs=[topic])
    heard = []
    while found := (
        await world.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    ).get("Messages"):
        heard += [message["Body"] for message in found]
    assert len(heard) == len(await events(world, "s"))
    assert any(
        "LogicalResourceId='Queue'\n" in body and "ResourceStatus='CREATE_COMPLETE'\n" in body
        for body in heard
    )

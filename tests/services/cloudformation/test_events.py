"""What becomes of a function's asynchronous events, said in a template."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.cloudformation.driving import ask, resources, stack
from tests.world import World

TEMPLATE = """
Parameters: {Retries: {Type: Number, Default: 1}}
Conditions: {Kept: !Not [!Equals [!Ref Retries, 0]]}
Resources:
  Letters: {Type: AWS::SQS::Queue}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}
      Policies:
        - PolicyName: send
          PolicyDocument:
            Statement: {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Letters.Arn}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: f
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code: {ZipFile: "def handler(event, context): pass"}
      DeadLetterConfig: !If [Kept, {TargetArn: !GetAtt Letters.Arn}, !Ref AWS::NoValue]
  Events:
    Type: AWS::Lambda::EventInvokeConfig
    Condition: Kept
    Properties:
      FunctionName: !Ref Function
      Qualifier: $LATEST
      MaximumRetryAttempts: !Ref Retries
      DestinationConfig: {OnFailure: {Destination: !GetAtt Letters.Arn}}
"""  # noqa: E501


async def test_events_are_made_changed_and_forgotten_with_the_stack(
    whole_world: Callable[..., Awaitable[World]],
) -> None:
    world = await whole_world()

    async def said() -> dict[str, Any]:
        return await world.call("lambda", "GetFunctionEventInvokeConfig", FunctionName="f")

    async def letters() -> str:
        found = await world.call("lambda", "GetFunctionConfiguration", FunctionName="f")
        target: str = found.get("DeadLetterConfig", {}).get("TargetArn", "")
        return target

    async def update(retries: str) -> None:
        given = [{"ParameterKey": "Retries", "ParameterValue": retries}]
        await ask(
            world, "UpdateStack", StackName="s", UsePreviousTemplate=True, Parameters=given,
            Capabilities=["CAPABILITY_IAM"],
        )  # fmt: skip
        assert (await stack(world, "s"))["StackStatus"] == "UPDATE_COMPLETE"

    await ask(
        world, "CreateStack", StackName="s", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM"]
    )
    assert (await stack(world, "s"))["StackStatus"] == "CREATE_COMPLETE"
    made = await resources(world, "s")
    assert made["Events"]["PhysicalResourceId"] == "f|$LATEST"
    config = await said()
    assert config["MaximumRetryAttempts"] == 1
    assert config["DestinationConfig"]["OnFailure"] == {"Destination": await letters()}
    await update("2")
    assert (await said())["MaximumRetryAttempts"] == 2
    await update("0")
    with pytest.raises(AwsError, match="doesn't have an EventInvokeConfig"):
        await said()
    assert await letters() == ""

"""Functions as subscribers: the event they get, and what becomes of refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ogi.access.authorise import authorise
from ogi.storage.files import FileBlobs
from tests.sandbox.fake import FakeSandbox
from tests.services.lambda_.conftest import House
from tests.services.sns.conftest import Client
from tests.world import World

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:f"


@pytest.fixture
async def house(world_of: Callable[..., World], tmp_path: Path) -> AsyncIterator[House]:
    packages = ("lambda_", "sns", "sqs", "iam", "kms", "logs", "s3")
    world = world_of(
        *packages, authorise=authorise, blobs=FileBlobs(tmp_path / "blobs"),
        settings={"data": tmp_path},
    )  # fmt: skip
    sandbox = FakeSandbox(world.clock)
    object.__setattr__(world.ports, "sandbox", sandbox)
    made = House(world, sandbox)
    await made.role()
    await made.function()
    yield made
    await made.close()


async def _topic(house: House, *, permitted: bool) -> tuple[Client, str]:
    sns = Client(house.world)
    topic = await sns.topic()
    if permitted:
        await house.lambda_(
            "AddPermission", FunctionName="f", StatementId="sns", Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com", SourceArn=topic,
        )  # fmt: skip
    dead = await sns.queue("dead")
    statement = {
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": dead,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }  # fmt: skip
    await house.sqs(
        "SetQueueAttributes",
        QueueUrl="https://sqs.eu-west-1.amazonaws.com/111122223333/dead",
        Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})},
    )
    await sns.subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION,
        Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})},
    )  # fmt: skip
    return sns, topic


async def test_a_function_gets_the_event_of_sns(house: House) -> None:
    sns, topic = await _topic(house, permitted=True)
    await sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
    await sns.world.deliver()
    await house.until(lambda: house.events())
    (event,) = house.events()
    (record,) = event["Records"]
    assert record["EventSource"] == "aws:sns"
    assert record["Sns"]["Message"] == "hello"
    assert record["Sns"]["TopicArn"] == topic
    assert await sns.messages("dead") == []


@pytest.mark.parametrize("header", [HEADER, ""])
async def test_a_function_sees_the_trace_header_of_the_publisher(house: House, header: str) -> None:
    sns, topic = await _topic(house, permitted=True)
    call = sns.world.caller(trace_header=header)
    await sns.world.call_as(call, "sns", "Publish", TopicArn=topic, Message="hello")
    await sns.world.deliver()
    await house.until(lambda: house.events())
    (invocation,) = house.sandbox.invocations
    if header:
        assert invocation.trace == header
    else:
        assert invocation.trace.startswith("Root=1-test;Parent=")


async def test_a_function_that_does_not_permit_the_topic_is_not_invoked(house: House) -> None:
    sns, topic = await _topic(house, permitted=False)
    call = sns.world.caller(trace_header=HEADER)
    await sns.world.call_as(call, "sns", "Publish", TopicArn=topic, Message="hello")
    (message,) = await sns.messages("dead")
    assert message["Attributes"]["AWSTraceHeader"] == HEADER
    assert json.loads(message["Body"])["Message"] == "hello"
    assert message["MessageAttributes"]["ErrorCode"]["StringValue"] == "AccessDeniedException"
    assert house.events() == []


@pytest.mark.parametrize("permitted", [True, False])
async def test_invocations_are_told_to_logs(house: House, permitted: bool) -> None:
    sns, topic = await _topic(house, permitted=permitted)
    trust = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    made = await house.world.call(
        "iam", "CreateRole", RoleName="feedback",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )  # fmt: skip
    await house.grant({"Effect": "Allow", "Action": "logs:*", "Resource": "*"}, name="feedback")
    for name in ("LambdaSuccessFeedbackRoleArn", "LambdaFailureFeedbackRoleArn"):
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName=name, AttributeValue=made["Role"]["Arn"]
        )
    await sns.publish(TopicArn=topic, Message="hello")
    await sns.world.deliver()
    group = "sns/eu-west-1/111122223333/news" + ("" if permitted else "/Failure")
    (event,) = (await house.world.call("logs", "FilterLogEvents", logGroupName=group))["events"]
    record = json.loads(event["message"])
    delivery = record["delivery"]
    response = json.loads(delivery["providerResponse"])
    assert (delivery["destination"], delivery["attempts"]) == (FUNCTION, 1)
    if permitted:
        assert (record["status"], delivery["statusCode"]) == ("SUCCESS", 202)
        assert len(response["lambdaRequestId"]) == 36
    else:
        assert (record["status"], delivery["statusCode"]) == ("FAILURE", 403)
        assert response["ErrorCode"] == "AccessDeniedException"


async def test_what_waits_for_a_function_is_ciphertext(house: House) -> None:
    sns, topic = await _topic(house, permitted=True)
    await sns.publish(TopicArn=topic, Message="classified")
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 5_000))
    assert not any(b"classified" in value for _, value in rows)

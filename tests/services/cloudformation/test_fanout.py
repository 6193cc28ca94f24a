"""The fan-out stack, the article's and ours, is made of real neighbours, and goes again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.cloudformation.driving import ask, events, outputs, resources, stack
from tests.services.cloudformation.test_documents import ARTICLE
from tests.world import World

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FANOUT = EXAMPLES / "fanout" / "template.yaml"
SAM = EXAMPLES / "sam" / "template.yaml"
NAMED = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
MakeWorld = Callable[..., Awaitable[World]]

needs_article = pytest.mark.skipif(
    not ARTICLE.exists(), reason="the article's template is not beside the tree"
)


async def _create(world: World, template: str, **rest: Any) -> str:
    request = {"StackName": "fan", "TemplateBody": template, "Capabilities": NAMED, **rest}
    return str((await ask(world, "CreateStack", **request))["StackId"])


@needs_article
async def test_the_articles_template_deploys_unmodified(whole_world: MakeWorld) -> None:
    world = await whole_world()
    await _create(world, ARTICLE.read_text())
    assert (await stack(world, "fan"))["StackStatus"] == "CREATE_COMPLETE"
    made = await resources(world, "fan")
    assert len(made) == 11
    assert {each["ResourceStatus"] for each in made.values()} == {"CREATE_COMPLETE"}
    assert made["s3Bucket"]["PhysicalResourceId"] == "snssqstestbuckets3"
    mapping = await world.call(
        "lambda", "GetEventSourceMapping", UUID=made["sqsTrigger"]["PhysicalResourceId"]
    )
    assert mapping["BatchSize"] == 1
    reserved = await world.call("lambda", "GetFunctionConcurrency", FunctionName="sqssnstestlambda")
    assert reserved["ReservedConcurrentExecutions"] == 1


@needs_article
async def test_a_visibility_timeout_below_the_functions_is_refused_in_the_articles_words(
    whole_world: MakeWorld,
) -> None:
    world = await whole_world()
    template = ARTICLE.read_text().replace("VisibilityTimeout: 900", "VisibilityTimeout: 30")
    await _create(world, template)
    told = await events(world, "fan")
    reason = next(r for name, s, r in told if (name, s) == ("sqsTrigger", "CREATE_FAILED"))
    before, after = reason.split("Request ID: ", 1)
    assert before == (
        "Invalid request provided: Queue visibility timeout: 30 seconds is less than Function"
        " timeout: 900 seconds (Service: Lambda, Status Code: 400, "
    )
    assert after.endswith(", Extended Request ID: null)")
    assert told[-1] == ("fan", "ROLLBACK_COMPLETE", "")
    assert "QueueUrls" not in await world.call("sqs", "ListQueues")
    assert (await world.call("lambda", "ListFunctions"))["Functions"] == []
    assert (await world.call("s3", "ListBuckets"))["Buckets"] == []


async def test_the_example_deploys_and_is_deleted_without_a_trace(whole_world: MakeWorld) -> None:
    world = await whole_world()
    made = await _create(world, FANOUT.read_text())
    told = await outputs(world, "fan")
    assert told["BucketName"] == "fanout-drop" and told["KeyArn"].startswith("arn:aws:kms:")
    assert len(await resources(world, "fan")) == 11
    configured = await world.call("s3", "GetBucketNotificationConfiguration", Bucket="fanout-drop")
    [rule] = configured["TopicConfigurations"]
    assert rule["TopicArn"] == told["TopicArn"]
    await ask(world, "DeleteStack", StackName="fan")
    assert (await events(world, made))[-1] == ("fan", "DELETE_COMPLETE", "")
    assert "QueueUrls" not in await world.call("sqs", "ListQueues")
    assert (await world.call("sns", "ListTopics"))["Topics"] == []
    assert (await world.call("iam", "ListRoles"))["Roles"] == []


async def test_a_bucket_that_is_not_empty_keeps_the_stack(whole_world: MakeWorld) -> None:
    world = await whole_world()
    made = await _create(world, FANOUT.read_text())
    await world.call("s3", "PutObject", Bucket="fanout-drop", Key="a.bin", Body=b"x")
    await ask(world, "DeleteStack", StackName="fan")
    shown = await stack(world, "fan")
    assert shown["StackStatus"] == "DELETE_FAILED"
    assert shown["StackStatusReason"] == "The following resource(s) failed to delete: [Bucket]. "
    told = await events(world, made)
    reason = next(r for name, status, r in told if (name, status) == ("Bucket", "DELETE_FAILED"))
    assert "The bucket you tried to delete is not empty" in reason
    with pytest.raises(AwsError):
        await world.call("lambda", "GetFunction", FunctionName="fanout-worker")
    await ask(world, "DeleteStack", StackName="fan", RetainResources=["Bucket"])
    assert (await events(world, made))[-1] == ("fan", "DELETE_COMPLETE", "")
    assert [b["Name"] for b in (await world.call("s3", "ListBuckets"))["Buckets"]] == [
        "fanout-drop"
    ]


async def test_every_resource_of_the_example_can_be_changed(whole_world: MakeWorld) -> None:
    world = await whole_world()
    template = FANOUT.read_text()
    await _create(world, template)
    before = await resources(world, "fan")
    changed = (
        template.replace("VisibilityTimeout: 180", "VisibilityTimeout: 360")
        .replace("BatchSize: 1\n", "BatchSize: 5\n")
        .replace("Timeout: 30\n", "Timeout: 60\n")
        .replace("print(f", "print('>', f")
        .replace("ReservedConcurrentExecutions: 1\n", "ReservedConcurrentExecutions: 2\n")
        .replace("RestrictPublicBuckets: true", "RestrictPublicBuckets: false")
        .replace('Action: "kms:Decrypt"', 'Action: ["kms:Decrypt", "kms:DescribeKey"]')
        .replace("Default: txt", "Default: csv")
    )
    await ask(world, "UpdateStack", StackName="fan", TemplateBody=changed, Capabilities=NAMED)
    assert (await stack(world, "fan"))["StackStatus"] == "UPDATE_COMPLETE"
    after = await resources(world, "fan")
    assert {n: r["PhysicalResourceId"] for n, r in before.items()} == {
        n: r["PhysicalResourceId"] for n, r in after.items()
    }
    assert {n for n, r in after.items() if r["ResourceStatus"] == "UPDATE_COMPLETE"} == {
        "Queue", "WorkerSource", "Worker", "Bucket", "WorkerRole",
    }  # fmt: skip
    function = await world.call("lambda", "GetFunctionConfiguration", FunctionName="fanout-worker")
    assert function["Timeout"] == 60
    await ask(world, "UpdateStack", StackName="fan", TemplateBody=template, Capabilities=NAMED)
    assert (await stack(world, "fan"))["StackStatus"] == "UPDATE_COMPLETE"


async def test_the_example_takes_up_failures_and_lets_go_of_them(whole_world: MakeWorld) -> None:
    world = await whole_world()
    await _create(world, FANOUT.read_text())
    queue = (await outputs(world, "fan"))["QueueUrl"]
    before = await resources(world, "fan")

    async def switch(value: str) -> dict[str, str]:
        await ask(
            world, "UpdateStack", StackName="fan", UsePreviousTemplate=True, Capabilities=NAMED,
            Parameters=[{"ParameterKey": "KeepFailures", "ParameterValue": value}],
        )  # fmt: skip
        assert (await stack(world, "fan"))["StackStatus"] == "UPDATE_COMPLETE"
        asked = {"QueueUrl": queue, "AttributeNames": ["All"]}
        return dict((await world.call("sqs", "GetQueueAttributes", **asked))["Attributes"])

    assert '"maxReceiveCount":5' in (await switch("true"))["RedrivePolicy"].replace(" ", "")
    failed = (await outputs(world, "fan"))["FailedQueueUrl"]
    assert (await resources(world, "fan")).keys() - before.keys() == {"Failed"}
    assert "RedrivePolicy" not in await switch("false")
    assert (await world.call("sqs", "ListQueues"))["QueueUrls"] == [queue]
    assert "FailedQueueUrl" not in await outputs(world, "fan")
    assert failed == f"{queue}-failed"


async def test_named_roles_need_their_capability(whole_world: MakeWorld) -> None:
    world = await whole_world()
    for given in ([], ["CAPABILITY_IAM"]):
        with pytest.raises(AwsError) as refused:
            await _create(world, FANOUT.read_text(), Capabilities=given)
        assert refused.value.shape == "InsufficientCapabilitiesException"
        assert refused.value.message == "Requires capabilities : [CAPABILITY_NAMED_IAM]"


async def test_a_serverless_template_is_translated(whole_world: MakeWorld) -> None:
    world = await whole_world()
    template = SAM.read_text()
    with pytest.raises(AwsError, match=r"Requires capabilities : \[CAPABILITY_AUTO_EXPAND\]"):
        await _create(world, template, Capabilities=["CAPABILITY_IAM"])
    await _create(world, template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    assert (await stack(world, "fan"))["StackStatus"] == "CREATE_COMPLETE"
    made = await resources(world, "fan")
    assert {each["ResourceType"] for each in made.values()} == {
        "AWS::SQS::Queue",
        "AWS::Lambda::Function",
        "AWS::Lambda::EventSourceMapping",
        "AWS::IAM::Role",
    }
    original = await ask(world, "GetTemplate", StackName="fan")
    assert original["TemplateBody"] == template
    processed = await ask(world, "GetTemplate", StackName="fan", TemplateStage="Processed")
    assert "AWS::Lambda::EventSourceMapping" in processed["TemplateBody"]

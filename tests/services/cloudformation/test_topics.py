"""Topics and subscriptions of a template: every property is made, changed and taken away."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import yaml

from ogi.service import Fields
from tests.services.cloudformation.driving import ask, events, resources, stack
from tests.world import ACCOUNT, World

MakeWorld = Callable[..., Awaitable[World]]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/feedback"
PROTECTION = {
    "Name": "p",
    "Version": "2021-06-01",
    "Statement": [
        {
            "DataDirection": "Inbound",
            "Principal": ["*"],
            "DataIdentifier": ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"],
            "Operation": {"Deny": {}},
        }
    ],
}
LOGGING = [
    {"Protocol": "sqs", "SuccessFeedbackRoleArn": ROLE, "SuccessFeedbackSampleRate": "45",
     "FailureFeedbackRoleArn": ROLE},
    {"Protocol": "http/s", "FailureFeedbackRoleArn": ROLE},
]  # fmt: skip


def _template(**resources: Any) -> str:
    text: str = yaml.safe_dump({"Resources": resources})
    return text


def _topic(**properties: Any) -> Fields:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news", **properties}}


def _fifo(**properties: Any) -> Fields:
    return _topic(TopicName="news.fifo", FifoTopic=True, **properties)


async def _deploy(world: World, operation: str, body: str) -> str:
    await ask(world, operation, StackName="s", TemplateBody=body)
    status: str = (await stack(world, "s"))["StackStatus"]
    return status


async def _attributes(world: World, name: str = "news") -> dict[str, str]:
    arn = f"arn:aws:sns:eu-west-1:{ACCOUNT}:{name}"
    found = await world.call("sns", "GetTopicAttributes", TopicArn=arn)
    attributes: dict[str, str] = found["Attributes"]
    return attributes


async def test_a_topics_deliveries_are_logged_as_its_template_says(whole_world: MakeWorld) -> None:
    world = await whole_world()
    body = _template(T=_topic(DeliveryStatusLogging=LOGGING))
    assert await _deploy(world, "CreateStack", body) == "CREATE_COMPLETE"
    found = await _attributes(world)
    assert found["SQSSuccessFeedbackSampleRate"] == "45"
    assert found["SQSSuccessFeedbackRoleArn"] == found["HTTPFailureFeedbackRoleArn"] == ROLE
    body = _template(T=_topic(DeliveryStatusLogging=LOGGING[1:]))
    assert await _deploy(world, "UpdateStack", body) == "UPDATE_COMPLETE"
    found = await _attributes(world)
    assert [name for name in found if "Feedback" in name] == ["HTTPFailureFeedbackRoleArn"]


async def test_a_topics_messages_may_be_larger_by_its_template(whole_world: MakeWorld) -> None:
    world = await whole_world()
    await _deploy(world, "CreateStack", _template(T=_topic(MaximumMessageSize=1_048_576)))
    assert (await _attributes(world))["MaximumMessageSize"] == "1048576"
    assert await _deploy(world, "UpdateStack", _template(T=_topic())) == "UPDATE_COMPLETE"
    assert "MaximumMessageSize" not in await _attributes(world)


async def test_of_tags_with_one_key_the_last_wins(whole_world: MakeWorld) -> None:
    world = await whole_world()
    arn = f"arn:aws:sns:eu-west-1:{ACCOUNT}:news"
    for action, value in (("CreateStack", "2"), ("UpdateStack", "3")):
        tags = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": value}]
        status = await _deploy(world, action, _template(T=_topic(Tags=tags)))
        assert status.endswith("_COMPLETE") and "ROLLBACK" not in status
        found = await world.call("sns", "ListTagsForResource", ResourceArn=arn)
        assert found["Tags"] == [{"Key": "a", "Value": value}]


async def test_firehose_is_refused_by_name(whole_world: MakeWorld) -> None:
    world = await whole_world()
    body = _template(T=_topic(DeliveryStatusLogging=[{"Protocol": "firehose"}]))
    with pytest.raises(Exception, match="Firehose"):
        await _deploy(world, "CreateStack", body)


async def test_an_archive_is_made_changed_and_must_go_before_its_topic(
    whole_world: MakeWorld,
) -> None:
    world = await whole_world()
    body = _template(T=_fifo(ArchivePolicy={"MessageRetentionPeriod": 30}))
    assert await _deploy(world, "CreateStack", body) == "CREATE_COMPLETE"
    found = await _attributes(world, "news.fifo")
    assert json.loads(found["ArchivePolicy"]) == {"MessageRetentionPeriod": "30"}
    await ask(world, "DeleteStack", StackName="s")
    assert (await stack(world, "s"))["StackStatus"] == "DELETE_FAILED"
    assert any(
        "Cannot delete a topic with an ArchivePolicy" in reason
        for *_, reason in await events(world, "s")
    )


async def test_an_archive_goes_with_its_property(whole_world: MakeWorld) -> None:
    world = await whole_world()
    body = _template(T=_fifo(ArchivePolicy={"MessageRetentionPeriod": 30}))
    await _deploy(world, "CreateStack", body)
    assert await _deploy(world, "UpdateStack", _template(T=_fifo())) == "UPDATE_COMPLETE"
    assert "ArchivePolicy" not in await _attributes(world, "news.fifo")
    await ask(world, "DeleteStack", StackName="s")


async def test_data_protection_is_made_changed_and_taken_away(whole_world: MakeWorld) -> None:
    world = await whole_world()
    arn = f"arn:aws:sns:eu-west-1:{ACCOUNT}:news"

    async def policy() -> Any:
        found = await world.call("sns", "GetDataProtectionPolicy", ResourceArn=arn)
        return json.loads(found["DataProtectionPolicy"] or "null")

    await _deploy(world, "CreateStack", _template(T=_topic(DataProtectionPolicy=PROTECTION)))
    assert await policy() == PROTECTION
    other = {**PROTECTION, "Description": "another"}
    await _deploy(world, "UpdateStack", _template(T=_topic(DataProtectionPolicy=other)))
    assert await policy() == other
    await _deploy(world, "UpdateStack", _template(T=_topic()))
    assert await policy() is None


async def test_a_new_subscriber_of_a_template_replays_the_archive(whole_world: MakeWorld) -> None:
    world = await whole_world()
    topic = _fifo(ArchivePolicy={"MessageRetentionPeriod": 1}, ContentBasedDeduplication=True)
    await _deploy(world, "CreateStack", _template(T=topic))
    await world.call(
        "sns", "Publish", TopicArn=f"arn:aws:sns:eu-west-1:{ACCOUNT}:news.fifo", Message="early",
        MessageGroupId="g",
    )  # fmt: skip
    world.clock.advance(1)
    begin = (await _attributes(world, "news.fifo"))["BeginningArchiveTime"]
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q.fifo", "FifoQueue": True}}
    subscription = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": {"Ref": "T"},
            "Protocol": "sqs",
            "Endpoint": {"Fn::GetAtt": ["Q", "Arn"]},
            "RawMessageDelivery": True,
            "ReplayPolicy": {"PointType": "Timestamp", "StartingPoint": begin},
        },
    }
    body = _template(T=topic, Q=queue, S=subscription)
    assert await _deploy(world, "UpdateStack", body) == "UPDATE_COMPLETE"
    found = await world.call("sqs", "ReceiveMessage", QueueUrl=f"https://x/{ACCOUNT}/q.fifo")
    assert [message["Body"] for message in found["Messages"]] == ["early"]


async def test_a_topic_of_another_region_is_subscribed_to_there(whole_world: MakeWorld) -> None:
    world = await whole_world()
    there = world.caller(region="us-west-2")
    topic = (await world.call_as(there, "sns", "CreateTopic", Name="far"))["TopicArn"]
    subscription = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": topic,
            "Region": "us-west-2",
            "Protocol": "sqs",
            "Endpoint": {"Fn::GetAtt": ["Q", "Arn"]},
            "RawMessageDelivery": True,
        },
    }
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}
    body = _template(Q=queue, S=subscription)
    assert await _deploy(world, "CreateStack", body) == "CREATE_COMPLETE"
    await world.call_as(there, "sns", "Publish", TopicArn=topic, Message="from afar")
    await world.deliver()
    found = await world.call("sqs", "ReceiveMessage", QueueUrl=f"https://x/{ACCOUNT}/q")
    assert [message["Body"] for message in found["Messages"]] == ["from afar"]
    subscription["Properties"]["Region"] = "us-east-1"
    body = _template(Q=queue, S=subscription)
    assert await _deploy(world, "UpdateStack", body) == "UPDATE_ROLLBACK_COMPLETE"
    await ask(world, "DeleteStack", StackName="s")
    left = await world.call_as(there, "sns", "ListSubscriptionsByTopic", TopicArn=topic)
    assert left["Subscriptions"] == []


async def test_a_filters_scope_and_policy_change_together(whole_world: MakeWorld) -> None:
    world = await whole_world()
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}

    def body(**properties: Any) -> str:
        subscription = {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "T"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Q", "Arn"]},
                **properties,
            },
        }
        return _template(T=_topic(), Q=queue, S=subscription)

    flat = body(FilterPolicy={"color": ["blue"]})
    nested = body(FilterPolicy={"a": {"b": ["c"]}}, FilterPolicyScope="MessageBody")
    assert await _deploy(world, "CreateStack", flat) == "CREATE_COMPLETE"
    assert await _deploy(world, "UpdateStack", nested) == "UPDATE_COMPLETE"
    assert await _deploy(world, "UpdateStack", flat) == "UPDATE_COMPLETE"
    arn = (await resources(world, "s"))["S"]["PhysicalResourceId"]
    found = await world.call("sns", "GetSubscriptionAttributes", SubscriptionArn=arn)
    assert json.loads(found["Attributes"]["FilterPolicy"]) == {"color": ["blue"]}
    assert found["Attributes"]["FilterPolicyScope"] == "MessageAttributes"


@pytest.mark.parametrize("kind", ["TopicPolicy", "TopicInlinePolicy"])
async def test_a_policy_comes_and_goes_with_its_resource(whole_world: MakeWorld, kind: str) -> None:
    world = await whole_world()
    arn = f"arn:aws:sns:eu-west-1:{ACCOUNT}:news"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "mine", "Effect": "Allow", "Principal": "*", "Action": "sns:Publish",
             "Resource": arn}
        ],
    }  # fmt: skip
    named = {"Topics": [{"Ref": "T"}]} if kind == "TopicPolicy" else {"TopicArn": {"Ref": "T"}}
    policy = {
        "Type": f"AWS::SNS::{kind}", "Properties": {"PolicyDocument": document, **named},
    }  # fmt: skip
    await _deploy(world, "CreateStack", _template(T=_topic(), P=policy))
    shown = json.loads((await _attributes(world))["Policy"])
    assert shown["Statement"][0]["Sid"] == "mine"
    assert await _deploy(world, "UpdateStack", _template(T=_topic())) == "UPDATE_COMPLETE"
    shown = json.loads((await _attributes(world))["Policy"])
    assert shown["Statement"][0]["Sid"] == "__default_statement_ID"

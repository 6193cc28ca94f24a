"""Queues of a template: FIFO, dead letters, and who may use a dead-letter queue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.service import Fields
from tests.services.cloudformation.driving import ask, resources, stack
from tests.world import World

TEMPLATE = """
Resources:
  Dead:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders-dead.fifo
      FifoQueue: true
      RedriveAllowPolicy: {redrivePermission: allowAll}
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders.fifo
      FifoQueue: true
      ContentBasedDeduplication: true
      DeduplicationScope: messageGroup
      FifoThroughputLimit: perMessageGroupId
      VisibilityTimeout: 0
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt Dead.Arn
        maxReceiveCount: 1
      Tags: [{Key: team, Value: blue}]
"""


@pytest.fixture
def world(world_of: Any) -> World:
    made: World = world_of("cloudformation", "sqs", "kms")
    return made


async def _attributes(world: World, url: str) -> dict[str, str]:
    found = await world.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    attributes: dict[str, str] = found["Attributes"]
    return attributes


async def _receive(world: World, url: str) -> list[Fields]:
    found = await world.call("sqs", "ReceiveMessage", QueueUrl=url)
    messages: list[Fields] = found.get("Messages", [])
    return messages


async def test_fifo_queues_and_their_dead_letters_are_made_and_work(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=TEMPLATE)
    assert (await stack(world, "s"))["StackStatus"] == "CREATE_COMPLETE"
    made = await resources(world, "s")
    url, dead = (made[name]["PhysicalResourceId"] for name in ("Orders", "Dead"))
    found = await _attributes(world, url)
    assert found["FifoQueue"] == found["ContentBasedDeduplication"] == "true"
    assert found["DeduplicationScope"] == "messageGroup"
    assert found["FifoThroughputLimit"] == "perMessageGroupId"
    policy = json.loads(found["RedrivePolicy"])
    assert policy["deadLetterTargetArn"] == (await _attributes(world, dead))["QueueArn"]
    await world.call("sqs", "SendMessage", QueueUrl=url, MessageBody="a", MessageGroupId="g")
    assert len(await _receive(world, url)) == 1
    assert await _receive(world, url) == []
    await world.deliver()
    assert [message["Body"] for message in await _receive(world, dead)] == ["a"]


async def test_a_queue_loses_its_dead_letters_with_the_property(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=TEMPLATE)
    start = TEMPLATE.index("      RedrivePolicy:")
    without = TEMPLATE[:start] + TEMPLATE[TEMPLATE.index("      Tags:") :]
    await ask(world, "UpdateStack", StackName="s", TemplateBody=without)
    assert (await stack(world, "s"))["StackStatus"] == "UPDATE_COMPLETE"
    made = await resources(world, "s")
    assert "RedrivePolicy" not in await _attributes(world, made["Orders"]["PhysicalResourceId"])


async def test_a_name_is_made_for_a_fifo_queue_with_its_ending(world: World) -> None:
    body = "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}}"
    await ask(world, "CreateStack", StackName="s", TemplateBody=body)
    made = await resources(world, "s")
    assert made["Q"]["PhysicalResourceId"].endswith(".fifo")

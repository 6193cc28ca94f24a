"""Change sets show what would change, are executed once, and are gone with that."""

from __future__ import annotations

from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.service import Fields
from tests.services.cloudformation.driving import ask, events, stack
from tests.world import World

TEMPLATE = """
Parameters: {Name: {Type: String, Default: one}, Delay: {Type: Number, Default: 0}}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Ref Name, DelaySeconds: !Ref Delay}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:*", Resource: "*"}]
"""
NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a"
    " change set."
)


@pytest.fixture
def world(world_of: Any) -> World:
    made: World = world_of("cloudformation", "sqs", "kms")
    return made


async def _made(world: World, name: str = "c", **rest: Any) -> Fields:
    request = {"StackName": "s", "ChangeSetName": name, "TemplateBody": TEMPLATE, **rest}
    await ask(world, "CreateChangeSet", **request)
    return await ask(world, "DescribeChangeSet", StackName="s", ChangeSetName=name)


def _delay(value: str) -> list[dict[str, str]]:
    return [{"ParameterKey": "Delay", "ParameterValue": value}]


async def test_a_new_stack_waits_for_its_review(world: World) -> None:
    shown = await _made(world, ChangeSetType="CREATE")
    assert (await stack(world, "s"))["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert (shown["Status"], shown["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert [
        (c["ResourceChange"]["Action"], c["ResourceChange"]["LogicalResourceId"])
        for c in shown["Changes"]
    ] == [("Add", "Policy"), ("Add", "Queue")]
    assert "QueueUrls" not in await world.call("sqs", "ListQueues")
    await ask(world, "ExecuteChangeSet", StackName="s", ChangeSetName="c")
    made = await stack(world, "s")
    assert made["StackStatus"] == "CREATE_COMPLETE"
    assert made["ChangeSetId"] == shown["ChangeSetId"]
    assert (await events(world, "s"))[0] == ("s", "REVIEW_IN_PROGRESS", "User Initiated")


async def test_a_change_set_disappears_with_its_execution(world: World) -> None:
    await _made(world, ChangeSetType="CREATE")
    await ask(world, "ExecuteChangeSet", StackName="s", ChangeSetName="c")
    with pytest.raises(AwsError, match=r"ChangeSet \[c\] does not exist") as gone:
        await ask(world, "DescribeChangeSet", StackName="s", ChangeSetName="c")
    assert gone.value.shape == "ChangeSetNotFoundException"
    assert (await ask(world, "ListChangeSets", StackName="s"))["Summaries"] == []
    shown = await _made(world, Parameters=_delay("5"))
    assert shown["Status"] == "CREATE_COMPLETE"
    await ask(world, "ExecuteChangeSet", ChangeSetName=shown["ChangeSetId"])
    assert (await stack(world, "s"))["StackStatus"] == "UPDATE_COMPLETE"


async def test_a_change_set_without_changes_fails_with_the_sentence_clients_look_for(
    world: World,
) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=TEMPLATE)
    shown = await _made(world)
    assert (shown["Status"], shown["StatusReason"]) == ("FAILED", NO_CHANGES)
    assert shown["ExecutionStatus"] == "UNAVAILABLE"
    with pytest.raises(AwsError, match="cannot be executed in its current status") as refused:
        await ask(world, "ExecuteChangeSet", StackName="s", ChangeSetName="c")
    assert refused.value.shape == "InvalidChangeSetStatusException"
    await ask(world, "DeleteChangeSet", StackName="s", ChangeSetName="c")
    await ask(world, "DeleteChangeSet", StackName="s", ChangeSetName="c")


async def test_changes_tell_what_is_replaced_and_what_may_be(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=TEMPLATE)
    in_place = await _made(world, "a", Parameters=_delay("5"))
    [change] = [each["ResourceChange"] for each in in_place["Changes"]]
    assert (change["Action"], change["Replacement"]) == ("Modify", "False")
    assert change["Details"][0]["Target"] == {
        "Attribute": "Properties", "Name": "DelaySeconds", "RequiresRecreation": "Never",
    }  # fmt: skip
    renamed = [{"ParameterKey": "Name", "ParameterValue": "two"}]
    replaced = await _made(world, "b", Parameters=renamed)
    policy, queue = (each["ResourceChange"] for each in replaced["Changes"])
    assert queue["Replacement"] == "True"
    assert (policy["Action"], policy["Details"][0]["Evaluation"]) == ("Modify", "Dynamic")
    less = await _made(world, "c", TemplateBody="Resources: {Queue: {Type: AWS::SQS::Queue}}")
    assert ("Remove", "Policy") in {
        (c["ResourceChange"]["Action"], c["ResourceChange"]["LogicalResourceId"])
        for c in less["Changes"]
    }


async def test_a_change_sets_name_is_taken_until_it_is_deleted(world: World) -> None:
    await _made(world, ChangeSetType="CREATE")
    with pytest.raises(AwsError, match="ChangeSet c already exists"):
        await _made(world, ChangeSetType="CREATE")


async def test_a_place_for_a_stack_can_be_deleted(world: World) -> None:
    await _made(world, ChangeSetType="CREATE")
    await ask(world, "DeleteStack", StackName="s")
    with pytest.raises(AwsError, match="Stack with id s does not exist"):
        await stack(world, "s")


async def test_an_update_of_nothing_and_a_creation_of_something_are_refused(world: World) -> None:
    with pytest.raises(AwsError, match=r"Stack \[s\] does not exist"):
        await _made(world)
    await ask(world, "CreateStack", StackName="s", TemplateBody=TEMPLATE)
    with pytest.raises(AwsError, match="already exists and cannot be created again"):
        await _made(world, ChangeSetType="CREATE")


async def test_events_come_newest_first_in_pages(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=TEMPLATE)
    for turn in range(1, 26):
        await ask(world, "UpdateStack", StackName="s", UsePreviousTemplate=True,
                  Parameters=_delay(str(turn)))  # fmt: skip
    first = await ask(world, "DescribeStackEvents", StackName="s")
    assert len(first["StackEvents"]) == 100 and "NextToken" in first
    assert first["StackEvents"][0]["ResourceStatus"] == "UPDATE_COMPLETE"
    told = await events(world, "s")
    assert len(told) == 1 + 3 + 3 + 1 + 25 * 5
    assert told[0] == ("s", "CREATE_IN_PROGRESS", "User Initiated")

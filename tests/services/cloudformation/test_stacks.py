"""Stacks are created, updated, replaced, rolled back and deleted in CloudFormation's order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.cloudformation.driving import ask, drive, events, outputs, resources, stack
from tests.world import World

KEYED_QUEUE = """
Parameters:
  Timeout: {Type: Number, Default: 60}
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties: {Description: for the queue}
  Alias:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/fan, TargetKeyId: !Ref Key}
  Queue:
    Type: AWS::SQS::Queue
    DependsOn: Alias
    Properties:
      KmsMasterKeyId: alias/fan
      VisibilityTimeout: !Ref Timeout
Outputs:
  Url: {Value: !Ref Queue}
  Arn: {Value: !GetAtt Queue.Arn}
"""


@pytest.fixture
def world(world_of: Any) -> World:
    made: World = world_of("cloudformation", "sqs", "kms")
    return made


async def test_a_stack_is_made_in_the_order_of_its_needs_and_tells_so(world: World) -> None:
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    assert (await stack(world, "s"))["StackStatus"] == "CREATE_COMPLETE"
    told = await events(world, made["StackId"])
    expected = [("s", "CREATE_IN_PROGRESS", "User Initiated")]
    for logical in ("Key", "Alias", "Queue"):
        expected += [
            (logical, "CREATE_IN_PROGRESS", ""),
            (logical, "CREATE_IN_PROGRESS", "Resource creation Initiated"),
            (logical, "CREATE_COMPLETE", ""),
        ]
    assert told == [*expected, ("s", "CREATE_COMPLETE", "")]


async def test_what_a_stack_made_is_really_there(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    told = await outputs(world, "s")
    found = await world.call(
        "sqs", "GetQueueAttributes", QueueUrl=told["Url"], AttributeNames=["All"]
    )
    assert found["Attributes"]["VisibilityTimeout"] == "60"
    assert found["Attributes"]["KmsMasterKeyId"] == "alias/fan"
    assert found["Attributes"]["QueueArn"] == told["Arn"]
    assert told["Arn"].rsplit(":", 1)[-1].startswith("s-Queue-")


async def test_a_deleted_stack_takes_everything_with_it_in_reverse(world: World) -> None:
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    await ask(world, "DeleteStack", StackName="s")
    told = await events(world, made["StackId"])
    assert [(name, status) for name, status, _ in told[-8:]] == [
        ("s", "DELETE_IN_PROGRESS"),
        ("Queue", "DELETE_IN_PROGRESS"),
        ("Queue", "DELETE_COMPLETE"),
        ("Alias", "DELETE_IN_PROGRESS"),
        ("Alias", "DELETE_COMPLETE"),
        ("Key", "DELETE_IN_PROGRESS"),
        ("Key", "DELETE_COMPLETE"),
        ("s", "DELETE_COMPLETE"),
    ]
    assert "QueueUrls" not in await world.call("sqs", "ListQueues")
    with pytest.raises(AwsError, match="Stack with id s does not exist"):
        await ask(world, "DescribeStacks", StackName="s")
    gone = await ask(world, "DescribeStacks", StackName=made["StackId"])
    assert gone["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"


async def test_a_name_can_be_used_again_once_its_stack_is_deleted(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    with pytest.raises(AwsError, match=r"Stack \[s\] already exists"):
        await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    await ask(world, "DeleteStack", StackName="s")
    await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    assert (await stack(world, "s"))["StackStatus"] == "CREATE_COMPLETE"
    assert len((await ask(world, "ListStacks"))["StackSummaries"]) == 2


async def test_a_request_with_the_same_token_is_the_same_request(world: World) -> None:
    request = {"StackName": "s", "TemplateBody": KEYED_QUEUE, "ClientRequestToken": "t"}
    first = await ask(world, "CreateStack", **request)
    assert await ask(world, "CreateStack", **request) == first


# -- failures -----------------------------------------------------------------------------------

TAKEN = """
Resources:
  Good: {Type: AWS::SQS::Queue}
  Bad:
    Type: AWS::SQS::Queue
    DependsOn: Good
    Properties: {QueueName: taken}
  Never:
    Type: AWS::SQS::Queue
    DependsOn: Bad
"""


async def test_a_failure_rolls_back_what_was_made_and_nothing_else(world: World) -> None:
    await world.call("sqs", "CreateQueue", QueueName="taken")
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=TAKEN)
    shown = await stack(world, "s")
    assert shown["StackStatus"] == "ROLLBACK_COMPLETE"
    told = await events(world, made["StackId"])
    reasons = {(name, status): reason for name, status, reason in told}
    assert reasons[("Bad", "CREATE_FAILED")].startswith(
        "Resource handler returned message: \"Resource of type 'AWS::SQS::Queue' with identifier"
        " 'taken' already exists.\" (RequestToken: "
    )
    assert reasons[("Bad", "CREATE_FAILED")].endswith("HandlerErrorCode: AlreadyExists)")
    assert reasons[("s", "ROLLBACK_IN_PROGRESS")] == (
        "The following resource(s) failed to create: [Bad]. Rollback requested by user."
    )
    assert "Never" not in {name for name, _, _ in told}
    listed = await world.call("sqs", "ListQueues")
    assert [url.rsplit("/", 1)[-1] for url in listed["QueueUrls"]] == ["taken"]


async def test_siblings_of_a_failure_are_cancelled(world: World) -> None:
    await world.call("sqs", "CreateQueue", QueueName="taken")
    template = """
    Resources:
      Bad: {Type: AWS::SQS::Queue, Properties: {QueueName: taken}}
      Key: {Type: AWS::KMS::Key, Properties: {KeySpec: RSA_2048, KeyUsage: SIGN_VERIFY}}
    """
    # A pair of RSA keys takes long enough to be still in the making.
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=template)
    told = await events(world, made["StackId"])
    assert ("Key", "CREATE_FAILED", "Resource creation cancelled") in told
    assert ("Key", "DELETE_COMPLETE", "") in told
    assert told[-1][:2] == ("s", "ROLLBACK_COMPLETE")


@pytest.mark.parametrize(
    ("options", "status", "kept"),
    [
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED", 2),
        ({"DisableRollback": True}, "CREATE_FAILED", 2),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE", 1),
    ],
)
async def test_on_failure_decides_what_stays(
    world: World, options: dict[str, Any], status: str, kept: int
) -> None:
    await world.call("sqs", "CreateQueue", QueueName="taken")
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=TAKEN, **options)
    shown = await ask(world, "DescribeStacks", StackName=made["StackId"])
    assert shown["Stacks"][0]["StackStatus"] == status
    assert len((await world.call("sqs", "ListQueues"))["QueueUrls"]) == kept


async def test_a_failed_stack_can_only_be_deleted(world: World) -> None:
    await world.call("sqs", "CreateQueue", QueueName="taken")
    await ask(world, "CreateStack", StackName="s", TemplateBody=TAKEN)
    with pytest.raises(AwsError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        await ask(world, "UpdateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    await ask(world, "DeleteStack", StackName="s")
    with pytest.raises(AwsError, match="does not exist"):
        await ask(world, "DescribeStacks", StackName="s")


async def test_a_neighbours_refusal_is_told_in_the_handlers_form(world: World) -> None:
    template = """
    Resources:
      Alias:
        Type: AWS::KMS::Alias
        Properties: {AliasName: alias/x, TargetKeyId: 00000000-0000-0000-0000-000000000000}
    """
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=template)
    told = await events(world, made["StackId"])
    reason = next(r for name, status, r in told if (name, status) == ("Alias", "CREATE_FAILED"))
    assert reason.startswith('Resource handler returned message: "')
    assert "(Service: Kms, Status Code: 400, Request ID: " in reason
    assert reason.endswith("HandlerErrorCode: NotFound)")


@pytest.mark.parametrize(
    "rest", ["KeySpec: HMAC_256, KeyUsage: GENERATE_VERIFY_MAC", "Origin: EXTERNAL"]
)
async def test_what_never_rotates_is_not_made_to(world: World, rest: str) -> None:
    template = f"""
    Resources:
      Key: {{Type: AWS::KMS::Key, Properties: {{EnableKeyRotation: true, {rest}}}}}
    """
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=template)
    told = await events(world, made["StackId"])
    assert (
        "Key", "CREATE_FAILED",
        "Invalid request provided: You cannot set the EnableKeyRotation property to true on "
        "asymmetric or external keys.",
    ) in told  # fmt: skip


async def test_a_stack_that_takes_too_long_is_rolled_back(world: World) -> None:
    asked = asyncio.ensure_future(
        world.call(
            "cloudformation", "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE,
            TimeoutInMinutes=1,
        )
    )  # fmt: skip
    for _ in range(1_000):
        if (await world.call("cloudformation", "ListStacks"))["StackSummaries"]:
            break
        await asyncio.sleep(0)
    # Nobody has delivered anything for a minute.
    world.clock.advance(61)
    await drive(world, asked)
    told = await events(world, "s")
    assert (
        "s",
        "ROLLBACK_IN_PROGRESS",
        "Stack creation time exceeded the specified timeout. Rollback requested by user.",
    ) in told
    assert told[-1] == ("s", "ROLLBACK_COMPLETE", "")


async def test_a_retained_resource_survives_a_rollback_unless_new_ones_shall_not(
    world: World,
) -> None:
    await world.call("sqs", "CreateQueue", QueueName="taken")
    for options, kept in (({}, 2), ({"RetainExceptOnCreate": True}, 2)):
        template = TAKEN.replace(
            "Good: {Type: AWS::SQS::Queue}", "Good: {Type: AWS::SQS::Queue, DeletionPolicy: Retain}"
        )
        made = await ask(world, "CreateStack", StackName="s", TemplateBody=template, **options)
        assert (await events(world, made["StackId"]))[-1][1] == "ROLLBACK_COMPLETE"
        assert len((await world.call("sqs", "ListQueues"))["QueueUrls"]) == kept
        await ask(world, "DeleteStack", StackName="s")


# -- updates ------------------------------------------------------------------------------------


async def test_an_update_changes_in_place_what_can_be_changed(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    before = await outputs(world, "s")
    updated = await ask(
        world, "UpdateStack", StackName="s", UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Timeout", "ParameterValue": "90"}],
    )  # fmt: skip
    assert await outputs(world, "s") == before
    found = await world.call(
        "sqs", "GetQueueAttributes", QueueUrl=before["Url"], AttributeNames=["All"]
    )
    assert found["Attributes"]["VisibilityTimeout"] == "90"
    told = await events(world, updated["StackId"])
    assert told[-5:] == [
        ("s", "UPDATE_IN_PROGRESS", "User Initiated"),
        ("Queue", "UPDATE_IN_PROGRESS", ""),
        ("Queue", "UPDATE_COMPLETE", ""),
        ("s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("s", "UPDATE_COMPLETE", ""),
    ]


async def test_an_update_without_a_change_is_refused(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    with pytest.raises(AwsError, match=r"^No updates are to be performed\.$"):
        await ask(world, "UpdateStack", StackName="s", TemplateBody=KEYED_QUEUE + "\n# more")
    assert (await stack(world, "s"))["StackStatus"] == "CREATE_COMPLETE"


NAMED = """
Parameters:
  Name: {Type: String}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: "*", Action: "sqs:*", Resource: !GetAtt Queue.Arn}]
Outputs:
  Url: {Value: !Ref Queue}
"""


def _named(name: str) -> list[dict[str, str]]:
    return [{"ParameterKey": "Name", "ParameterValue": name}]


async def test_a_replacement_is_made_before_the_old_one_goes(world: World) -> None:
    made = await ask(
        world, "CreateStack", StackName="s", TemplateBody=NAMED, Parameters=_named("one")
    )
    await ask(world, "UpdateStack", StackName="s", UsePreviousTemplate=True,
              Parameters=_named("two"))  # fmt: skip
    told = [(name, status) for name, status, _ in await events(world, made["StackId"])]
    after = told[told.index(("s", "UPDATE_IN_PROGRESS")) :]
    assert after == [
        ("s", "UPDATE_IN_PROGRESS"),
        ("Queue", "UPDATE_IN_PROGRESS"),
        ("Queue", "UPDATE_IN_PROGRESS"),
        ("Queue", "UPDATE_COMPLETE"),
        ("Policy", "UPDATE_IN_PROGRESS"),
        ("Policy", "UPDATE_COMPLETE"),
        ("s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Queue", "DELETE_IN_PROGRESS"),
        ("Queue", "DELETE_COMPLETE"),
        ("s", "UPDATE_COMPLETE"),
    ]
    listed = await world.call("sqs", "ListQueues")
    assert [url.rsplit("/", 1)[-1] for url in listed["QueueUrls"]] == ["two"]
    found = await world.call(
        "sqs", "GetQueueAttributes", QueueUrl=listed["QueueUrls"][0], AttributeNames=["Policy"]
    )
    assert ":two" in found["Attributes"]["Policy"]


async def test_a_failed_update_gives_everything_back(world: World) -> None:
    await world.call("sqs", "CreateQueue", QueueName="taken")
    template = """
    Parameters: {Timeout: {Type: Number}, Name: {Type: String}}
    Resources:
      First: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !Ref Timeout}}
      Moved:
        Type: AWS::SQS::Queue
        DependsOn: First
        Properties: {QueueName: !Sub "${Name}-moved"}
      Last: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}, DependsOn: Moved}
    Outputs: {First: {Value: !Ref First}}
    """

    def parameters(timeout: str, name: str) -> list[dict[str, str]]:
        return [{"ParameterKey": "Timeout", "ParameterValue": timeout}, *_named(name)]

    await ask(world, "CreateStack", StackName="s", TemplateBody=template,
              Parameters=parameters("10", "free"))  # fmt: skip
    before = await resources(world, "s")
    updated = await ask(world, "UpdateStack", StackName="s", UsePreviousTemplate=True,
                        Parameters=parameters("20", "taken"))  # fmt: skip
    shown = await stack(world, "s")
    assert shown["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert {p["ParameterKey"]: p["ParameterValue"] for p in shown["Parameters"]} == {
        "Timeout": "10", "Name": "free",
    }  # fmt: skip
    after = await resources(world, "s")
    for logical in ("First", "Moved", "Last"):
        assert after[logical]["PhysicalResourceId"] == before[logical]["PhysicalResourceId"]
    url = (await outputs(world, "s"))["First"]
    found = await world.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    assert found["Attributes"]["VisibilityTimeout"] == "10"
    listed = await world.call("sqs", "ListQueues")
    names = {each.rsplit("/", 1)[-1] for each in listed["QueueUrls"]}
    assert {"taken", "free", "free-moved"} <= names and "taken-moved" not in names
    statuses = [s for name, s, _ in await events(world, updated["StackId"]) if name == "s"]
    assert statuses[-4:] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]


async def test_a_custom_name_must_change_when_its_resource_is_replaced(world: World) -> None:
    template = """
    Parameters: {Spec: {Type: String}}
    Resources:
      Group: {Type: AWS::SQS::Queue, Properties: {QueueName: fixed.fifo, FifoQueue: !Ref Spec}}
    """
    changed = template.replace("fixed.fifo", "other")
    plain = [{"ParameterKey": "Spec", "ParameterValue": "false"}]
    await ask(world, "CreateStack", StackName="s", TemplateBody=changed, Parameters=plain)
    fifo = [{"ParameterKey": "Spec", "ParameterValue": "true"}]
    updated = await ask(
        world, "UpdateStack", StackName="s", UsePreviousTemplate=True, Parameters=fifo
    )
    told = await events(world, updated["StackId"])
    assert (
        "Group",
        "UPDATE_FAILED",
        "CloudFormation cannot update a stack when a custom-named resource requires replacing."
        " Rename other and update the stack again.",
    ) in told
    assert (await stack(world, "s"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


async def test_a_resource_that_left_the_template_is_deleted_unless_it_is_retained(
    world: World,
) -> None:
    template = """
    Resources:
      Stays: {Type: AWS::SQS::Queue}
      Goes: {Type: AWS::SQS::Queue, Properties: {QueueName: goes}}
      Kept: {Type: AWS::SQS::Queue, Properties: {QueueName: kept}, DeletionPolicy: Retain}
    """
    await ask(world, "CreateStack", StackName="s", TemplateBody=template)
    less = "Resources: {Stays: {Type: AWS::SQS::Queue}}"
    await ask(world, "UpdateStack", StackName="s", TemplateBody=less)
    assert set(await resources(world, "s")) == {"Stays"}
    listed = await world.call("sqs", "ListQueues")
    names = {url.rsplit("/", 1)[-1] for url in listed["QueueUrls"]}
    assert "kept" in names and "goes" not in names


async def test_an_update_can_be_kept_where_it_failed_and_rolled_back_later(world: World) -> None:
    await world.call("sqs", "CreateQueue", QueueName="taken")
    await ask(world, "CreateStack", StackName="s", TemplateBody=NAMED, Parameters=_named("free"))
    await ask(world, "UpdateStack", StackName="s", UsePreviousTemplate=True,
              Parameters=_named("taken"), DisableRollback=True)  # fmt: skip
    assert (await stack(world, "s"))["StackStatus"] == "UPDATE_FAILED"
    await ask(world, "RollbackStack", StackName="s")
    assert (await stack(world, "s"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


async def test_tags_of_the_stack_reach_its_resources(world: World) -> None:
    tags = [{"Key": "team", "Value": "fan"}]
    await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE, Tags=tags)
    url = (await outputs(world, "s"))["Url"]
    assert (await world.call("sqs", "ListQueueTags", QueueUrl=url))["Tags"] == {"team": "fan"}
    tags = [{"Key": "team", "Value": "out"}]
    await ask(world, "UpdateStack", StackName="s", UsePreviousTemplate=True, Tags=tags)
    assert (await world.call("sqs", "ListQueueTags", QueueUrl=url))["Tags"] == {"team": "out"}


# -- deletion and exports -----------------------------------------------------------------------


async def test_a_protected_stack_is_not_deleted(world: World) -> None:
    await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE,
              EnableTerminationProtection=True)  # fmt: skip
    with pytest.raises(AwsError, match="cannot be deleted while TerminationProtection is enabled"):
        await ask(world, "DeleteStack", StackName="s")
    await ask(world, "UpdateTerminationProtection", StackName="s",
              EnableTerminationProtection=False)  # fmt: skip
    await ask(world, "DeleteStack", StackName="s")


EXPORTING = """
Resources: {Queue: {Type: AWS::SQS::Queue}}
Outputs: {Arn: {Value: !GetAtt Queue.Arn, Export: {Name: shared}}}
"""
IMPORTING = """
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {Tags: [{Key: of, Value: !ImportValue shared}]}
"""


async def test_an_export_is_unique_and_stays_while_it_is_imported(world: World) -> None:
    early = await ask(world, "CreateStack", StackName="i", TemplateBody=IMPORTING)
    assert await events(world, early["StackId"]) == [
        ("i", "CREATE_IN_PROGRESS", "User Initiated"),
        ("i", "ROLLBACK_IN_PROGRESS", "No export named shared found. Rollback requested by user."),
        ("i", "ROLLBACK_COMPLETE", ""),
    ]
    assert (await ask(world, "GetTemplate", StackName="i"))["TemplateBody"] == IMPORTING
    await ask(world, "DeleteStack", StackName="i")
    numeric = IMPORTING.replace("Tags: [{Key: of, Value: !ImportValue shared}]",
                                "VisibilityTimeout: !ImportValue shared")  # fmt: skip
    await ask(world, "CreateStack", StackName="i", TemplateBody=numeric, DisableRollback=True)
    kept = await stack(world, "i")
    assert (kept["StackStatus"], kept["StackStatusReason"]) == (
        "CREATE_FAILED", "No export named shared found. ",
    )  # fmt: skip
    await ask(world, "DeleteStack", StackName="i")
    with pytest.raises(AwsError, match="No export named shared found"):
        await ask(world, "CreateChangeSet", StackName="i", ChangeSetName="c",
                  ChangeSetType="CREATE", TemplateBody=IMPORTING)  # fmt: skip
    await ask(world, "CreateStack", StackName="e", TemplateBody=EXPORTING)
    await ask(world, "CreateStack", StackName="i", TemplateBody=IMPORTING)
    assert (await ask(world, "ListImports", ExportName="shared"))["Imports"] == ["i"]
    [export] = (await ask(world, "ListExports"))["Exports"]
    assert export["Name"] == "shared"
    await ask(world, "CreateStack", StackName="j", TemplateBody=IMPORTING)
    await ask(world, "DeleteStack", StackName="e")
    kept = await stack(world, "e")
    used = "Export shared cannot be deleted as it is in use by i and j"
    assert (kept["StackStatus"], kept["StackStatusReason"]) == ("CREATE_COMPLETE", used)
    assert (await events(world, "e"))[-1] == ("e", "CREATE_COMPLETE", used)
    await ask(world, "DeleteStack", StackName="j")
    other = await ask(world, "CreateStack", StackName="o", TemplateBody=EXPORTING)
    told = await events(world, other["StackId"])
    assert told[-1][1] == "ROLLBACK_COMPLETE"
    assert any("Export with name shared is already exported by stack e" in r for _, _, r in told)
    await ask(world, "DeleteStack", StackName="i")
    await ask(world, "DeleteStack", StackName="e")
    assert (await ask(world, "ListExports"))["Exports"] == []


async def test_the_rows_of_a_deleted_stack_go_after_ninety_days(world: World) -> None:
    made = await ask(world, "CreateStack", StackName="s", TemplateBody=KEYED_QUEUE)
    await ask(world, "DeleteStack", StackName="s")
    world.clock.advance(91 * 86_400)
    await world.deliver()
    with pytest.raises(AwsError, match="does not exist"):
        await ask(world, "DescribeStacks", StackName=made["StackId"])
    rows = await world.store.read(lambda tx: tx.scan(b"control/", b"control0", 100))
    assert not [key for key, _ in rows if b"cloudformation" in key]

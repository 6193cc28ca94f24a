"""examples/fanout: deployed, used, changed, deleted; and stacks that are refused or roll back."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios import stacks
from tests.scenarios.awscli import aws
from tests.scenarios.conftest import Server, eventually
from tests.scenarios.stacks import EXAMPLE

TOO_SHORT = (
    "Invalid request provided: Queue visibility timeout: 30 seconds is less than"
    " Function timeout: 900 seconds"
)


def names_of(name: str) -> dict[str, str]:
    return {
        "BucketName": f"{name}-drop", "TopicName": f"{name}-topic", "QueueName": f"{name}-queue",
        "FunctionName": f"{name}-worker", "RoleName": f"{name}-role", "KeyAlias": f"alias/{name}",
    }  # fmt: skip


def printed(server: Server, group: str) -> list[str]:
    logs = server.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=group)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"].strip() for event in found["events"]]


def drop(server: Server, bucket: str, key: str) -> None:
    server.client("s3").put_object(Bucket=bucket, Key=key, Body=b"hello")


def test_a_dropped_file_reaches_the_worker_through_all_changes_of_the_stack(
    server: Server, name: str
) -> None:
    template, names = EXAMPLE.read_text(), names_of(name)
    stack = stacks.deploy(server, name, template, **names)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    made = stacks.outputs(stack)
    drop(server, made["BucketName"], "dir/a file.txt")
    drop(server, made["BucketName"], "picture.jpg")
    line = f"ObjectCreated:Put: {made['BucketName']}/dir/a file.txt (5 bytes)"
    eventually(lambda: line in printed(server, made["LogGroup"]))

    # In place: another suffix, and the function's memory.
    changed = template.replace("MemorySize: 256", "MemorySize: 512")
    stack = stacks.deploy(server, name, changed, **names, Suffix="jpg")
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.outputs(stack) == made
    drop(server, made["BucketName"], "second.jpg")
    line = f"ObjectCreated:Put: {made['BucketName']}/second.jpg (5 bytes)"
    eventually(lambda: line in printed(server, made["LogGroup"]))

    # By replacement: another queue, on which the mapping and the policies hang.
    names["QueueName"] += "-two"
    stack = stacks.deploy(server, name, changed, **names, Suffix="jpg")
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    now = stacks.outputs(stack)
    assert now["QueueUrl"] == made["QueueUrl"] + "-two"
    sqs = server.client("sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_attributes(QueueUrl=made["QueueUrl"])
    drop(server, now["BucketName"], "third.jpg")
    line = f"ObjectCreated:Put: {made['BucketName']}/third.jpg (5 bytes)"
    eventually(lambda: line in printed(server, made["LogGroup"]))

    server.client("s3").delete_objects(
        Bucket=now["BucketName"],
        Delete={"Objects": [{"Key": k} for k in ("dir/a file.txt", "picture.jpg", "second.jpg",
                                                 "third.jpg")]},
    )  # fmt: skip
    assert stacks.delete(server, name)["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_attributes(QueueUrl=now["QueueUrl"])
    with pytest.raises(ClientError, match="NoSuchBucket"):
        server.client("s3").list_objects_v2(Bucket=now["BucketName"])


def test_the_cli_deploys_the_example_with_parameters(server: Server, name: str) -> None:
    given = [f"{k}={v}" for k, v in names_of(name).items()]
    aws(
        server, "cloudformation", "deploy", "--template-file", EXAMPLE, "--stack-name", name,
        "--capabilities", "CAPABILITY_NAMED_IAM", "--parameter-overrides", *given,
    )  # fmt: skip
    stack = server.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    assert stacks.outputs(stack)["BucketName"] == f"{name}-drop"


def test_named_roles_need_to_be_acknowledged(server: Server, name: str) -> None:
    with pytest.raises(ClientError) as refused:
        server.client("cloudformation").create_stack(
            StackName=name, TemplateBody=EXAMPLE.read_text()
        )
    assert refused.value.response["Error"] == {
        "Type": "Sender", "Code": "InsufficientCapabilitiesException",
        "Message": "Requires capabilities : [CAPABILITY_NAMED_IAM]",
    }  # fmt: skip


def test_a_queue_that_shows_messages_again_too_early_rolls_the_stack_back(
    server: Server, name: str
) -> None:
    template = EXAMPLE.read_text().replace("VisibilityTimeout: 180", "VisibilityTimeout: 30")
    template = template.replace("      Timeout: 30", "      Timeout: 900")
    stack = stacks.deploy(server, name, template, **names_of(name))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    [reason] = stacks.reasons(server, stack["StackId"], "WorkerSource")
    assert TOO_SHORT in reason
    functions = server.client("lambda").list_functions()["Functions"]
    assert f"{name}-worker" not in [function["FunctionName"] for function in functions]
    buckets = [bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]]
    assert f"{name}-drop" not in buckets


def test_a_mapping_refuses_the_queue_which_may_be_changed_afterwards(
    server: Server, name: str
) -> None:
    stack = stacks.deploy(server, name, EXAMPLE.read_text(), **names_of(name))
    made = stacks.outputs(stack)
    lambda_, sqs = server.client("lambda"), server.client("sqs")
    # Lowering it below the function's timeout afterwards is allowed, as on AWS.
    sqs.set_queue_attributes(QueueUrl=made["QueueUrl"], Attributes={"VisibilityTimeout": "30"})
    lambda_.update_function_configuration(FunctionName=made["FunctionName"], Timeout=900)
    lambda_.delete_event_source_mapping(UUID=made["MappingId"])
    eventually(lambda: not lambda_.list_event_source_mappings(
        FunctionName=made["FunctionName"])["EventSourceMappings"])  # fmt: skip
    with pytest.raises(lambda_.exceptions.InvalidParameterValueException) as refused:
        lambda_.create_event_source_mapping(
            FunctionName=made["FunctionName"], EventSourceArn=made["QueueArn"]
        )
    # "Invalid request provided: " is what CloudFormation puts before Lambda's words.
    message = refused.value.response["Error"]["Message"]
    assert f"Invalid request provided: {message}" == TOO_SHORT


BUCKET = """
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: %(name)s}}
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: %(name)s
      NotificationConfiguration:
        TopicConfigurations: [{Event: "s3:ObjectCreated:*", Topic: !Ref Topic}]
"""


def test_s3_is_not_let_in_by_a_topics_default_policy(server: Server, name: str) -> None:
    stack = stacks.deploy(server, name, BUCKET % {"name": name})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    [reason] = stacks.reasons(server, stack["StackId"], "Bucket")
    assert "Unable to validate the following destination configurations" in reason
    assert name not in [b["Name"] for b in server.client("s3").list_buckets()["Buckets"]]


def test_s3_refuses_a_notification_to_a_topic_that_lets_in_another_bucket(
    server: Server, name: str
) -> None:
    template = EXAMPLE.read_text().replace(
        '"arn:${AWS::Partition}:s3:::${BucketName}"', '"arn:${AWS::Partition}:s3:::another"'
    )
    stack = stacks.deploy(server, name, template, **names_of(name))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    [reason] = stacks.reasons(server, stack["StackId"], "Bucket")
    assert "Unable to validate the following destination configurations" in reason


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        (
            "A: {Type: AWS::SQS::Queue, Properties: {Colour: red}}",
            "Colour",
        ),
        (
            "A: {Type: AWS::SQS::Queue, DependsOn: B}\n  B: {Type: AWS::SQS::Queue, DependsOn: A}",
            "Circular dependency between resources: [A, B]",
        ),
        (
            "A: {Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: !Ref Missing}}",
            "Template format error: Unresolved resource dependencies [Missing] in the Resources"
            " block of the template",
        ),
        (
            "A: {Type: AWS::Nowhere::Thing}",
            "Template format error: Unrecognized resource types: [AWS::Nowhere::Thing]",
        ),
    ],
    ids=["property", "cycle", "reference", "type"],
)  # fmt: skip
def test_a_template_that_cannot_be_is_refused_before_anything_is_made(
    server: Server, name: str, resources: str, sentence: str
) -> None:
    client: Any = server.client("cloudformation")
    with pytest.raises(ClientError) as refused:
        client.create_stack(StackName=name, TemplateBody=f"Resources:\n  {resources}\n")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert sentence in refused.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_stacks(StackName=name)

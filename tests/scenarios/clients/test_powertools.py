"""aws-lambda-powertools' batch processor, in a function that a queue feeds."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.scenarios.clients.environments import HERE, packages_in
from tests.scenarios.conftest import Server, eventually

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def archive(libraries: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(HERE / "batch_function.py", "index.py")
        for path in libraries.rglob("*.py"):
            packed.write(path, path.relative_to(libraries))
        for path in libraries.glob("*.dist-info/METADATA"):
            packed.write(path, path.relative_to(libraries))
    return buffer.getvalue()


@pytest.mark.slow
def test_what_failed_alone_comes_again_and_ends_in_the_dead_letter_queue(
    server: Server, name: str
) -> None:
    code = archive(packages_in("powertools", "aws-lambda-powertools"))
    iam, sqs, lambda_ = (server.client(s) for s in ("iam", "sqs", "lambda"))
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": dead_arn["QueueArn"], "maxReceiveCount": 2}
    url = sqs.create_queue(
        QueueName=name,
        Attributes={"VisibilityTimeout": "5", "RedrivePolicy": json.dumps(redrive)},
    )["QueueUrl"]
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.attach_role_policy(
        RoleName=name,
        PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole",
    )
    lambda_.create_function(
        FunctionName=name, Role=role, Runtime="python3.11", Handler="index.handler", Timeout=5,
        MemorySize=256, Code={"ZipFile": code},
        Environment={"Variables": {"POWERTOOLS_SERVICE_NAME": "story"}},
    )  # fmt: skip
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
    sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": str(n), "MessageBody": body}
            for n, body in enumerate(("one", "two", "poison", "three"))
        ],
    )
    lambda_.create_event_source_mapping(
        FunctionName=name, EventSourceArn=dead_arn["QueueArn"].removesuffix("-dead"), BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )  # fmt: skip

    def look() -> list[str]:
        found = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=1).get("Messages", ())
        return [message["Body"] for message in found]

    assert eventually(look, seconds=40) == ["poison"]
    events = server.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    took = sorted(e["message"].strip() for e in events if e["message"].startswith("took "))
    assert took == [
        "took one for the 1. time",
        "took poison for the 1. time",
        "took poison for the 2. time",
        "took three for the 1. time",
        "took two for the 1. time",
    ]
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
    assert list(left.values()) == ["0", "0"]

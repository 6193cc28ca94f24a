"""The article's stack, its template unmodified, deployed and used with the real AWS CLI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ogi.sandbox.interpreters import interpreter_for
from tests.scenarios.awscli import answer, aws, tail_exists
from tests.scenarios.conftest import Server, eventually, start
from tests.scenarios.ways import Hop, only, way_with

TEMPLATE = Path(__file__).parents[3] / "shared" / "mission" / "template.yaml"
BUCKET = "snssqstestbuckets3"
TOPIC = "arn:aws:sns:eu-west-1:000000000000:snssqstesttopic"
QUEUE = "arn:aws:sqs:eu-west-1:000000000000:snssqstestqueue"
LOG = "/aws/lambda/sqssnstestlambda"

pytestmark = pytest.mark.skipif(
    not TEMPLATE.exists(), reason="the article's template is not beside this repository"
)


def deploy(server: Server, template: Path = TEMPLATE, *options: str) -> str:
    done = aws(
        server, "cloudformation", "deploy", "--template-file", template, "--stack-name", "fan",
        "--capabilities", "CAPABILITY_NAMED_IAM", *options,
    )  # fmt: skip
    return done.stdout + done.stderr


def drop(server: Server, folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("hello\n")
        aws(server, "s3", "cp", folder / name, f"s3://{BUCKET}/")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: the names in the article's template are fixed."""
    folder = tmp_path_factory.mktemp("article")
    running = start(folder, "--ephemeral", "--credentials", "test:test")
    deploy(running)
    drop(running, folder, "hello.txt", "hello.jpg")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    found: str = answer(server, "kms", "describe-key", "--key-id", "alias/testcmk")["KeyMetadata"][
        "Arn"
    ]
    return found


@pytest.fixture(scope="module")
def refusal(server: Server) -> str:
    """What the poller says before the role may decrypt, as the article's template leaves it."""

    def look() -> str:
        [mapping] = answer(server, "lambda", "list-event-source-mappings")["EventSourceMappings"]
        result: str = mapping.get("LastProcessingResult", "")
        return result if result.startswith("PROBLEM") else ""

    said: str = eventually(look)
    return said


@pytest.fixture(scope="module")
def permitted(server: Server, key: str, refusal: str) -> str:
    """The role may decrypt now: what the article's author had to add by hand."""
    policy = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}
    aws(
        server, "iam", "put-role-policy", "--role-name", "sqssnstestrole", "--policy-name",
        "decrypt", "--policy-document",
        json.dumps({"Version": "2012-10-17", "Statement": [policy]}),
    )  # fmt: skip
    return refusal


def lines(server: Server) -> list[str]:
    """The function's log; it has none before it runs for the first time."""
    logs = server.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=LOG)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in found["events"]]


def way_to_queue(server: Server) -> list[Hop]:
    def look() -> list[Hop]:
        hops = way_with(server, "s3.put", bucket=BUCKET, key="hello.txt")
        return hops if only(hops, "sqs.send") else []

    found: list[Hop] = eventually(look)
    return found


def test_all_eleven_resources_of_the_article_are_made(server: Server) -> None:
    [stack] = answer(server, "cloudformation", "describe-stacks", "--stack-name", "fan")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    found = answer(server, "cloudformation", "list-stack-resources", "--stack-name", "fan")
    made = {r["LogicalResourceId"]: r["ResourceStatus"] for r in found["StackResourceSummaries"]}
    assert made == dict.fromkeys(
        (
            "createCmk", "createKeyAlias", "sqsQueue", "snsTopic", "snsTopicPolicy", "s3Bucket",
            "snsSubscription", "sqsQueuePolycy", "lambdaRole", "lambdaFunction", "sqsTrigger",
        ),
        "CREATE_COMPLETE",
    )  # fmt: skip


def test_s3_publishes_sns_sends_and_each_uses_the_key_as_itself(server: Server, key: str) -> None:
    hops = way_to_queue(server)
    assert only(hops, "s3.event", destination=TOPIC)
    assert only(hops, "sns.publish", topic=TOPIC)
    assert only(hops, "sqs.send", queue=QUEUE)
    made = [(h["principal"], h["via"], h["key"]) for h in only(hops, "kms.GenerateDataKey")]
    assert made == [
        ("s3.amazonaws.com", "sns.eu-west-1.amazonaws.com", key),
        ("sns.amazonaws.com", "sqs.eu-west-1.amazonaws.com", key),
    ]


def test_an_object_of_another_suffix_is_announced_to_nobody(server: Server) -> None:
    hops = way_with(server, "s3.put", bucket=BUCKET, key="hello.jpg")
    assert [hop["kind"] for hop in hops] == ["s3.put", "s3.filtered"]
    assert hops[1]["suffix"] == "txt"


def test_the_articles_role_may_not_decrypt_and_the_mapping_says_so(
    server: Server, key: str, refusal: str
) -> None:
    """AWSKeyManagementServicePowerUser has no kms:Decrypt, and ReadOnlyAccess neither."""
    assert refusal.startswith(
        "PROBLEM: Error occurred while ReceiveMessage."
        " SQS Error Code: KMS.AccessDeniedException. SQS Error Message: User: "
        "arn:aws:sts::000000000000:assumed-role/sqssnstestrole/"
    )
    assert f"is not authorized to perform: kms:Decrypt on resource: {key}" in refusal
    [refused] = only(
        way_with(server, "lambda.poll_refused", queue=QUEUE), "lambda.poll_refused", queue=QUEUE
    )
    assert refused["reason"] == refusal
    assert "KMS.AccessDeniedException" in server.log.read_text()


def test_once_the_role_may_decrypt_the_waiting_message_reaches_the_function(
    server: Server, permitted: str
) -> None:
    eventually(lambda: any("hello.txt" in line for line in lines(server)), seconds=60)
    said = lines(server)
    printed = [line for line in said if line.startswith("{'Records': [{'messageId'")]
    # The test event that S3 sent when the notification was configured waited, too.
    assert [("s3:TestEvent" in line, "hello.txt" in line) for line in printed] in (
        [(True, False), (False, True)],
        [(False, True), (True, False)],
    )
    assert sum(line.startswith("START RequestId") for line in said) == 2
    hops = way_to_queue(server)
    eventually(lambda: only(way_to_queue(server), "lambda.end"))
    hops = way_to_queue(server)
    assert only(hops, "kms.Decrypt", via="sqs.eu-west-1.amazonaws.com")
    assert only(hops, "lambda.start")


def test_a_function_of_an_old_runtime_says_on_which_interpreter_it_runs(
    server: Server, permitted: str
) -> None:
    """The article asks for python3.6; where the machine has it, there is nothing to say."""
    runs_on = interpreter_for("python3.6")
    eventually(lambda: any("hello.txt" in line for line in lines(server)), seconds=60)
    said = [line for line in lines(server) if "Ogi: " in line]
    events = server.client("cloudformation").describe_stack_events(StackName="fan")["StackEvents"]
    reasons = [
        event["ResourceStatusReason"]
        for event in events
        if "python3.6" in event.get("ResourceStatusReason", "")
    ]
    if runs_on.exact:
        assert not reasons
    else:
        assert reasons and runs_on.name in reasons[0]
        assert any("python3.6" in line and runs_on.name in line for line in said)


def test_aws_logs_tail_shows_what_the_function_printed(server: Server, permitted: str) -> None:
    tail_exists()
    eventually(lambda: any("hello.txt" in line for line in lines(server)), seconds=60)
    assert "hello.txt" in aws(server, "logs", "tail", LOG, "--since", "1h").stdout


def test_deploying_the_same_template_again_changes_nothing(server: Server) -> None:
    said = deploy(server, TEMPLATE, "--no-fail-on-empty-changeset")
    assert "No changes to deploy. Stack fan is up to date" in said


def test_the_stack_is_updated_in_place_and_by_replacement_and_deleted_when_it_is_empty(
    tmp_path: Path,
) -> None:
    server = start(tmp_path, "--ephemeral", "--credentials", "test:test")
    try:
        deploy(server)
        changed = tmp_path / "changed.yaml"
        text = TEMPLATE.read_text()
        changed.write_text(
            text.replace("MemorySize: 1024", "MemorySize: 512").replace(
                '"snssqstestqueue"', '"another"'
            )
        )
        deploy(server, changed)
        function = answer(
            server, "lambda", "get-function-configuration", "--function-name", "sqssnstestlambda"
        )
        assert function["MemorySize"] == 512
        urls = answer(server, "sqs", "list-queues")["QueueUrls"]
        assert [url.rpartition("/")[2] for url in urls] == ["another"]
        [mapping] = answer(server, "lambda", "list-event-source-mappings")["EventSourceMappings"]
        assert mapping["EventSourceArn"].endswith(":another")
        drop(server, tmp_path, "hello.txt")
        eventually(lambda: depth(server, urls[0]) > 0)
        _delete_a_full_stack(server)
    finally:
        server.stop()


def depth(server: Server, url: str) -> int:
    asked = ("--queue-url", url, "--attribute-names", "All")
    found: dict[str, Any] = answer(server, "sqs", "get-queue-attributes", *asked)["Attributes"]
    return int(found["ApproximateNumberOfMessages"])


def delete(server: Server) -> dict[str, Any]:
    """Delete the stack; what it is at the end. The CLI's own waiter looks every 30 s only."""
    stacks = server.client("cloudformation")
    id = stacks.describe_stacks(StackName="fan")["Stacks"][0]["StackId"]
    aws(server, "cloudformation", "delete-stack", "--stack-name", "fan")

    def look() -> dict[str, Any] | None:
        [stack] = stacks.describe_stacks(StackName=id)["Stacks"]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    ended: dict[str, Any] = eventually(look)
    return ended


def _delete_a_full_stack(server: Server) -> None:
    """A bucket that is not empty stays; once it is empty all goes, and the key is to be deleted."""
    assert delete(server)["StackStatus"] == "DELETE_FAILED"
    [stack] = server.client("cloudformation").describe_stacks(StackName="fan")["Stacks"]
    assert stack["StackStatusReason"] == (
        "The following resource(s) failed to delete: [s3Bucket]. "
    )
    key = answer(server, "kms", "list-keys")["Keys"]
    aws(server, "s3", "rm", f"s3://{BUCKET}", "--recursive")
    assert delete(server)["StackStatus"] == "DELETE_COMPLETE"
    assert "QueueUrls" not in json.loads(aws(server, "sqs", "list-queues").stdout or "{}")
    assert answer(server, "s3api", "list-buckets")["Buckets"] == []
    assert answer(server, "lambda", "list-functions")["Functions"] == []
    states = {
        answer(server, "kms", "describe-key", "--key-id", k["KeyId"])["KeyMetadata"]["KeyState"]
        for k in key
    }
    assert "PendingDeletion" in states

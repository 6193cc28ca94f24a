"""Who did what can be read afterwards: in the data folder, and in a log group."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server, eventually, start
from tests.scenarios.hop_ways import RIGHT, poller_polls
from tests.scenarios.hops import ARRIVES, Way
from tests.scenarios.stacks import ended

ACCOUNT = "000000000000"
GROUP = "who-did-what"
Event = dict[str, Any]


def read(folder: Path) -> list[Event]:
    """All records, oldest first; each line must be whole."""
    files = sorted(folder.glob("events*.jsonl"), key=lambda path: -path.stat().st_mtime_ns)
    text = b"".join(path.read_bytes() for path in reversed(files))
    assert not text or text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True)
class Audited:
    server: Server
    folder: Path

    def events(self, event_name: str, /, **parameters: Any) -> list[Event]:
        """The records of an event with these request parameters, once there are any."""
        return self.where(
            lambda event: (
                event["eventName"] == event_name
                and all(
                    (event["requestParameters"] or {}).get(n) == v for n, v in parameters.items()
                )
            )
        )

    def where(self, wanted: Callable[[Event], bool]) -> list[Event]:
        found: list[Event] = eventually(lambda: [e for e in read(self.folder) if wanted(e)])
        return found


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("audited")
    running = start(
        folder, "--data", str(folder / "data"), "--credentials", "test:test", "--audit", "all",
        "--audit-log-group", GROUP,
    )  # fmt: skip
    yield Audited(running, folder / "data" / "audit")
    assert running.stop() == 0, running.log.read_text()


def test_a_request_leaves_one_event_in_the_file_and_in_logs(audited: Audited, name: str) -> None:
    made = audited.server.client("sns").create_topic(Name=name)
    [event] = audited.events("CreateTopic", name=name)
    assert event["requestID"] == made["ResponseMetadata"]["RequestId"]
    assert event["responseElements"] == {"topicArn": made["TopicArn"]}
    assert event["userIdentity"]["userName"] == "admin"
    assert event["userIdentity"]["accessKeyId"] == "test"
    assert event["sourceIPAddress"] == "127.0.0.1"
    assert event["userAgent"].startswith("Boto3/")
    logs = audited.server.client("logs")

    def shipped() -> list[Event]:
        try:
            found = logs.filter_log_events(
                logGroupName=GROUP, filterPattern=f'"{event["eventID"]}"'
            )["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        # Looking for it is a request with its id, too.
        return [e for e in found if json.loads(e["message"])["eventID"] == event["eventID"]]

    [line] = eventually(shipped)
    assert json.loads(line["message"]) == event
    assert line["logStreamName"] == f"{ACCOUNT}_CloudTrail_{REGION}"


def test_a_refusal_says_who_was_refused_what(audited: Audited, name: str) -> None:
    iam = audited.server.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sqs = audited.server.client(
        "sqs", REGION, aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )  # fmt: skip
    with pytest.raises(ClientError):
        sqs.create_queue(QueueName=name)
    [event] = audited.events("CreateQueue", queueName=name)
    assert "AccessDenied" in event["errorCode"]
    assert event["errorMessage"].startswith(f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not")
    assert event["userIdentity"]["userName"] == name
    assert event["responseElements"] is None
    [made] = audited.events("CreateAccessKey", userName=name)
    assert made["responseElements"]["accessKey"]["accessKeyId"] == key["AccessKeyId"]
    assert "secretAccessKey" not in made["responseElements"]["accessKey"]


def test_a_session_says_whose_role_it_is_of(audited: Audited, name: str) -> None:
    iam, sts = audited.server.client("iam"), audited.server.client("sts")
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole"}]}  # fmt: skip
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session")["Credentials"]
    as_role = audited.server.client(
        "sts", REGION, aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"], aws_session_token=given["SessionToken"],
    )  # fmt: skip
    as_role.get_caller_identity()
    [event] = audited.where(
        lambda event: event["userIdentity"].get("accessKeyId") == given["AccessKeyId"]
    )
    context = event["userIdentity"]["sessionContext"]
    assert context["sessionIssuer"]["arn"] == role["Arn"]
    assert context["sessionIssuer"]["principalId"] == role["RoleId"]
    assert context["attributes"]["mfaAuthenticated"] == "false"


def test_the_services_on_the_way_leave_events_as_themselves(audited: Audited, name: str) -> None:
    """From S3 to SNS to SQS: each asks the next as a service, and KMS for what it seals."""
    kms, sns = audited.server.client("kms"), audited.server.client("sns")
    sqs, s3 = audited.server.client("sqs"), audited.server.client("s3")
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    administered = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    "Action": "kms:*", "Resource": "*"}  # fmt: skip

    def services(*names: str, action: str, resource: str) -> dict[str, Any]:
        principals = [f"{service}.amazonaws.com" for service in names]
        return {"Effect": "Allow", "Principal": {"Service": principals}, "Action": action,
                "Resource": resource}  # fmt: skip

    def policy(*statements: Any) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    opened = services("s3", "sns", action="kms:*", resource="*")
    key = kms.create_key(Policy=policy(administered, opened))["KeyMetadata"]["Arn"]
    sns.create_topic(Name=name, Attributes={
        "KmsMasterKeyId": key,
        "Policy": policy(services("s3", action="sns:Publish", resource=topic))})  # fmt: skip
    sqs.create_queue(QueueName=name, Attributes={
        "KmsMasterKeyId": key,
        "Policy": policy(services("sns", action="sqs:SendMessage", resource=queue))})  # fmt: skip
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={
        "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]
    })  # fmt: skip
    s3.put_object(Bucket=name, Key="a.txt", Body=b"x")
    for event_name, service, resource in (
        ("Publish", "s3.amazonaws.com", topic), ("SendMessage", "sns.amazonaws.com", queue)
    ):  # fmt: skip
        *_, event = audited.where(
            lambda e, of=(event_name, service, resource): (
                (e["eventName"], e["sourceIPAddress"]) == of[:2]
                and e["resources"][0]["ARN"] == of[2]
            )
        )
        assert event["userIdentity"] == {"type": "AWSService", "invokedBy": service}
        assert event["eventCategory"] == "Data"
        content = "message" if event_name == "Publish" else "messageBody"
        assert event["requestParameters"][content] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    used = [e for e in audited.events("GenerateDataKey") if e["resources"][0]["ARN"] == key]
    contexts = [e["requestParameters"]["encryptionContext"] for e in used]
    assert {"aws:sns:topicArn": topic} in contexts
    assert {"aws:sqs:arn": queue} in contexts


def test_a_poller_works_as_the_function_s_role_and_invokes_as_lambda(
    audited: Audited, name: str
) -> None:
    assert poller_polls(Way(audited.server, name), RIGHT) == ARRIVES
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def on_queue(event: Event) -> bool:
        return any(one["ARN"] == queue for one in event.get("resources", ()))

    for event_name in ("ReceiveMessage", "DeleteMessageBatch"):
        *_, event = audited.where(
            lambda event, of=event_name: event["eventName"] == of and on_queue(event)
        )
        identity = event["userIdentity"]
        assert identity["type"] == "AssumedRole"
        assert identity["sessionContext"]["sessionIssuer"]["userName"] == name
        assert identity["invokedBy"] == event["sourceIPAddress"] == "lambda.amazonaws.com"
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    *_, invoked = audited.events("Invoke", functionName=function)
    assert invoked["userIdentity"] == {
        "type": "AWSService", "invokedBy": "lambda.amazonaws.com",
    }  # fmt: skip
    assert invoked["eventCategory"] == "Data"


def test_a_stack_s_resources_are_made_by_cloudformation(audited: Audited, name: str) -> None:
    cloudformation = audited.server.client("cloudformation")
    template = {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}}}
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    ended(audited.server, name)
    [event] = audited.events("CreateQueue", queueName=name)
    assert event["userIdentity"]["userName"] == "admin"
    assert event["userIdentity"]["invokedBy"] == "cloudformation.amazonaws.com"
    assert event["sourceIPAddress"] == event["userAgent"] == "cloudformation.amazonaws.com"


def test_strangers_are_recorded_but_cannot_push_out_what_others_did(audited: Audited) -> None:
    for number in range(60):
        request = urllib.request.Request(
            audited.server.endpoint, b"Action=ListTopics&Version=2010-03-31",
            {"content-type": "application/x-www-form-urlencoded", "user-agent": f"n{number}"},
        )  # fmt: skip
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        refused.value.close()
    wrong = audited.server.client(
        "sqs", REGION, aws_access_key_id="test", aws_secret_access_key="wrong"
    )
    with pytest.raises(ClientError):
        wrong.list_queues()
    found = audited.where(lambda event: event["userAgent"].startswith("n"))
    assert found[0]["eventName"] == "ListTopics"
    assert found[0]["userIdentity"]["accountId"] == "ANONYMOUS_PRINCIPAL"
    assert found[0]["errorCode"]
    assert len(found) < 60


def test_management_events_alone_are_recorded_by_default(tmp_path: Path) -> None:
    server = start(tmp_path, "--data", str(tmp_path / "data"), "--credentials", "test:test")
    try:
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="x")
        with pytest.raises(ClientError):
            sqs.send_message(QueueUrl=url[:-1] + "unknown", MessageBody="x")
        sqs.delete_queue(QueueUrl=url)
    finally:
        assert server.stop() == 0
    found = [event["eventName"] for event in read(tmp_path / "data" / "audit")]
    assert found == ["CreateQueue", "DeleteQueue"]


def test_it_can_be_switched_off_and_sources_left_out(tmp_path: Path) -> None:
    for options, expected in (
        (["--audit", "off"], []),
        (["--audit-exclude", "kms.amazonaws.com, sqs.amazonaws.com"], ["CreateTopic"]),
    ):
        data = tmp_path / str(len(options[1]))
        server = start(tmp_path, "--data", str(data), "--credentials", "test:test", *options)
        try:
            server.client("kms").create_key()
            server.client("sqs").create_queue(QueueName="q")
            server.client("sns").create_topic(Name="t")
        finally:
            assert server.stop() == 0
        assert [event["eventName"] for event in read(data / "audit")] == expected


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_whole_lines_in_bounded_files(tmp_path: Path) -> None:
    """And what was recorded before its last moments is there."""
    data = tmp_path / "data"
    options = ("--data", str(data), "--credentials", "test:test", "--audit", "all",
               "--audit-bytes-max", "20000", "--audit-files-max", "4")  # fmt: skip
    for _ in range(3):
        server = start(tmp_path, *options)
        sns = server.client("sns")
        for number in range(60):
            last = sns.create_topic(Name=f"t{number}")["ResponseMetadata"]["RequestId"]
        eventually(lambda last=last: last in (data / "audit" / "events.jsonl").read_text())
        for number in range(60):
            sns.create_topic(Name=f"u{number}")
        _kill(server.process)
        files = list((data / "audit").iterdir())
        assert len(files) <= 4
        # The last line may be torn until the next start; there is none after the kill of a write
        # that ended, which all have so far.
        assert all(path.stat().st_size < 20_000 + 256 * 1024 for path in files)
    with (data / "audit" / "events.jsonl").open("ab") as file:
        file.write(b'{"eventVersion":"1.11","torn')
    server = start(tmp_path, *options)
    server.client("sns").create_topic(Name="again")
    assert server.stop() == 0
    assert read(data / "audit")[-1]["requestParameters"] == {"name": "again"}


def _kill(process: subprocess.Popen[str]) -> None:
    with process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)

"""The AWS CLI as people type it: one story for each service."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.scenarios.awscli import answer, aws, found
from tests.scenarios.conftest import REGION, Server

ACCOUNT = "000000000000"
LARGE_BYTES = 20 * 1024 * 1024
"""Over the 8 MiB from which the CLI uploads in parts."""


def document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_s3_copies_lists_syncs_and_removes(server: Server, name: str, tmp_path: Path) -> None:
    bucket, folder = f"s3://{name}", tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b c&é.txt").write_text("b")
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * (LARGE_BYTES // 256))

    assert f"make_bucket: {name}" in aws(server, "s3", "mb", bucket).stdout
    aws(server, "s3", "sync", folder, f"{bucket}/tree")
    assert aws(server, "s3", "sync", folder, f"{bucket}/tree").stdout == ""
    (folder / "a.txt").write_text("changed")
    assert "a.txt" in aws(server, "s3", "sync", folder, f"{bucket}/tree").stdout
    aws(server, "s3", "cp", large, f"{bucket}/large")
    listed = aws(server, "s3", "ls", bucket, "--recursive", "--summarize").stdout
    assert "tree/sub/b c&é.txt" in listed
    assert "Total Objects: 3" in listed
    assert f"Total Size: {LARGE_BYTES + 8}" in listed
    assert "PRE tree/" in aws(server, "s3", "ls", bucket).stdout

    aws(server, "s3", "cp", f"{bucket}/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    etag = answer(server, "s3api", "head-object", "--bucket", name, "--key", "large")["ETag"]
    assert etag.endswith('-3"')
    aws(server, "s3", "mv", f"{bucket}/large", f"{bucket}/moved")
    assert aws(server, "s3", "cp", f"{bucket}/tree/a.txt", "-").stdout == "changed"
    aws(server, "s3", "cp", "-", f"{bucket}/piped", text="from stdin")
    (folder / "a.txt").unlink()
    aws(server, "s3", "sync", folder, f"{bucket}/tree", "--delete")
    keys = answer(server, "s3api", "list-objects-v2", "--bucket", name, "--query", "Contents[].Key")
    assert keys == ["moved", "piped", "tree/sub/b c&é.txt"]

    assert "BucketNotEmpty" in aws(server, "s3", "rb", bucket, fails=True).stderr
    aws(server, "s3", "rm", bucket, "--recursive")
    aws(server, "s3", "rb", bucket)
    assert "NoSuchBucket" in aws(server, "s3", "ls", bucket, fails=True).stderr


def test_a_presigned_url_of_the_cli_is_opened_by_anyone_until_it_ends(
    server: Server, name: str
) -> None:
    aws(server, "s3", "mb", f"s3://{name}")
    aws(server, "s3", "cp", "-", f"s3://{name}/a b.txt", text="hello")
    url = aws(server, "s3", "presign", f"s3://{name}/a b.txt", "--expires-in", "60").stdout.strip()
    with urllib.request.urlopen(url) as got:
        assert got.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("b.txt", "c.txt"))
    with refused.value as told:
        assert told.code == 403
        assert b"SignatureDoesNotMatch" in told.read()


def test_sqs_and_sns(server: Server, name: str) -> None:
    url = answer(server, "sqs", "create-queue", "--queue-name", name)["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    topic = answer(server, "sns", "create-topic", "--name", name)["TopicArn"]
    let_in = document(
        {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Resource": queue,
         "Action": "sqs:SendMessage", "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
    )  # fmt: skip
    aws(
        server, "sqs", "set-queue-attributes", "--queue-url", url, "--attributes",
        json.dumps({"Policy": let_in}),
    )  # fmt: skip
    aws(
        server, "sns", "subscribe", "--topic-arn", topic, "--protocol", "sqs",
        "--notification-endpoint", queue, "--attributes", "RawMessageDelivery=true",
    )  # fmt: skip
    aws(
        server, "sns", "publish", "--topic-arn", topic, "--message", "told",
        "--message-attributes", '{"kind":{"DataType":"String","StringValue":"news"}}',
    )  # fmt: skip
    [message] = answer(
        server, "sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "10",
        "--message-attribute-names", "All",
    )["Messages"]  # fmt: skip
    assert message["Body"] == "told"
    assert message["MessageAttributes"]["kind"]["StringValue"] == "news"
    aws(
        server, "sqs", "delete-message", "--queue-url", url, "--receipt-handle",
        message["ReceiptHandle"],
    )  # fmt: skip
    assert aws(server, "sqs", "receive-message", "--queue-url", url).stdout == ""
    refused = aws(server, "sqs", "get-queue-url", "--queue-name", f"{name}-no", fails=True).stderr
    assert (
        "An error occurred (AWS.SimpleQueueService.NonExistentQueue) when calling the GetQueueUrl"
        " operation: The specified queue does not exist"
    ) in refused


def test_kms_encrypts_under_a_context_and_decrypts_with_it_only(
    server: Server, name: str, tmp_path: Path
) -> None:
    key = answer(server, "kms", "create-key")["KeyMetadata"]["KeyId"]
    aws(
        server, "kms", "create-alias", "--alias-name", f"alias/{name}", "--target-key-id", key
    )  # fmt: skip
    (tmp_path / "plain").write_bytes(b"secret")
    sealed = answer(
        server, "kms", "encrypt", "--key-id", f"alias/{name}", "--plaintext",
        f"fileb://{tmp_path / 'plain'}", "--encryption-context", "for=you",
    )["CiphertextBlob"]  # fmt: skip
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed))
    decrypt = ("kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path / 'sealed'}")
    opened = answer(server, *decrypt, "--encryption-context", "for=you")
    assert base64.b64decode(opened["Plaintext"]) == b"secret"
    assert opened["KeyId"].endswith(f":key/{key}")
    assert "InvalidCiphertextException" in aws(server, *decrypt, fails=True).stderr


def test_iam_and_an_assumed_role_that_may_less(server: Server, name: str) -> None:
    trust = document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
         "Action": "sts:AssumeRole"}
    )  # fmt: skip
    role = answer(
        server, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust
    )["Role"]["Arn"]
    aws(
        server, "iam", "put-role-policy", "--role-name", name, "--policy-name", "list",
        "--policy-document",
        document({"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}),
    )  # fmt: skip
    told = answer(
        server, "sts", "assume-role", "--role-arn", role, "--role-session-name", "me"
    )["Credentials"]  # fmt: skip
    session = {
        "AWS_ACCESS_KEY_ID": told["AccessKeyId"], "AWS_SESSION_TOKEN": told["SessionToken"],
        "AWS_SECRET_ACCESS_KEY": told["SecretAccessKey"],
    }  # fmt: skip
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me"
    assert who in aws(server, "sts", "get-caller-identity", **session).stdout
    aws(server, "sqs", "list-queues", **session)
    refused = aws(server, "sqs", "create-queue", "--queue-name", name, fails=True, **session).stderr
    assert f"(AccessDenied) when calling the CreateQueue operation: User: {who} is not" in refused
    session["AWS_SESSION_TOKEN"] = "A" + session["AWS_SESSION_TOKEN"][1:-1]
    refused = aws(server, "sts", "get-caller-identity", fails=True, **session).stderr
    assert "(InvalidClientTokenId)" in refused


def test_lambda_invoke_and_logs(server: Server, name: str, tmp_path: Path) -> None:
    trust = document(
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
         "Action": "sts:AssumeRole"}
    )  # fmt: skip
    role = answer(
        server, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust
    )["Role"]["Arn"]
    aws(
        server, "iam", "attach-role-policy", "--role-name", name, "--policy-arn",
        "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    )  # fmt: skip
    (tmp_path / "index.py").write_text(
        "def handler(event, context):\n    print('got', event)\n    return 100 // event['by']\n"
    )
    zipped = tmp_path / "code.zip"
    with zipfile.ZipFile(zipped, "w") as packed:
        packed.write(tmp_path / "index.py", "index.py")
    aws(
        server, "lambda", "create-function", "--function-name", name, "--role", role, "--runtime",
        "python3.11", "--handler", "index.handler", "--zip-file", f"fileb://{zipped}",
    )  # fmt: skip
    aws(server, "lambda", "wait", "function-active-v2", "--function-name", name)
    out = tmp_path / "out"
    raw = () if found()[1] < 2 else ("--cli-binary-format", "raw-in-base64-out")
    invoke = ("lambda", "invoke", "--function-name", name, "--log-type", "Tail", *raw)
    told = answer(server, *invoke, "--payload", '{"by": 4}', out)
    assert (told["StatusCode"], out.read_text()) == (200, "25")
    assert "got {'by': 4}" in base64.b64decode(told["LogResult"]).decode()
    told = answer(server, *invoke, "--payload", '{"by": 0}', out)
    assert told["FunctionError"] == "Unhandled"
    assert json.loads(out.read_text())["errorType"] == "ZeroDivisionError"

    group = f"/aws/lambda/{name}"
    [stream] = answer(server, "logs", "describe-log-streams", "--log-group-name", group)[
        "logStreams"
    ]
    events = answer(
        server, "logs", "get-log-events", "--log-group-name", group, "--log-stream-name",
        stream["logStreamName"], "--start-from-head",
    )["events"]  # fmt: skip
    assert any("got {'by': 4}" in event["message"] for event in events)
    matching = answer(
        server, "logs", "filter-log-events", "--log-group-name", group, "--filter-pattern",
        "ZeroDivisionError",
    )["events"]  # fmt: skip
    assert matching and all("ZeroDivisionError" in event["message"] for event in matching)

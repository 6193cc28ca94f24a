"""What nobody may find who reads the server's log or its data folder."""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server, start

OWN = frozenset({"connection.json", "root.key"})
"""Files of the data folder that hold secrets for their owner alone (mode 0600)."""
PLAIN = "the plain text of a message that is to be read by its receiver"

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole"}]})  # fmt: skip
WAIT = {"Delay": 0.1, "MaxAttempts": 300}
ROLES = "arn:aws:iam::000000000000:role"


def package(name: str, code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(name, code)
    return buffer.getvalue()


def _forms(secret: bytes) -> set[bytes]:
    """How bytes could have been written down."""
    return {secret, secret.hex().encode(), base64.b64encode(secret), repr(secret)[2:-1].encode()}


def test_no_secret_is_in_the_log_or_on_the_disk(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key, secret = "AKIAOFASTORYXXXXXXXX", "aStorySecretThatIsNotToBeFound0123456789"
    server = start(
        tmp_path, "--data", str(data), "--credentials", f"{key}:{secret}", "--log-level", "DEBUG",
        "--audit", "all", "--audit-log-group", "audit",
    )  # fmt: skip
    server.key, server.secret = key, secret
    hidden: dict[str, bytes] = {"the administrator's secret": secret.encode()}
    try:
        session: dict[str, Any] = server.client("sts").get_session_token()["Credentials"]
        hidden["a session's secret"] = session["SecretAccessKey"].encode()
        hidden["a session token"] = session["SessionToken"].encode()
        user = server.client("iam").create_user(UserName="ann")["User"]["UserName"]
        made = server.client("iam").create_access_key(UserName=user)["AccessKey"]
        hidden["a user's secret"] = made["SecretAccessKey"].encode()
        of_session = {
            "aws_access_key_id": session["AccessKeyId"],
            "aws_secret_access_key": session["SecretAccessKey"],
            "aws_session_token": session["SessionToken"],
        }
        kms = server.client("kms", REGION, **of_session)
        arn = kms.create_key()["KeyMetadata"]["Arn"]
        hidden["a plaintext data key"] = kms.generate_data_key(KeyId=arn, KeySpec="AES_256")[
            "Plaintext"
        ]
        sqs = server.client("sqs", REGION, **of_session)
        url = sqs.create_queue(QueueName="q", Attributes={"KmsMasterKeyId": arn})["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=PLAIN)
        hidden["a message"] = PLAIN.encode()
        s3 = server.client("s3", REGION, **of_session)
        s3.create_bucket(Bucket="b-of-s", CreateBucketConfiguration={"LocationConstraint": REGION})
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn}
        for size in (1, 10_000):
            s3.put_object(Bucket="b-of-s", Key=f"k{size}", Body=PLAIN.encode() * size, **encryption)
        link = s3.generate_presigned_url("get_object", {"Bucket": "b-of-s", "Key": "k1"})
        with urllib.request.urlopen(link) as answer:
            assert answer.read() == PLAIN.encode()
        hidden["a function's variable"] = b"the value of a variable of a function"
        hidden["a parameter of a stack"] = b"the value of a parameter of a stack"
        server.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        server.client("lambda").create_function(
            FunctionName="f",
            Runtime="python3.11",
            Handler="f.f",
            Role=f"{ROLES}/r",
            Code={"ZipFile": package("f.py", "def f(event, context): pass\n")},
            Environment={"Variables": {"PASSWORD": hidden["a function's variable"].decode()}},
        )
        with pytest.raises(ClientError):  # The template is refused; its parameters were there.
            server.client("cloudformation").create_stack(
                StackName="s",
                TemplateBody='{"Resources": {}}',
                Parameters=[
                    {
                        "ParameterKey": "Password",
                        "ParameterValue": hidden["a parameter of a stack"].decode(),
                    }
                ],
            )
        code = "it stands in a function's code, and nobody else's business it is"
        hidden["a function's code"] = code.encode()
        _deploy(server, code)
        hidden["a secret parameter of a stack"] = (
            b"the value of a parameter that is not to be shown"
        )
        _make_stack(server, hidden["a secret parameter of a stack"].decode())
        # Refusals are where a careless server tells what it compared.
        wrong = server.client(
            "sqs", REGION, aws_access_key_id=key, aws_secret_access_key=secret[:-1] + "x"
        )
        with pytest.raises(ClientError):
            wrong.list_queues()
    finally:
        assert server.stop() == 0
    files = [path for path in data.rglob("*") if path.is_file() and path.name not in OWN]
    assert any(path.stat().st_size > 10_000 for path in files)
    recorded = (data / "audit" / "events.jsonl").read_text()
    for event in ("SendMessage", "GetSessionToken", "CreateAccessKey", "GenerateDataKey"):
        assert f'"eventName":"{event}"' in recorded
    for path in (server.log, *files):
        content = path.read_bytes()
        for what, plain in hidden.items():
            for form in _forms(plain):
                assert form not in content, f"{what} is in {path.name}"


def _deploy(server: Server, code: str) -> None:
    """A function that has run, so that its package was unpacked."""
    functions = server.client("lambda")
    packed = package("g.py", f"def g(event, context):\n    return {code!r}\n")
    functions.create_function(
        FunctionName="g", Runtime="python3.11", Handler="g.g", Role=f"{ROLES}/r",
        Code={"ZipFile": packed},
    )  # fmt: skip
    answer = functions.invoke(FunctionName="g")
    assert json.load(answer["Payload"]) == code
    location = functions.get_function(FunctionName="g")["Code"]["Location"]
    with urllib.request.urlopen(location) as found:
        assert found.read() == packed


def _make_stack(server: Server, value: str) -> None:
    """Made, changed by a change set, and rolled back: each keeps what the stack is made with."""
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.11", "Handler": "index.f", "Role": f"{ROLES}/r",
            "Code": {"ZipFile": "def f(event, context): pass\n"},
            "Environment": {"Variables": {"PASSWORD": {"Ref": "Password"}}},
        },
    }  # fmt: skip
    template: dict[str, Any] = {
        "Parameters": {"Password": {"Type": "String", "NoEcho": "true"}},
        "Resources": {"F": function},
    }
    stacks = server.client("cloudformation")
    parameters = [{"ParameterKey": "Password", "ParameterValue": value}]
    body = json.dumps(template)
    stacks.create_stack(StackName="t", TemplateBody=body, Parameters=parameters)
    stacks.get_waiter("stack_create_complete").wait(StackName="t", WaiterConfig=WAIT)
    (shown,) = stacks.describe_stacks(StackName="t")["Stacks"]
    assert shown["Parameters"] == [{"ParameterKey": "Password", "ParameterValue": "****"}]
    function["Properties"]["Description"] = "changed"
    parameters[0]["ParameterValue"] += "!"
    stacks.create_change_set(
        StackName="t", ChangeSetName="c", TemplateBody=json.dumps(template), Parameters=parameters
    )
    template["Resources"]["Q"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "a b"},
                                  "DependsOn": "F"}  # fmt: skip
    stacks.update_stack(StackName="t", TemplateBody=json.dumps(template), Parameters=parameters)
    for _ in range(WAIT["MaxAttempts"]):
        if stacks.describe_stacks(StackName="t")["Stacks"][0]["StackStatus"].endswith(
            "ROLLBACK_COMPLETE"
        ):
            return
        time.sleep(WAIT["Delay"])
    raise AssertionError("the update was not rolled back")


def test_the_search_would_find_them() -> None:
    """Its own check: each form is what a log or a record would have written."""
    raw = bytes(range(32))
    for written in (f"{raw!r}", raw.hex(), base64.b64encode(raw).decode()):
        assert any(form in written.encode() for form in _forms(raw))

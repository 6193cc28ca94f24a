"""`ogi lint` on files, and on stacks that are deployed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogi.cli import main
from tests.scenarios import stacks
from tests.scenarios.conftest import Server, eventually
from tests.scenarios.test_example import names_of

pytest.importorskip("cfnlint", reason="cfn-lint is the extra `lint`, and it is not installed")

TEMPLATE = """\
Parameters:
  Seconds: { Type: Number, Default: 0 }
Resources:
  Topic:
    Type: AWS::SNS::Topic
  Queue:
    Type: AWS::SQS::Queue
    Properties: { DelaySeconds: !Ref Seconds, VisibilityTimeout: !Ref Seconds }
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement:
          Effect: Allow
          Principal: { Service: sns.amazonaws.com }
          Action: "sqs:SendMessage"
          Resource: "*"
"""
SUBSCRIPTION = """\
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: { TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn }
"""


def lint(
    *words: str | Path,
    exits: int,
    text: str | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """What `ogi lint WORDS` prints, run in this process: importing cfn-lint takes long."""
    done = CliRunner().invoke(main, ["lint", *map(str, words)], input=text, env=environment)
    assert done.exit_code == exits, f"exit {done.exit_code}\n{done.output}"
    return done.output


def test_a_file_is_looked_at_offline_and_the_exit_code_is_for_ci(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(TEMPLATE)
    printed = lint(file, exits=0)
    assert f"{file}:14:9 warning W9018: Statement 1 in the policy of the queue Queue" in printed
    assert "fix: Condition:" in printed
    assert "https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html" in printed
    assert "0 errors, 1 warning" in printed
    assert "\x1b[" not in printed
    done = subprocess.run([sys.executable, "-m", "ogi", "lint", file, "--strict"], check=False)
    assert done.returncode == 1
    assert "no pitfalls found" in lint(file, "--strict", "--ignore", "W9018", exits=0)
    wrong = TEMPLATE.replace("sqs:SendMessage", "sqs:GetQueueUrl") + SUBSCRIPTION
    assert "error E9004" in lint("-", exits=2, text=wrong)
    [one, _] = json.loads(lint("-", "--json", exits=2, text=wrong))
    assert (one["id"], one["level"], one["line"]) == ("E9004", "error", 14)
    assert one["fix"] and one["page"].startswith("https://docs.aws.amazon.com/")
    assert "<stdin>:14:" in lint("-", "--format", "parseable", exits=2, text=wrong)


def test_what_cannot_be_looked_at_has_a_code_of_its_own(tmp_path: Path) -> None:
    assert "is no template" in lint("-", exits=3, text="hello")
    assert "error E0000" in lint("-", exits=2, text="Resources: [")
    assert "There is no file no/such.yaml" in lint("no/such.yaml", exits=3)
    assert "There is no rule W1" in lint("-", "--ignore", "W1", exits=2, text=TEMPLATE)
    assert "E9001  The key of an encrypted topic" in lint("--rules", exits=0)


def test_reports_for_ci_count_what_was_found() -> None:
    pytest.importorskip("junit_xml", reason="cfn-lint's extra `junit` is not installed")
    wrong = TEMPLATE.replace("sqs:SendMessage", "sqs:GetQueueUrl") + SUBSCRIPTION
    assert 'failures="1"' in lint(
        "-", "--format", "junit", "--ignore", "W9018", exits=2, text=wrong
    )
    assert 'failures="1"' in lint("-", "--format", "junit", exits=2, text="Resources: [")
    assert 'failures="0"' in lint("-", "--format", "junit", "--ignore", "W9018", exits=0,
                                  text=TEMPLATE)  # fmt: skip
    pytest.importorskip("sarif_om", reason="cfn-lint's extra `sarif` is not installed")
    report = json.loads(lint("-", "--format", "sarif", exits=2, text=wrong))
    assert [one["ruleId"] for one in report["runs"][0]["results"]] == ["E9004", "W9018"]


def test_a_format_that_needs_more_says_so() -> None:
    code = "import sys; sys.modules['junit_xml'] = None; from ogi.cli import main;"
    done = subprocess.run(
        [sys.executable, "-c", f"{code} main(['lint', '-', '--format', 'junit'])"],
        input=TEMPLATE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "pip install 'cfn-lint[junit]'" in done.stderr) == (3, True)


def test_without_cfn_lint_it_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['cfnlint'] = None; from ogi.cli import main; main(['lint', '-'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=TEMPLATE, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "pip install cfn-lint" in done.stderr) == (3, True), done.stderr


def test_a_deployed_stack_is_looked_at_with_its_parameters(server: Server, name: str) -> None:
    mapping = """\
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com },
                     Action: "sts:AssumeRole" }
      ManagedPolicyArns:
        - arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code: { ZipFile: "def handler(event, context): pass" }
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Function }
"""
    stack = stacks.deploy(server, name, TEMPLATE + SUBSCRIPTION + mapping, Seconds="17")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    found = json.loads(lint(name, "--json", exits=0, environment=server.environment))
    assert [one["id"] for one in found] == ["W9013", "W9012", "W9018"]
    assert found[0]["file"] == f"stack {name}"
    assert "after 17 seconds" in found[1]["message"]
    missing = lint(f"{name}-no", exits=3, environment=server.environment)
    assert f"Stack with id {name}-no does not exist" in missing


def _explained(server: Server, action: str, principal: str) -> bool:
    """Whether one of the latest refusals is this one."""
    done = subprocess.run(
        [sys.executable, "-m", "ogi", "explain", "--json"], capture_output=True, text=True,
        check=True, env=server.environment,
    )  # fmt: skip
    return any(
        one["action"] == action and principal in one["principal"] for one in json.loads(done.stdout)
    )


KEY_SERVICES = "[s3.amazonaws.com, sns.amazonaws.com]"


def test_the_example_lacks_a_queue_for_failures_until_it_is_asked_for() -> None:
    [one] = json.loads(lint(stacks.EXAMPLE, "--json", exits=0))
    assert one["id"] == "W9013"
    whole = ("--parameter", "KeepFailures=true", "--strict")
    assert "no pitfalls found" in lint(stacks.EXAMPLE, *whole, exits=0)


@pytest.mark.parametrize(
    ("old", "new", "id", "fails"),
    [
        (KEY_SERVICES, "[sns.amazonaws.com]", "E9001",
         "Unable to validate the following destination configurations"),
        ("s3:::${BucketName}", "s3:::other", "E9005",
         "Unable to validate the following destination configurations"),
        ("VisibilityTimeout: 180", "VisibilityTimeout: 20", "E9007",
         "Queue visibility timeout: 20 seconds is less than Function timeout: 30 seconds"),
        ('Action: ["sqs:ReceiveMessage",', 'Action: ["sqs:SendMessage",', "E9008",
         "The provided execution role does not have permissions to call ReceiveMessage on SQS"),
    ],
)  # fmt: skip
def test_what_lint_calls_an_error_fails_when_it_is_deployed(
    server: Server, name: str, tmp_path: Path, old: str, new: str, id: str, fails: str
) -> None:
    text = stacks.EXAMPLE.read_text()
    assert old in text
    text = text.replace(old, new)
    file = tmp_path / "t.yaml"
    file.write_text(text)
    found = json.loads(lint(file, "--json", "--parameter", "KeepFailures=true", exits=2))
    assert [one["id"] for one in found] == [id]
    stack = stacks.deploy(server, name, text, **names_of(name), KeepFailures="true")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = server.client("cloudformation").describe_stack_events(StackName=stack["StackId"])
    reasons = [event.get("ResourceStatusReason", "") for event in events["StackEvents"]]
    assert any(fails in reason for reason in reasons), reasons


@pytest.mark.parametrize(
    ("old", "new", "id", "action", "principal"),
    [
        (KEY_SERVICES, "[s3.amazonaws.com]", "E9002", "kms:GenerateDataKey", "sns.amazonaws.com"),
        ('ArnEquals: { "aws:SourceArn": !Ref Topic }',
         'ArnEquals: { "aws:SourceArn": !Sub "${Topic}-old" }',
         "E9004", "sqs:SendMessage", "sns.amazonaws.com"),
        ('Action: "kms:Decrypt"', 'Action: "kms:DescribeKey"', "E9009", "kms:Decrypt", "-role/"),
    ],
)  # fmt: skip
def test_what_lint_calls_an_error_drops_messages_once_deployed_and_is_explained(
    server: Server, name: str, tmp_path: Path, old: str, new: str, id: str, action: str,
    principal: str,
) -> None:  # fmt: skip
    text = stacks.EXAMPLE.read_text()
    assert old in text
    text = text.replace(old, new)
    file = tmp_path / "t.yaml"
    file.write_text(text)
    found = json.loads(lint(file, "--json", "--parameter", "KeepFailures=true", exits=2))
    assert [one["id"] for one in found] == [id]
    stack = stacks.deploy(server, name, text, **names_of(name), KeepFailures="true")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    bucket = stacks.outputs(stack)["BucketName"]
    server.client("s3").put_object(Bucket=bucket, Key="a.txt", Body=b"hello")
    who = f"{name}{principal}" if principal.startswith("-") else principal
    eventually(lambda: _explained(server, action, who), every=0.5)

"""`ogi lint` on files, and on stacks that are deployed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios import stacks
from tests.scenarios.conftest import Server

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
    done = subprocess.run(
        [sys.executable, "-m", "ogi", "lint", *map(str, words)], capture_output=True, text=True,
        input=text, check=False, env=environment or {**os.environ},
    )  # fmt: skip
    assert done.returncode == exits, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_a_file_is_looked_at_offline_and_the_exit_code_is_for_ci(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(TEMPLATE)
    printed = lint(file, exits=0)
    assert f"{file}:14:9 warning W9018: Statement 1 in the policy of the queue Queue" in printed
    assert "fix: Condition:" in printed
    assert "https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html" in printed
    assert "0 errors, 1 warning" in printed
    assert "\x1b[" not in printed
    lint(file, "--strict", exits=1)
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

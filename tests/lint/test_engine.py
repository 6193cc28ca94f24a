"""Templates as people have them: the article's, the examples, JSON, SAM, broken, hostile ones."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.lint.whole import WHOLE, broken, engine, found, ids, with_resources

ROOT = Path(__file__).parents[2]
ARTICLE = ROOT.parent / "shared" / "mission" / "template.yaml"


@pytest.mark.skipif(not ARTICLE.exists(), reason="the article's template is not beside the tree")
def test_the_articles_template_has_exactly_its_pitfalls() -> None:
    assert found(ARTICLE.read_text()) == [
        ("W9020", 'AWSTemplateFormatVersion: "2010-09-09"'),
        ("W9020", "Resources:"),
        ("W9018", '- Sid: "Allow Amazon SNS of the key"'),
        ("W9018", '- Sid: "Allow Amazon S3 of the key"'),
        ("W9013", "sqsQueue:"),
        ("W9012", "VisibilityTimeout: 900"),
        ("W9018", '- Sid: "SID"'),
        ("W9020", "DependsOn: sqsQueue"),
        ("W9020", "DependsOn: sqsQueue"),
        ("E9009", "lambdaRole:"),
        ("W9019", "ReservedConcurrentExecutions: 1"),
    ]


@pytest.mark.parametrize("name", ["fanout", "sam"])
def test_the_examples_have_none(name: str) -> None:
    text = (ROOT / "examples" / name / "template.yaml").read_text()
    assert found(text, given={"KeepFailures": "true"}) == []
    given = {"Stage": "prod", "BucketName": "mine", "KeepFailures": "true"}
    assert found(text, given=given) == []


def test_a_property_that_a_condition_takes_away_is_missed() -> None:
    text = (ROOT / "examples" / "fanout" / "template.yaml").read_text()
    assert found(text) == [("W9013", "Queue:")]


# -- fixes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "id", "policy"),
    [
        ("[s3.amazonaws.com, sns.amazonaws.com]", "sns.amazonaws.com", "E9001", "KeyPolicy"),
        ("[s3.amazonaws.com, sns.amazonaws.com]", "s3.amazonaws.com", "E9002", "KeyPolicy"),
        ('"sqs:SendMessage"', '"sqs:GetQueueUrl"', "E9004", "Queues: [!Ref Queue]"),
        ('"sns:Publish"', '"sns:Subscribe"', "E9005", "Topics: [!Ref Topic]"),
    ],
)
def test_the_fix_can_be_pasted_and_mends_it(old: str, new: str, id: str, policy: str) -> None:
    text = broken(old, new)
    [match] = engine.run(text, "t.yaml")
    assert match.rule.id == id
    statement = match.fix.partition("\n")[2]
    assert statement.startswith("- Effect: Allow")
    head, at, rest = text.partition(policy)
    before, line, after = rest.partition("Statement:\n")
    indent = len(after) - len(after.lstrip())
    mended = head + at + before + line + textwrap.indent(statement, " " * indent) + "\n" + after
    assert ids(mended) == []


# -- forms of templates ---------------------------------------------------------------------------


def test_json_is_read_with_its_lines() -> None:
    text = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties":
                                           {"QueueName": "q.fifo"}}}}, indent=2)  # fmt: skip
    assert found(text) == [("E9010", '"QueueName": "q.fifo"')]


def test_a_key_that_is_written_twice_counts_once_and_is_told() -> None:
    twice = broken("  Topic:\n    Type: AWS::SNS::Topic\n",
                   "  Topic:\n    DependsOn: Key\n    Type: AWS::SNS::Topic\n"
                   "    DependsOn: Alias\n")  # fmt: skip
    [match] = engine.run(twice, "t.yaml")
    assert (match.rule.id, twice.splitlines()[match.linenumber - 1].strip()) == (
        "W9020", "DependsOn: Alias",
    )  # fmt: skip
    earlier = twice.splitlines().index("    DependsOn: Key") + 1
    assert f"in line {earlier}:" in match.message


def test_what_the_template_says_about_cfn_lint_is_heard() -> None:
    quiet = broken(
        "  Queue:\n    Type: AWS::SQS::Queue\n",
        "  Queue:\n    Type: AWS::SQS::Queue\n"
        "    Metadata: { cfn-lint: { config: { ignore_checks: [W9012] } } }\n",
    )
    short = broken("VisibilityTimeout: 60", "VisibilityTimeout: 20", quiet)
    assert ids(short) == []
    assert ids(broken("VisibilityTimeout: 60", "VisibilityTimeout: 5", quiet)) == ["E9007"]
    everywhere = short.replace("Resources:\n", "Metadata: {cfn-lint: {config: {ignore_checks:"
                               " [W9014]}}}\nResources:\n", 1)  # fmt: skip
    assert ids(broken("maxReceiveCount: 5", "maxReceiveCount: 1", everywhere)) == []


def test_parameters_and_conditions_are_as_they_are_given() -> None:
    said = broken("  Source: { Type: String, Default: drop }\n",
                  "  Source: { Type: String }\n  Seconds: { Type: Number, Default: 60 }\n"
                  "  Small: { Type: String, Default: 'no' }\nConditions:\n"
                  "  IsSmall: !Equals [!Ref Small, 'yes']\n")  # fmt: skip
    said = broken(
        "VisibilityTimeout: 60", "VisibilityTimeout: !If [IsSmall, 30, !Ref Seconds]", said
    )
    assert ids(said) == [], "a parameter without a value is equal to itself"
    assert ids(said, given={"Seconds": "59"}) == ["W9012"]
    assert ids(said, given={"Small": "yes"}) == ["W9012"]
    absent = said.replace("  Dead:\n", "  Dead:\n    Condition: IsSmall\n")
    assert ids(absent) == []


def test_what_is_elsewhere_is_not_judged() -> None:
    imported = broken("KmsMasterKeyId: !GetAtt Key.Arn", "KmsMasterKeyId: !ImportValue key")
    assert ids(imported) == []
    subscribed = broken("TopicArn: !Ref Topic,", "TopicArn: !ImportValue topic,")
    subscribed = broken('"aws:SourceArn": !Ref Topic }', '"aws:SourceArn": !ImportValue topic }',
                        subscribed)  # fmt: skip
    assert ids(subscribed) == []
    wrong = broken('"aws:SourceArn": !ImportValue topic', '"aws:SourceArn": !Ref Topic', subscribed)
    assert ids(wrong) == ["E9004"]


def test_a_template_that_writes_its_account_out_is_of_that_account() -> None:
    written = WHOLE.replace("!Ref AWS::AccountId", '"444455556666"').replace(
        '!Sub "arn:aws:iam::${AWS::AccountId}:root"', '"arn:aws:iam::444455556666:root"'
    )
    assert ids(written) == []
    assert "E9001" in ids(written, account="111122223333", region="eu-west-1")


SERVERLESS = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 20
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      Timeout: 10
      InlineCode: "def handler(event, context): pass"
      Events:
        Jobs: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn } }
"""


def test_serverless_resources_are_looked_at_as_what_they_become() -> None:
    assert found(SERVERLESS) == [("W9013", "Jobs:"), ("W9012", "VisibilityTimeout: 20")]
    encrypted = SERVERLESS.replace(
        "VisibilityTimeout: 20", "VisibilityTimeout: 60\n      KmsMasterKeyId: !Ref Key"
    ) + textwrap.indent(WHOLE[WHOLE.index("  Key:") : WHOLE.index("  Alias:")], "")
    assert ("E9009", "Worker:") in found(encrypted), "the role that the transform makes"


# -- what cannot be read --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "hello", "- a", "Resources:\n", "Resources: []\n"])
def test_what_is_no_template_is_said_to_be_none(text: str) -> None:
    with pytest.raises(engine.NoTemplate):
        engine.run(text, "t.yaml")


_LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    "text",
    ["Resources:\n\tA: b", "Resources: [", "Resources: {A: !!python/object:os.system {}}",
     "Resources: " + "[" * 3000 + "]" * 3000, _LAUGHS],
    ids=["tab", "open", "tag", "deep", "aliases"],
)  # fmt: skip
def test_what_cannot_be_read_is_one_error(text: str) -> None:
    assert [match.rule.id for match in engine.run(text, "t.yaml")] == ["E0000"]


def test_properties_of_any_shape_make_no_traceback() -> None:
    document = yaml.safe_load("""
        Resources:
          A: null
          B: { Type: [x] }
          Q: { Type: "AWS::SQS::Queue", Properties: { RedrivePolicy: [], VisibilityTimeout: {} } }
          P: { Type: "AWS::SQS::QueuePolicy",
               Properties: { Queues: { Ref: Q }, PolicyDocument: { Statement: [1, {}] } } }
          M: { Type: "AWS::Lambda::EventSourceMapping", Properties: { FunctionName: {} } }
          S: { Type: "AWS::S3::Bucket",
               Properties: { NotificationConfiguration: { TopicConfigurations: [1, { Topic: [] }],
                                                          QueueConfigurations: "x" } } }
          R: { Type: "AWS::IAM::Role", Properties: { Policies: [1], ManagedPolicyArns: [{}] } }
          T: { Type: "AWS::SNS::Topic", Properties: { TopicName: { "Fn::GetAtt": [U, Arn] } } }
          U: { Type: "AWS::SNS::Topic", Properties: { TopicName: { "Fn::GetAtt": [T, Arn] } } }
    """)
    assert Counter(ids(json.dumps(document, indent=1))) == Counter()


def test_cfn_lint_itself_runs_the_rules(tmp_path: Path) -> None:
    template = tmp_path / "t.yaml"
    template.write_text(broken("VisibilityTimeout: 60", "VisibilityTimeout: 20"))
    done = subprocess.run(
        [sys.executable, "-c", "from cfnlint.runner.cli import main; main()", "-a",
         "ogi.lint.rules", "-f", "parseable", "--", template],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ":W9012:" in done.stdout, done.stdout + done.stderr


def test_more_resources_do_not_disturb() -> None:
    assert ids(with_resources("Alone:\n  Type: AWS::SQS::Queue\n")) == []

"""All policies of the article's template decide as the article says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from ogi.access.credentials import root
from ogi.access.sessions import trusts
from ogi.service import service_principal
from tests.access.court import ACCOUNT, Court, statement

TEMPLATE = Path(__file__).parents[3] / "shared" / "mission" / "template.yaml"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:snssqstestqueue"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:snssqstesttopic"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"
BUCKET = "arn:aws:s3:::snssqstestbuckets3"
S3, SNS = service_principal("s3.amazonaws.com"), service_principal("sns.amazonaws.com")
LOGS = f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/lambda/sqssnstestlambda:log-stream:x"

pytestmark = pytest.mark.skipif(not TEMPLATE.exists(), reason=f"{TEMPLATE.name} is not here")

REFERENCES = {"snsTopic": TOPIC, "createCmk": "1", "sqsQueue": QUEUE}


class _Loader(yaml.SafeLoader):
    """Reads the short forms that the policies use."""


def _short_form(loader: Any, suffix: str, node: Any) -> Any:
    if suffix == "Ref":
        return REFERENCES.get(node.value, node.value)
    if suffix == "Sub":
        return node.value.replace("${AWS::AccountId}", ACCOUNT)
    if suffix == "Join":
        separator, parts = loader.construct_sequence(node, deep=True)
        return separator.join(parts)
    return node.value


_Loader.add_multi_constructor("!", _short_form)


def _properties(name: str) -> Any:
    return yaml.load(TEMPLATE.read_text(), _Loader)["Resources"][name]["Properties"]


@pytest.fixture
def court() -> Court:
    court = Court()
    court.policies[KEY] = json.dumps(_properties("createCmk")["KeyPolicy"])
    court.policies[TOPIC] = json.dumps(_properties("snsTopicPolicy")["PolicyDocument"])
    court.policies[QUEUE] = json.dumps(_properties("sqsQueuePolycy")["PolicyDocument"])
    return court


def test_s3_may_publish_for_that_bucket_only(court: Court) -> None:
    assert court.allows(S3, "sns:Publish", TOPIC, context={"aws:SourceArn": BUCKET})
    assert not court.allows(S3, "sns:Publish", TOPIC, context={"aws:SourceArn": BUCKET + "x"})
    assert not court.allows(S3, "sns:Publish", TOPIC)
    assert not court.allows(SNS, "sns:Publish", TOPIC, context={"aws:SourceArn": BUCKET})


def test_sns_may_send_for_that_topic_only(court: Court) -> None:
    assert court.allows(SNS, "sqs:SendMessage", QUEUE, context={"aws:SourceArn": TOPIC})
    assert not court.allows(SNS, "sqs:SendMessage", QUEUE, context={"aws:SourceArn": TOPIC + "2"})
    assert not court.allows(court.user(), "sqs:SendMessage", QUEUE)


@pytest.mark.parametrize(
    "action", ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair"]
)
def test_both_services_may_use_the_key(court: Court, action: str) -> None:
    assert court.allows(SNS, action, KEY)
    assert court.allows(S3, action, KEY)


def test_services_may_do_no_more_with_the_key(court: Court) -> None:
    assert not court.allows(SNS, "kms:ScheduleKeyDeletion", KEY)
    assert not court.allows(SNS, "kms:Encrypt", KEY)
    assert not court.allows(service_principal("sqs.amazonaws.com"), "kms:Decrypt", KEY)


def test_the_account_administers_the_key(court: Court) -> None:
    assert court.allows(root(ACCOUNT), "kms:ScheduleKeyDeletion", KEY)
    assert court.allows(court.user(statement("kms:*")), "kms:DescribeKey", KEY)
    assert not court.allows(court.user(), "kms:DescribeKey", KEY)


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("sqs:ReceiveMessage", QUEUE, True),
        ("sqs:DeleteMessage", QUEUE, True),
        ("sqs:GetQueueAttributes", QUEUE, True),
        ("s3:GetObject", BUCKET + "/hello.txt", True),
        ("s3:PutObject", BUCKET + "/hello.txt", True),
        ("logs:CreateLogStream", LOGS, True),
        ("logs:PutLogEvents", LOGS, True),
        ("kms:DescribeKey", KEY, True),
        # AWS's power user of KMS administers keys but does not use them.
        ("kms:Decrypt", KEY, False),
        ("sns:Publish", TOPIC, False),
        ("sns:ListTopics", "*", True),
        ("lambda:GetFunction", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f", True),
        ("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f", False),
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x", False),
    ],
)
def test_the_role_may_what_its_managed_policies_say(
    court: Court, action: str, resource: str, allowed: bool
) -> None:
    role = court.role(attached=tuple(_properties("lambdaRole")["ManagedPolicyArns"]))
    assert court.allows(court.session(role), action, resource) is allowed


def test_lambda_may_assume_the_role_and_others_not(court: Court) -> None:
    trust = json.dumps(_properties("lambdaRole")["AssumeRolePolicyDocument"])
    role = replace(court.role(), trust_bound=trust)
    call = court.world.caller()
    assert trusts(call, role, "lambda.amazonaws.com", {})
    assert not trusts(call, role, "ec2.amazonaws.com", {})

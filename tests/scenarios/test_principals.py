"""A resource's policy names users and roles that exist; each service says so in its own words."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server

ACCOUNT = "000000000000"


def _document(principal: str, action: str, resource: str) -> str:
    statement = {
        "Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": resource,
    }  # fmt: skip
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _role(server: Server, name: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    arn: str = made["Role"]["Arn"]
    return arn


Put = Callable[[str], Any]


def _bucket(server: Server, name: str) -> Put:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    objects = f"arn:aws:s3:::{name}/*"
    return lambda who: s3.put_bucket_policy(
        Bucket=name, Policy=_document(who, "s3:GetObject", objects)
    )


def _queue(server: Server, name: str) -> Put:
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    return lambda who: sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": _document(who, "sqs:SendMessage", arn)}
    )


def _topic(server: Server, name: str) -> Put:
    sns = server.client("sns")
    arn = sns.create_topic(Name=name)["TopicArn"]
    return lambda who: sns.set_topic_attributes(
        TopicArn=arn, AttributeName="Policy", AttributeValue=_document(who, "sns:Publish", arn)
    )


def _function(server: Server, name: str) -> Put:
    lambda_, package = server.client("lambda"), io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return None\n")
    lambda_.create_function(
        FunctionName=name, Runtime="python3.11", Handler="index.handler",
        Role=_role(server, f"{name}-runs"), Code={"ZipFile": package.getvalue()},
    )  # fmt: skip
    return lambda who: lambda_.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal=who
    )


def _key(server: Server, name: str) -> Put:
    kms = server.client("kms")
    id = kms.create_key()["KeyMetadata"]["KeyId"]
    return lambda who: kms.put_key_policy(
        KeyId=id, Policy=_document(who, "kms:*", "*"), BypassPolicyLockoutSafetyCheck=True
    )


@pytest.mark.parametrize(
    ("make", "code", "sentence"),
    [
        (_bucket, "MalformedPolicy", "Invalid principal in policy"),
        (_queue, "InvalidAttributeValue", "Invalid value for the parameter Policy."),
        # github.com/hashicorp/terraform-provider-aws/issues/26041
        (_topic, "InvalidParameter", "Invalid parameter: Policy Error: PrincipalNotFound"),
        (_function, "InvalidParameterValueException",
         "The provided principal was invalid. Please check the principal and try again."),
        (_key, "MalformedPolicyDocumentException",
         "Policy contains a statement with one or more invalid principals."),
    ],
)  # fmt: skip
def test_a_policy_names_who_exists(
    server: Server, name: str, make: Callable[[Server, str], Put], code: str, sentence: str
) -> None:
    put = make(server, name)
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    with pytest.raises(ClientError) as caught:
        put(role)
    assert caught.value.response["Error"] == {
        **caught.value.response["Error"], "Code": code, "Message": sentence,
    }  # fmt: skip
    assert _role(server, name) == role
    put(role)

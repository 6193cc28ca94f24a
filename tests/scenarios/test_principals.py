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


def test_a_role_that_is_made_anew_under_an_old_name_has_no_part_in_old_policies(
    server: Server, name: str
) -> None:
    """docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html: a policy
    is about the role's unique id, which it shows once the role is gone."""
    iam, sqs, sns, s3 = (server.client(each) for each in ("iam", "sqs", "sns", "s3"))
    puts = [make(server, name) for make in (_bucket, _queue, _topic)]
    trust = _document(f"arn:aws:iam::{ACCOUNT}:root", "sts:AssumeRole", "*")
    statement = json.loads(trust)["Statement"][0]
    del statement["Resource"]
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def policies() -> list[str]:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        return [
            s3.get_bucket_policy(Bucket=name)["Policy"],
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"][
                "Policy"
            ],
            sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"],
        ]

    def may() -> list[bool]:
        made = server.client("sts").assume_role(RoleArn=role, RoleSessionName="story")
        keys = {
            "aws_access_key_id": made["Credentials"]["AccessKeyId"],
            "aws_secret_access_key": made["Credentials"]["SecretAccessKey"],
            "aws_session_token": made["Credentials"]["SessionToken"],
        }
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        asks: list[Callable[[], Any]] = [
            lambda: server.client("s3", **keys).get_object(Bucket=name, Key="k"),
            lambda: server.client("sqs", **keys).send_message(QueueUrl=url, MessageBody="m"),
            lambda: server.client("sns", **keys).publish(TopicArn=topic, Message="m"),
        ]
        return [_allowed(ask) for ask in asks]

    s3.put_object(Bucket=name, Key="k", Body=b"x")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    role, id = made["Arn"], made["RoleId"]
    for put in puts:
        put(role)
    assert may() == [True] * 3
    assert all(f'"{role}"' in text and id not in text for text in policies())
    iam.delete_role(RoleName=name)
    assert all(f'"{id}"' in text and role not in text for text in policies())
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    assert may() == [False] * 3
    for put in puts:
        put(role)
    assert may() == [True] * 3


def _allowed(ask: Callable[[], Any]) -> bool:
    try:
        ask()
    except ClientError as error:
        assert "Denied" in error.response["Error"]["Code"] or "Authorization" in str(error)
        return False
    return True

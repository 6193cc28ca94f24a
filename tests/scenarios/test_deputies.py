"""Confused deputies: a service is asked by one account to touch what belongs to another.

https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server, start

VICTIM, EVIL = "111122223333", "999988887777"
BUCKET = "arn:aws:s3:::victims-bucket"
SEED = f"""
accounts:
  "{VICTIM}":
    users:
      owner: {{policies: [AdministratorAccess], keys: [{{id: OWNER, secret: owner-secret}}]}}
  "{EVIL}":
    users:
      eve: {{policies: [AdministratorAccess], keys: [{{id: EVE, secret: eve-secret}}]}}
"""


class Two:
    """A server with two accounts."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def owner(self, service: str) -> Any:
        return self._server.client(
            service, aws_access_key_id="OWNER", aws_secret_access_key="owner-secret"
        )

    def eve(self, service: str) -> Any:
        return self._server.client(
            service, aws_access_key_id="EVE", aws_secret_access_key="eve-secret"
        )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder: Path = tmp_path_factory.mktemp("two")
    seed = folder / "seed.yaml"
    seed.write_text(SEED)
    running = start(folder, "--ephemeral", "--credentials", "test:test", "--seed", str(seed))
    yield Two(running)
    assert running.stop() == 0


def statement(service: str, action: str, resource: str, **condition: Any) -> str:
    body = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action,
            "Resource": resource}  # fmt: skip
    if condition:
        body["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [body]})


def _notify(two: Two, bucket: str, topic: str) -> None:
    """Eve asks S3 to tell the victim's topic of what happens in her own bucket."""
    two.eve("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]
        },
    )


@pytest.mark.parametrize(
    ("condition", "good"),
    [
        ({}, True),
        ({"StringEquals": {"aws:SourceAccount": VICTIM}}, False),
        ({"ArnLike": {"aws:SourceArn": BUCKET}}, False),
        ({"StringEquals": {"aws:SourceAccount": EVIL}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"},
          "StringEquals": {"aws:SourceAccount": VICTIM}}, False),
    ],
    ids=["anybody's", "own account", "own bucket", "hers", "a wildcard and own account"],
)  # fmt: skip
def test_s3_tells_a_topic_only_of_whom_its_policy_trusts(
    two: Two, name: str, condition: dict[str, Any], good: bool
) -> None:
    sns = two.owner("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    policy = statement("s3.amazonaws.com", "sns:Publish", topic, **condition)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    two.eve("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    if good:
        _notify(two, name, topic)
        return
    with pytest.raises(ClientError, match="Unable to validate the following destination"):
        _notify(two, name, topic)


def test_who_names_another_account_s_bucket_as_source_is_not_believed(two: Two, name: str) -> None:
    """aws:SourceArn is what a service says; a caller cannot say it for himself."""
    sqs = two.owner("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    body = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage",
            "Resource": arn["QueueArn"],
            "Condition": {"ArnEquals": {"aws:SourceArn": BUCKET}}}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [body]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    eve = two.eve("sqs")

    def pretend(request: Any, **_: Any) -> None:
        request.headers["x-amz-source-arn"] = BUCKET
        request.headers["x-amz-source-account"] = VICTIM

    eve.meta.events.register("before-sign.sqs.SendMessage", pretend)
    with pytest.raises(ClientError, match="not authorized to perform: sqs:sendmessage"):
        eve.send_message(QueueUrl=url, MessageBody="hello")


def test_a_role_for_a_third_party_asks_for_the_agreed_id(two: Two, name: str) -> None:
    """ "How to use an external ID when granting access to your resources to a third party" """
    trust = {"Effect": "Allow", "Principal": {"AWS": EVIL}, "Action": "sts:AssumeRole",
             "Condition": {"StringEquals": {"sts:ExternalId": "agreed-with-owner"}}}  # fmt: skip
    role = two.owner("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    sts = two.eve("sts")
    for given in ({}, {"ExternalId": "agreed-with-others"}):
        with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
            sts.assume_role(RoleArn=role, RoleSessionName="eve", **given)
    got = sts.assume_role(RoleArn=role, RoleSessionName="eve", ExternalId="agreed-with-owner")
    assert got["AssumedRoleUser"]["Arn"].startswith(f"arn:aws:sts::{VICTIM}:assumed-role/")


def test_saml_is_refused_by_name(two: Two) -> None:
    sts = two.eve("sts")
    with pytest.raises(ClientError) as refusal:
        sts.assume_role_with_saml(
            RoleArn=f"arn:aws:iam::{VICTIM}:role/r",
            PrincipalArn=f"arn:aws:iam::{VICTIM}:saml-provider/p", SAMLAssertion="PHNhbWw+",
        )  # fmt: skip
    assert refusal.value.response["Error"]["Code"] == "NotImplemented"
    assert "AssumeRoleWithSAML" in str(refusal.value)

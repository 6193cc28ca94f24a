"""Policies against plain HTTP (the CDK's `enforceSSL`) shut clients out, and no hop of services."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server, eventually

ACCOUNT = "000000000000"


def _policy(service: str, action: str, resource: str) -> str:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-security-best-practices.html"""
    common = {"Action": action, "Resource": resource}
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    return json.dumps({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, **common},
            {"Effect": "Deny", "Principal": "*", "Condition": insecure, **common},
        ],
    })  # fmt: skip


def test_what_enforces_tls_is_reached_by_services_and_by_no_plain_client(
    server: Server, name: str
) -> None:
    s3, sns, sqs = (server.client(each) for each in ("s3", "sns", "sqs"))
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy",
        AttributeValue=_policy("s3.amazonaws.com", "sns:Publish", topic),
    )  # fmt: skip
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    policy = _policy("sns.amazonaws.com", "sqs:SendMessage", queue)
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    told: Any = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=told)

    def received() -> list[Any]:
        found: list[Any] = sqs.receive_message(QueueUrl=url).get("Messages", [])
        return found

    (message,) = eventually(received)
    assert json.loads(json.loads(message["Body"])["Message"])["Event"] == "s3:TestEvent"

    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        sns.publish(TopicArn=topic, Message="plain")
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        sqs.send_message(QueueUrl=url, MessageBody="plain")

"""SNS as a user of boto3 meets it."""

from __future__ import annotations

import base64
import json
import urllib.request

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.scenarios.conftest import Server, eventually


def _queue_of(server: Server, name: str, topic: str) -> tuple[str, str]:
    """(URL, ARN) of a queue that the topic may send to."""
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def _received(server: Server, url: str) -> list[str]:
    found = server.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)
    return [message["Body"] for message in found.get("Messages", [])]


def test_a_published_message_is_verified_by_who_reads_it(server: Server, name: str) -> None:
    sns = server.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url, queue = _queue_of(server, name, topic)
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
    (body,) = _received(server, url)
    envelope = json.loads(body)
    assert envelope["Message"] == "hello"
    with urllib.request.urlopen(envelope["SigningCertURL"]) as answer:
        key = x509.load_pem_x509_certificate(answer.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in names)
    key.verify(
        base64.b64decode(envelope["Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA1()
    )
    with urllib.request.urlopen(envelope["UnsubscribeURL"]) as answer:
        assert answer.status == 200
    with pytest.raises(ClientError) as refused:
        sns.get_subscription_attributes(SubscriptionArn=subscription)
    assert refused.value.response["Error"] == {
        "Type": "Sender", "Code": "NotFound", "Message": "Subscription does not exist",
    }  # fmt: skip


def test_a_queue_that_does_not_let_the_topic_in_gets_nothing(server: Server, name: str) -> None:
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url, queue = _queue_of(server, name, topic)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    open_url, open_queue = _queue_of(server, f"{name}-open", topic)
    for endpoint in (queue, open_queue):
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=endpoint,
            Attributes={"RawMessageDelivery": "true"},
        )  # fmt: skip
    sns.publish(TopicArn=topic, Message="hello")
    assert eventually(lambda: _received(server, open_url)) == ["hello"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "0"

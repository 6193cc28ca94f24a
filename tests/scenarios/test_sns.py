"""SNS as a user of boto3 meets it."""

from __future__ import annotations

import base64
import json
import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.scenarios.conftest import Server, eventually


def _queue_of(server: Server, name: str, topic: str, **attributes: str) -> tuple[str, str]:
    """(URL, ARN) of a queue that the topic may send to."""
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
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


class _Hook(BaseHTTPRequestHandler):
    """A subscriber that confirms by the link, and keeps what comes then."""

    received: ClassVar[list[tuple[str, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = self.headers["x-amz-sns-message-type"]
        if kind == "SubscriptionConfirmation":
            with urllib.request.urlopen(body["SubscribeURL"]) as answer:
                assert b"ConfirmSubscriptionResult" in answer.read()
        self.received.append((kind, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Quiet: tests speak for themselves."""


def test_an_http_subscriber_confirms_by_the_link_and_is_served(server: Server, name: str) -> None:
    sns = server.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hook) as hook:
        thread = threading.Thread(target=hook.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{hook.server_port}/"
            asked = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
            assert asked["SubscriptionArn"] == "pending confirmation"

            def confirmed() -> bool:
                attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
                return bool(attributes["SubscriptionsConfirmed"] == "1")

            eventually(confirmed)
            sns.publish(TopicArn=topic, Message="hello")
            got = eventually(lambda: [b for k, b in _Hook.received if k == "Notification"])
        finally:
            hook.shutdown()
            thread.join()
    assert [one["Message"] for one in got] == ["hello"]


def test_an_endpoint_is_tried_for_those_only_who_may_subscribe_it(
    server: Server, name: str
) -> None:
    iam = server.client("iam")
    iam.create_user(UserName=name)
    denied = {"Effect": "Deny", "Action": "sns:Subscribe", "Resource": "*"}
    iam.put_user_policy(
        UserName=name, PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": denied}),
    )  # fmt: skip
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stranger = server.client(
        "sns", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    topic = server.client("sns").create_topic(Name=name)["TopicArn"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ClientError, match="is not authorized to perform: SNS:Subscribe"):
            stranger.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    with pytest.raises(ClientError) as refused:
        server.client("sns").subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    assert refused.value.response["Error"] == {
        "Type": "Sender", "Code": "InvalidParameter",
        "Message": "Invalid parameter: Unreachable Endpoint",
    }  # fmt: skip
    with pytest.raises(ClientError) as refused:
        internal = "http://169.254.169.254/latest/meta-data/"
        server.client("sns").subscribe(TopicArn=topic, Protocol="http", Endpoint=internal)
    assert refused.value.response["Error"] == {
        "Type": "Sender", "Code": "AuthorizationError",
        "Message": "Not authorized to subscribe internal endpoints",
    }  # fmt: skip
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_fifo_topic_feeds_a_fifo_queue_in_order_and_filters_for_another(
    server: Server, name: str
) -> None:
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(
        Name=f"{name}.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    )["TopicArn"]
    urls = {}
    for colour in ("all", "blue"):
        queue = f"{name}-{colour}.fifo"
        url, arn = _queue_of(server, queue, topic, FifoQueue="true")
        policy = {"colour": ["blue"]} if colour == "blue" else {}
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps(policy)},
        )  # fmt: skip
        urls[colour] = url
    for n in range(6):
        shade = {"DataType": "String", "StringValue": "blue" if n % 2 else "red"}
        for _ in range(2):
            sns.publish(
                TopicArn=topic, Message=str(n), MessageGroupId="g",
                MessageAttributes={"colour": shade},
            )  # fmt: skip

    def bodies(colour: str, count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            answer = sqs.receive_message(
                QueueUrl=urls[colour], MaxNumberOfMessages=10, WaitTimeSeconds=10
            )
            assert answer.get("Messages"), f"only {found} came"
            for message in answer["Messages"]:
                found.append(message["Body"])
                sqs.delete_message(QueueUrl=urls[colour], ReceiptHandle=message["ReceiptHandle"])
        return found

    assert bodies("all", 6) == list("012345")
    assert bodies("blue", 3) == list("135")

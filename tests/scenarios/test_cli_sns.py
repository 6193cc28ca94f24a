"""SNS by the AWS CLI as people type it."""

from __future__ import annotations

import json

from tests.scenarios.awscli import answer, aws
from tests.scenarios.conftest import REGION, Server

ACCOUNT = "000000000000"


def test_sns_subscribes_filters_publishes_lists_and_lets_go(server: Server, name: str) -> None:
    url = answer(server, "sqs", "create-queue", "--queue-name", name)["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    topic = answer(
        server, "sns", "create-topic", "--name", name, "--attributes", "DisplayName=News",
        "--tags", "Key=team,Value=blue",
    )["TopicArn"]  # fmt: skip
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                 "Action": "sqs:SendMessage", "Resource": queue}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    aws(
        server, "sqs", "set-queue-attributes", "--queue-url", url, "--attributes",
        json.dumps({"Policy": policy}),
    )  # fmt: skip
    of_topic = ("--topic-arn", topic)
    subscription = answer(
        server, "sns", "subscribe", *of_topic, "--protocol", "sqs", "--notification-endpoint",
        queue, "--attributes", json.dumps({"FilterPolicy": json.dumps({"kind": ["news"]})}),
    )["SubscriptionArn"]  # fmt: skip
    of_subscription = ("--subscription-arn", subscription)
    aws(
        server, "sns", "set-subscription-attributes", *of_subscription, "--attribute-name",
        "RawMessageDelivery", "--attribute-value", "true",
    )  # fmt: skip
    shown = answer(server, "sns", "get-subscription-attributes", *of_subscription)["Attributes"]
    assert json.loads(shown["FilterPolicy"]) == {"kind": ["news"]}
    assert (shown["FilterPolicyScope"], shown["RawMessageDelivery"]) == (
        "MessageAttributes",
        "true",
    )
    listed = answer(server, "sns", "list-subscriptions-by-topic", *of_topic, "--query",
                    "Subscriptions[].[Protocol,Endpoint]")  # fmt: skip
    assert listed == [["sqs", queue]]
    assert topic in answer(server, "sns", "list-topics", "--query", "Topics[].TopicArn")
    tags = answer(server, "sns", "list-tags-for-resource", "--resource-arn", topic)["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]

    for kind in ("gossip", "news"):
        aws(
            server, "sns", "publish", *of_topic, "--message", f"some {kind}",
            "--message-attributes", f"kind={{DataType=String,StringValue={kind}}}",
        )  # fmt: skip
    sent = answer(
        server, "sns", "publish-batch", *of_topic, "--publish-batch-request-entries",
        json.dumps([{"Id": "a", "Message": "more", "MessageAttributes": {
            "kind": {"DataType": "String.Array", "StringValue": '["news", "weather"]'}}}]),
    )  # fmt: skip
    assert [one["Id"] for one in sent["Successful"]] == ["a"] and not sent.get("Failed")
    got: list[str] = []
    while len(got) < 2:
        found = answer(
            server, "sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "10",
            "--max-number-of-messages", "10",
        )["Messages"]  # fmt: skip
        got += [message["Body"] for message in found]
    assert sorted(got) == ["more", "some news"]

    refused = aws(
        server, "sns", "set-subscription-attributes", *of_subscription, "--attribute-name",
        "FilterPolicy", "--attribute-value", '{"kind": "news"}', fails=True,
    ).stderr  # fmt: skip
    assert "An error occurred (InvalidParameter) when calling the SetSubscriptionAttributes" in (
        refused
    )
    aws(server, "sns", "unsubscribe", *of_subscription)
    aws(server, "sns", "delete-topic", *of_topic)
    gone = aws(server, "sns", "get-topic-attributes", *of_topic, fails=True).stderr
    assert "(NotFound) when calling the GetTopicAttributes operation: Topic does not exist" in gone

"""What topics keep and tell, as a user of boto3 meets it: status logs, replays, data protection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server, eventually

ACCOUNT = "000000000000"
CARD = "My credit card number is 4539894458086459"


def _policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _role(server: Server, name: str) -> str:
    """A role that SNS may assume, with what AWS's console gives it."""
    iam = server.client("iam")
    trust = _policy(Principal={"Service": "sns.amazonaws.com"}, Action="sts:AssumeRole")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    actions = [f"logs:{verb}" for verb in ("CreateLogGroup", "CreateLogStream", "PutLogEvents",
                                           "PutMetricFilter", "PutRetentionPolicy")]  # fmt: skip
    iam.put_role_policy(
        RoleName=name, PolicyName="logs", PolicyDocument=_policy(Action=actions, Resource="*")
    )
    return arn


def _queue(server: Server, name: str, **attributes: str) -> tuple[str, str]:
    """(URL, ARN) of a queue that SNS may send to."""
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    policy = _policy(
        Principal={"Service": "sns.amazonaws.com"}, Action="sqs:SendMessage", Resource=arn
    )
    made = server.client("sqs").create_queue(
        QueueName=name, Attributes={"Policy": policy, **attributes}
    )
    return made["QueueUrl"], arn


def _records(server: Server, group: str) -> list[dict[str, Any]]:
    logs = server.client("logs")

    def look() -> list[dict[str, Any]]:
        try:
            found = logs.filter_log_events(logGroupName=group)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"]) for event in found]

    records: list[dict[str, Any]] = eventually(look)
    return records


def test_the_failure_log_says_that_the_default_key_lets_nobody_in(
    server: Server, name: str
) -> None:
    """The article's warning: SNS cannot use a queue's default key, and no message says so."""
    sns = server.client("sns")
    role = _role(server, name)
    topic = sns.create_topic(
        Name=name,
        Attributes={"SQSFailureFeedbackRoleArn": role, "SQSSuccessFeedbackRoleArn": role},
    )["TopicArn"]
    _, closed = _queue(server, f"{name}-closed", KmsMasterKeyId="alias/aws/sqs")
    _, plain = _queue(server, name)
    for queue in (closed, plain):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    id = sns.publish(TopicArn=topic, Message="hello")["MessageId"]
    group = f"sns/{REGION}/{ACCOUNT}/{name}"
    (failure,) = _records(server, f"{group}/Failure")
    assert failure["notification"]["messageId"] == id
    assert failure["delivery"]["destination"] == closed
    response = json.loads(failure["delivery"]["providerResponse"])
    assert response["ErrorCode"] == "KMS.AccessDeniedException"
    assert "kms:GenerateDataKey" in response["ErrorMessage"]
    (success,) = _records(server, group)
    assert (success["delivery"]["destination"], success["status"]) == (plain, "SUCCESS")


def test_a_late_subscriber_replays_what_it_missed(server: Server, name: str) -> None:
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(
        Name=f"{name}.fifo",
        Attributes={
            "FifoTopic": "true", "ContentBasedDeduplication": "true",
            "ArchivePolicy": json.dumps({"MessageRetentionPeriod": "7"}),
        },
    )["TopicArn"]  # fmt: skip
    begin = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["BeginningArchiveTime"]
    for text in ("one", "two"):
        sns.publish(TopicArn=topic, Message=text, MessageGroupId="g")
    url, queue = _queue(server, f"{name}.fifo", FifoQueue="true")
    replay = json.dumps({"PointType": "Timestamp", "StartingPoint": begin})
    arn = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"ReplayPolicy": replay}
    )["SubscriptionArn"]

    def status() -> bool:
        found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return bool(found["ReplayStatus"] == "Completed")

    assert eventually(status)
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    envelopes = [json.loads(message["Body"]) for message in found]
    assert [one["Message"] for one in envelopes] == ["one", "two"]
    assert all(one["Replayed"] for one in envelopes)
    with pytest.raises(ClientError) as refused:
        sns.delete_topic(TopicArn=topic)
    assert refused.value.response["Error"]["Code"] == "InvalidState"


def test_card_numbers_are_masked_audited_and_denied(server: Server, name: str) -> None:
    sns, sqs = server.client("sns"), server.client("sqs")
    group = f"/aws/vendedlogs/{name}"
    server.client("logs").create_log_group(logGroupName=group)
    identifier = "arn:aws:dataprotection::aws:data-identifier/CreditCardNumber"
    base = {"DataDirection": "Inbound", "Principal": ["*"], "DataIdentifier": [identifier]}
    audit = {"SampleRate": "99", "FindingsDestination": {"CloudWatchLogs": {"LogGroup": group}}}

    def policy(*operations: Any) -> str:
        statements = [{**base, "Operation": operation} for operation in operations]
        return json.dumps({"Name": name, "Version": "2021-06-01", "Statement": statements})

    mask = {"Deidentify": {"MaskConfig": {"MaskWithCharacter": "#"}}}
    topic = sns.create_topic(Name=name, DataProtectionPolicy=policy({"Audit": audit}, mask))[
        "TopicArn"
    ]
    url, queue = _queue(server, name)
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue,
        Attributes={"RawMessageDelivery": "true"},
    )  # fmt: skip
    for _ in range(5):
        sns.publish(TopicArn=topic, Message=CARD)
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in found} == {"My credit card number is " + "#" * 16}
    assert _records(server, group)[0]["dataIdentifiers"][0]["count"] == 1
    sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy=policy({"Deny": {}}))
    with pytest.raises(ClientError) as refused:
        sns.publish(TopicArn=topic, Message=CARD)
    error = refused.value.response
    assert error["Error"]["Code"] == "AuthorizationError"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_quota_is_refused_in_aws_s_words(server: Server, name: str) -> None:
    sns = server.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    for number in range(200):
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:q{number}",
            Attributes={"FilterPolicy": '{"a": ["b"]}'},
        )  # fmt: skip
    with pytest.raises(sns.exceptions.FilterPolicyLimitExceededException):
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:q200",
            Attributes={"FilterPolicy": '{"a": ["b"]}'},
        )  # fmt: skip

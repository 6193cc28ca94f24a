"""Data protection: what becomes of messages that have what they must not, and who may say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Fields, Principal
from tests.services.sns.conftest import ACCOUNT_ARN, Client
from tests.world import ACCOUNT, World

CARD = "My credit card number is 4539894458086459"
MANAGED = "arn:aws:dataprotection::aws:data-identifier/"
GROUP = "/aws/vendedlogs/findings"
USER = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/u")
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def _policy(operation: Any, direction: str = "Inbound", who: str = "*", **more: Any) -> str:
    identifiers = more.pop("identifiers", [MANAGED + "CreditCardNumber"])
    statement = {
        "DataDirection": direction,
        "Principal": [who],
        "DataIdentifier": identifiers,
        "Operation": operation,
    }
    return json.dumps({"Name": "p", "Version": "2021-06-01", "Statement": [statement], **more})


DENY: dict[str, Any] = {"Deny": {}}
REDACT: dict[str, Any] = {"Deidentify": {"RedactConfig": {}}}
MASK = {"Deidentify": {"MaskConfig": {"MaskWithCharacter": "#"}}}


def _audit(percent: int = 99, **destinations: str) -> dict[str, Any]:
    told = {name: {"CloudWatchLogs": {"LogGroup": group}} for name, group in destinations.items()}
    return {"Audit": {"SampleRate": str(percent), **told}}


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Client:
    return Client(world_of("sns", "sqs", "kms", "logs"))


async def _topic(sns: Client, policy: str) -> str:
    topic = await sns.topic()
    await sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy=policy)
    await sns.subscribed(topic)
    return topic


async def test_a_denied_message_is_refused_and_goes_nowhere(sns: Client) -> None:
    topic = await _topic(sns, _policy(DENY))
    with pytest.raises(AwsError) as refused:
        await sns.publish(TopicArn=topic, Message=CARD)
    assert refused.value.shape == "AuthorizationErrorException"
    await sns.publish(TopicArn=topic, Message="harmless")
    batch = await sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[{"Id": "a", "Message": CARD}, {"Id": "b", "Message": "fine"}],
    )
    assert [one["Id"] for one in batch["Successful"]] == ["b"]
    assert [(one["Id"], one["Code"]) for one in batch["Failed"]] == [("a", "AuthorizationError")]
    assert sorted(await sns.texts()) == ["fine", "harmless"]


@pytest.mark.parametrize(
    ("operation", "text"),
    [(REDACT, "My credit card number is "), (MASK, "My credit card number is " + "#" * 16)],
)
async def test_what_is_de_identified_is_nowhere_any_more(
    sns: Client, operation: Any, text: str
) -> None:
    topic = await _topic(sns, _policy(operation))
    by_protocol = json.dumps({"default": "none", "sqs": CARD})
    await sns.publish(TopicArn=topic, Message=CARD)
    await sns.publish(TopicArn=topic, Message=by_protocol, MessageStructure="json")
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert not any(b"4539894458086459" in value for _, value in rows)
    assert await sns.texts() == [text, text]


async def test_nothing_but_sensitive_data_is_refused(sns: Client) -> None:
    identifiers = [MANAGED + "EmailAddress"]
    topic = await _topic(sns, _policy(REDACT, identifiers=identifiers))
    with pytest.raises(AwsError) as refused:
        await sns.publish(TopicArn=topic, Message=" a@example.com ")
    assert refused.value.shape == "AuthorizationErrorException"


async def test_statements_are_for_the_principals_that_they_name(sns: Client) -> None:
    topic = await _topic(sns, _policy(DENY, who=USER.arn))
    await sns.publish(TopicArn=topic, Message=CARD)
    with pytest.raises(AwsError):
        await sns.world.call_as(
            sns.world.caller(USER), "sns", "Publish", TopicArn=topic, Message=CARD
        )
    assert await sns.texts() == [CARD]


async def test_subscribers_are_denied_by_who_subscribed_them(sns: Client) -> None:
    topic = await _topic(sns, _policy(DENY, "Outbound", USER.arn))
    queue = await sns.queue("theirs")
    made = await sns.world.call_as(
        sns.world.caller(USER), "sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue
    )
    shown = await sns.get_subscription_attributes(SubscriptionArn=made["SubscriptionArn"])
    assert shown["Attributes"]["SubscriptionPrincipal"] == USER.arn
    await sns.publish(TopicArn=topic, Message=CARD)
    await sns.publish(TopicArn=topic, Message="harmless")
    assert sorted(await sns.texts()) == sorted([CARD, "harmless"])
    assert await sns.texts("theirs") == ["harmless"]


async def test_an_outbound_denial_stands_in_the_status_log(world_of: Callable[..., World]) -> None:
    sns = Client(world_of("sns", "sqs", "kms", "logs", "iam"))
    trust = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    await sns.world.call(
        "iam", "CreateRole", RoleName="feedback",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )  # fmt: skip
    topic = await _topic(sns, _policy(DENY, "Outbound"))
    await sns.set_topic_attributes(
        TopicArn=topic, AttributeName="SQSFailureFeedbackRoleArn",
        AttributeValue=f"arn:aws:iam::{ACCOUNT}:role/feedback",
    )  # fmt: skip
    await sns.publish(TopicArn=topic, Message=CARD)
    await sns.world.deliver()
    (record,) = await _events(sns, f"sns/eu-west-1/{ACCOUNT}/news/Failure")
    assert record["delivery"]["statusCode"] == 403
    assert record["delivery"]["destination"] == f"arn:aws:sqs:{ACCOUNT_ARN}:inbox"
    assert record["delivery"]["providerResponse"].startswith(
        "The topic's data protection policy prohibits this message from being delivered to "
        f"arn:aws:sns:{ACCOUNT_ARN}:news:"
    )


async def _events(sns: Client, group: str = GROUP) -> list[Fields]:
    await sns.world.deliver()
    found = await sns.world.call("logs", "FilterLogEvents", logGroupName=group)
    return [json.loads(event["message"]) for event in found["events"]]


async def test_findings_are_audited_by_lot(sns: Client) -> None:
    none = "/aws/vendedlogs/none"
    for group in (GROUP, none):
        await sns.world.call("logs", "CreateLogGroup", logGroupName=group)
    audit = _audit(60, FindingsDestination=GROUP, NoFindingsDestination=none)
    topic = await _topic(sns, _policy(audit))
    sent = [await sns.publish(TopicArn=topic, Message=CARD) for _ in range(40)]
    for _ in range(40):
        await sns.publish(TopicArn=topic, Message="harmless")
    records, others = await _events(sns), await _events(sns, none)
    assert 10 < len(records) < 38 and 10 < len(others) < 38
    assert {one["messageId"] for one in records} <= {one["MessageId"] for one in sent}
    record = records[0]
    assert record["dataIdentifiers"] == [
        {"name": "CreditCardNumber", "count": 1, "detections": [{"start": 25, "end": 41}]}
    ]
    assert (record["callerPrincipal"], record["resourceArn"]) == (ROOT, topic)
    assert others[0]["dataIdentifiers"] == []


async def test_custom_identifiers_are_found(sns: Client) -> None:
    custom = {"CustomDataIdentifier": [{"Name": "EmployeeId", "Regex": r"EID-\d{9}-US"}]}
    topic = await _topic(sns, _policy(MASK, identifiers=["EmployeeId"], Configuration=custom))
    await sns.publish(TopicArn=topic, Message="it is EID-123456789-US.")
    assert await sns.texts() == ["it is " + "#" * 16 + "."]


async def test_a_policy_is_shown_as_it_was_given_and_can_be_taken_away(sns: Client) -> None:
    text = _policy(DENY)
    topic = (await sns.create_topic(Name="news", DataProtectionPolicy=text))["TopicArn"]
    assert await sns.create_topic(Name="news", DataProtectionPolicy=text) == {"TopicArn": topic}
    with pytest.raises(AwsError):
        await sns.create_topic(Name="news", DataProtectionPolicy=_policy(MASK))
    shown = await sns.get_data_protection_policy(ResourceArn=topic)
    assert shown["DataProtectionPolicy"] == text
    await sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy="")
    assert (await sns.get_data_protection_policy(ResourceArn=topic)) == {"DataProtectionPolicy": ""}
    await sns.publish(TopicArn=topic, Message=CARD)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("nonsense", "JSON"),
        ('{"Name": "p"}', "missing"),
        (_policy(DENY).replace("2021-06-01", "2012-10-17"), "Version"),
        (_policy({"Encrypt": {}}), "Operation"),
        (_policy(MASK, "Outbound"), "inbound"),
        (_policy(DENY, "Sideways"), "DataDirection"),
        (_policy(DENY, who="me"), "Principal"),
        (_policy(_audit(100, FindingsDestination=GROUP)), "SampleRate"),
        (_policy(_audit()), "FindingsDestination"),
        (_policy(_audit(FindingsDestination="mine")), "/aws/vendedlogs/"),
        (_policy(_audit(FindingsDestination=GROUP)), "does not exist"),
        (_policy(DENY, identifiers=["EmployeeId"]), "not defined"),
        (_policy(DENY, identifiers=[]), "DataIdentifier"),
        (_policy(DENY, Configuration={"CustomDataIdentifier": [{"Name": "x", "Regex": "(a)"}]}),
         "Regex"),
        (_policy(DENY, Configuration={"CustomDataIdentifier": [{"Name": "x", "Regex": "[a"}]}),
         "Regex"),
        (_policy({"Deidentify": {"MaskConfig": {"MaskWithCharacter": "##"}}}), "MaskWith"),
        (_policy(DENY, Surprise=1), "Surprise"),
    ],
)  # fmt: skip
async def test_policies_that_are_none(sns: Client, policy: str, reason: str) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError, match=reason) as refused:
        await sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy=policy)
    assert refused.value.shape == "InvalidParameterException"


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (_policy(DENY, identifiers=[MANAGED + "Name"]), "Name"),
        (_policy({"Audit": {"SampleRate": 1, "FindingsDestination": {
            "Firehose": {"DeliveryStream": "s"}}}}), "Firehose"),
        (_policy({"Audit": {"SampleRate": 1, "FindingsDestination": {
            "S3": {"Bucket": "b"}}}}), "S3"),
    ],
)  # fmt: skip
async def test_what_ogi_does_not_do_is_refused_by_name(sns: Client, policy: str, name: str) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError, match=name) as refused:
        await sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy=policy)
    assert refused.value.code == "NotImplemented"


async def test_fifo_topics_have_no_data_protection(sns: Client) -> None:
    topic = await sns.topic("news.fifo", FifoTopic="true")
    with pytest.raises(AwsError, match="standard topics"):
        await sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy=_policy(DENY))


async def test_who_has_findings_logged_must_be_allowed_to(world_of: Callable[..., World]) -> None:
    sns = Client(world_of("sns", "logs", "iam", authorise=authorise))
    topic = await sns.topic()
    await sns.world.call("logs", "CreateLogGroup", logGroupName=GROUP)
    made = await sns.world.call("iam", "CreateUser", UserName="u")
    user = msgspec.structs.replace(USER, id=made["User"]["UserId"])
    policy = _policy(_audit(FindingsDestination=GROUP))

    async def put() -> Fields:
        return await sns.world.call_as(
            sns.world.caller(user), "sns", "PutDataProtectionPolicy", ResourceArn=topic,
            DataProtectionPolicy=policy,
        )  # fmt: skip

    async def allow(*actions: str) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        await sns.world.call(
            "iam", "PutUserPolicy", UserName="u", PolicyName="p", PolicyDocument=document
        )

    await allow("sns:*")
    with pytest.raises(AwsError, match="logs:CreateLogDelivery"):
        await put()
    await allow("sns:*", "logs:*LogDeliver*", "logs:*ResourcePol*", "logs:DescribeLogGroups")
    await put()

"""What became of messages to phones and devices, told in Logs as the roles that are named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.service import Principal
from ogi.services.sns import carrier_statuses
from tests.services.sns.test_statuses import Told
from tests.world import ACCOUNT, World

NUMBER = "+15555550100"
GROUP = f"sns/eu-west-1/{ACCOUNT}"


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Told:
    return Told(world_of("sns", "sqs", "kms", "iam", "logs", authorise=authorise))


async def test_a_text_is_told_with_what_became_of_it(sns: Told) -> None:
    role = await sns.role()
    await sns.set_sms_attributes(attributes={"DeliveryStatusIAMRole": role})
    sent = await sns.publish(PhoneNumber=NUMBER, Message="hello")
    (record,) = await sns.records(f"{GROUP}/DirectPublishToPhoneNumber")
    assert record["status"] == "SUCCESS"
    assert record["notification"]["messageId"] == sent["MessageId"]
    assert record["delivery"] == {
        "numberOfMessageParts": 1, "destination": NUMBER, "priceInUSD": 0.0,
        "smsType": "Promotional", "dwellTimeMs": 0,
        "providerResponse": "Message has been accepted by phone carrier",
    }  # fmt: skip
    await sns.set_sms_attributes(attributes={"DeliveryStatusSuccessSamplingRate": "0"})
    topic = await sns.topic()
    await sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    await sns.publish(TopicArn=topic, Message="€" * 161)
    assert await sns.records(f"{GROUP}/news") == []
    await sns.publish(TopicArn=topic, Message="x" * 1601)
    (record,) = await sns.records(f"{GROUP}/news/Failure")
    assert record["status"] == "FAILURE" and "too long" in record["delivery"]["providerResponse"]


async def test_a_push_is_told_as_the_applications_roles(sns: Told) -> None:
    role = await sns.role()
    made = await sns.create_platform_application(
        Name="chat", Platform="GCM",
        Attributes={"PlatformCredential": "key", "SuccessFeedbackRoleArn": role,
                    "FailureFeedbackRoleArn": role},
    )  # fmt: skip
    device = await sns.create_platform_endpoint(
        PlatformApplicationArn=made["PlatformApplicationArn"], Token="Token"
    )
    arn = device["EndpointArn"]
    topic = await sns.topic()
    await sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=arn)
    await sns.publish(TargetArn=arn, Message="hello")
    (record,) = await sns.records(f"{GROUP}/app/GCM/chat")
    assert (record["status"], record["delivery"]["statusCode"]) == ("SUCCESS", 200)
    assert (record["delivery"]["token"], record["delivery"]["destination"]) == ("Token", arn)
    await sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Enabled": "false"})
    await sns.publish(TopicArn=topic, Message="hello")
    (record,) = await sns.records(f"{GROUP}/app/GCM/chat/Failure")
    assert record["delivery"]["providerResponse"] == "Endpoint is disabled"


async def test_who_names_a_role_must_be_allowed_to_pass_it(sns: Told) -> None:
    role = await sns.role()
    made = await sns.world.call("iam", "CreateUser", UserName="ann")
    may = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sns:*","Resource":"*"}}'
    await sns.world.call("iam", "PutUserPolicy", UserName="ann", PolicyName="p", PolicyDocument=may)
    user = made["User"]
    ann = sns.world.caller(Principal("user", ACCOUNT, user["Arn"], user["UserId"]))
    for asked in (
        ("SetSMSAttributes", {"attributes": {"DeliveryStatusIAMRole": role}}),
        ("CreatePlatformApplication", {
            "Name": "chat", "Platform": "GCM",
            "Attributes": {"PlatformCredential": "key", "SuccessFeedbackRoleArn": role},
        }),
    ):  # fmt: skip
        with pytest.raises(AwsError) as refused:
            await sns.world.call_as(ann, "sns", asked[0], **asked[1])
        assert "iam:PassRole" in refused.value.message


@pytest.mark.parametrize(
    ("text", "parts"),
    [("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("€" * 80, 1), ("€" * 81, 2),
     ("я" * 70, 1), ("я" * 71, 2), ("☂" * 134, 2), ("😀" * 35, 1), ("😀" * 36, 2)],
)  # fmt: skip
def test_long_texts_go_in_parts(text: str, parts: int) -> None:
    assert carrier_statuses.parts(text) == parts

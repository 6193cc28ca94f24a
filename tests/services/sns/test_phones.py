"""SMS: messages in the outbox, who is opted out, an account's defaults, and the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.sns import outbox, phones, sandboxes
from tests.services.sns.conftest import Client
from tests.world import World

NUMBER = "+15555550100"
DAY_S = 86_400


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


async def _stops(sns: Client, number: str, text: str = "Stop ") -> bool:
    """The holder of a number answers."""
    call = sns.world.caller()
    return await call.transact(lambda tx, run: phones.reply(tx, run, number, text), call.home)


async def _refused(asked: Any) -> str:
    with pytest.raises(AwsError) as refused:
        await asked
    return f"{refused.value.shape}: {refused.value.message}"


async def test_a_message_to_a_phone_lies_in_the_outbox_sealed(sns: Client) -> None:
    made = await sns.publish(
        PhoneNumber=NUMBER, Message="classified",
        MessageAttributes={"AWS.SNS.SMS.SenderID": _text("Ogi"), "colour": _text("red")},
    )  # fmt: skip
    (got,) = await sns.outbox("sms")
    assert (got.to, got.text, got.sender, got.refused) == (NUMBER, "classified", "Ogi", "")
    assert got.message_id == made["MessageId"] and "SequenceNumber" not in made
    assert got.attributes == {"AWS.SNS.SMS.SMSType": "Promotional", "AWS.SNS.SMS.SenderID": "Ogi"}
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert not any(b"classified" in value for _, value in rows)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"PhoneNumber": "15555550100"}, "Reason: 15555550100 is not valid to publish to"),
        ({"PhoneNumber": "+0555555010"}, "is not valid to publish to"),
        ({"PhoneNumber": NUMBER, "TopicArn": "arn:aws:sns:eu-west-1:111122223333:x"}, "TopicArn"),
        ({"PhoneNumber": NUMBER, "Message": "x" * 1601}, "Message too long"),
        ({"PhoneNumber": NUMBER, "Message": ""}, "Empty message"),
        ({"PhoneNumber": NUMBER,
          "MessageAttributes": {"AWS.SNS.SMS.SMSType": _text("Marketing")}}, "SMSType"),
        ({"PhoneNumber": NUMBER,
          "MessageAttributes": {"AWS.SNS.SMS.SenderID": _text("12345")}}, "SenderID"),
    ],
)  # fmt: skip
async def test_publishes_to_phones_that_are_refused(
    sns: Client, request_: dict[str, Any], reason: str
) -> None:
    told = await _refused(sns.publish(**{"Message": "hello", **request_}))
    assert told.startswith("InvalidParameterException: Invalid parameter: ") and reason in told
    assert await sns.outbox() == []


async def test_a_topic_reaches_phones_with_its_name_and_their_own_text(sns: Client) -> None:
    topic = await sns.topic(DisplayName="Weather")
    made = await sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    assert made["SubscriptionArn"].startswith(topic)
    texts = {"default": "a long story", "sms": "rain"}
    await sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
    (got,) = await sns.outbox("sms")
    assert (got.text, got.topic_arn) == ("Weather> rain", topic)


async def test_a_subscribed_number_may_have_dashes(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+1-555-555-0100")
    for none in ("5550100", "+1--5555550100", "+1-555-555-0100-", "x-xxx-xxx-xxxx"):
        assert await _refused(sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=none)) == (
            f"InvalidParameterException: Invalid SMS endpoint: {none}"
        )
    (listed,) = (await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"]
    assert listed["Endpoint"] == "+1-555-555-0100"
    await sns.publish(TopicArn=topic, Message="rain")
    assert [one.to for one in await sns.outbox("sms")] == [NUMBER]


async def test_what_is_no_number_is_told_as_on_aws(sns: Client) -> None:
    for ask in (sns.check_if_phone_number_is_opted_out, sns.opt_in_phone_number):
        told = await _refused(ask(phoneNumber=f"{NUMBER}x"))
        assert told == (
            "InvalidParameterException: Invalid parameter: PhoneNumber Reason: input incorrectly"
            " formatted"
        )


async def test_who_answers_stop_gets_nothing_until_he_is_opted_in(sns: Client) -> None:
    dead = await sns.queue("dead")
    topic = await sns.topic()
    await sns.subscribe(
        TopicArn=topic, Protocol="sms", Endpoint=NUMBER,
        Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})},
    )  # fmt: skip
    assert not await _stops(sns, NUMBER, "stop it, please")
    assert await _stops(sns, NUMBER)
    assert (await sns.check_if_phone_number_is_opted_out(phoneNumber=NUMBER))["isOptedOut"]
    listed = await sns.list_phone_numbers_opted_out()
    assert listed == {"phoneNumbers": [NUMBER]}
    # Accepted, and told afterwards, as on AWS.
    await sns.publish(PhoneNumber=NUMBER, Message="direct")
    await sns.publish(TopicArn=topic, Message="by topic")
    assert [(one.text, one.refused) for one in await sns.outbox("sms")] == [
        ("direct", "Phone number is opted out"), ("by topic", "Phone number is opted out"),
    ]  # fmt: skip
    (message,) = await sns.messages("dead")
    assert json.loads(message["Body"])["Message"] == "by topic"
    await sns.opt_in_phone_number(phoneNumber=NUMBER)
    await sns.publish(PhoneNumber=NUMBER, Message="again")
    assert (await sns.outbox("sms"))[-1].refused == ""
    await _stops(sns, NUMBER)
    assert "latest opt in is too recent" in await _refused(
        sns.opt_in_phone_number(phoneNumber=NUMBER)
    )
    sns.world.clock.advance(30 * DAY_S)
    await sns.opt_in_phone_number(phoneNumber=NUMBER)
    assert not (await sns.check_if_phone_number_is_opted_out(phoneNumber=NUMBER))["isOptedOut"]


async def test_numbers_that_are_opted_out_come_in_pages(sns: Client) -> None:
    numbers = [f"+1555555{n:04}" for n in range(101)]
    for number in numbers:
        await _stops(sns, number)
    first = await sns.list_phone_numbers_opted_out()
    second = await sns.list_phone_numbers_opted_out(nextToken=first["nextToken"])
    assert first["phoneNumbers"] + second["phoneNumbers"] == numbers and "nextToken" not in second


async def test_an_accounts_defaults_count_where_a_message_says_nothing(sns: Client) -> None:
    assert (await sns.get_sms_attributes())["attributes"] == {"MonthlySpendLimit": "1"}
    await sns.set_sms_attributes(
        attributes={"DefaultSMSType": "Transactional", "DefaultSenderID": "Acme"}
    )
    await sns.publish(PhoneNumber=NUMBER, Message="hello")
    (got,) = await sns.outbox()
    assert (got.sender, got.attributes["AWS.SNS.SMS.SMSType"]) == ("Acme", "Transactional")
    asked = await sns.get_sms_attributes(attributes=["DefaultSenderID"])
    assert asked["attributes"] == {"DefaultSenderID": "Acme"}


async def test_an_empty_value_sets_a_default_back(sns: Client) -> None:
    # As github.com/hashicorp/terraform-provider-aws does it where it destroys the preferences.
    names = ["MonthlySpendLimit", "DefaultSenderID", "DefaultSMSType", "UsageReportS3Bucket"]
    names += ["DeliveryStatusIAMRole", "DeliveryStatusSuccessSamplingRate"]
    made = {"MonthlySpendLimit": "9", "DefaultSenderID": "Acme", "DefaultSMSType": "Transactional"}
    made["DeliveryStatusSuccessSamplingRate"] = "50"
    await sns.set_sms_attributes(attributes=made)
    assert (await sns.get_sms_attributes())["attributes"] == made
    await sns.set_sms_attributes(attributes=dict.fromkeys(names, ""))
    assert (await sns.get_sms_attributes())["attributes"] == {"MonthlySpendLimit": "1"}


@pytest.mark.parametrize(
    ("name", "value", "shape"),
    [
        ("DefaultSMSType", "Marketing", "InvalidParameterException"),
        ("DefaultSenderID", "twelve chars", "InvalidParameterException"),
        ("MonthlySpendLimit", "-1", "InvalidParameterException"),
        ("Strange", "1", "InvalidParameterException"),
        ("UsageReportS3Bucket", "reports", "Unsupported"),
        ("DeliveryStatusIAMRole", "arn:aws:iam::999999999999:role/x", "InvalidParameterException"),
        ("DeliveryStatusIAMRole", "me", "InvalidParameterException"),
        ("DeliveryStatusSuccessSamplingRate", "101", "InvalidParameterException"),
    ],
)
async def test_defaults_that_are_refused(sns: Client, name: str, value: str, shape: str) -> None:
    told = await _refused(sns.set_sms_attributes(attributes={name: value}))
    assert told.startswith(shape) and name in told
    if name == "DefaultSenderID":
        assert told == "InvalidParameterException: DefaultSenderID is invalid"


# -- the sandbox ----------------------------------------------------------------------------------


async def _password(sns: Client) -> str:
    return (await sns.outbox("sms"))[-1].text.rpartition(" ")[2]


async def test_a_number_is_verified_by_the_password_that_it_was_sent(
    world_of: Callable[..., World],
) -> None:
    sns = Client(world_of("sns", "sqs", "kms", settings={"sms_sandbox": True}))
    assert (await sns.get_sms_sandbox_account_status()) == {"IsInSandbox": True}
    await sns.publish(PhoneNumber=NUMBER, Message="too early")
    assert "not verified" in (await sns.outbox())[0].refused
    await sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER, LanguageCode="de-DE")
    password = await _password(sns)
    assert len(password) == 6
    wrong = "000000" if password != "000000" else "000001"
    told = await _refused(
        sns.verify_sms_sandbox_phone_number(PhoneNumber=NUMBER, OneTimePassword=wrong)
    )
    assert told.startswith("VerificationException")
    await sns.verify_sms_sandbox_phone_number(PhoneNumber=NUMBER, OneTimePassword=password)
    listed = await sns.list_sms_sandbox_phone_numbers()
    assert listed["PhoneNumbers"] == [{"PhoneNumber": NUMBER, "Status": "Verified"}]
    await sns.publish(PhoneNumber=NUMBER, Message="hello")
    assert (await sns.outbox())[-1].refused == ""
    assert "24 hours" in await _refused(sns.delete_sms_sandbox_phone_number(PhoneNumber=NUMBER))
    sns.world.clock.advance(DAY_S)
    await sns.delete_sms_sandbox_phone_number(PhoneNumber=NUMBER)
    told = await _refused(sns.delete_sms_sandbox_phone_number(PhoneNumber=NUMBER))
    assert told.startswith("ResourceNotFoundException")


async def test_a_number_that_nobody_tried_to_verify_is_deleted_at_once(sns: Client) -> None:
    """So do the tests of Ballerina's client on AWS, with numbers that are none of E.164."""
    for number in ("123456789", "+9411223344667788990"):
        await sns.create_sms_sandbox_phone_number(PhoneNumber=number)
        await sns.delete_sms_sandbox_phone_number(PhoneNumber=number)
    await sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER)
    await _refused(
        sns.verify_sms_sandbox_phone_number(PhoneNumber=NUMBER, OneTimePassword="0000000")
    )
    await sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER)
    assert "24 hours" in await _refused(sns.delete_sms_sandbox_phone_number(PhoneNumber=NUMBER))


async def test_a_password_is_guessed_five_times_and_worth_something_for_a_quarter_of_an_hour(
    sns: Client,
) -> None:
    assert (await sns.get_sms_sandbox_account_status()) == {"IsInSandbox": False}
    await sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER)
    password = await _password(sns)
    wrong = "000000" if password != "000000" else "000001"
    for guess in [wrong] * sandboxes.ATTEMPTS_MAX + [password]:
        told = await _refused(
            sns.verify_sms_sandbox_phone_number(PhoneNumber=NUMBER, OneTimePassword=guess)
        )
        assert told.startswith("VerificationException")
    await sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER)
    password = await _password(sns)
    sns.world.clock.advance(sandboxes.PASSWORD_S)
    await _refused(
        sns.verify_sms_sandbox_phone_number(PhoneNumber=NUMBER, OneTimePassword=password)
    )
    for _ in range(3):
        await sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER)
    told = await _refused(sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER))
    assert told.startswith("ThrottledException")


async def test_an_account_has_ten_numbers_and_none_that_is_opted_out(sns: Client) -> None:
    await _stops(sns, NUMBER)
    told = await _refused(sns.create_sms_sandbox_phone_number(PhoneNumber=NUMBER))
    assert told.startswith("OptedOutException")
    for n in range(sandboxes.VERIFIED_MAX):
        await sns.create_sms_sandbox_phone_number(PhoneNumber=f"+1555555020{n}")
    told = await _refused(sns.create_sms_sandbox_phone_number(PhoneNumber="+15555550300"))
    assert told.startswith("UserErrorException")
    first = await sns.list_sms_sandbox_phone_numbers(MaxResults=7)
    rest = await sns.list_sms_sandbox_phone_numbers(NextToken=first["NextToken"])
    assert (len(first["PhoneNumbers"]), len(rest["PhoneNumbers"])) == (7, 3)
    assert await sns.list_origination_numbers() == {"PhoneNumbers": []}


# -- the outbox -----------------------------------------------------------------------------------


async def test_the_outbox_keeps_the_latest_for_a_week(
    sns: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LETTERS_MAX", 5)
    for n in range(8):
        sns.world.clock.advance(3_600)
        await sns.publish(PhoneNumber=NUMBER, Message=str(n))
    assert [one.text for one in await sns.outbox()] == ["3", "4", "5", "6", "7"]
    sns.world.clock.advance(outbox.KEPT_S - 2 * 3_600)
    assert [one.text for one in await sns.outbox()] == ["6", "7"]
    sns.world.clock.advance(2 * 3_600)
    assert await sns.outbox() == []
    await sns.publish(PhoneNumber=NUMBER, Message="anew")
    assert [one.text for one in await sns.outbox()] == ["anew"]
    sns.world.clock.advance(outbox.KEPT_S)
    assert await sns.outbox() == []

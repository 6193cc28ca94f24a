"""Mobile push: applications, their devices, and what goes to them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.services.sns.conftest import Client

APP = "arn:aws:sns:eu-west-1:111122223333:app/GCM/chat"


async def _app(sns: Client, platform: str = "GCM", name: str = "chat", **attributes: str) -> str:
    secrets = {"PlatformCredential": "classified", "PlatformPrincipal": "me"}
    made = await sns.create_platform_application(
        Name=name, Platform=platform, Attributes={**secrets, **attributes}
    )
    arn: str = made["PlatformApplicationArn"]
    return arn


async def _device(sns: Client, app: str, token: str = "Token", **rest: Any) -> str:
    made = await sns.create_platform_endpoint(PlatformApplicationArn=app, Token=token, **rest)
    arn: str = made["EndpointArn"]
    return arn


async def _refused(asked: Any) -> str:
    with pytest.raises(AwsError) as refused:
        await asked
    return f"{refused.value.shape}: {refused.value.message}"


async def test_an_application_tells_all_but_its_credentials(sns: Client) -> None:
    topic = await sns.topic()
    app = await _app(sns, EventEndpointCreated=topic)
    assert app == APP and await _app(sns, EventEndpointCreated=topic) == app
    shown = (await sns.get_platform_application_attributes(PlatformApplicationArn=app))[
        "Attributes"
    ]
    assert shown == {
        "Enabled": "true", "AuthenticationMethod": "key", "EventEndpointCreated": topic,
    }  # fmt: skip
    assert await _refused(_app(sns, PlatformCredential="other")) == (
        "InvalidParameterException: Invalid parameter: Name Reason: An application with the same"
        " name but different properties already exists"
    )
    await sns.set_platform_application_attributes(
        PlatformApplicationArn=app,
        Attributes={
            "PlatformCredential": '{"type": "service_account"}', "EventEndpointCreated": "",
        },
    )  # fmt: skip
    (listed,) = (await sns.list_platform_applications())["PlatformApplications"]
    assert listed == {
        "PlatformApplicationArn": app,
        "Attributes": {"Enabled": "true", "AuthenticationMethod": "token"},
    }
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert not any(b"classified" in value or b"service_account" in value for _, value in rows)


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({"name": "sp ace"}, "InvalidParameterException"),
        ({"platform": "PIGEON"}, "InvalidParameterException"),
        ({"platform": "BAIDU"}, "Unsupported"),
        ({"PlatformCredential": ""}, "InvalidParameterException"),
        ({"platform": "APNS", "PlatformPrincipal": ""}, "InvalidParameterException"),
        ({"Strange": "1"}, "InvalidParameterException"),
        ({"SuccessFeedbackRoleArn": "me"}, "InvalidParameterException"),
        ({"SuccessFeedbackSampleRate": "101"}, "InvalidParameterException"),
        ({"EventEndpointCreated": "arn:aws:sns:eu-west-1:111122223333:none"},
         "InvalidParameterException"),
    ],
)  # fmt: skip
async def test_applications_that_are_refused(sns: Client, given: Any, shape: str) -> None:
    assert (await _refused(_app(sns, **given))).startswith(shape)


async def test_a_principal_that_is_empty_is_none_for_gcm(sns: Client) -> None:
    """So AWS's example for Java makes its applications, whatever the platform."""
    assert await _app(sns, PlatformPrincipal="") == APP


async def test_what_is_refused_of_applications_and_devices_is_told_as_on_aws(sns: Client) -> None:
    """The tests of github.com/ballerina-platform/module-ballerinax-aws.sns, and what wire-server
    tells AWS's answers by."""
    app = await _app(sns)
    arn = await _device(sns, app)
    get, few = sns.get_endpoint_attributes, "An ARN must have at least 6 elements, not 1"
    asked = sns.get_platform_application_attributes
    slashes = "Wrong number of slashes in relative portion of the ARN."
    id_ = "ARN specifies an invalid endpointId: UUID must be encoded in exactly 36 characters."
    value = "Attributes Reason: Invalid value for attribute"
    rate = {"SuccessFeedbackSampleRate": "101"}
    for request, sentence in (
        (asked(PlatformApplicationArn="x"), f"PlatformApplicationArn Reason: {few}"),
        (asked(PlatformApplicationArn=arn), f"PlatformApplicationArn Reason: {slashes}"),
        (get(EndpointArn="x"), f"EndpointArn Reason: {few}"),
        (get(EndpointArn=app), f"EndpointArn Reason: {slashes}"),
        (get(EndpointArn=f"{arn}invalid"), f"EndpointArn Reason: {id_}"),
        (_device(sns, app, ""), "Token Reason: cannot be empty"),
        (_device(sns, app, "t", Attributes={"Token": ""}), f"{value}: Token: cannot be empty"),
        (_app(sns, **rate), f"{value}: SuccessFeedbackSampleRate: 101 value provided is not an"
         " integer between 0-100"),
        (_device(sns, app, "é" * 4_097),
         "Token Reason: must be at most 8192 bytes long in UTF-8 encoding"),
        (_device(sns, app, "t", CustomUserData="é" * 1_025),
         "CustomUserData Reason: must be at most 2048 bytes long in UTF-8 encoding"),
        (sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"CustomUserData": "x" * 2_049}),
         f"{value}: CustomUserData: must be at most 2048 bytes long in UTF-8 encoding"),
    ):  # fmt: skip
        told = await _refused(request)
        assert told == f"InvalidParameterException: Invalid parameter: {sentence}"


@pytest.mark.parametrize("token", ["my-phone", "c0ffee " * 2, "ab" * 200 + "c", "é"])
async def test_an_apples_token_is_of_hexadecimal_digits(sns: Client, token: str) -> None:
    app = await _app(sns, "APNS_SANDBOX")
    arn = await _device(sns, app, "ab" * 200)
    sentence = "iOS device tokens must be no more than 400 hexadecimal characters"
    for request, place in (
        (_device(sns, app, token), "Token Reason"),
        (sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Token": token}),
         "Attributes Reason: Invalid value for attribute: Token"),
    ):  # fmt: skip
        told = await _refused(request)
        assert told == f"InvalidParameterException: Invalid parameter: {place}: {sentence}"


async def test_a_token_has_one_device(sns: Client) -> None:
    app = await _app(sns)
    arn = await _device(sns, app, CustomUserData="jane")
    assert re.fullmatch(re.escape(APP.replace(":app/", ":endpoint/")) + "/[0-9a-f-]{36}", arn)
    assert await _device(sns, app, CustomUserData="jane") == arn
    # Clients read the ARN out of this sentence.
    told = await _refused(_device(sns, app, CustomUserData="joe"))
    assert told == (
        f"InvalidParameterException: Invalid parameter: Token Reason: Endpoint {arn} already exists"
        " with the same Token, but different attributes."
    )
    await sns.set_endpoint_attributes(
        EndpointArn=arn, Attributes={"Token": "new", "Enabled": "false", "CustomUserData": "joe"}
    )
    shown = (await sns.get_endpoint_attributes(EndpointArn=arn))["Attributes"]
    assert shown == {"Token": "new", "Enabled": "false", "CustomUserData": "joe"}
    other = await _device(sns, app, "Token")
    assert other != arn
    assert other in await _refused(
        sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Token": "Token"})
    )
    await sns.delete_endpoint(EndpointArn=arn)
    await sns.delete_endpoint(EndpointArn=arn)
    told = await _refused(sns.get_endpoint_attributes(EndpointArn=arn))
    assert told == "NotFoundException: Endpoint does not exist"
    listed = await sns.list_endpoints_by_platform_application(PlatformApplicationArn=app)
    assert [one["EndpointArn"] for one in listed["Endpoints"]] == [other]


async def test_an_apples_token_is_shown_in_lower_case(sns: Client) -> None:
    app = await _app(sns, "APNS")
    arn = await _device(sns, app, "ABCDEF")
    assert (await sns.get_endpoint_attributes(EndpointArn=arn))["Attributes"]["Token"] == "abcdef"
    assert await _device(sns, app, "abcdef") == arn


async def test_an_application_takes_its_devices_along(sns: Client) -> None:
    app = await _app(sns)
    for n in range(101):
        await _device(sns, app, str(n))
    listed = await sns.list_endpoints_by_platform_application(PlatformApplicationArn=app)
    rest = await sns.list_endpoints_by_platform_application(
        PlatformApplicationArn=app, NextToken=listed["NextToken"]
    )
    assert (len(listed["Endpoints"]), len(rest["Endpoints"])) == (100, 1)
    await sns.delete_platform_application(PlatformApplicationArn=app)
    told = await _refused(_device(sns, app))
    assert told == "NotFoundException: PlatformApplication does not exist"
    await _app(sns)
    anew = await _device(sns, app, "0")
    await sns.world.deliver()
    listed = await sns.list_endpoints_by_platform_application(PlatformApplicationArn=app)
    assert [one["EndpointArn"] for one in listed["Endpoints"]] == [anew]
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert sum(b"sns.device\x00" in key for key, _ in rows) == 1


async def test_a_message_to_a_device_lies_in_the_outbox(sns: Client) -> None:
    arn = await _device(sns, await _app(sns))
    await sns.publish(TargetArn=arn, Message="hello", Subject="hi")
    texts = {"GCM": '{"notification": {"title": "hi"}}'}
    await sns.publish(TargetArn=arn, Message=json.dumps(texts), MessageStructure="json")
    plain, own = await sns.outbox()
    assert (plain.kind, plain.to, plain.token) == ("GCM", arn, "Token")
    assert (plain.text, plain.subject, own.text) == ("hello", "hi", texts["GCM"])
    await sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Enabled": "false"})
    told = await _refused(sns.publish(TargetArn=arn, Message="hello"))
    assert told == "EndpointDisabledException: Endpoint is disabled"
    await sns.delete_endpoint(EndpointArn=arn)
    told = await _refused(sns.publish(TargetArn=arn, Message="hello"))
    assert told.endswith("TargetArn Reason: No endpoint found for the target arn specified")


async def test_a_topic_reaches_devices_each_with_its_platforms_text(sns: Client) -> None:
    dead = await sns.queue("dead")
    topic = await sns.topic()
    arns = []
    for platform in ("GCM", "APNS"):
        arns.append(await _device(sns, await _app(sns, platform), "c0ffee"))
        await sns.subscribe(
            TopicArn=topic, Protocol="application", Endpoint=arns[-1],
            Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})},
        )  # fmt: skip
    texts = {"default": "plain", "APNS": '{"aps": {}}'}
    await sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
    got = {one.kind: one.text for one in await sns.outbox()}
    assert got == {"GCM": "plain", "APNS": '{"aps": {}}'}
    await sns.set_endpoint_attributes(EndpointArn=arns[0], Attributes={"Enabled": "false"})
    await sns.delete_endpoint(EndpointArn=arns[1])
    await sns.publish(TopicArn=topic, Message="nobody")
    assert len(await sns.outbox()) == 2
    told = {
        m["MessageAttributes"]["ErrorMessage"]["StringValue"] for m in await sns.messages("dead")
    }
    assert told == {"Endpoint is disabled", "No endpoint found for the target arn specified"}
    told_ = await _refused(sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=arns[1]))
    assert "Endpoint does not exist" in told_


async def test_an_applications_events_go_to_its_topics(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    events = ("EndpointCreated", "EndpointUpdated", "EndpointDeleted")
    app = await _app(sns, **{f"Event{event}": topic for event in events})
    arn = await _device(sns, app)
    await sns.world.deliver()
    await sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Token": "new"})
    await sns.world.deliver()
    await sns.delete_endpoint(EndpointArn=arn)
    told = [json.loads(text) for text in await sns.texts()]
    assert {one["EventType"] for one in told} == set(events)
    assert {(one["EndpointArn"], one["Resource"]) for one in told} == {(arn, app)}

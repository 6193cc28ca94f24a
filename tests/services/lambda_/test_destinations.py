"""What is kept of asynchronous events: records at destinations, and dead letters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.service import Fields
from tests.services.lambda_.conftest import House, refused
from tests.world import ACCOUNT, REGION

BOOM = "def handler(event, context):\n    raise ValueError('boom')"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
MAY_NOT = "The provided execution role does not have permissions to call SendMessage on SQS"


async def event(house: House, payload: bytes = b'{"n": 1}', **rest: Any) -> None:
    """Invoke, and let all tries and deliveries happen."""
    await house.lambda_("Invoke", FunctionName="f", InvocationType="Event", Payload=payload, **rest)
    for seconds in (0, 60, 120, 1):
        house.clock.advance(seconds)
        await house.world.deliver()
        await house.world.deliver()


async def got(house: House, url: str) -> list[Fields]:
    found = await house.sqs(
        "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    messages: list[Fields] = found.get("Messages", [])
    for message in messages:
        await house.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages


async def test_an_event_that_failed_for_good_goes_to_the_dead_letter_queue_as_it_was(
    house: House,
) -> None:
    url, arn = await house.queue("letters")
    made = await house.function(BOOM, DeadLetterConfig={"TargetArn": arn})
    assert made["DeadLetterConfig"] == {"TargetArn": arn}
    await event(house)
    assert len(house.sandbox.invocations) == 3
    [letter] = await got(house, url)
    assert letter["Body"] == '{"n": 1}'
    told = {name: (a["DataType"], a["StringValue"]) for name, a in
            letter["MessageAttributes"].items()}  # fmt: skip
    assert told == {
        "RequestID": ("String", house.sandbox.invocations[0].request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "boom"),
    }


async def test_a_topic_may_take_dead_letters(house: House) -> None:
    url, queue = await house.queue()
    topic = (await house.world.call("sns", "CreateTopic", Name="letters"))["TopicArn"]
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage",
                             "Resource": "*"}]}  # fmt: skip
    await house.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    await house.world.call(
        "sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue,
        Attributes={"RawMessageDelivery": "true"},
    )  # fmt: skip
    await house.function(BOOM, DeadLetterConfig={"TargetArn": topic})
    await event(house)
    assert [message["Body"] for message in await got(house, url)] == ['{"n": 1}']


async def test_records_say_what_came_of_events(house: House) -> None:
    good, good_arn = await house.queue("good")
    bad, bad_arn = await house.queue("bad")
    await house.function("def handler(event, context):\n    return [1 / event['n']]")
    told = await house.lambda_(
        "PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=1,
        DestinationConfig={"OnSuccess": {"Destination": good_arn},
                           "OnFailure": {"Destination": bad_arn}},
    )  # fmt: skip
    assert told["DestinationConfig"]["OnFailure"] == {"Destination": bad_arn}
    await event(house)
    [message] = await got(house, good)
    record = json.loads(message["Body"])
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": house.sandbox.invocations[0].request_id,
            "functionArn": f"{ARN}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": [1.0],
    }
    await event(house, b'{"n": 0}')
    assert await got(house, good) == []
    [message] = await got(house, bad)
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "division by zero"


async def test_configurations_of_events_are_listed_in_pages(house: House) -> None:
    await house.function(Publish=True)
    for qualifier in ("$LATEST", "1"):
        await house.lambda_(
            "PutFunctionEventInvokeConfig", FunctionName="f", Qualifier=qualifier,
            MaximumRetryAttempts=0,
        )  # fmt: skip
    found, marker = [], {}
    for _ in range(2):
        page = await house.lambda_(
            "ListFunctionEventInvokeConfigs", FunctionName="f", MaxItems=1, **marker
        )
        found += [one["FunctionArn"] for one in page["FunctionEventInvokeConfigs"]]
        marker = {"Marker": page.get("NextMarker", "")}
    assert found == [f"{ARN}:$LATEST", f"{ARN}:1"]
    assert marker == {"Marker": ""}


async def test_a_function_may_be_a_destination(house: House) -> None:
    await house.function()
    await house.function("def handler(event, context):\n    return 0", name="g")
    target = f"{ARN.removesuffix('f')}g"
    await house.lambda_(
        "PutFunctionEventInvokeConfig", FunctionName="f",
        DestinationConfig={"OnSuccess": {"Destination": target}},
    )  # fmt: skip
    await event(house)
    assert [said.get("requestPayload", said) for said in house.events()] == [{"n": 1}, {"n": 1}]


async def test_an_event_for_a_function_without_room_is_kept_at_once(house: House) -> None:
    url, arn = await house.queue("letters")
    await house.function(DeadLetterConfig={"TargetArn": arn})
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    await house.lambda_("Invoke", FunctionName="f", InvocationType="Event", Payload=b"7")
    await house.world.deliver()
    await house.world.deliver()
    [letter] = await got(house, url)
    assert letter["Body"] == "7"
    assert letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "429"
    assert house.sandbox.invocations == []


async def test_a_role_that_may_not_send_is_refused_when_it_is_configured(house: House) -> None:
    _, arn = await house.queue("letters")
    await house.role({"Effect": "Allow", "Action": "logs:*", "Resource": "*"}, name="poor")
    poor = f"arn:aws:iam::{ACCOUNT}:role/poor"
    error = await refused(house.function(Role=poor, DeadLetterConfig={"TargetArn": arn}))
    assert (error.shape, error.message) == ("InvalidParameterValueException", MAY_NOT)
    await house.function(Role=poor)
    error = await refused(
        house.lambda_(
            "UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={"TargetArn": arn}
        )
    )
    assert error.message == MAY_NOT
    error = await refused(
        house.lambda_(
            "PutFunctionEventInvokeConfig", FunctionName="f",
            DestinationConfig={"OnFailure": {"Destination": arn}},
        )
    )  # fmt: skip
    assert error.message == MAY_NOT


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default", "NotImplemented"),
        ("arn:aws:s3:::bucket", "NotImplemented"),
    ],
)
async def test_other_destinations_are_refused(house: House, target: str, code: str) -> None:
    await house.function()
    error = await refused(
        house.lambda_(
            "PutFunctionEventInvokeConfig", FunctionName="f",
            DestinationConfig={"OnFailure": {"Destination": target}},
        )
    )  # fmt: skip
    assert error.code == code


@pytest.mark.parametrize(
    ("condition", "target"),
    [
        ("OnFailure", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"),
        ("OnFailure", f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo"),
        ("OnSuccess", f"arn:aws:sqs:us-west-2:{ACCOUNT}:q"),
        ("OnSuccess", "arn:aws:s3:::bucket"),
    ],
)
async def test_what_cannot_be_a_destination_is_told_in_full(
    house: House, condition: str, target: str
) -> None:
    await house.function()
    error = await refused(
        house.lambda_(
            "PutFunctionEventInvokeConfig", FunctionName="f",
            DestinationConfig={condition: {"Destination": target}},
        )
    )  # fmt: skip
    success, failure = (target, "") if condition == "OnSuccess" else ("", target)
    assert error.shape == "InvalidParameterValueException"
    assert error.message == (
        "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination="
        f"{success}), onFailure=OnFailure(destination={failure})) is invalid."
    )


async def test_a_topic_that_keeps_order_is_no_destination(house: House) -> None:
    await house.function()
    target = {"Destination": f"arn:aws:sns:{REGION}:{ACCOUNT}:t.fifo"}
    error = await refused(
        house.lambda_(
            "PutFunctionEventInvokeConfig", FunctionName="f",
            DestinationConfig={"OnFailure": target},
        )
    )  # fmt: skip
    assert error.message == "FIFO-type Amazon SNS topics aren't supported as a destination."


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (
            f"arn:aws:sqs:us-west-2:{ACCOUNT}:q",
            "The resource specified by the TargetArn must be in the same region as the Lambda "
            "function it's associated with.",
        ),
        (
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:g",
            "The service specified by the TargetArn is not supported for dead letter "
            "configuration.",
        ),
        (
            f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo",
            "FIFO SQS queue is not supported for dead letter configuration",
        ),
    ],
)
async def test_what_cannot_be_a_dead_letter_queue_is_said(
    house: House, target: str, why: str
) -> None:
    error = await refused(house.function(DeadLetterConfig={"TargetArn": target}))
    assert error.shape == "InvalidParameterValueException"
    assert error.message == f"Invalid dead letter queue ARN: {why}"


async def test_a_dead_letter_queue_is_taken_away_by_an_empty_name(house: House) -> None:
    url, arn = await house.queue("letters")
    await house.function(BOOM, DeadLetterConfig={"TargetArn": arn})
    told = await house.lambda_(
        "UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={"TargetArn": ""}
    )
    assert "DeadLetterConfig" not in told
    await event(house)
    assert await got(house, url) == []


async def test_a_role_that_lost_its_right_loses_the_letter_and_nothing_else(house: House) -> None:
    url, arn = await house.queue("letters")
    await house.function(BOOM, DeadLetterConfig={"TargetArn": arn})
    await house.grant({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    await event(house)
    assert len(house.sandbox.invocations) == 3
    assert await got(house, url) == []

"""X-Ray's header as functions see it, in `_X_AMZN_TRACE_ID` and in records of queues.

"`PassThrough` mode simply propagates the tracing context":
docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from ogi.service import Fields
from tests.services.lambda_.conftest import House

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
BOOM = "def handler(event, context):\n    raise ValueError('boom')"


async def invoke(house: House, header: str = HEADER, **rest: Any) -> None:
    call = house.world.caller(trace_header=header)
    await house.world.call_as(call, "lambda", "Invoke", FunctionName="f", **rest)


def seen(house: House) -> list[str]:
    """What the functions had in `_X_AMZN_TRACE_ID`, run by run."""
    return [one.trace for one in house.sandbox.invocations]


async def received(house: House, url: str) -> list[Fields]:
    found = await house.sqs("ReceiveMessage", QueueUrl=url, AttributeNames=["All"])
    return [message["Attributes"] for message in found.get("Messages", [])]


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?",
        f"{HEADER};Lineage=a87bd80c:0|68fd508a:5",
    ],
)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
async def test_a_function_sees_the_header_as_its_caller_sent_it(
    house: House, kind: str, header: str
) -> None:
    await house.function()
    await invoke(house, header, InvocationType=kind)
    await house.world.deliver()
    assert seen(house) == [header]


async def test_without_a_header_it_sees_one_that_is_not_sampled(house: House) -> None:
    await house.function()
    await invoke(house, header="")
    (header,) = seen(house)
    assert re.fullmatch(r"Root=1-test;Parent=[0-9a-f]{16};Sampled=0", header)


async def test_every_try_of_an_event_has_it_and_what_is_kept_of_it(house: House) -> None:
    letters, arn = await house.queue("letters")
    failures, destination = await house.queue("failures")
    await house.function(BOOM, DeadLetterConfig={"TargetArn": arn})
    await house.lambda_(
        "PutFunctionEventInvokeConfig", FunctionName="f",
        DestinationConfig={"OnFailure": {"Destination": destination}},
    )  # fmt: skip
    await invoke(house, InvocationType="Event")
    for seconds in (0, 60, 120, 1):
        house.clock.advance(seconds)
        await house.world.deliver()
    assert seen(house) == [HEADER] * 3
    for url in (letters, failures):
        (attributes,) = await received(house, url)
        assert attributes["AWSTraceHeader"] == HEADER


async def test_a_record_of_a_queue_has_the_messages_header_among_its_attributes(
    house: House,
) -> None:
    # What functions got on AWS: github.com/aws-observability/aws-otel-lambda/issues/893
    await house.function()
    url, source = await house.queue(VisibilityTimeout=30)
    call = house.world.caller(trace_header=HEADER)
    await house.world.call_as(call, "sqs", "SendMessage", QueueUrl=url, MessageBody="with")
    await house.send(url, "without")
    await house.map(source)
    await house.until(lambda: len(house.events()) > 0)
    records = [record for event in house.events() for record in event["Records"]]
    assert {r["body"]: r["attributes"].get("AWSTraceHeader") for r in records} == {
        "with": HEADER, "without": None,
    }  # fmt: skip
    # A batch has no caller whose header could be its own; its run belongs to the messages' trace.
    assert seen(house)[0].startswith("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=")

"""Invoking functions: at once, later and again, with limits, logs and traces."""

from __future__ import annotations

import asyncio
import base64
import json

from ogi.service import Fields
from ogi.services.lambda_ import runs
from tests.services.lambda_.conftest import ALLOW_ALL, House, refused
from tests.world import ACCOUNT, REGION

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
BOOM = "def handler(event, context):\n    raise ValueError('boom')"


async def test_the_result_is_the_payload(house: House) -> None:
    await house.function()
    ran = await house.lambda_("Invoke", FunctionName="f", Payload=b'{"n":1}')
    assert ran == {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b'{"n": 1}'}


async def test_an_error_of_the_function_is_not_an_error_of_the_request(house: House) -> None:
    await house.function(BOOM)
    ran = await house.lambda_("Invoke", FunctionName="f")
    assert (ran["StatusCode"], ran["FunctionError"]) == (200, "Unhandled")
    assert json.loads(ran["Payload"])["errorMessage"] == "boom"


async def test_the_tail_of_the_log_is_returned_when_asked_for(house: House) -> None:
    await house.function("def handler(e, c): print('hello')")
    ran = await house.lambda_("Invoke", FunctionName="f", LogType="Tail")
    lines = base64.b64decode(ran["LogResult"]).decode().splitlines()
    assert lines[0].startswith("START RequestId: ") and lines[1] == "hello"
    assert lines[3].startswith("REPORT RequestId: ")


async def test_a_dry_run_runs_nothing(house: House) -> None:
    await house.function()
    ran = await house.lambda_("Invoke", FunctionName="f", InvocationType="DryRun")
    assert ran["StatusCode"] == 204 and house.sandbox.invocations == []


async def test_a_payload_that_is_not_json_is_refused(house: House) -> None:
    await house.function()
    for payload in (b"{", b"[" * 20_000 + b"]" * 20_000):
        error = await refused(house.lambda_("Invoke", FunctionName="f", Payload=payload))
        assert error.shape == "InvalidRequestContentException"
        assert error.message.startswith("Could not parse request body into json: ")


async def test_a_payload_that_is_too_large_is_refused(house: House) -> None:
    await house.function()
    large = b'"' + b"x" * 6_291_455 + b'"'
    error = await refused(house.lambda_("Invoke", FunctionName="f", Payload=large))
    assert error.shape == "RequestTooLargeException"
    message = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert error.message == message


async def test_the_function_has_its_variables_and_its_roles_credentials(house: House) -> None:
    await house.function(
        "import os\ndef handler(e, c):\n"
        " return [os.environ['STAGE'], os.environ['AWS_ACCESS_KEY_ID'][:4],"
        " len(os.environ['AWS_SESSION_TOKEN']) > 100]",
        Environment={"Variables": {"STAGE": "test"}},
    )
    ran = await house.lambda_("Invoke", FunctionName="f")
    assert json.loads(ran["Payload"]) == ["test", "ASIA", True]


async def test_variables_under_a_key_need_the_roles_permission_to_decrypt(house: House) -> None:
    made = await house.world.call("kms", "CreateKey")
    key = made["KeyMetadata"]["Arn"]
    await house.function(Environment={"Variables": {"AA": "1"}}, KMSKeyArn=key)
    await house.grant({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    error = await refused(house.lambda_("Invoke", FunctionName="f"))
    assert error.shape == "KMSAccessDeniedException"
    await house.grant(ALLOW_ALL)
    assert "FunctionError" not in await house.lambda_("Invoke", FunctionName="f")


async def test_reserved_concurrency_really_limits(house: House) -> None:
    await house.function()
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=1)
    house.sandbox.hold = asyncio.Event()
    first = asyncio.create_task(house.lambda_("Invoke", FunctionName="f"))
    await house.until(lambda: house.sandbox.running == 1)
    error = await refused(house.lambda_("Invoke", FunctionName="f"))
    assert error.shape == "TooManyRequestsException" and error.message == "Rate Exceeded."
    assert error.members["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    house.sandbox.hold.set()
    assert (await first)["StatusCode"] == 200
    assert (await house.lambda_("Invoke", FunctionName="f"))["StatusCode"] == 200


async def test_reserving_nothing_stops_a_function(house: House) -> None:
    await house.function()
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    error = await refused(house.lambda_("Invoke", FunctionName="f"))
    assert error.shape == "TooManyRequestsException"


async def test_the_function_goes_on_when_its_caller_goes_away(house: House) -> None:
    await house.function("def handler(e, c): print('done')")
    house.sandbox.hold = asyncio.Event()
    caller = asyncio.create_task(house.lambda_("Invoke", FunctionName="f"))
    await house.until(lambda: house.sandbox.running == 1)
    caller.cancel()
    await asyncio.wait([caller])
    assert house.sandbox.running == 1
    house.sandbox.hold.set()
    await house.until(lambda: house.sandbox.running == 0)


# -- asynchronous events --------------------------------------------------------------------------


async def test_an_event_is_run_later(house: House) -> None:
    await house.function()
    ran = await house.lambda_(
        "Invoke", FunctionName="f", InvocationType="Event", Payload=b'{"n":1}'
    )
    assert ran == {"StatusCode": 202, "Payload": b""}
    assert house.sandbox.invocations == []
    await house.world.deliver()
    assert house.events() == [{"n": 1}]


async def test_an_event_that_fails_is_tried_two_more_times_a_minute_and_two_later(
    house: House,
) -> None:
    await house.function(BOOM)
    await house.lambda_("Invoke", FunctionName="f", InvocationType="Event")
    runs_after = []
    for seconds in (0, 59, 1, 119, 1, 1000):
        house.clock.advance(seconds)
        await house.world.deliver()
        runs_after.append(len(house.sandbox.invocations))
    assert runs_after == [1, 1, 2, 2, 3, 3]
    assert len({one.request_id for one in house.sandbox.invocations}) == 1
    dropped = house.hops("lambda.dropped")
    assert [hop["condition"] for hop in dropped] == ["RetriesExhausted"]


async def test_the_retries_of_events_can_be_set(house: House) -> None:
    await house.function(BOOM)
    await house.lambda_("PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0)
    await house.lambda_("Invoke", FunctionName="f", InvocationType="Event")
    for _ in range(5):
        await house.world.deliver()
        house.clock.advance(300)
    assert len(house.sandbox.invocations) == 1


async def test_an_event_waits_for_room_until_it_is_too_old(house: House) -> None:
    await house.function()
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    await house.lambda_("Invoke", FunctionName="f", InvocationType="Event")
    for _ in range(20):
        await house.world.deliver()
        house.clock.advance(300)
    await house.lambda_("DeleteFunctionConcurrency", FunctionName="f")
    await house.world.deliver()
    assert len(house.sandbox.invocations) == 1
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    await house.lambda_("Invoke", FunctionName="f", InvocationType="Event")
    for _ in range(80):
        await house.world.deliver()
        house.clock.advance(300)
    assert [hop["condition"] for hop in house.hops("lambda.dropped")] == ["EventAgeExceeded"]


async def test_the_events_of_a_deleted_function_go_with_it(house: House) -> None:
    await house.function()
    await house.lambda_("Invoke", FunctionName="f", InvocationType="Event")
    await house.lambda_("DeleteFunction", FunctionName="f")
    await house.world.deliver()
    assert house.sandbox.invocations == []


# -- logs and traces ------------------------------------------------------------------------------


async def _log(house: House) -> list[Fields]:
    await runs.of(house.world.ports).flush()
    found = await house.world.call("logs", "FilterLogEvents", logGroupName="/aws/lambda/f")
    events: list[Fields] = found["events"]
    return events


async def test_the_log_goes_to_a_stream_of_the_environment(house: House) -> None:
    await house.function("def handler(e, c): print('hello')")
    for _ in range(2):
        await house.lambda_("Invoke", FunctionName="f")
    events = await _log(house)
    assert [e["message"] for e in events].count("hello\n") == 2
    assert events[0]["message"].startswith("START RequestId: ")
    streams = {e["logStreamName"] for e in events}
    assert len(streams) == 1 and streams.pop().startswith("2023/11/14/[$LATEST]")


async def test_without_permission_there_is_no_log_but_the_function_runs(house: House) -> None:
    await house.grant({"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    await house.function("def handler(e, c): print('hello'); return 1")
    ran = await house.lambda_("Invoke", FunctionName="f")
    assert ran["Payload"] == b"1"
    await runs.of(house.world.ports).flush()
    found = await house.world.call("logs", "DescribeLogGroups")
    assert found["logGroups"] == []


async def test_a_log_group_that_was_deleted_is_made_anew(house: House) -> None:
    await house.function("def handler(e, c): print('hello')")
    await house.lambda_("Invoke", FunctionName="f")
    await _log(house)
    await house.world.call("logs", "DeleteLogGroup", logGroupName="/aws/lambda/f")
    await house.lambda_("Invoke", FunctionName="f")
    assert "hello\n" in [e["message"] for e in await _log(house)]


async def test_the_trace_shows_start_and_end(house: House) -> None:
    await house.function(BOOM)
    await house.lambda_("Invoke", FunctionName="f")
    (start,), (end,) = house.hops("lambda.start"), house.hops("lambda.end")
    assert (start["function"], start["cold"]) == (ARN, True)
    assert (end["request_id"], end["error"]) == (start["request_id"], "ValueError")

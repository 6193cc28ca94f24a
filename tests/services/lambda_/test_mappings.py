"""Event source mappings from SQS: the rules of creating and changing them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.lambda_.conftest import ALLOW_ALL, House, refused
from tests.world import ACCOUNT, REGION

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
LOGS_ONLY = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}


async def test_a_mapping_goes_through_awss_states(house: House) -> None:
    await house.function()
    _, source = await house.queue()
    made = await house.lambda_(
        "CreateEventSourceMapping", EventSourceArn=source, FunctionName="f", BatchSize=1
    )
    assert (made["State"], made["StateTransitionReason"]) == ("Creating", "USER_INITIATED")
    assert (made["BatchSize"], made["FunctionArn"], made["EventSourceArn"]) == (1, ARN, source)
    id = made["UUID"]
    states = [made["State"]]
    for change in ({}, {"Enabled": False}, {"Enabled": True}, {"BatchSize": 5}):
        if change:
            updated = await house.lambda_("UpdateEventSourceMapping", UUID=id, **change)
            states.append(updated["State"])
        for _ in range(2):
            await house.poller.work()
            await house.settle()
        states.append((await house.mapping(id))["State"])
    deleted = await house.lambda_("DeleteEventSourceMapping", UUID=id)
    states.append(deleted["State"])
    for _ in range(2):
        await house.poller.work()
        await house.settle()
    assert states == [
        "Creating", "Enabled", "Disabling", "Disabled", "Enabling", "Enabled", "Updating",
        "Enabled", "Deleting",
    ]  # fmt: skip
    error = await refused(house.mapping(id))
    assert error.message == "The resource you requested does not exist."


async def test_a_visibility_timeout_below_the_functions_timeout_is_refused(house: House) -> None:
    await house.function(Timeout=900)
    url, source = await house.queue(VisibilityTimeout=30)
    error = await refused(
        house.lambda_("CreateEventSourceMapping", EventSourceArn=source, FunctionName="f")
    )
    assert error.shape == "InvalidParameterValueException"
    assert error.message == (
        "Queue visibility timeout: 30 seconds is less than Function timeout: 900 seconds"
    )
    await house.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "900"})
    id = await house.map(source)
    # Lowering it afterwards is allowed, as on AWS.
    await house.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "30"})
    assert (await house.mapping(id))["State"] == "Enabled"


@pytest.mark.parametrize("action", ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"])
async def test_the_role_must_be_allowed_to_use_the_queue(house: House, action: str) -> None:
    await house.function()
    _, source = await house.queue()
    deny = {"Effect": "Deny", "Action": f"sqs:{action}", "Resource": "*"}
    await house.grant(ALLOW_ALL, deny)
    error = await refused(
        house.lambda_("CreateEventSourceMapping", EventSourceArn=source, FunctionName="f")
    )
    assert error.message == (
        f"The provided execution role does not have permissions to call {action} on SQS"
    )


async def test_the_queue_must_exist(house: House) -> None:
    await house.function()
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:absent"
    error = await refused(
        house.lambda_("CreateEventSourceMapping", EventSourceArn=source, FunctionName="f")
    )
    assert error.message == (
        "Error occurred while ReceiveMessage. SQS Error Code: "
        "AWS.SimpleQueueService.NonExistentQueue. "
        "SQS Error Message: The specified queue does not exist."
    )


async def test_a_queue_is_mapped_to_a_function_once(house: House) -> None:
    await house.function()
    _, source = await house.queue()
    id = await house.map(source)
    error = await refused(
        house.lambda_("CreateEventSourceMapping", EventSourceArn=source, FunctionName="f")
    )
    assert error.shape == "ResourceConflictException"
    assert error.message == (
        f'An event source mapping with SQS arn (" {source} ") and function (" f ") already exists.'
        f" Please update or delete the existing mapping with UUID {id}"
    )
    await house.lambda_("DeleteEventSourceMapping", UUID=id)
    await house.map(source)


@pytest.mark.parametrize(
    ("queue", "request_", "message"),
    [
        (
            "q", {"BatchSize": 11},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10",
        ),
        (
            "q.fifo", {"MaximumBatchingWindowInSeconds": 5},
            "Batching window is not supported for FIFO queues",
        ),
        (
            "q.fifo", {"BatchSize": 11},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10",
        ),
        (
            "q", {"StartingPositionTimestamp": 1},
            "Timestamp is not valid for SQS event sources.",
        ),
        (
            "q", {"ParallelizationFactor": 2},
            "Unsupported ParallelizationFactor parameter for given event source mapping type.",
        ),
        (
            "q", {"FilterCriteria": {"Filters": [{"Pattern": "{}"}] * 6}},
            "Too many filter patterns, maximum allowed 5 patterns, provided 6 patterns.",
        ),
        (
            "q", {"StartingPosition": "LATEST"},
            "StartingPosition is not valid for SQS event sources.",
        ),
    ],
)  # fmt: skip
async def test_bad_parameters_are_refused(
    house: House, queue: str, request_: dict[str, Any], message: str
) -> None:
    await house.function()
    fifo = {"FifoQueue": "true"} if queue.endswith(".fifo") else {}
    _, source = await house.queue(queue, **fifo)
    error = await refused(
        house.lambda_(
            "CreateEventSourceMapping", EventSourceArn=source, FunctionName="f", **request_
        )
    )
    assert error.message == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("arn:aws:s3:::b", "Unrecognized event source. Unsupported source arn : arn:aws:s3:::b"),
        (
            f"arn:aws:sqs:us-west-2:{ACCOUNT}:q",
            f"Event source region must match Lambda region {REGION}",
        ),
    ],
)
async def test_a_source_is_a_queue_of_the_region(house: House, source: str, message: str) -> None:
    await house.function()
    error = await refused(
        house.lambda_("CreateEventSourceMapping", EventSourceArn=source, FunctionName="f")
    )
    assert error.message == message


async def test_a_mapping_takes_no_more_than_the_function_has_reserved(house: House) -> None:
    await house.function()
    await house.lambda_("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=5)
    _, source = await house.queue("q")
    error = await refused(house.map(source, ScalingConfig={"MaximumConcurrency": 6}))
    assert error.message == (
        "MaximumConcurrency: 6 is greater than Function Reserved Concurrency: 5"
    )
    await house.map(source, ScalingConfig={"MaximumConcurrency": 5})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("ProvisionedPollerConfig", {"MinimumPollers": 2}),
        ("MetricsConfig", {"Metrics": ["EventCount"]}),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    house: House, member: str, value: Any
) -> None:
    await house.function()
    _, source = await house.queue()
    error = await refused(
        house.lambda_(
            "CreateEventSourceMapping", EventSourceArn=source, FunctionName="f", **{member: value}
        )
    )
    assert error.code == "NotImplemented" and member in error.message


async def test_mappings_are_listed_by_function_and_by_queue(house: House) -> None:
    await house.function()
    await house.function(name="g")
    sources = [(await house.queue(name))[1] for name in ("a", "b")]
    ids = [await house.map(s, f) for s in sources for f in ("f", "g")]
    listed = await house.lambda_("ListEventSourceMappings", FunctionName="f")
    assert {m["UUID"] for m in listed["EventSourceMappings"]} == {ids[0], ids[2]}
    listed = await house.lambda_("ListEventSourceMappings", EventSourceArn=sources[1])
    assert {m["UUID"] for m in listed["EventSourceMappings"]} == set(ids[2:])
    first = await house.lambda_("ListEventSourceMappings", MaxItems=3)
    rest = await house.lambda_("ListEventSourceMappings", Marker=first["NextMarker"])
    found = [m["UUID"] for page in (first, rest) for m in page["EventSourceMappings"]]
    assert sorted(found) == sorted(ids)

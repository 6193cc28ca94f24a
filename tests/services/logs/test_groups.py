"""Log groups and streams: their life, their lists, retention, encryption."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ogi.errors import AwsError
from tests.world import ACCOUNT, REGION, World

DAY_S = 86_400
ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("logs", "kms")


async def refusal(world: World, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await world.call("logs", operation, **request)
    return caught.value


async def put(world: World, group: str, stream: str, *lines: tuple[int, str]) -> dict[str, Any]:
    events = [{"timestamp": at, "message": text} for at, text in lines]
    return await world.call(
        "logs", "PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=events
    )


async def messages(world: World, group: str = "g", **more: Any) -> list[str]:
    found = await world.call("logs", "FilterLogEvents", logGroupName=group, **more)
    return [event["message"] for event in found["events"]]


async def make(world: World, group: str = "g", *streams: str) -> None:
    await world.call("logs", "CreateLogGroup", logGroupName=group)
    for stream in streams:
        await world.call("logs", "CreateLogStream", logGroupName=group, logStreamName=stream)


def now_ms(world: World) -> int:
    return int(world.clock.now() * 1000)


async def test_what_is_not_there_and_what_is_there_already_is_said_in_awss_words(
    world: World,
) -> None:
    error = await refusal(world, "CreateLogStream", logGroupName="g", logStreamName="s")
    assert (error.shape, error.message) == (
        "ResourceNotFoundException", "The specified log group does not exist.",
    )  # fmt: skip
    await make(world, "g", "s")
    error = await refusal(world, "CreateLogGroup", logGroupName="g")
    assert (error.shape, error.message) == (
        "ResourceAlreadyExistsException", "The specified log group already exists",
    )  # fmt: skip
    error = await refusal(world, "CreateLogStream", logGroupName="g", logStreamName="s")
    assert error.message == "The specified log stream already exists"
    error = await refusal(world, "GetLogEvents", logGroupName="g", logStreamName="t")
    assert error.message == "The specified log stream does not exist."


async def test_groups_are_listed_by_prefix_and_pattern_page_by_page(world: World) -> None:
    names = ["/aws/lambda/a", "/aws/lambda/b", "/aws/x", "other", "zoo"]
    for name in names:
        await make(world, name)

    async def listed(**request: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = await world.call("logs", "DescribeLogGroups", **request)
            found += [group["logGroupName"] for group in page["logGroups"]]
            if "nextToken" not in page:
                return found
            request["nextToken"] = page["nextToken"]

    assert await listed() == names
    assert await listed(limit=1) == names
    assert await listed(limit=2, logGroupNamePrefix="/aws/lambda/") == names[:2]
    assert await listed(limit=1, logGroupNamePattern="a/") == names[:2]
    (shown,) = (await world.call("logs", "DescribeLogGroups", logGroupNamePrefix="zoo"))[
        "logGroups"
    ]
    assert shown["arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:zoo:*"
    assert shown["creationTime"] == now_ms(world)
    assert "retentionInDays" not in shown


async def test_a_group_that_is_made_again_has_nothing_of_the_old_one(world: World) -> None:
    await make(world, "g", "s")
    await put(world, "g", "s", (now_ms(world), "old"))
    await world.call("logs", "DeleteLogGroup", logGroupName="g")
    await make(world, "g", "s")
    assert await messages(world) == []
    await put(world, "g", "s", (now_ms(world), "new"))
    await world.deliver()
    assert await messages(world) == ["new"]


async def test_a_deleted_group_leaves_nothing_behind(world: World) -> None:
    await make(world, "g", "s")
    for number in range(250):
        await put(world, "g", "s", (now_ms(world) + number * 2000, "x"))
    await world.call("logs", "DeleteLogGroup", logGroupName="g")
    await world.deliver()
    left = await world.store.read(lambda tx: tx.scan(ARN.encode(), ARN.encode() + b"\xff", 10))
    assert left == []


async def test_a_protected_group_is_not_deleted(world: World) -> None:
    await world.call("logs", "CreateLogGroup", logGroupName="g", deletionProtectionEnabled=True)
    await refusal(world, "DeleteLogGroup", logGroupName="g")


async def test_a_deleted_streams_events_are_gone_at_once_and_a_new_one_starts_empty(
    world: World,
) -> None:
    await make(world, "g", "s", "t")
    await put(world, "g", "s", (now_ms(world), "s"))
    await put(world, "g", "t", (now_ms(world), "t"))
    await world.call("logs", "DeleteLogStream", logGroupName="g", logStreamName="s")
    assert await messages(world) == ["t"]
    await world.call("logs", "CreateLogStream", logGroupName="g", logStreamName="s")
    await put(world, "g", "s", (now_ms(world) + 1, "again"))
    await world.deliver()
    assert await messages(world) == ["t", "again"]


@pytest.mark.parametrize("descending", [False, True])
async def test_streams_are_listed_by_name_and_by_last_event(world: World, descending: bool) -> None:
    await make(world, "g", *(f"s{n}" for n in range(6)))
    now = now_ms(world)
    for name, at in (("s3", 5000), ("s1", 9000), ("s4", 1000), ("s3", 7000), ("s1", 100)):
        await put(world, "g", name, (now + at, "x"))

    async def listed(**request: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = await world.call(
                "logs", "DescribeLogStreams", logGroupName="g", descending=descending, **request
            )
            assert len(page["logStreams"]) <= request.get("limit", 50)
            found += [stream["logStreamName"] for stream in page["logStreams"]]
            if "nextToken" not in page:
                return found
            request["nextToken"] = page["nextToken"]

    by_name = [f"s{n}" for n in range(6)]
    if descending:
        by_name.reverse()
    for limit in (1, 2, 3, 50):
        assert await listed(limit=limit) == by_name
        found = await listed(limit=limit, orderBy="LastEventTime")
        with_events = ["s1", "s3", "s4"] if descending else ["s4", "s3", "s1"]
        assert [name for name in found if name in with_events] == with_events
        assert sorted(found) == sorted(by_name)
        assert found[0 if descending else -1] == "s1"
    assert await listed(logStreamNamePrefix="s2") == ["s2"]


async def test_a_stream_tells_its_first_and_last_event(world: World) -> None:
    await make(world, "g", "s")
    (shown,) = (await world.call("logs", "DescribeLogStreams", logGroupName="g"))["logStreams"]
    assert "lastEventTimestamp" not in shown
    now = now_ms(world)
    await put(world, "g", "s", (now, "a"), (now + 900, "b"))
    await put(world, "g", "s", (now + 100, "c"), (now + 200, "d"))
    (shown,) = (await world.call("logs", "DescribeLogStreams", logGroupName="g"))["logStreams"]
    assert (shown["firstEventTimestamp"], shown["lastEventTimestamp"]) == (now, now + 900)
    assert shown["lastIngestionTime"] == now


async def test_expired_events_are_hidden_at_once_and_swept_away(world: World) -> None:
    await make(world, "g", "s")
    for number in range(150):
        await put(world, "g", "s", (now_ms(world) + number * 1500, "old"))
    world.clock.advance(2 * DAY_S)
    await put(world, "g", "s", (now_ms(world), "new"))
    error = await refusal(world, "PutRetentionPolicy", logGroupName="g", retentionInDays=2)
    assert error.shape == "InvalidParameterException"
    await world.call("logs", "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    assert await messages(world) == ["new"]
    await world.deliver()
    left = await world.store.read(lambda tx: tx.scan(ARN.encode(), ARN.encode() + b"\xff", 50))
    assert len(left) == 4  # the stream, its tail, one segment, its lane
    world.clock.advance(2 * DAY_S)
    await world.deliver()
    left = await world.store.read(lambda tx: tx.scan(ARN.encode(), ARN.encode() + b"\xff", 50))
    assert len(left) == 2
    await world.call("logs", "DeleteRetentionPolicy", logGroupName="g")
    await put(world, "g", "s", (now_ms(world), "kept"))
    world.clock.advance(400 * DAY_S)
    await world.deliver()
    assert await messages(world) == ["kept"]


async def test_tags_by_arn_and_by_name_are_the_same(world: World) -> None:
    await world.call("logs", "CreateLogGroup", logGroupName="g", tags={"a": "1"})
    await world.call("logs", "TagResource", resourceArn=ARN, tags={"b": "2"})
    await world.call("logs", "TagLogGroup", logGroupName="g", tags={"c": "3"})
    await world.call("logs", "UntagResource", resourceArn=ARN, tagKeys=["a"])
    found = await world.call("logs", "ListTagsForResource", resourceArn=ARN)
    assert found["tags"] == {"b": "2", "c": "3"}
    assert found == await world.call("logs", "ListTagsLogGroup", logGroupName="g")
    more = {str(number): "" for number in range(49)}
    error = await refusal(world, "TagResource", resourceArn=ARN, tags=more)
    assert error.shape == "TooManyTagsException"


async def test_lines_are_not_on_disk_in_the_clear(world: World) -> None:
    await make(world, "g", "s")
    await put(world, "g", "s", (now_ms(world), "a secret line"))
    rows = await world.store.read(lambda tx: tx.scan(b"", b"\xff", 1000))
    assert not any(b"secret" in key or b"secret" in value for key, value in rows)


async def test_a_group_with_a_key_of_its_own_is_read_only_while_the_key_allows(
    world: World,
) -> None:
    key = (await world.call("kms", "CreateKey"))["KeyMetadata"]["Arn"]
    await world.call("logs", "CreateLogGroup", logGroupName="g", kmsKeyId=key)
    await world.call("logs", "CreateLogStream", logGroupName="g", logStreamName="s")
    world.ports.traces.clear()
    await put(world, "g", "s", (now_ms(world), "x"))
    assert await messages(world) == ["x"]
    hops = world.ports.traces.get("1-test")
    assert {hop["principal"] for hop in hops} == {f"logs.{REGION}.amazonaws.com"}
    await world.call("kms", "DisableKey", KeyId=key)
    assert (await refusal(world, "FilterLogEvents", logGroupName="g")).shape == "DisabledException"
    error = await refusal(world, "CreateLogGroup", logGroupName="h", kmsKeyId=key)
    assert error.message == (
        "The specified KMS key does not exist or is not allowed to be used with LogGroup"
        f" 'arn:aws:logs:{REGION}:{ACCOUNT}:log-group:h'"
    )

"""Log events: what is accepted, in which order it comes back, page by page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.services.logs import filters
from ogi.services.logs.events import bell
from tests.services.logs.test_groups import ARN, make, messages, now_ms, put, refusal
from tests.world import World

HOUR_MS = 3_600_000


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("logs", "kms")


async def test_a_batch_must_be_in_order_and_not_too_large(world: World) -> None:
    await make(world, "g", "s")
    now = now_ms(world)

    async def refused(*lines: tuple[int, str]) -> str:
        with pytest.raises(AwsError) as caught:
            await put(world, "g", "s", *lines)
        assert caught.value.shape == "InvalidParameterException"
        return caught.value.message

    assert await refused((now, "a"), (now - 1, "b")) == (
        "Log events in a single PutLogEvents request must be in chronological order."
    )
    assert await refused((now, "x" * 1_048_576)) == (
        "Log event too large: 1048602 bytes exceeds limit of 1048576"
    )
    assert await refused((now, "x" * 600_000), (now, "x" * 600_000)) == (
        "Upload too large: 1200052 bytes exceeds limit of 1048576"
    )
    assert "24 hours" in await refused((now - 25 * HOUR_MS, "a"), (now, "b"))
    assert await messages(world) == []
    await put(world, "g", "s", (now, "x" * (1_048_576 - 26)))


async def test_events_too_old_or_too_new_are_rejected_and_the_others_kept(world: World) -> None:
    await make(world, "g", "s")
    now = now_ms(world)
    answer = await put(
        world, "g", "s",
        (now - 15 * 24 * HOUR_MS, "too old"), (now, "kept"), (now + 2 * HOUR_MS, "kept too"),
        (now + 2 * HOUR_MS + 1, "too new"), (now + 3 * HOUR_MS, "too new"),
    )  # fmt: skip
    assert answer["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "tooNewLogEventStartIndex": 3,
    }
    assert await messages(world) == ["kept", "kept too"]
    await world.call("logs", "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    answer = await put(world, "g", "s", (now - 25 * HOUR_MS, "expired"), (now - 1, "kept"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}


async def test_any_sequence_token_is_accepted(world: World) -> None:
    await make(world, "g", "s")
    for token in ("1", "nonsense"):
        answer = await world.call(
            "logs", "PutLogEvents", logGroupName="g", logStreamName="s", sequenceToken=token,
            logEvents=[{"timestamp": now_ms(world), "message": "x"}],
        )  # fmt: skip
        assert answer["nextSequenceToken"]


async def test_events_of_one_time_stay_in_the_order_in_which_they_came(world: World) -> None:
    await make(world, "g", "s")
    now = now_ms(world)
    for number in range(20):
        await put(world, "g", "s", (now, f"{number}a"), (now, f"{number}b"))
    assert await messages(world) == [f"{n}{x}" for n in range(20) for x in "ab"]


_batches = st.lists(
    st.tuples(
        st.sampled_from(["s", "t", "u"]),
        st.lists(st.integers(0, 5000), min_size=1, max_size=6).map(sorted),
    ),
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=_batches,
    limit=st.integers(1, 7),
    start=st.integers(0, 5000),
    length=st.integers(0, 5000),
    scanned=st.integers(1, 5),
)
async def test_pages_of_many_streams_give_every_event_once_in_order(
    batches: list[tuple[str, list[int]]], limit: int, start: int, length: int, scanned: int
) -> None:
    from ogi.services.logs import api_events

    world = World("logs", "kms")
    # FilterLogEvents walks back only from 2024 on.
    world.clock.advance(10_000_000)
    await make(world, "g", "s", "t", "u")
    now = now_ms(world)
    written: list[tuple[int, str, str]] = []
    for number, (stream, times) in enumerate(batches):
        lines = [(now + at, f"{number}.{index}") for index, at in enumerate(times)]
        await put(world, "g", stream, *lines)
        written += [(at, stream, text) for at, text in lines]
    first, last = now + start, now + start + length
    kept = api_events.SCANNED_MAX
    api_events.SCANNED_MAX = scanned
    try:
        for names in ("stu", "su"):
            for head in (True, False):
                asked: dict[str, Any] = {
                    "logGroupName": "g", "startTime": first, "endTime": last, "limit": limit,
                    "startFromHead": head, "logStreamNames": list(names),
                }  # fmt: skip
                found = await _all_pages(world, asked)
                wanted = [w for w in written if first <= w[0] <= last and w[1] in names]
                got = [(e["timestamp"], e["logStreamName"], e["message"]) for e in found]
                assert sorted(got) == sorted(wanted)
                ids = [e["eventId"] for e in found]
                assert ids == sorted(set(ids), reverse=not head)
                times = [e["timestamp"] for e in found]
                assert times == sorted(times, reverse=not head)
    finally:
        api_events.SCANNED_MAX = kept


async def _all_pages(world: World, asked: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await world.call("logs", "FilterLogEvents", **asked)
        assert len(page["events"]) <= asked["limit"]
        found += page["events"]
        if "nextToken" not in page:
            return found
        asked = {**asked, "nextToken": page["nextToken"]}


@settings(max_examples=40)
@given(batches=_batches, limit=st.integers(1, 5), head=st.booleans(), scanned=st.integers(1, 4))
async def test_tokens_of_a_stream_walk_forward_and_back_over_every_event_once(
    batches: list[tuple[str, list[int]]], limit: int, head: bool, scanned: int
) -> None:
    from ogi.services.logs import api_events

    world = World("logs", "kms")
    world.clock.advance(10_000_000)
    await make(world, "g", "s", "t", "u")
    now = now_ms(world)
    written: list[tuple[int, str]] = []
    for number, (stream, times) in enumerate(batches):
        lines = [(now + at, f"{number}.{index}") for index, at in enumerate(times)]
        await put(world, "g", stream, *lines)
        if stream == "s":
            written += lines
    kept = api_events.SCANNED_MAX
    api_events.SCANNED_MAX = scanned
    try:
        found: list[tuple[int, str]] = []
        token: str | None = None
        while True:
            more = {} if token is None else {"nextToken": token}
            page = await world.call(
                "logs", "GetLogEvents", logGroupName="g", logStreamName="s", limit=limit,
                startFromHead=head, **more,
            )  # fmt: skip
            lines = [(e["timestamp"], e["message"]) for e in page["events"]]
            assert lines == sorted(lines, key=lambda line: line[0])
            found = found + lines if head else lines + found
            following = page["nextForwardToken" if head else "nextBackwardToken"]
            if following == token or (token is None and not written):
                break
            token = following
        assert sorted(found) == sorted(written)
        assert [at for at, _ in found] == sorted(at for at, _ in found)
    finally:
        api_events.SCANNED_MAX = kept


async def test_at_the_end_of_a_stream_the_same_token_comes_back_until_more_arrives(
    world: World,
) -> None:
    await make(world, "g", "s")
    now = now_ms(world)
    await put(world, "g", "s", (now, "a"))
    asked: dict[str, Any] = {"logGroupName": "g", "logStreamName": "s", "startFromHead": True}
    first = await world.call("logs", "GetLogEvents", **asked)
    token = first["nextForwardToken"]
    again = await world.call("logs", "GetLogEvents", nextToken=token, **asked)
    assert (again["events"], again["nextForwardToken"]) == ([], token)
    await put(world, "g", "s", (now, "b"))
    more = await world.call("logs", "GetLogEvents", nextToken=token, **asked)
    assert [event["message"] for event in more["events"]] == ["b"]


async def test_without_a_token_the_latest_events_come_unless_the_head_is_asked_for(
    world: World,
) -> None:
    await make(world, "g", "s")
    now = now_ms(world)
    await put(world, "g", "s", *((now + n * 700, str(n)) for n in range(9)))
    for head, wanted in ((False, ["7", "8"]), (True, ["0", "1"])):
        page = await world.call(
            "logs", "GetLogEvents", logGroupName="g", logStreamName="s", limit=2,
            startFromHead=head,
        )  # fmt: skip
        assert [event["message"] for event in page["events"]] == wanted


async def test_a_tail_that_polls_sees_every_line_once(world: World) -> None:
    """As `aws logs tail --follow` does: from the last timestamp on, without the ids it has seen."""
    await make(world, "g", "s", "t")
    seen: set[str] = set()
    shown: list[str] = []
    start = now_ms(world)
    for turn in range(6):
        now = now_ms(world)
        await put(world, "g", "s", (now, f"s{turn}"))
        await put(world, "g", "t", (now, f"t{turn}"), (now + 1, f"u{turn}"))
        page = await world.call(
            "logs", "FilterLogEvents", logGroupName="g", startTime=start, interleaved=True
        )
        for event in page["events"]:
            if event["eventId"] not in seen:
                shown.append(event["message"])
                seen.add(event["eventId"])
            start = max(start, event["timestamp"])
        world.clock.advance(0.5)
    assert sorted(shown) == sorted(f"{x}{n}" for x in "stu" for n in range(6))
    assert len(shown) == 18


async def test_a_bell_rings_when_a_group_has_new_events(world: World) -> None:
    await make(world, "g", "s")
    with world.store.listen(bell(ARN)) as ear:
        await put(world, "g", "s", (now_ms(world), "x"))
        assert ear.event.is_set()


async def test_streams_are_chosen_by_name_or_prefix_not_both(world: World) -> None:
    await make(world, "g", "web-1", "web-2", "db-1")
    now = now_ms(world)
    for number, name in enumerate(("web-1", "web-2", "db-1")):
        await put(world, "g", name, (now + number, name))
    assert await messages(world, logStreamNamePrefix="web-") == ["web-1", "web-2"]
    assert await messages(world, logStreamNames=["db-1", "web-1"]) == ["web-1", "db-1"]
    error = await refusal(
        world, "FilterLogEvents", logGroupName="g", logStreamNames=["a"], logStreamNamePrefix="b"
    )
    assert error.shape == "InvalidParameterException"
    error = await refusal(world, "FilterLogEvents", logGroupName="g", logGroupIdentifier=ARN)
    assert error.shape == "InvalidParameterException"
    found = await world.call("logs", "FilterLogEvents", logGroupIdentifier=ARN)
    assert len(found["events"]) == 3


LINES = ["[ERROR 400] BAD REQUEST", "[WARN] slow", "all good", "ERROR and WARN", 'say "hi" now']


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("", LINES),
        ("ERROR", [LINES[0], LINES[3]]),
        ("error", []),
        ("ERROR WARN", [LINES[3]]),
        ("?ERROR ?slow", [LINES[0], LINES[1], LINES[3]]),
        ("ERROR -WARN", [LINES[0]]),
        ("-ERROR -WARN", [LINES[2], LINES[4]]),
        ('"BAD REQUEST"', [LINES[0]]),
        ('"[WARN]" -"BAD REQUEST"', [LINES[1]]),
        ('"say \\"hi\\""', [LINES[4]]),
    ],
)
async def test_terms_phrases_exclusions_and_alternatives_select_lines(
    world: World, pattern: str, wanted: list[str]
) -> None:
    await make(world, "g", "s")
    await put(world, "g", "s", *((now_ms(world), line) for line in LINES))
    assert await messages(world, filterPattern=pattern) == wanted


EVENT = json.dumps(
    {"level": "ERROR", "n": 5, "ok": True, "user": {"name": "ann"}, "no": None, "l": [{"x": "y"}]}
)


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ('{ $.level = "ERROR" }', True),
        ('{ $.level != "ERROR" }', False),
        ('{ $.level = "ERR*" }', True),
        ('{ $.level = "*RO*" }', True),
        ("{ $.level = ERROR }", True),
        ("{ $.n = 5 }", True),
        ("{ $.n > 5 }", False),
        ("{ $.n >= 5 && $.n <= 5.0 }", True),
        ('{ ($.n < 5) || ($.user.name = "ann") }', True),
        ('{ $.n < 5 || $.user.name = "ann" && $.level = "X" }', False),
        ('{ $.l[0].x = "y" }', True),
        ('{ $["user"].name = "ann" }', True),
        ("{ $.no IS NULL }", True),
        ("{ $.ok IS TRUE }", True),
        ("{ $.ok IS FALSE }", False),
        ("{ $.missing EXISTS }", False),
        ("{ $.missing NOT EXISTS }", True),
        ('{ $.missing = "x" }', False),
        ("{ $.level = 5 }", False),
    ],
)
def test_selectors_ask_for_members_of_json_events(pattern: str, matching: bool) -> None:
    assert filters.compiled(pattern)(EVENT) is matching
    assert filters.compiled(pattern)("no json") is False


@pytest.mark.parametrize(
    "pattern",
    ['"open', "{ $.a = }", "{ a = 1 }", "{", "{ $.a = 1 && }", "{ ($.a = 1 }", '{ $.a > "x" }'],
)
async def test_a_pattern_that_cannot_be_read_is_refused(world: World, pattern: str) -> None:
    await make(world, "g")
    error = await refusal(world, "FilterLogEvents", logGroupName="g", filterPattern=pattern)
    assert (error.shape, error.message) == ("InvalidParameterException", "Invalid filter pattern")


@pytest.mark.parametrize("pattern", ["?a b", "-a ?b"])
async def test_a_pattern_that_ogi_does_not_know_is_refused_by_name(
    world: World, pattern: str
) -> None:
    await make(world, "g")
    error = await refusal(world, "FilterLogEvents", logGroupName="g", filterPattern=pattern)
    assert error.shape == "Unsupported"

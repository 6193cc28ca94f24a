"""Log events: accepted by Logs' rules, kept in segments, read back in order of time.

An event's place in its group is one number: its time, when it came, its stream, its index. Tokens
and event ids are that number, so that a page begins behind the last one whatever came meanwhile.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ogi import sealing
from ogi.service import Call
from ogi.services.logs import groups
from ogi.services.logs.errors import InvalidParameterException
from ogi.services.logs.records import (
    LANES,
    SEGMENT_BYTES_MAX,
    SEGMENT_SPAN_MS,
    SEGMENTS,
    TAILS,
    Group,
    Lane,
    Segment,
    Stream,
    Tail,
)
from ogi.storage import Reader, Transaction
from ogi.storage.keys import number

# docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
BATCH_BYTES_MAX = 1_048_576
EVENT_BYTES_MAX = 1_048_576
EVENT_OVERHEAD_BYTES = 26
FUTURE_MS_MAX = 2 * 3600 * 1000
PAST_MS_MAX = 14 * 24 * 3600 * 1000
SPAN_MS_MAX = 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000

REUSE_S = 300.0
"""How long a data key of a group's KMS key seals."""
SCAN_MAX = 200
"""Segments fetched at once."""

_INDEX_BITS, _STREAM_BITS, _SEQUENCE_BITS = 14, 64, 54
_TIME_SHIFT = _INDEX_BITS + _STREAM_BITS + _SEQUENCE_BITS
PLACE_MAX = 1 << 180

_events = msgspec.msgpack.Decoder(list[tuple[int, str]])


class Event(msgspec.Struct, frozen=True):
    place: int
    at_ms: int
    message: str
    stream: str
    ingested_ms: int


def place(at_ms: int, sequence: int = 0, stream: int = 0, index: int = 0) -> int:
    head = (at_ms << _SEQUENCE_BITS | sequence) << _STREAM_BITS | stream
    return head << _INDEX_BITS | index


def time_of(place: int) -> int:
    return place >> _TIME_SHIFT


def bell(arn: str) -> bytes:
    """Rings when a group has new events."""
    return b"logs/" + arn.encode()


# -- writing ------------------------------------------------------------------------------------


def accept(
    tx: Transaction, call: Call, group: Group, stream: Stream, events: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Keep a batch; returns which of its events were rejected, as RejectedLogEventsInfo."""
    _check(events)
    kept, rejected = _sift(call, group, events)
    if kept:
        if kept[-1][0] - kept[0][0] > SPAN_MS_MAX:
            raise InvalidParameterException(
                "The batch of log events in a single PutLogEvents request cannot span more than"
                " 24 hours."
            )
        for part in _parts(kept):
            _keep(tx, call, group, stream, part)
        tx.ring(bell(group.arn))
    return rejected


def _check(events: Sequence[Mapping[str, Any]]) -> None:
    """AWS's answers: github.com/dibog/cloudwatch-logback-appender/issues/17 (order),
    github.com/aws/aws-for-fluent-bit/issues/68 (one that is too large),
    github.com/nhs-england-tools/terraform-aws-opennext/issues/27 (all of them)."""
    total = 0
    before = 0
    for event in events:
        at = event["timestamp"]
        if at < before:
            raise InvalidParameterException(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        before = at
        size = len(event["message"].encode()) + EVENT_OVERHEAD_BYTES
        if size > EVENT_BYTES_MAX:
            raise InvalidParameterException(
                f"Log event too large: {size} bytes exceeds limit of {EVENT_BYTES_MAX}"
            )
        total += size
    if total > BATCH_BYTES_MAX:
        raise InvalidParameterException(
            f"Upload too large: {total} bytes exceeds limit of {BATCH_BYTES_MAX}"
        )


def _sift(
    call: Call, group: Group, events: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """The events that are neither too old nor too new, and the places of the others."""
    now = int(call.now * 1000)
    oldest, expired = now - PAST_MS_MAX, expiry_ms(call, group)
    rejected: dict[str, int] = {}
    kept: list[tuple[int, str]] = []
    for index, event in enumerate(events):
        at = event["timestamp"]
        if at > now + FUTURE_MS_MAX:
            rejected["tooNewLogEventStartIndex"] = index
            break
        if at < oldest:
            rejected["tooOldLogEventEndIndex"] = index + 1
        elif at < expired:
            rejected["expiredLogEventEndIndex"] = index + 1
        else:
            kept.append((at, event["message"]))
    return kept, rejected


def expiry_ms(call: Call, group: Group) -> int:
    """Events before this time have passed the group's retention."""
    if group.retention_days is None:
        return 0
    return int(call.now * 1000) - group.retention_days * DAY_MS


def _parts(events: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """The batch as segments: near in time, and not too large."""
    part: list[tuple[int, str]] = []
    size = 0
    for event in events:
        length = len(event[1])
        far = part and event[0] - part[0][0] > SEGMENT_SPAN_MS
        if part and (far or size + length > SEGMENT_BYTES_MAX):
            yield part
            part, size = [], 0
        part.append(event)
        size += length
    yield part


def _keep(
    tx: Transaction, call: Call, group: Group, stream: Stream, events: list[tuple[int, str]]
) -> None:
    first_ms, last_ms, ingested_ms = events[0][0], events[-1][0], int(call.now * 1000)
    home, lane = group.home, (group.number, stream.number)
    tail = TAILS.get(tx, home, *lane) or Tail(0, 0, 0)
    # When it came; behind what the stream got last, so that order is kept and places are unique.
    sequence = max(int(call.now * 1_000_000), tail.sequence + 1)
    key = SEGMENTS.key(home, group.number, first_ms, sequence, stream.number)
    sealed = sealing.seal(
        tx, groups.as_logs(call, group) if group.key_id else call,
        msgspec.msgpack.encode(events), purpose=f"logs/{group.arn}", key_id=group.key_id,
        context=groups.context(group), bound=key, reuse_s=REUSE_S,
    )  # fmt: skip
    tx.set(key, msgspec.msgpack.encode(Segment(stream.name, ingested_ms, sealed)))
    LANES.put(tx, Lane(), home, *lane, first_ms, sequence)
    TAILS.put(tx, Tail(sequence, max(last_ms, tail.last_ms), ingested_ms), home, *lane)


# -- reading ------------------------------------------------------------------------------------


class Wanted(msgspec.Struct, frozen=True):
    """Which events of a group a reader asks for."""

    after: int
    """Places greater than this."""
    before: int
    """Places smaller than this."""
    streams: frozenset[int] | None = None
    """Stream numbers; None: all."""
    without: frozenset[int] = frozenset()
    prefix: str = ""
    """Of stream names."""


def within(call: Call, group: Group, start_ms: int | None, end_ms: int | None) -> tuple[int, int]:
    """The places from start (inclusive) to end (exclusive) that have not expired."""
    start = max(start_ms or 0, expiry_ms(call, group))
    return place(start) - 1, PLACE_MAX if end_ms is None else place(end_ms)


def of_group(
    tx: Reader, call: Call, group: Group, wanted: Wanted, descending: bool, scanned_max: int
) -> Iterator[Event | int]:
    """Events in order of their places; an int in the end: cut short, go on from this place."""
    table = SEGMENTS.key(group.home, group.number)
    segments = _of_group(tx, call, group, table, wanted, descending)
    return _merged(segments, wanted, descending, scanned_max)


def of_stream(
    tx: Reader,
    call: Call,
    group: Group,
    stream: Stream,
    wanted: Wanted,
    descending: bool,
    scanned_max: int,
) -> Iterator[Event | int]:
    """As `of_group`, by the stream's lane."""
    return _merged(
        _of_lane(tx, call, group, stream, wanted, descending), wanted, descending, scanned_max
    )


_Opened = tuple[int, Sequence[Event]]
"""The time of a segment's first event, and its events."""


def _of_group(
    tx: Reader, call: Call, group: Group, table: bytes, wanted: Wanted, descending: bool
) -> Iterator[_Opened]:
    at = len(table)
    for key, raw in _scan(tx, table, wanted, descending):
        stream = number(key, at + 16)
        if stream in wanted.without or (
            wanted.streams is not None and stream not in wanted.streams
        ):
            yield number(key, at), ()
            continue
        segment = SEGMENTS.decode(raw)
        if wanted.prefix and not segment.stream.startswith(wanted.prefix):
            yield number(key, at), ()
            continue
        yield number(key, at), _open(tx, call, group, key, segment, number(key, at + 8), stream)


def _of_lane(
    tx: Reader, call: Call, group: Group, stream: Stream, wanted: Wanted, descending: bool
) -> Iterator[_Opened]:
    table = LANES.key(group.home, group.number, stream.number)
    at = len(table)
    for lane, _ in _scan(tx, table, wanted, descending):
        first_ms, sequence = number(lane, at), number(lane, at + 8)
        key = SEGMENTS.key(group.home, group.number, first_ms, sequence, stream.number)
        raw = tx.get(key)
        if raw is not None:
            segment = SEGMENTS.decode(raw)
            yield first_ms, _open(tx, call, group, key, segment, sequence, stream.number)


def _scan(
    tx: Reader, table: bytes, wanted: Wanted, descending: bool
) -> Iterator[tuple[bytes, bytes]]:
    """Keys whose segments may hold wanted events, fetched in pieces."""
    begin = table + max(0, time_of(wanted.after) - SEGMENT_SPAN_MS).to_bytes(8, "big")
    end = table + min(time_of(wanted.before) + 1, (1 << 63)).to_bytes(8, "big")
    while True:
        entries = tx.scan(begin, end, SCAN_MAX, descending)
        yield from entries
        if len(entries) < SCAN_MAX:
            return
        if descending:
            end = entries[-1][0]
        else:
            begin = entries[-1][0] + b"\x00"


def _open(
    tx: Reader, call: Call, group: Group, key: bytes, segment: Segment, sequence: int, stream: int
) -> list[Event]:
    raw = sealing.open(
        tx, groups.as_logs(call, group), segment.sealed,
        purpose=f"logs/{group.arn}", context=groups.context(group), bound=key,
    )  # fmt: skip
    return [
        Event(place(at, sequence, stream, index), at, message, segment.stream, segment.ingested_ms)
        for index, (at, message) in enumerate(_events.decode(raw))
    ]


def _merged(
    segments: Iterator[_Opened], wanted: Wanted, descending: bool, scanned_max: int
) -> Iterator[Event | int]:
    """Events of overlapping segments in one order, as many segments as may be looked at."""
    heap: list[tuple[int, Event]] = []
    scanned = 0
    # Segments on the near side overlap what the page before has shown. They do not count, and a
    # page is cut only where the next begins further on: so every page makes headway.
    first, last = time_of(wanted.after), time_of(wanted.before) - SEGMENT_SPAN_MS - 1
    for first_ms, opened in segments:
        # No segment that is still to come holds an event on the far side of this bound.
        bound = place(first_ms + SEGMENT_SPAN_MS + 1) if descending else place(first_ms)
        while heap and (-heap[0][0] >= bound if descending else heap[0][0] < bound):
            yield heapq.heappop(heap)[1]
        onward = bound < wanted.before if descending else bound - 1 > wanted.after
        if scanned >= scanned_max and onward:
            yield bound if descending else bound - 1
            return
        scanned += first_ms <= last if descending else first_ms >= first
        for event in opened:
            if wanted.after < event.place < wanted.before:
                heapq.heappush(heap, (-event.place if descending else event.place, event))
    while heap:
        yield heapq.heappop(heap)[1]

"""Log streams: the events of one emitter, in their group's home."""

from __future__ import annotations

from collections.abc import Iterator

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.logs.errors import ResourceAlreadyExistsException, ResourceNotFoundException
from ogi.services.logs.records import (
    GONE,
    LANES,
    SEGMENTS,
    STREAMS,
    TAILS,
    Gone,
    Group,
    Stream,
    Tail,
)
from ogi.services.logs.service import SERVICE
from ogi.storage import Home, Reader, Transaction
from ogi.storage.keys import number

CLEARED_MAX = 100
"""Segments deleted in one transaction."""
SCANNED_MAX = 2000
"""Segments looked at for one page of streams by event time."""


def find(tx: Reader, group: Group, name: str) -> Stream:
    stream = STREAMS.get(tx, group.home, group.number, name)
    if stream is None:
        raise ResourceNotFoundException("The specified log stream does not exist.")
    return stream


def create(tx: Transaction, call: Call, group: Group, name: str) -> None:
    if STREAMS.get(tx, group.home, group.number, name) is not None:
        raise ResourceAlreadyExistsException("The specified log stream already exists")
    drawn = int.from_bytes(call.entropy(8), "big")
    stream = Stream(name, drawn, int(call.now * 1000))
    STREAMS.put(tx, stream, group.home, group.number, name)


def delete(tx: Transaction, call: Call, group: Group, stream: Stream) -> None:
    """Forget the stream at once, and its events in pieces."""
    STREAMS.delete(tx, group.home, group.number, stream.name)
    TAILS.delete(tx, group.home, group.number, stream.number)
    GONE.put(tx, Gone(stream.number), group.home, group.number, stream.number)
    deliveries.post(
        tx, call.as_service(SERVICE.principal, group.arn, call.account), group.home, "logs",
        "clear_stream", {"Arn": group.arn, "Group": group.number, "Stream": stream.number},
    )  # fmt: skip


@SERVICE.duty(home=lambda call, request: Home(request["Arn"]))
def clear_stream(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Delete a piece of a deleted stream's events, and post the next piece."""
    home, group, stream = Home(request["Arn"]), request["Group"], request["Stream"]
    lanes = LANES.scan(tx, home, group, stream, limit=CLEARED_MAX)
    for rest, _ in lanes:
        first_ms, sequence = number(rest), number(rest, 8)
        LANES.delete(tx, home, group, stream, first_ms, sequence)
        SEGMENTS.delete(tx, home, group, first_ms, sequence, stream)
    if len(lanes) == CLEARED_MAX:
        deliveries.post(tx, call, home, "logs", "clear_stream", request)
    else:
        GONE.delete(tx, home, group, stream)
    return {}


def gone(tx: Reader, group: Group) -> frozenset[int]:
    """Streams whose events are not to be shown any more."""
    return frozenset(row.number for _, row in GONE.scan(tx, group.home, group.number, limit=10_000))


def by_name(
    tx: Reader, group: Group, prefix: str, beyond: str, limit: int, descending: bool
) -> list[Stream]:
    """Streams whose names begin with `prefix`, beyond the name of the page before."""
    table = STREAMS.key(group.home, group.number)
    raw = prefix.encode()
    begin, end = table + raw, table + raw + b"\xff" * 4
    if beyond and descending:
        end = min(end, table + beyond.encode() + b"\x00")
    elif beyond:
        begin = max(begin, table + beyond.encode() + b"\x00\x01")
    return [STREAMS.decode(value) for _, value in tx.scan(begin, end, limit, descending)]


def extent(tx: Reader, group: Group, stream: Stream) -> tuple[int, Tail] | None:
    """The first event's time, and what is known of the last; None if there is none."""
    first = LANES.scan(tx, group.home, group.number, stream.number, limit=1)
    tail = TAILS.get(tx, group.home, group.number, stream.number)
    return (number(first[0][0]), tail) if first and tail is not None else None


def by_event_time(
    tx: Reader, group: Group, beyond: tuple[int, int, int] | None, descending: bool
) -> Iterator[tuple[tuple[int, int, int], Stream | None]]:
    """Streams in the order of their last segments, found by walking the group's segments.

    Yields (place, stream); the last is (place, None) if the walk was cut short at SCANNED_MAX.
    """
    table = SEGMENTS.key(group.home, group.number)
    begin, end = table, table + b"\xff" * 25
    if beyond is not None:
        mark = SEGMENTS.key(group.home, group.number, *beyond)
        begin, end = (begin, mark) if descending else (mark + b"\x00", end)
    dropped = gone(tx, group)
    entries = tx.scan(begin, end, SCANNED_MAX, descending)
    for key, raw in entries:
        place = (number(key, len(table)), number(key, len(table) + 8), number(key, len(table) + 16))
        if place[2] in dropped or not _is_last(tx, group, place):
            continue
        stream = STREAMS.get(tx, group.home, group.number, SEGMENTS.decode(raw).stream)
        if stream is not None:
            yield place, stream
    if len(entries) == SCANNED_MAX:
        key = entries[-1][0]
        at = len(table)
        yield (number(key, at), number(key, at + 8), number(key, at + 16)), None


def _is_last(tx: Reader, group: Group, place: tuple[int, int, int]) -> bool:
    first_ms, sequence, stream = place
    lanes = LANES.scan(tx, group.home, group.number, stream, limit=1, reverse=True)
    return bool(lanes) and (number(lanes[0][0]), number(lanes[0][0], 8)) == (first_ms, sequence)

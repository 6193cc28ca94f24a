"""Operations on log events: put, get, filter."""

from __future__ import annotations

from collections.abc import Iterator

from ogi.service import Call, Fields
from ogi.services.logs import events, filters, groups, streams, tokens
from ogi.services.logs.api_groups import on_group
from ogi.services.logs.api_streams import home_of_group, on_stream
from ogi.services.logs.errors import InvalidParameterException
from ogi.services.logs.events import Event, Wanted
from ogi.services.logs.service import SERVICE
from ogi.storage import Reader, Transaction

PAGE_MAX = 10_000
PAGE_BYTES_MAX = 1_048_576
SCANNED_MAX = 2_000
"""Segments looked at for one page; what is left is the next page's."""
DESCENDING_SINCE_MS = 1_704_067_200_000
"""2024-01-01: FilterLogEvents walks back only with a startTime from then on."""


@SERVICE.operation(on=on_stream, home=home_of_group, unsupported=("entity",))
def put_log_events(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, request["logGroupName"])
    stream = streams.find(tx, group, request["logStreamName"])
    rejected = events.accept(tx, call, group, stream, request["logEvents"])
    result: Fields = {"nextSequenceToken": f"{int(call.now * 1_000_000):056d}"}
    if rejected:
        result["rejectedLogEventsInfo"] = rejected
    return result


@SERVICE.operation(on=on_stream, reads=True, unsupported=("unmask",))
def get_log_events(tx: Reader, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, groups.name_of(call, request))
    stream = streams.find(tx, group, request["logStreamName"])
    after, before = events.within(call, group, request.get("startTime"), request.get("endTime"))
    token = request.get("nextToken")
    backward = not request.get("startFromHead")
    at = 0
    if token is not None:
        backward, at = tokens.events(token)
        after, before = (after, min(before, at)) if backward else (max(after, at), before)
    found, rest = _page(
        events.of_stream(tx, call, group, stream, Wanted(after, before), backward, SCANNED_MAX),
        request.get("limit", PAGE_MAX),
    )
    if backward:
        found.reverse()
    # At the end of the stream the token that was given comes back.
    first = found[0].place if found else at
    last = found[-1].place if found else at
    if rest is not None and backward:
        first = rest
    elif rest is not None:
        last = rest
    return {
        "events": [
            {"timestamp": e.at_ms, "message": e.message, "ingestionTime": e.ingested_ms}
            for e in found
        ],
        "nextForwardToken": tokens.forward(last),
        "nextBackwardToken": tokens.backward(first),
    }


@SERVICE.operation(on=on_group, reads=True, unsupported=("unmask",))
def filter_log_events(tx: Reader, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, groups.name_of(call, request))
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix", "")
    if names and prefix:
        raise InvalidParameterException(
            "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
        )
    matches = filters.compiled(request.get("filterPattern", ""))
    descending = request.get("startFromHead") is False
    start, end = request.get("startTime"), request.get("endTime")
    if descending and (start or 0) < DESCENDING_SINCE_MS:
        raise InvalidParameterException(
            "startFromHead can be false only when startTime is on or after Jan 1, 2024 00:00:00"
            " UTC."
        )
    # Unlike GetLogEvents, the end is included here.
    after, before = events.within(call, group, start, None if end is None else end + 1)
    if "nextToken" in request:
        descending, at = tokens.events(request["nextToken"])
        after, before = (after, min(before, at)) if descending else (max(after, at), before)
    wanted = Wanted(
        after,
        before,
        frozenset(streams.find(tx, group, name).number for name in names) if names else None,
        streams.gone(tx, group),
        prefix,
    )
    every = events.of_group(tx, call, group, wanted, descending, SCANNED_MAX)
    limit = request.get("limit", PAGE_MAX)
    found, rest = _page((e for e in every if isinstance(e, int) or matches(e.message)), limit)
    result: Fields = {
        "events": [
            {
                "logStreamName": e.stream,
                "timestamp": e.at_ms,
                "message": e.message,
                "ingestionTime": e.ingested_ms,
                "eventId": f"{e.place:056d}",
            }
            for e in found
        ],
        "searchedLogStreams": [],
    }
    if rest is not None:
        result["nextToken"] = tokens.backward(rest) if descending else tokens.forward(rest)
    return result


def _page(every: Iterator[Event | int], limit: int) -> tuple[list[Event], int | None]:
    """At most `limit` events and a megabyte; and from where to go on, None at the end."""
    page: list[Event] = []
    size = 0
    for event in every:
        if isinstance(event, int):
            return page, event
        size += len(event.message.encode()) + events.EVENT_OVERHEAD_BYTES
        if page and (len(page) == limit or size > PAGE_BYTES_MAX):
            return page, page[-1].place
        page.append(event)
    return page, None

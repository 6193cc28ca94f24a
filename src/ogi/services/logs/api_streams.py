"""Operations on log streams."""

from __future__ import annotations

from ogi.service import Call, Fields
from ogi.services.logs import groups, streams, tokens
from ogi.services.logs.api_groups import on_group
from ogi.services.logs.errors import InvalidParameterException
from ogi.services.logs.records import Group, Stream, group_arn
from ogi.services.logs.service import SERVICE
from ogi.storage import Home, Reader, Transaction

PAGE_MAX = 50


def home_of_group(call: Call, request: Fields) -> Home:
    return Home(group_arn(call, groups.name_of(call, request)))


def on_stream(tx: Reader, call: Call, request: Fields) -> str:
    return on_group(tx, call, request) + str(request["logStreamName"])


@SERVICE.operation(on=on_group, home=home_of_group)
def create_log_stream(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, request["logGroupName"])
    streams.create(tx, call, group, request["logStreamName"])
    return {}


@SERVICE.operation(on=on_stream, home=home_of_group)
def delete_log_stream(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, request["logGroupName"])
    streams.delete(tx, call, group, streams.find(tx, group, request["logStreamName"]))
    return {}


@SERVICE.operation(on=on_group, reads=True)
def describe_log_streams(tx: Reader, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, groups.name_of(call, request))
    descending = bool(request.get("descending"))
    limit = request.get("limit", PAGE_MAX)
    prefix = request.get("logStreamNamePrefix", "")
    if request.get("orderBy", "LogStreamName") == "LogStreamName":
        beyond = tokens.text(request.get("nextToken"))
        found = streams.by_name(tx, group, prefix, beyond, limit + 1, descending)
        token = tokens.of_text(found[limit - 1].name) if len(found) > limit else ""
    elif prefix:
        raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
    else:
        found, token = _by_event_time(tx, group, request.get("nextToken"), limit, descending)
    result: Fields = {"logStreams": [_shown(tx, group, stream) for stream in found[:limit]]}
    if token:
        result["nextToken"] = token
    return result


def _by_event_time(
    tx: Reader, group: Group, token: str | None, limit: int, descending: bool
) -> tuple[list[Stream], str]:
    """A page by event time; streams without events come last when descending, first otherwise."""
    walk, names = "walk", "names"
    phases = [walk, names] if descending else [names, walk]
    phase, _, rest = tokens.text(token).partition(" ") if token else (phases[0], "", "")
    if phase not in phases:
        raise InvalidParameterException("The specified nextToken is invalid.")
    page: list[Stream] = []
    for current in phases[phases.index(phase) :]:
        if current == names:
            for stream in streams.by_name(tx, group, "", rest, streams.SCANNED_MAX, False):
                if len(page) == limit:
                    return page, tokens.of_text(f"{names} {rest}")
                rest = stream.name
                if streams.extent(tx, group, stream) is None:
                    page.append(stream)
        else:
            beyond = _place(rest)
            for place, found in streams.by_event_time(tx, group, beyond, descending):
                if len(page) == limit or found is None:
                    at = beyond if found is not None else place
                    return page, tokens.of_text(f"{walk} {_written(at)}")
                beyond = place
                page.append(found)
        rest = ""
        if len(page) == limit and current != phases[-1]:
            return page, tokens.of_text(f"{phases[-1]} ")
    return page, ""


def _written(place: tuple[int, int, int] | None) -> str:
    return "" if place is None else "/".join(map(str, place))


def _place(text: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    try:
        first_ms, sequence, stream = map(int, text.split("/"))
    except ValueError:
        raise InvalidParameterException("The specified nextToken is invalid.") from None
    return first_ms, sequence, stream


def _shown(tx: Reader, group: Group, stream: Stream) -> Fields:
    found: Fields = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": f"{group.arn}:log-stream:{stream.name}",
        "storedBytes": 0,
    }
    extent = streams.extent(tx, group, stream)
    if extent is not None:
        first_ms, last = extent
        found["firstEventTimestamp"] = first_ms
        found["lastEventTimestamp"] = last.last_ms
        found["lastIngestionTime"] = last.ingested_ms
        found["uploadSequenceToken"] = str(last.ingested_ms)
    return found

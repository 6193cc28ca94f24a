"""Lambda's actions on event source mappings, in AWS's words."""

from __future__ import annotations

from collections.abc import Mapping as Texts
from typing import Any

from ogi import arn as arns
from ogi.service import Call, Fields
from ogi.services.lambda_ import mappings, tagging
from ogi.services.lambda_.names import target
from ogi.services.lambda_.service import SERVICE
from ogi.storage import CONTROL, Home, Reader, Transaction
from ogi.storage.keys import text

PAGE_MAX = 100
"""Mappings per page (ListEventSourceMappings, API reference)."""


def _on_mapping(tx: Reader, call: Call, request: Fields) -> str:
    return arns.make("lambda", call.region, call.account, f"event-source-mapping:{request['UUID']}")


def _keys(tx: Reader, call: Call, request: Fields) -> Texts[str, Any]:
    """lambda:FunctionArn (service authorization reference, AWS Lambda)."""
    tags = tagging.condition_keys(tx, call, request)
    if "FunctionName" in request:
        return {"lambda:FunctionArn": target(call, request["FunctionName"]).qualified, **tags}
    mapping = mappings.MAPPINGS.get(tx, call.home, request.get("UUID", ""))
    return {} if mapping is None else {"lambda:FunctionArn": mapping.target.qualified}


def _homes(call: Call, request: Fields) -> tuple[Home, ...]:
    """Also the index for the poller."""
    return (call.home, CONTROL)


@SERVICE.operation(keys=_keys, home=_homes)
def create_event_source_mapping(tx: Transaction, call: Call, request: Fields) -> Fields:
    sqs = call.ports.services["sqs"]
    return mappings.describe(tx, mappings.create(tx, call, sqs, request))


@SERVICE.operation(on=_on_mapping, keys=_keys)
def update_event_source_mapping(tx: Transaction, call: Call, request: Fields) -> Fields:
    sqs = call.ports.services["sqs"]
    return mappings.describe(tx, mappings.update(tx, call, sqs, request))


@SERVICE.operation(on=_on_mapping, keys=_keys)
def delete_event_source_mapping(tx: Transaction, call: Call, request: Fields) -> Fields:
    return mappings.describe(tx, mappings.delete(tx, call, request["UUID"]))


@SERVICE.operation(on=_on_mapping, keys=_keys, reads=True)
def get_event_source_mapping(tx: Reader, call: Call, request: Fields) -> Fields:
    return mappings.describe(tx, mappings.find(tx, call.home, request["UUID"]))


@SERVICE.operation(reads=True)
def list_event_source_mappings(tx: Reader, call: Call, request: Fields) -> Fields:
    """Filtered while it is read, so that a page is full if there is enough."""
    limit = min(request.get("MaxItems") or PAGE_MAX, PAGE_MAX)
    source, name = request.get("EventSourceArn"), request.get("FunctionName")
    wanted = target(call, name) if name else None
    marker = request.get("Marker")
    start: bytes | None = text(marker) if marker else None
    found: list[Fields] = []
    while True:
        rows = mappings.page(tx, call.home, start, mappings.PAGE)
        for _, mapping in rows:
            if source is not None and mapping.source != source:
                continue
            if wanted is not None and mapping.function != wanted.name:
                continue
            if wanted is not None and wanted.qualifier not in ("", mapping.qualifier):
                continue
            if len(found) == limit:
                return {"EventSourceMappings": found, "NextMarker": mapping.id}
            found.append(mappings.describe(tx, mapping))
        if len(rows) < mappings.PAGE:
            return {"EventSourceMappings": found}
        start = rows[-1][0] + b"\0"

"""Lambda's actions that run functions, in AWS's words."""

from __future__ import annotations

import base64
import binascii
import json

import msgspec

from ogi.service import Call, Fields
from ogi.services.lambda_ import destinations, events, functions, runs
from ogi.services.lambda_.errors import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    RequestTooLargeException,
    ResourceNotFoundException,
)
from ogi.services.lambda_.names import (
    LATEST,
    Target,
    home_of,
    on_function,
    on_qualified,
    target_of,
)
from ogi.services.lambda_.records import EVENT_CONFIGS, EventConfig
from ogi.services.lambda_.service import SERVICE
from ogi.storage import Reader, Transaction
from ogi.storage.keys import text, texts

REQUEST_BYTES_MAX = 6_291_456
EVENT_BYTES_MAX = 1_048_576
"""Invoke, API reference: 6 MB, for asynchronous ones 1 MB."""
CONFIGS_PAGE_MAX = 50
"""ListFunctionEventInvokeConfigs, API reference."""
CONTEXT_BYTES_MAX = 3_583
"""Of X-Amz-Client-Context, in base64 (Invoke, API reference)."""


@SERVICE.operation(
    on=on_qualified,
    action="InvokeFunction",
    unsupported=("DurableExecutionName", "TenantId"),
)
async def invoke(call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    kind = request.get("InvocationType") or "RequestResponse"
    payload: bytes = request.get("Payload") or b""
    limit = EVENT_BYTES_MAX if kind == "Event" else REQUEST_BYTES_MAX
    if len(payload) > limit:
        raise RequestTooLargeException.of(limit)
    _check_json(payload)
    found = await call.read(lambda tx: runs.find(tx, wanted))
    if kind == "DryRun":
        return {"StatusCode": 204, "ExecutedVersion": found.version.version}
    payload = payload or b"{}"
    request_id = call.request_id or call.new_id()
    if kind == "Event":
        await call.transact(
            lambda tx, running: _accept(tx, running, wanted, payload, request_id), wanted.data
        )
        return {"StatusCode": 202, "Payload": b""}
    outcome = await runs.of(call.ports).attended(
        call, found, payload, request_id=request_id, client_context=_client_context(request)
    )
    result: Fields = {
        "StatusCode": 200,
        "ExecutedVersion": found.version.version,
        "Payload": outcome.payload,
    }
    if outcome.error:
        result["FunctionError"] = outcome.error
    if request.get("LogType") == "Tail":
        result["LogResult"] = base64.b64encode(outcome.tail).decode()
    return result


def _accept(tx: Transaction, call: Call, target: Target, payload: bytes, request_id: str) -> None:
    functions.find_version(tx, target)
    events.accept(tx, call, target, payload, request_id)


def _check_json(payload: bytes) -> None:
    if payload:
        try:
            msgspec.json.decode(payload, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequestContentException(
                f"Could not parse request body into json: {error}"
            ) from error


def _client_context(request: Fields) -> str:
    """JSON, from base64."""
    given: str = request.get("ClientContext") or ""
    if not given:
        return ""
    try:
        said = json.loads(base64.b64decode(given, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidRequestContentException(
            "Client context must be a valid Base64-encoded JSON object."
        ) from error
    if len(given) > CONTEXT_BYTES_MAX:
        raise InvalidRequestContentException(
            f"Client context must be at most {CONTEXT_BYTES_MAX} bytes."
        )
    # One line of ASCII, since it reaches the runtime as a header.
    return json.dumps(said)


# -- how asynchronous events are tried again -------------------------------------------------------


def _qualifier(wanted: Target) -> str:
    return wanted.qualifier or LATEST


def _described(wanted: Target, config: EventConfig) -> Fields:
    result: Fields = {
        "LastModified": config.modified,
        "FunctionArn": f"{wanted.arn}:{_qualifier(wanted)}",
        "DestinationConfig": {
            name: {"Destination": arn} if arn else {}
            for name, arn in (("OnSuccess", config.on_success), ("OnFailure", config.on_failure))
        },
    }
    if config.retries_max is not None:
        result["MaximumRetryAttempts"] = config.retries_max
    if config.age_s_max is not None:
        result["MaximumEventAgeInSeconds"] = config.age_s_max
    return result


def _find(tx: Reader, wanted: Target) -> EventConfig:
    functions.find_version(tx, wanted)
    found = EVENT_CONFIGS.get(tx, wanted.home, wanted.name, _qualifier(wanted))
    if found is None:
        raise ResourceNotFoundException(
            f"The function {wanted.arn}:{_qualifier(wanted)} doesn't have an EventInvokeConfig"
        )
    return found


@SERVICE.operation(on=on_qualified, home=home_of)
def put_function_event_invoke_config(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    functions.find_version(tx, wanted)
    return _put(tx, call, wanted, EventConfig(call.now), request)


@SERVICE.operation(on=on_qualified, home=home_of)
def update_function_event_invoke_config(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    return _put(tx, call, wanted, _find(tx, wanted), request)


def _put(
    tx: Transaction, call: Call, wanted: Target, config: EventConfig, request: Fields
) -> Fields:
    _, version = functions.find_version(tx, wanted)
    names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
    if not any(name in request for name in names) and "DestinationConfig" not in request:
        raise InvalidParameterValueException(
            "You must specify at least one of error handling or destination setting."
        )
    targets = {
        name: given.get("Destination", "")
        for name, given in (request.get("DestinationConfig") or {}).items()
    }
    destinations.check(tx, call, wanted.arn, version.role, targets)
    config = EventConfig(
        modified=call.now,
        retries_max=request.get("MaximumRetryAttempts", config.retries_max),
        age_s_max=request.get("MaximumEventAgeInSeconds", config.age_s_max),
        on_success=targets.get("OnSuccess", config.on_success),
        on_failure=targets.get("OnFailure", config.on_failure),
    )
    EVENT_CONFIGS.put(tx, config, wanted.home, wanted.name, _qualifier(wanted))
    return _described(wanted, config)


@SERVICE.operation(on=on_qualified, reads=True)
def get_function_event_invoke_config(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    return _described(wanted, _find(tx, wanted))


@SERVICE.operation(on=on_function, reads=True)
def list_function_event_invoke_configs(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    functions.find(tx, wanted)
    limit = min(request.get("MaxItems") or CONFIGS_PAGE_MAX, CONFIGS_PAGE_MAX)
    start = text(request["Marker"]) if request.get("Marker") else None
    rows = EVENT_CONFIGS.scan(tx, wanted.home, wanted.name, limit=limit + 1, start=start)
    found = [
        (qualifier, _described(msgspec.structs.replace(wanted, qualifier=qualifier), config))
        for (qualifier,), config in ((texts(rest), config) for rest, config in rows)
    ]
    result: Fields = {"FunctionEventInvokeConfigs": [config for _, config in found[:limit]]}
    if len(found) > limit:
        result["NextMarker"] = found[limit][0]
    return result


@SERVICE.operation(on=on_qualified, home=home_of)
def delete_function_event_invoke_config(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    _find(tx, wanted)
    EVENT_CONFIGS.delete(tx, wanted.home, wanted.name, _qualifier(wanted))
    return {}

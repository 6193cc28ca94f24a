"""Event source mappings from SQS: their records and rules.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html and -parameters.html
The sentences are Lambda's of September 2026 as github.com/badmintoncryer/cdk-preflight quotes them,
rules/lambda/pf-lambda-esm-*.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi import arn as arns
from ogi.access import sessions
from ogi.errors import AwsError, unsupported
from ogi.service import Call, Fields, Service
from ogi.services.lambda_ import concurrency, filters, functions, roles, tagging
from ogi.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from ogi.services.lambda_.names import Target, target
from ogi.services.lambda_.records import PLACES, Place
from ogi.storage import CONTROL, Home, Reader, Transaction, control
from ogi.storage.tables import Table

BELL = b"lambda.mappings"
"""Rings when a mapping, or what concerns the pollers, has changed."""
BATCH_DEFAULT = 10
BATCH_UNWINDOWED_MAX = 10
NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
"""What the execution role must be allowed on the queue."""
UNSUPPORTED = (
    "KMSKeyArn", "MetricsConfig", "LoggingConfig", "ProvisionedPollerConfig",
)  # fmt: skip
ELSEWHERE = (
    "StartingPosition", "StartingPositionTimestamp", "ParallelizationFactor", "DestinationConfig",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "TumblingWindowInSeconds", "Topics", "Queues", "SourceAccessConfigurations",
    "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
)  # fmt: skip
"""Members for other event sources."""
POSITIONS = {"StartingPosition": "StartingPosition", "StartingPositionTimestamp": "Timestamp"}
"""How the refusal calls them."""
POLLED = ("kinesis", "dynamodb", "kafka", "mq", "rds")
"""AWS's other event sources."""


class Mapping(msgspec.Struct, frozen=True):
    id: str
    account: str
    region: str
    function: str
    qualifier: str
    source: str
    """The queue's ARN."""
    batch_size: int
    window_s: int
    partial: bool
    """The function reports which messages of a batch failed."""
    concurrency_max: int
    """0: as many as Lambda allows."""
    enabled: bool
    state: str
    modified: float
    tags: dict[str, str] = {}
    filters: tuple[str, ...] = ()
    """Patterns of which a message's body must fit one; none: all messages."""

    @property
    def home(self) -> Home:
        return control(self.account, self.region)

    @property
    def target(self) -> Target:
        return Target(self.account, self.region, self.function, self.qualifier)

    @property
    def arn(self) -> str:
        return arns.make("lambda", self.region, self.account, f"event-source-mapping:{self.id}")

    @property
    def fifo(self) -> bool:
        return self.source.endswith(".fifo")

    @property
    def queue_url(self) -> str:
        """SQS looks at the path only."""
        parsed = arns.parse(self.source)
        assert parsed is not None
        return f"http://localhost/{parsed.account}/{parsed.resource}"


class Status(msgspec.Struct, frozen=True):
    """What came of the polling; apart from the mapping, since it changes by itself."""

    result: str


class Pair(msgspec.Struct, frozen=True):
    """The one mapping of a queue and a function."""

    id: str


MAPPINGS = Table("lambda.mapping", Mapping)
STATUSES = Table("lambda.mapping-status", Status)
PAIRS = Table("lambda.mapping-pair", Pair)


def find(tx: Reader, home: Home, id: str) -> Mapping:
    found = MAPPINGS.get(tx, home, id)
    if found is None:
        raise ResourceNotFoundException
    return found


def describe(tx: Reader, mapping: Mapping) -> Fields:
    """EventSourceMappingConfiguration."""
    result: Fields = {
        "UUID": mapping.id,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.source,
        "FunctionArn": mapping.target.qualified,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if mapping.partial else [],
        "LastModified": mapping.modified,
        "State": mapping.state,
        "StateTransitionReason": "USER_INITIATED",
    }
    if mapping.concurrency_max:
        result["ScalingConfig"] = {"MaximumConcurrency": mapping.concurrency_max}
    if mapping.filters:
        result["FilterCriteria"] = {"Filters": [{"Pattern": p} for p in mapping.filters]}
    status = STATUSES.get(tx, mapping.home, mapping.id)
    if status is not None:
        result["LastProcessingResult"] = status.result
    return result


# -- changes --------------------------------------------------------------------------------------


def create(tx: Transaction, call: Call, sqs: Service, request: Fields) -> Mapping:
    _refuse(request)
    source = request.get("EventSourceArn", "")
    _check_source(source, call.region)
    wanted = target(call, request["FunctionName"])
    tags: dict[str, str] = request.get("Tags") or {}
    tagging.check(tags)
    enabled = request.get("Enabled", True)
    mapping = Mapping(
        id=call.new_id(), account=call.account, region=call.region, function=wanted.name,
        qualifier=wanted.qualifier, source=source, batch_size=BATCH_DEFAULT, window_s=0,
        partial=False, concurrency_max=0, enabled=enabled, state="Creating", modified=call.now,
        tags=tags,
    )  # fmt: skip
    mapping = _with(mapping, request)
    _check_function_and_queue(tx, call, sqs, mapping)
    taken = PAIRS.get(tx, mapping.home, source, wanted.name)
    if taken is not None:
        # AWS's answer for queues in github.com/aws/chalice/issues/2146
        raise ResourceConflictException(
            f'An event source mapping with SQS arn (" {source} ") and function (" {wanted.name} ")'
            " already exists. Please update or delete the existing mapping with UUID "
            f"{taken.id}"
        )
    PAIRS.put(tx, Pair(mapping.id), mapping.home, source, wanted.name)
    PLACES.put(tx, Place(call.account, call.region), CONTROL, call.account, call.region)
    _save(tx, mapping)
    return mapping


def update(tx: Transaction, call: Call, sqs: Service, request: Fields) -> Mapping:
    _refuse(request)
    before = find(tx, call.home, request["UUID"])
    if before.state == "Deleting":
        raise ResourceInUseException("Cannot update the event source mapping because it is in use.")
    mapping = _with(before, request)
    enabled = request.get("Enabled", before.enabled)
    state = "Updating"
    if enabled != before.enabled:
        state = "Enabling" if enabled else "Disabling"
    mapping = msgspec.structs.replace(mapping, enabled=enabled, state=state, modified=call.now)
    if "FunctionName" in request:
        wanted = target(call, request["FunctionName"])
        PAIRS.delete(tx, before.home, before.source, before.function)
        mapping = msgspec.structs.replace(mapping, function=wanted.name, qualifier=wanted.qualifier)
        PAIRS.put(tx, Pair(mapping.id), mapping.home, mapping.source, wanted.name)
    _check_function_and_queue(tx, call, sqs, mapping)
    _save(tx, mapping)
    return mapping


def delete(tx: Transaction, call: Call, id: str) -> Mapping:
    """It is gone when its pollers have stopped, see `settle`."""
    mapping = find(tx, call.home, id)
    if mapping.state == "Deleting":
        raise ResourceInUseException("Cannot delete the event source mapping because it is in use.")
    mapping = msgspec.structs.replace(mapping, state="Deleting", modified=call.now)
    PAIRS.delete(tx, mapping.home, mapping.source, mapping.function)
    _save(tx, mapping)
    return mapping


def settle(tx: Transaction, mapping: Mapping) -> None:
    """The pollers do what was asked for: the state that follows, if it is still the same wish."""
    if MAPPINGS.get(tx, mapping.home, mapping.id) != mapping:
        return
    if mapping.state == "Deleting":
        MAPPINGS.delete(tx, mapping.home, mapping.id)
        STATUSES.delete(tx, mapping.home, mapping.id)
        return
    state = "Enabled" if mapping.enabled else "Disabled"
    MAPPINGS.put(tx, msgspec.structs.replace(mapping, state=state), mapping.home, mapping.id)


def set_result(tx: Transaction, mapping: Mapping, result: str) -> None:
    """Show what came of the polling; '' for nothing worth saying."""
    if MAPPINGS.get(tx, mapping.home, mapping.id) is None:
        return
    if result:
        STATUSES.put(tx, Status(result), mapping.home, mapping.id)
    else:
        STATUSES.delete(tx, mapping.home, mapping.id)


def _save(tx: Transaction, mapping: Mapping) -> None:
    MAPPINGS.put(tx, mapping, mapping.home, mapping.id)
    tx.ring(BELL)


# -- rules ----------------------------------------------------------------------------------------


def _refuse(request: Fields) -> None:
    for member in UNSUPPORTED:
        if request.get(member):
            raise unsupported(f"the member {member} of event source mappings")
    for member in ELSEWHERE:
        if request.get(member):
            raise InvalidParameterValueException(
                f"{POSITIONS[member]} is not valid for SQS event sources."
                if member in POSITIONS
                else f"Unsupported {member} parameter for given event source mapping type."
            )


def _check_source(source: str, region: str) -> None:
    parsed = arns.parse(source)
    if parsed is None or parsed.service not in ("sqs", *POLLED):
        raise InvalidParameterValueException(
            f"Unrecognized event source. Unsupported source arn : {source}"
        )
    if parsed.service != "sqs":
        raise unsupported(f"the event source {parsed.service} of Lambda functions")
    if parsed.region != region:
        raise InvalidParameterValueException(
            f"Event source region must match Lambda region {region}"
        )


def _with(mapping: Mapping, request: Fields) -> Mapping:
    """With what the request sets, checked."""
    changes: dict[str, Any] = {}
    if "BatchSize" in request:
        changes["batch_size"] = request["BatchSize"]
    if "MaximumBatchingWindowInSeconds" in request:
        changes["window_s"] = request["MaximumBatchingWindowInSeconds"]
    if "FunctionResponseTypes" in request:
        changes["partial"] = "ReportBatchItemFailures" in request["FunctionResponseTypes"]
    if "ScalingConfig" in request:
        changes["concurrency_max"] = request["ScalingConfig"].get("MaximumConcurrency", 0)
    if "FilterCriteria" in request:
        changes["filters"] = filters.read(request["FilterCriteria"])
    mapping = msgspec.structs.replace(mapping, **changes)
    if mapping.fifo and mapping.window_s:
        raise InvalidParameterValueException("Batching window is not supported for FIFO queues")
    if mapping.batch_size > BATCH_UNWINDOWED_MAX and not mapping.window_s:
        raise InvalidParameterValueException(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )
    return mapping


def _check_function_and_queue(tx: Transaction, call: Call, sqs: Service, mapping: Mapping) -> None:
    function, version = functions.find_version(tx, mapping.target)
    reserved = concurrency.reservations(tx, mapping.target).get(function.name)
    if reserved is not None and mapping.concurrency_max > reserved:
        raise InvalidParameterValueException(
            f"MaximumConcurrency: {mapping.concurrency_max} is greater than Function Reserved "
            f"Concurrency: {reserved}"
        )
    try:
        principal = roles.assume(tx, call, version.role, function.name, function.arn)
    except sessions.CannotAssume as error:
        raise InvalidParameterValueException(roles.CANNOT) from error
    as_role = call.as_principal(principal)
    for action in NEEDED:
        try:
            call.ports.authorise(tx, as_role, sqs, (f"sqs:{action}",), (mapping.source,), {})
        except AwsError as error:
            raise InvalidParameterValueException(
                f"The provided execution role does not have permissions to call {action} on SQS"
            ) from error
    visibility_s = visibility(tx, as_role, mapping)
    if visibility_s < version.timeout_s:
        raise InvalidParameterValueException(
            f"Queue visibility timeout: {visibility_s} seconds is less than Function timeout: "
            f"{version.timeout_s} seconds"
        )


def visibility(tx: Transaction, as_role: Call, mapping: Mapping) -> int:
    """The queue's visibility timeout in seconds."""
    asked = {"QueueUrl": mapping.queue_url, "AttributeNames": ["VisibilityTimeout"]}
    try:
        found = as_role.invoke(tx, "sqs", "GetQueueAttributes", asked)
    except AwsError as error:
        raise InvalidParameterValueException(sqs_refusal("ReceiveMessage", error)) from error
    return int(found["Attributes"]["VisibilityTimeout"])


def sqs_refusal(action: str, error: AwsError) -> str:
    """How Lambda passes on what SQS refused."""
    return (
        f"Error occurred while {action}. SQS Error Code: {error.code or error.shape}. "
        f"SQS Error Message: {error.message}"
    )


# -- all of them ----------------------------------------------------------------------------------

PLACES_MAX = 10_000
PAGE = 100


def page(tx: Reader, home: Home, start: bytes | None, limit: int) -> list[tuple[bytes, Mapping]]:
    return MAPPINGS.scan(tx, home, limit=limit, start=start)


def all_of(tx: Reader) -> list[Mapping]:
    """The mappings of all accounts and regions."""
    found: list[Mapping] = []
    for _, place in PLACES.scan(tx, CONTROL, limit=PLACES_MAX):
        start: bytes | None = None
        while True:
            rows = page(tx, control(place.account, place.region), start, PAGE)
            found += [mapping for _, mapping in rows]
            if len(rows) < PAGE:
                break
            start = rows[-1][0] + b"\0"
    return found

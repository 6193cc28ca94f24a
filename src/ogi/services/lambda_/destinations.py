"""Where an asynchronous event's record goes when nothing more is tried: to a destination for those
that succeeded or for those that failed, and to the dead-letter queue.

Law: a record is owed, as the function's role, in the transaction that ends the event.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
What cannot be a target is refused in the words that Lambda said in September 2026 as
github.com/badmintoncryer/cdk-preflight quotes them: pf-lambda-dlq-*, pf-lambda-eic-destination-*.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.access import sessions
from ogi.arn import Arn
from ogi.errors import AwsError, unsupported
from ogi.sandbox import Outcome
from ogi.service import Call, Fields
from ogi.services.lambda_ import roles
from ogi.services.lambda_.errors import InvalidParameterValueException
from ogi.services.lambda_.records import EventConfig, Function, Version
from ogi.storage import Home, Reader, Transaction

ACTIONS = {
    "sqs": ("sqs:SendMessage", "SQS"),
    "sns": ("sns:Publish", "SNS"),
    "lambda": ("lambda:InvokeFunction", "Lambda"),
}
"""What the role must be allowed at each kind of target, and its name in refusals."""
SENTENCE_CHARS_MAX = 1024
"""Of ErrorMessage ("truncated to 1 KB")."""
TOPIC_BYTES_MAX = 262_144
"""A record that is longer goes to a topic without payloads (API reference, OnFailure)."""


class Ended(msgspec.Struct, frozen=True):
    """An event that is over."""

    condition: str
    """Success, RetriesExhausted, EventAgeExceeded."""
    request_id: str
    payload: bytes
    runs: int
    qualified: str
    """The ARN of the function with its qualifier."""
    status: int = 200
    """Of the last try: 200 if it ran, else what it was refused with."""
    outcome: Outcome | None = None
    """Of the last run, if there was one."""


def check_letters(tx: Reader, call: Call, function_arn: str, role_arn: str, target: str) -> None:
    """Refuse what cannot be a dead-letter queue, and a role that may not send to it."""
    if not target:
        return
    parsed = arns.parse(target)
    why = ""
    if parsed is None or parsed.region != call.region:
        why = (
            "The resource specified by the TargetArn must be in the same region as the Lambda "
            "function it's associated with."
        )
    elif parsed.service not in ("sqs", "sns"):
        why = (
            "The service specified by the TargetArn is not supported for dead letter configuration."
        )
    elif parsed.resource.endswith(".fifo"):
        # Lambda's words for a queue; those for a topic could not be found.
        kind = {"sqs": "SQS queue", "sns": "SNS topic"}[parsed.service]
        why = f"FIFO {kind} is not supported for dead letter configuration"
    if parsed is None or why:
        raise InvalidParameterValueException(f"Invalid dead letter queue ARN: {why}")
    _check_role(tx, call, function_arn, role_arn, parsed)


def check(
    tx: Reader, call: Call, function_arn: str, role_arn: str, wanted: Mapping[str, str]
) -> None:
    """Refuse what cannot be the destination OnSuccess or OnFailure, and a role that may not send
    to it."""
    for condition, target in wanted.items():
        if not target:
            continue
        parsed = arns.parse(target)
        bucket = parsed is not None and parsed.service == "s3" and condition == "OnFailure"
        if parsed is None or (not bucket and (
            parsed.service not in (*ACTIONS, "events")
            or parsed.region != call.region
            or (parsed.service == "sqs" and parsed.resource.endswith(".fifo"))
        )):  # fmt: skip
            success, failure = (wanted.get(name, "") for name in ("OnSuccess", "OnFailure"))
            raise InvalidParameterValueException(
                "The provided destination config DestinationConfig("
                f"onSuccess=OnSuccess(destination={success}), "
                f"onFailure=OnFailure(destination={failure})) is invalid."
            )
        if parsed.service not in ACTIONS:
            raise unsupported(f"destinations of the service {parsed.service}")
        if parsed.service == "sns" and parsed.resource.endswith(".fifo"):
            raise InvalidParameterValueException(
                "FIFO-type Amazon SNS topics aren't supported as a destination."
            )
        _check_role(tx, call, function_arn, role_arn, parsed)


def _check_role(tx: Reader, call: Call, function_arn: str, role_arn: str, target: Arn) -> None:
    action, kind = ACTIONS[target.service]
    try:
        principal = roles.assume(tx, call, role_arn, "check", function_arn)
    except sessions.CannotAssume as error:
        raise InvalidParameterValueException(roles.CANNOT) from error
    service, names = call.ports.services[target.service], (str(target),)
    try:
        call.ports.authorise(tx, call.as_principal(principal), service, (action,), names, {})
    except AwsError as error:
        raise InvalidParameterValueException(
            "The provided execution role does not have permissions to call "
            f"{action.partition(':')[2]} on {kind}"
        ) from error


def wanted(config: EventConfig, version: Version, condition: str) -> tuple[str, str]:
    """(destination, dead-letter queue) of an event that ends so; '' for none."""
    if condition == "Success":
        return config.on_success, ""
    return config.on_failure, version.dead_letters


def send(
    tx: Transaction, call: Call, home: Home, function: Function, version: Version,
    targets: tuple[str, str], ended: Ended,
) -> None:  # fmt: skip
    """Owe the records of an ended event."""
    destination, letters = targets
    try:
        name = ended.request_id or call.request_id
        principal = roles.assume(tx, call, version.role, name, function.arn)
    except sessions.CannotAssume as error:
        call.note("lambda.undelivered", function=function.arn, reason=str(error))
        return
    as_role = call.as_principal(principal)
    if destination:
        _post(tx, as_role, home, destination, _record(call, version, ended), {})
    if letters:
        _post(tx, as_role, home, letters, ended.payload, _attributes(ended))


def _post(
    tx: Transaction, call: Call, home: Home, target: str, body: bytes, attributes: Fields
) -> None:
    parsed = arns.parse(target)
    assert parsed is not None
    operation, request = _request(parsed, target, body, attributes)
    sender = call.in_place(parsed.account or call.account, parsed.region or call.region)
    deliveries.post(tx, sender, home, parsed.service, operation, request)


def _request(parsed: Arn, target: str, body: bytes, attributes: Fields) -> tuple[str, Fields]:
    if parsed.service == "lambda":
        return "Invoke", {"FunctionName": target, "InvocationType": "Event", "Payload": body}
    more: Fields = {"MessageAttributes": attributes} if attributes else {}
    if parsed.service == "sns":
        if len(body) > TOPIC_BYTES_MAX and not attributes:
            body = _without_payloads(body)
        return "Publish", {"TopicArn": target, "Message": body.decode(), **more}
    # SQS looks at the path only.
    url = f"http://localhost/{parsed.account}/{parsed.resource}"
    return "SendMessage", {"QueueUrl": url, "MessageBody": body.decode(), **more}


def _without_payloads(record: bytes) -> bytes:
    said = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    for name in ("requestPayload", "responsePayload"):
        said.pop(name, None)
    return msgspec.json.encode(said)


def _record(call: Call, version: Version, ended: Ended) -> bytes:
    """The guide's "example invocation record"."""
    moment = datetime.fromtimestamp(call.now, UTC)
    outcome = ended.outcome
    arn = ended.qualified
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z",
        "requestContext": {
            "requestId": ended.request_id,
            "functionArn": arn if arn.count(":") > 6 else f"{arn}:$LATEST",
            "condition": ended.condition,
            "approximateInvokeCount": ended.runs,
        },
        "requestPayload": msgspec.Raw(ended.payload),
    }
    if outcome is not None:
        context = {"statusCode": 200, "executedVersion": version.version}
        if outcome.error:
            context["functionError"] = outcome.error
        record["responseContext"] = context
        record["responsePayload"] = msgspec.Raw(outcome.payload or b"null")
    return msgspec.json.encode(record)


def _attributes(ended: Ended) -> Fields:
    """The guide's "dead-letter queue message attributes"; the body is the event as it was."""
    said = {
        "RequestID": ("String", ended.request_id),
        "ErrorCode": ("Number", str(ended.status)),
        "ErrorMessage": ("String", _sentence(ended)[:SENTENCE_CHARS_MAX]),
    }
    return {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in said.items()}


def _sentence(ended: Ended) -> str:
    if ended.outcome is None:
        return ended.condition
    try:
        said = msgspec.json.decode(ended.outcome.payload)
    except msgspec.DecodeError:
        said = None
    found = said.get("errorMessage") if isinstance(said, dict) else None
    return str(found) if found else ended.outcome.error_type or ended.condition

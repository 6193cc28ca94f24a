"""Events: what happened to an object, told to the destinations that the bucket's rules name.

Law: the message is a delivery posted in the transaction of what it tells of. Structure and versions
are those of docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import msgspec

from ogi import arn as arns
from ogi import deliveries
from ogi.service import Call, Fields, Principal
from ogi.services.s3.layout import Bucket, Object, Rule
from ogi.storage import Home, Transaction

SUBJECT = "Amazon S3 Notification"
OPERATIONS = {"sns": "Publish", "sqs": "SendMessage", "lambda": "Invoke"}

_json = msgspec.json.Encoder()


def tell(
    tx: Transaction,
    call: Call,
    home: Home,
    bucket: Bucket,
    name: str,
    key: str,
    object: Object | None,
    sequence: int,
) -> None:
    """Post the event `name` (as in `ObjectCreated:Put`) to all whose rule wants it."""
    for rule in bucket.rules:
        if not wants(rule, name):
            continue
        if not (key.startswith(rule.prefix) and key.endswith(rule.suffix)):
            call.note(
                "s3.filtered", bucket=bucket.name, key=key, event=name, rule=rule.id,
                prefix=rule.prefix, suffix=rule.suffix, destination=rule.arn,
            )  # fmt: skip
            continue
        message = _json.encode(
            {"Records": [_record(call, bucket, rule, name, key, object, sequence)]}
        )
        _send(tx, call, home, bucket, rule, message)
        call.note(
            "s3.event", bucket=bucket.name, key=key, event=name, rule=rule.id, destination=rule.arn
        )


def wants(rule: Rule, name: str) -> bool:
    for event in rule.events:
        event = event.removeprefix("s3:")
        if event == name or (event.endswith("*") and name.startswith(event[:-1])):
            return True
    return False


def request_for(service: str, arn: str, message: str) -> Fields:
    """The request that brings `message` to a destination."""
    if service == "sns":
        return {"TopicArn": arn, "Message": message, "Subject": SUBJECT}
    if service == "sqs":
        parsed = arns.parse(arn)
        if parsed is None:
            raise ValueError(f"{arn} is not an ARN")
        url = f"https://sqs.{parsed.region}.amazonaws.com/{parsed.account}/{parsed.resource}"
        return {"QueueUrl": url, "MessageBody": message}
    return {"FunctionName": arn, "InvocationType": "Event", "Payload": message.encode()}


def as_s3(call: Call, bucket: Bucket, arn: str) -> Call:
    """The call as S3 acting for the bucket, where the destination is.

    "Amazon S3 can send the tracing headers to downstream event subscribers such as AWS Lambda,
    Amazon SQS, and Amazon SNS": docs.aws.amazon.com/xray/latest/devguide/xray-services-s3.html
    """
    parsed = arns.parse(arn)
    if parsed is None:
        raise ValueError(f"{arn} is not an ARN")
    return call.as_service(
        "s3.amazonaws.com", bucket.arn, bucket.account, trace_header=call.trace_header
    ).in_place(parsed.account, parsed.region)


def test_message(call: Call, bucket: Bucket) -> str:
    """What destinations get when they are configured."""
    return _json.encode({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": _time(call.now),
        "Bucket": bucket.name,
        "RequestId": call.request_id,
        "HostId": _host_id(call.request_id),
    }).decode()  # fmt: skip


def _send(
    tx: Transaction, call: Call, home: Home, bucket: Bucket, rule: Rule, message: bytes
) -> None:
    deliveries.post(
        tx, as_s3(call, bucket, rule.arn), home, rule.service, OPERATIONS[rule.service],
        request_for(rule.service, rule.arn, message.decode()),
    )  # fmt: skip


def _record(
    call: Call, bucket: Bucket, rule: Rule, name: str, key: str, object: Object | None,
    sequence: int,
) -> dict[str, Any]:  # fmt: skip
    told: dict[str, Any] = {"key": quote_plus(key, safe="/")}
    if object is not None:
        told["size"] = object.size
        told["eTag"] = object.etag
    told["sequencer"] = f"{sequence:018X}"
    return {
        # Version 2.3 is for tagging, ACL, lifecycle, restore; all others still are 2.1.
        "eventVersion": "2.3" if name.startswith("ObjectTagging") else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": _time(call.now),
        "eventName": name,
        "userIdentity": {"principalId": _principal_id(call.principal)},
        "requestParameters": {"sourceIPAddress": call.context.get("aws:SourceIp", "")},
        "responseElements": {
            "x-amz-request-id": call.request_id,
            "x-amz-id-2": _host_id(call.request_id),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule.id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": customer_id(bucket.account)},
                "arn": bucket.arn,
            },
            "object": told,
        },
    }


def _principal_id(principal: Principal) -> str:
    if principal.kind == "anonymous":
        return "Anonymous"
    if principal.kind == "root":
        return customer_id(principal.account)
    return f"AWS:{principal.id or principal.arn}"


def customer_id(account: str) -> str:
    """An account as events name it, e.g. A3NL1KOZZKExample: 14 letters and digits."""
    digest = hashlib.sha256(b"customer " + account.encode()).digest()
    return "A" + base64.b32encode(digest).decode()[:13]


def _host_id(request_id: str) -> str:
    """The same as the answer's x-amz-id-2: there is one host, so it is the request's id."""
    return base64.b64encode(request_id.encode()).decode()


def _time(now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"

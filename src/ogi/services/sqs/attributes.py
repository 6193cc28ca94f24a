"""Queue attributes: what each may be, read from and written as AWS's texts.

Ranges and defaults: API reference, CreateQueue and SetQueueAttributes. Sentences on FIFO attributes
and on both redrive policies: AWS's as deployments got them (the rules `pf-sqs-*` of cdk-preflight,
github.com/badmintoncryer/cdk-preflight) or users report them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ogi import arn as arns
from ogi.services.sqs import policies
from ogi.services.sqs.errors import InvalidAttributeName, InvalidAttributeValue
from ogi.services.sqs.errors import InvalidParameterValue as InvalidParameter

MESSAGE_BYTES_MAX = 1_048_576
MAX_RECEIVES_MAX = 1_000
"""maxReceiveCount; developer guide, dead-letter queues: 'between 1 and 1,000'."""
SOURCE_ARNS_MAX = 10
_DIGITS = re.compile(r"[0-9]{1,18}")

_NUMBERS = {
    "DelaySeconds": ("delay_s", 0, 900),
    "MaximumMessageSize": ("message_bytes_max", 1_024, MESSAGE_BYTES_MAX),
    "MessageRetentionPeriod": ("retention_s", 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": ("wait_s", 0, 20),
    "VisibilityTimeout": ("visibility_s", 0, 43_200),
    "KmsDataKeyReusePeriodSeconds": ("kms_reuse_s", 60, 86_400),
}
_FIFO_CHOICES = {
    "ContentBasedDeduplication": ("content_based_deduplication", ("true", "false")),
    "DeduplicationScope": ("deduplication_scope", ("queue", "messageGroup")),
    "FifoThroughputLimit": ("throughput_limit", ("perQueue", "perMessageGroupId")),
}
_DERIVED = (
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
)
SETTABLE = (
    *_NUMBERS, "Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId",
    "SqsManagedSseEnabled", "FifoQueue", *_FIFO_CHOICES,
)  # fmt: skip
FIFO_ONLY = frozenset(("FifoQueue", *_FIFO_CHOICES))
READABLE = frozenset((*SETTABLE, *_DERIVED, "All"))
COUNTS = frozenset(name for name in _DERIVED if name.startswith("Approximate"))


class Redrive(msgspec.Struct, frozen=True):
    """RedrivePolicy: where messages go that were received too often."""

    target_arn: str
    receives_max: int


class RedriveAllow(msgspec.Struct, frozen=True):
    """RedriveAllowPolicy: which queues may name this one as their dead-letter queue."""

    permission: str
    """`allowAll`, `denyAll` or `byQueue`."""
    source_arns: tuple[str, ...] = ()


class Attributes(msgspec.Struct, frozen=True):
    """What can be set on a queue, typed; the fields' defaults are AWS's."""

    delay_s: int = 0
    message_bytes_max: int = MESSAGE_BYTES_MAX
    retention_s: int = 345_600
    wait_s: int = 0
    visibility_s: int = 30
    policy: str = ""
    redrive: Redrive | None = None
    redrive_allow: RedriveAllow | None = None
    redrive_allow_text: str = ""
    kms_key_id: str = ""
    kms_reuse_s: int = 300
    managed_sse: bool = True
    fifo: bool = False
    content_based_deduplication: str = "false"
    deduplication_scope: str = "queue"
    throughput_limit: str = "perQueue"


class Queue(msgspec.Struct, frozen=True):
    name: str
    account: str
    region: str
    arn: str
    created_s: int
    modified_s: int
    epoch: int
    attributes: Attributes
    tags: dict[str, str] = {}
    purged_s: int = 0


class Deleted(msgspec.Struct, frozen=True):
    """What is remembered of a deleted queue."""

    at_s: float
    epoch: int


def change(attributes: Attributes, texts: Mapping[str, str], *, creating: bool) -> Attributes:
    """`attributes` with what `texts` (AWS's names and values) say; refuses what AWS refuses."""
    fields: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in SETTABLE:
            raise InvalidAttributeName.of(name)
        fields.update(_read(name, text, creating=creating))
    if fields.get("kms_key_id") and fields.get("managed_sse"):
        # API reference: only one server-side encryption option is supported per queue.
        raise InvalidAttributeValue(
            "You can use one type of server-side encryption (SSE) at one time. "
            "You can either enable KMS SSE or SQS SSE."
        )
    if fields.get("kms_key_id"):
        fields["managed_sse"] = False
    elif fields.get("managed_sse"):
        fields["kms_key_id"] = ""
    changed = msgspec.structs.replace(attributes, **fields)
    if not changed.fifo:
        _refuse_fifo_choices(texts)
    if changed.throughput_limit == "perMessageGroupId" and (
        changed.deduplication_scope != "messageGroup"
    ):
        # API reference: perMessageGroupId is allowed only with the scope messageGroup.
        raise InvalidAttributeValue(
            "Invalid value for the parameter FifoThroughputLimit. Reason: To set "
            "FifoThroughputLimit to perMessageGroupId, the DeduplicationScope must be messageGroup."
        )
    return changed


def _refuse_fifo_choices(texts: Mapping[str, str]) -> None:
    for name in _FIFO_CHOICES:
        if name in texts and name == "ContentBasedDeduplication":
            raise InvalidAttributeName.of(name)
        if name in texts:
            raise InvalidAttributeName(
                f"You can specify the {name} only when FifoQueue is set to true."
            )


def _read(name: str, text: str, *, creating: bool) -> dict[str, Any]:
    if name in _NUMBERS:
        field, low, high = _NUMBERS[name]
        number = _number(text)
        if number is None or not low <= number <= high:
            raise InvalidAttributeValue.of(name)
        return {field: number}
    if name in _FIFO_CHOICES:
        field, choices = _FIFO_CHOICES[name]
        value = text.lower() if choices[0] == "true" else text
        if value not in choices:
            raise InvalidAttributeValue.of(name)
        return {field: value}
    if name == "FifoQueue":
        # API reference: it can be given only at creation; a standard queue does not know it.
        if not creating or text.lower() != "true":
            raise InvalidAttributeName.of(name)
        return {"fifo": True}
    if name == "SqsManagedSseEnabled":
        if text.lower() not in ("true", "false"):
            raise InvalidAttributeValue.of(name)
        return {"managed_sse": text.lower() == "true"}
    if name == "KmsMasterKeyId":
        return {"kms_key_id": text}
    if name == "Policy":
        if text:
            policies.check(text)
        return {"policy": text}
    if name == "RedrivePolicy":
        return {"redrive": _redrive(text)}
    return {"redrive_allow": _redrive_allow(text), "redrive_allow_text": text}


def _number(text: str) -> int | None:
    return int(text) if _DIGITS.fullmatch(text) else None


def _redrive(text: str) -> Redrive | None:
    if not text:
        return None
    name = "RedrivePolicy"
    document = _map(text)
    if document is None:
        raise InvalidParameter.of(name, text, "Redrive policy is not a valid JSON map.")
    for mandatory in ("maxReceiveCount", "deadLetterTargetArn"):
        if mandatory not in document:
            raise InvalidParameter.of(
                name, text, f"Redrive policy does not contain mandatory attribute: {mandatory}."
            )
    if set(document) - {"maxReceiveCount", "deadLetterTargetArn"}:
        raise InvalidParameter.of(
            name, text, "Only following attributes are supported: "
            "[deadLetterTargetArn, maxReceiveCount]."
        )  # fmt: skip
    count = _number(str(document["maxReceiveCount"]))
    if count is None or not 1 <= count <= MAX_RECEIVES_MAX:
        raise InvalidParameter.of(
            name, text, "Invalid value for maxReceiveCount: "
            f"{document['maxReceiveCount']}, valid values are from 1 to {MAX_RECEIVES_MAX} "
            "both inclusive."
        )  # fmt: skip
    target = document["deadLetterTargetArn"]
    if not isinstance(target, str) or not _queue_arn(target):
        arn = arns.parse(target) if isinstance(target, str) else None
        raise InvalidParameter.of(
            name, text, "Only SQS queues are valid resources for deadLetterTargetArn"
            if arn is not None and arn.service != "sqs"
            else "Invalid value for deadLetterTargetArn."
        )  # fmt: skip
    return Redrive(target, count)


def _redrive_text(policy: Redrive | None) -> str:
    """As AWS tells it: without spaces, the count as a number, however both were given. Terraform's
    `jsonencode` writes it so too, and sees a difference where the count is told as a text."""
    if policy is None:
        return ""
    document = {"deadLetterTargetArn": policy.target_arn, "maxReceiveCount": policy.receives_max}
    return json.dumps(document, separators=(",", ":"))


def _redrive_allow(text: str) -> RedriveAllow | None:
    if not text:
        return None

    def refusal(reason: str) -> InvalidParameter:
        return InvalidParameter.of(
            "RedriveAllowPolicy", text, f"Amazon SQS can't create the redrive allow policy{reason}"
        )

    document = _map(text)
    if document is None or set(document) - {"redrivePermission", "sourceQueueArns"}:
        raise refusal(", as it's in an unsupported format.")
    permission = document.get("redrivePermission")
    sources = document.get("sourceQueueArns", [])
    if permission not in ("allowAll", "denyAll", "byQueue") or not isinstance(sources, list):
        raise refusal(", as it's in an unsupported format.")
    if permission != "byQueue" and "sourceQueueArns" in document:
        raise refusal(
            ". You can specify source queue ARNs only when the permission type is byQueue."
        )
    if permission == "byQueue" and not 1 <= len(sources) <= SOURCE_ARNS_MAX:
        raise refusal(
            ". When you specify the byQueue permission type, you must also specify between 1 and "
            f"{SOURCE_ARNS_MAX} source queue ARNs."
        )
    if not all(isinstance(arn, str) and _queue_arn(arn) for arn in sources):
        raise refusal(", as it's in an unsupported format.")
    return RedriveAllow(permission, tuple(sources))


def allows(policy: RedriveAllow, source_arn: str) -> bool:
    """Whether a queue may be the source of the dead-letter queue that has this policy."""
    if policy.permission == "byQueue":
        return source_arn in policy.source_arns
    return policy.permission == "allowAll"


def _map(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None if it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _queue_arn(text: str) -> bool:
    arn = arns.parse(text)
    # JSON may hold characters that UTF-8 has not.
    return (
        text.isascii()
        and arn is not None
        and arn.service == "sqs"
        and bool(arn.region and arn.account)
    )


def texts(attributes: Attributes) -> dict[str, str]:
    """AWS's names and values of what is set."""
    found = {name: str(getattr(attributes, field)) for name, (field, _, _) in _NUMBERS.items()}
    optional = {
        "Policy": attributes.policy,
        "RedrivePolicy": _redrive_text(attributes.redrive),
        "RedriveAllowPolicy": attributes.redrive_allow_text,
        "KmsMasterKeyId": attributes.kms_key_id,
    }
    found.update({name: text for name, text in optional.items() if text})
    if not attributes.kms_key_id:
        del found["KmsDataKeyReusePeriodSeconds"]
    found["SqsManagedSseEnabled"] = "true" if attributes.managed_sse else "false"
    if attributes.fifo:
        found["FifoQueue"] = "true"
        for name, (field, _) in _FIFO_CHOICES.items():
            found[name] = getattr(attributes, field)
    return found


def first_difference(attributes: Attributes, texts_given: Mapping[str, str]) -> str | None:
    """The attribute of those given whose value is not the queue's; CreateQueue of an existing."""
    wanted = change(attributes, {k: v for k, v in texts_given.items() if k != "FifoQueue"},
                    creating=False)  # fmt: skip
    now, then = texts(attributes), texts(wanted)
    for name in texts_given:
        if name == "FifoQueue":
            if (texts_given[name].lower() == "true") != attributes.fifo:
                return name
        elif _same(name, now.get(name, ""), then.get(name, "")) is False:
            return name
    return None


def _same(name: str, one: str, other: str) -> bool:
    """Documents are the same whatever their spaces."""
    if one == other or name not in ("Policy", "RedrivePolicy", "RedriveAllowPolicy"):
        return one == other
    return bool(one and other and json.loads(one) == json.loads(other))

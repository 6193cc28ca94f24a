"""Notification configurations: read from AWS's words, checked as S3 checks them, shown again.

docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html, and the special
errors of docs.aws.amazon.com/AmazonS3/latest/API/RESTBucketPUTnotification.html
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from ogi import arn as arns
from ogi.errors import AwsError, unsupported
from ogi.service import Call, Fields
from ogi.services.s3 import errors, events
from ogi.services.s3.layout import Bucket, Rule

RULES_MAX = 100
"""Per bucket: docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html"""
FILTER_BYTES_MAX = 1024

EVENTS = frozenset({
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*", "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*", "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked", "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition", "s3:IntelligentTiering", "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*", "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete",
})  # fmt: skip
"""Supported as types; those of features that a bucket does not use never happen, as on AWS."""

KINDS = {
    "sns": ("TopicConfigurations", "TopicArn", "topic"),
    "sqs": ("QueueConfigurations", "QueueArn", "queue"),
    "lambda": ("LambdaFunctionConfigurations", "LambdaFunctionArn", "function"),
}


NO_FIFO = {
    "sqs": "FIFO SQS queues are not supported.",
    "sns": (
        "The ARN failed to satisfy constraint: Member must satisfy regular expression pattern: "
        r"^arn:aws[\p{Alpha}\-]*:sns:[\p{Alnum}\-]+:[\p{Digit}]{12}:[\p{Alnum}\-_]{1,256}$"
    ),
}
"""What S3 says of FIFO queues and topics, in github.com/badmintoncryer/cdk-preflight:
rules/s3/pf-s3-notification-fifo-queue, -fifo-topic; of an event that there is not: -event-name."""


class Refused(errors.InvalidArgument):
    """Unable to validate the following destination configurations"""

    code = "InvalidArgument"


def rules_of(call: Call, configuration: Fields, bucket: Bucket) -> tuple[Rule, ...]:
    """The rules in a NotificationConfiguration, if they are possible together."""
    if "EventBridgeConfiguration" in configuration:
        raise unsupported("NotificationConfiguration.EventBridgeConfiguration")
    rules = tuple(
        _rule(call, service, member, entry, bucket)
        for service, (group, member, _) in KINDS.items()
        for entry in configuration.get(group) or ()
    )
    if len(rules) > RULES_MAX:
        raise errors.InvalidArgument(
            f"Number of notification configurations cannot exceed {RULES_MAX}"
        )
    if len({rule.id for rule in rules}) != len(rules):
        raise errors.InvalidArgument("Same ID used for multiple configurations. IDs must be unique")
    for one, other in combinations(rules, 2):
        _check_overlap(one, other)
    return rules


def _rule(call: Call, service: str, member: str, entry: Fields, bucket: Bucket) -> Rule:
    arn = entry[member]
    chosen = tuple(entry["Events"])
    for event in chosen:
        if event not in EVENTS:
            raise errors.InvalidArgument(
                "The event is not supported for notifications",
                ArgumentName="Event", ArgumentValue=event,
            )  # fmt: skip
    if not chosen:
        raise errors.MalformedXML()
    _check_arn(service, arn, bucket)
    names, prefix, suffix = _filter(entry.get("Filter") or {})
    return Rule(
        id=entry.get("Id") or call.new_id().replace("-", ""), service=service, arn=arn,
        events=chosen, prefix=prefix, suffix=suffix, filter_names=names,
    )  # fmt: skip


def _check_arn(service: str, arn: str, bucket: Bucket) -> None:
    parsed = arns.parse(arn)
    if parsed is None or parsed.service != service or not parsed.account:
        raise errors.InvalidArgument(
            "The ARN is not well formed", ArgumentName=KINDS[service][2], ArgumentValue=arn
        )
    if parsed.region != bucket.region:
        raise errors.InvalidArgument(
            "The notification destination service region is not valid for the bucket location "
            "constraint",
            ArgumentName=KINDS[service][2], ArgumentValue=arn,
        )  # fmt: skip
    if service in NO_FIFO and parsed.resource.endswith(".fifo"):
        raise errors.InvalidArgument(
            NO_FIFO[service], ArgumentName=KINDS[service][2], ArgumentValue=arn
        )


def _filter(given: Fields) -> tuple[tuple[str, ...], str, str]:
    """The names as the user wrote them, prefix, suffix."""
    found = {"prefix": "", "suffix": ""}
    names: list[str] = []
    for rule in (given.get("Key") or {}).get("FilterRules") or ():
        name, value = str(rule.get("Name", "")), str(rule.get("Value", ""))
        kind = name.lower()
        if kind not in found:
            raise errors.InvalidArgument(
                "filter rule name must be either prefix or suffix",
                ArgumentName="FilterRule.Name", ArgumentValue=name,
            )  # fmt: skip
        if kind in (known.lower() for known in names):
            raise errors.InvalidArgument(
                f"Cannot specify more than one {kind} rule in a filter.",
                ArgumentName="FilterRule.Name", ArgumentValue=name,
            )  # fmt: skip
        if len(value.encode()) > FILTER_BYTES_MAX:
            raise errors.InvalidArgument(
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
                ArgumentName="FilterRule.Value", ArgumentValue=value,
            )  # fmt: skip
        names.append(name)
        found[kind] = value
    return tuple(names), found["prefix"], found["suffix"]


def _check_overlap(one: Rule, other: Rule) -> None:
    """No event of any key may go to two destinations."""
    if not any(_covers(a, b) or _covers(b, a) for a in one.events for b in other.events):
        return
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    if not (prefixes and suffixes):
        return
    if one.filter_names or other.filter_names:
        raise errors.InvalidArgument(
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules "
            "if the prefixes are overlapping for the same event type."
        )
    raise errors.InvalidArgument(
        "Configurations overlap. Configurations on the same bucket cannot share a common event "
        "type.",
        ArgumentName="Event", ArgumentValue=", ".join((*one.events, *other.events)),
    )  # fmt: skip


def _covers(a: str, b: str) -> bool:
    return a == b or (a.endswith("*") and b.startswith(a[:-1]))


async def check_destinations(call: Call, bucket: Bucket, rules: Sequence[Rule]) -> None:
    """Send each topic and queue S3's test message, and ask Lambda whether S3 may invoke; what is
    refused refuses the configuration."""
    message = events.test_message(call, bucket)
    for arn, service in {rule.arn: rule.service for rule in rules}.items():
        request: dict[str, Any] = events.request_for(service, arn, message)
        if service == "lambda":
            request["InvocationType"] = "DryRun"
        try:
            await events.as_s3(call, bucket, arn).request(
                service, events.OPERATIONS[service], request
            )
        except AwsError as refusal:
            raise _refused(arn, _reason(service, refusal)) from refusal


def _reason(service: str, refusal: AwsError) -> str:
    kind = KINDS[service][2]
    if refusal.status == 404 or "NonExistent" in refusal.shape or "DoesNotExist" in refusal.shape:
        return f"The destination {kind} does not exist"
    if "NotFound" in refusal.shape:
        return f"The destination {kind} does not exist"
    if service == "lambda":
        return "Not authorized to invoke function [" + refusal.message + "]"
    return f"Permissions on the destination {kind} do not allow S3 to publish notifications from this bucket"  # noqa: E501


def _refused(arn: str, reason: str) -> Refused:
    return Refused(ArgumentName1=arn, ArgumentValue1=reason)


def shown(bucket: Bucket) -> Fields:
    """The NotificationConfiguration of a bucket's rules."""
    found: Fields = {}
    for rule in bucket.rules:
        group, member, _ = KINDS[rule.service]
        entry: Fields = {"Id": rule.id, member: rule.arn, "Events": list(rule.events)}
        if rule.filter_names:
            values = {"prefix": rule.prefix, "suffix": rule.suffix}
            entry["Filter"] = {
                "Key": {
                    "FilterRules": [
                        # S3 answers with capitals, however they were written.
                        {"Name": name.capitalize(), "Value": values[name.lower()]}
                        for name in rule.filter_names
                    ]
                }
            }
        found.setdefault(group, []).append(entry)
    return found

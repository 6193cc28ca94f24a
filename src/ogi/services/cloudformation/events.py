"""Stack events: what happened to a stack and its resources, told to the topics it names too."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from ogi.deliveries import post
from ogi.service import Call
from ogi.services.cloudformation.records import (
    EVENTS,
    Event,
    Resource,
    Stack,
    next_event,
    plan_of,
    put_resource,
    put_stack,
)
from ogi.storage import Transaction

REASON_CHARS_MAX = 4096


def stack_is(tx: Transaction, call: Call, stack: Stack, status: str, reason: str = "") -> Stack:
    """Give the stack a status, and tell it."""
    stack = msgspec.structs.replace(stack, status=status, reason=reason)
    put_stack(tx, call, stack)
    _tell(tx, call, stack, stack.name, stack.arn, "AWS::CloudFormation::Stack", status, reason)
    return stack


def resource_is(
    tx: Transaction, call: Call, stack: Stack, resource: Resource, status: str, reason: str = ""
) -> Resource:
    """Give a resource a status, and tell it."""
    resource = msgspec.structs.replace(resource, status=status, reason=reason, updated=call.now)
    put_resource(tx, call, stack.uuid, resource)
    tell(tx, call, stack, resource, status, reason)
    return resource


def tell(
    tx: Transaction, call: Call, stack: Stack, resource: Resource, status: str, reason: str = ""
) -> None:
    """A resource's event, without touching its row."""
    properties = msgspec.json.encode(resource.properties).decode() if resource.properties else ""
    _tell(
        tx, call, stack, resource.logical, resource.physical, resource.type, status, reason,
        properties,
    )  # fmt: skip


def _tell(
    tx: Transaction, call: Call, stack: Stack, logical: str, physical: str, kind: str,
    status: str, reason: str, properties: str = "",
) -> None:  # fmt: skip
    unique = call.new_id()
    event = Event(
        id=unique if logical == stack.name and physical == stack.arn
        else f"{logical}-{status}-{_iso(call.now)}",
        logical=logical,
        physical=physical,
        type=kind,
        status=status,
        at=call.now,
        reason=reason[:REASON_CHARS_MAX],
        properties=properties,
        token=stack.operation.token if stack.operation is not None else "",
    )  # fmt: skip
    EVENTS.put(tx, event, call, stack.uuid, next_event(tx, call, stack.uuid))
    plan = plan_of(tx, call, stack.uuid)
    if plan is None:
        return
    for topic in plan.notification_arns:
        post(
            tx, call, call.home, "sns", "Publish",
            {
                "TopicArn": topic,
                "Subject": "AWS CloudFormation Notification",
                "Message": _notification(call, stack, event),
            },
        )  # fmt: skip


def _notification(call: Call, stack: Stack, event: Event) -> str:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-notifications.html"""
    lines = {
        "StackId": stack.arn,
        "Timestamp": _iso(event.at),
        "EventId": event.id,
        "LogicalResourceId": event.logical,
        "Namespace": call.account,
        "PhysicalResourceId": event.physical,
        "PrincipalId": call.principal.id,
        "ResourceProperties": event.properties or "null",
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason,
        "ResourceType": event.type,
        "StackName": stack.name,
        "ClientRequestToken": event.token or "null",
    }
    return "".join(f"{name}='{value}'\n" for name, value in lines.items())


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

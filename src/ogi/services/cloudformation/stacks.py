"""Stacks by name or id, and as the API shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ogi.service import Call, Fields
from ogi.services.cloudformation import parameters
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.records import (
    NAMES,
    STACKS,
    Plan,
    Resource,
    Stack,
    bell,
    plan_of,
)
from ogi.storage import Reader

NAME_CHARS_MAX = 128
SETTLE_S = 2.0
"""How long a request that starts an operation waits for its end before it answers: clients poll
every thirty seconds (`aws cloudformation deploy`), most operations here take much less than one."""

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*\Z")


def check_name(name: str) -> None:
    if len(name) > NAME_CHARS_MAX:
        raise ValidationError(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy"
            f" constraint: Member must have length less than or equal to {NAME_CHARS_MAX}"
        )
    if not _NAME.match(name):
        raise ValidationError(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy"
            " constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )


def uuid_of(name: str) -> str:
    """The UUID in a stack's ARN, '' in a name."""
    return name.rsplit("/", 1)[-1] if name.startswith("arn:") else ""


def lookup(tx: Reader, call: Call, name: str) -> Stack | None:
    """A stack by its ARN, deleted ones too, or by its name."""
    if name.startswith("arn:"):
        stack = STACKS.get(tx, call.home, uuid_of(name))
        return stack if stack is not None and stack.arn == name else None
    taken = NAMES.get(tx, call.home, name)
    return None if taken is None else STACKS.get(tx, call.home, taken.uuid)


def find(
    tx: Reader, call: Call, name: str, sentence: str = "Stack with id {} does not exist"
) -> Stack:
    stack = lookup(tx, call, name)
    if stack is None:
        raise ValidationError(sentence.format(name))
    return stack


def arn_of(tx: Reader, call: Call, request: Fields) -> str:
    """What is authorised: the stack, or any stack of that name."""
    name = request.get("StackName")
    if not name:
        return "*"
    if name.startswith("arn:"):
        return str(name)
    stack = lookup(tx, call, name)
    return call.arn("cloudformation", f"stack/{name}/*") if stack is None else stack.arn


async def settle(call: Call, uuid: str) -> None:
    """Return when the stack's operation has ended, or has taken longer than it is worth."""
    until = call.ports.clock.now() + SETTLE_S
    with call.ports.store.listen(bell(uuid)) as rung:
        while call.ports.clock.now() < until:
            stack = await call.read(lambda tx: STACKS.get(tx, call.home, uuid))
            if stack is None or stack.operation is None:
                return
            await call.ports.clock.wait(rung.event, until)
            rung.clear()


def show(tx: Reader, call: Call, stack: Stack) -> Fields:
    """`Stack` of DescribeStacks."""
    plan = plan_of(tx, call, stack.uuid)
    found: Fields = {
        "StackId": stack.arn,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "DisableRollback": stack.disable_rollback,
        "RollbackConfiguration": {},
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "EnableTerminationProtection": stack.protected,
        "NotificationARNs": [],
        "Capabilities": [],
        "Tags": [],
    }
    optional = {
        "StackStatusReason": stack.reason,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "RoleARN": stack.role_arn,
        "TimeoutInMinutes": stack.timeout_minutes,
        "ChangeSetId": stack.change_set,
    }
    found.update({name: value for name, value in optional.items() if value})
    if plan is not None:
        found.update(_show_plan(plan))
    if stack.outputs:
        found["Outputs"] = [
            {
                "OutputKey": output.key,
                "OutputValue": output.value,
                **({"Description": output.description} if output.description else {}),
                **({"ExportName": output.export} if output.export else {}),
            }
            for output in stack.outputs
        ]
    return found


def _show_plan(plan: Plan) -> Fields:
    found: Fields = {
        "Capabilities": list(plan.capabilities),
        "NotificationARNs": list(plan.notification_arns),
        "Tags": tags_shown(plan),
    }
    if plan.goal.description:
        found["Description"] = plan.goal.description
    if plan.goal.parameters:
        found["Parameters"] = parameters.shown(plan.goal.declared, plan.goal.parameters)
    return found


def tags_shown(plan: Plan) -> list[Fields]:
    return [{"Key": key, "Value": value} for key, value in plan.tags.items()]


def summary(tx: Reader, call: Call, stack: Stack) -> Fields:
    """`StackSummary` of ListStacks."""
    plan = plan_of(tx, call, stack.uuid)
    found: Fields = {
        "StackId": stack.arn,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }
    optional = {
        "TemplateDescription": plan.goal.description if plan is not None else "",
        "StackStatusReason": stack.reason,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
    }
    return {**found, **{name: value for name, value in optional.items() if value}}


def show_resource(resource: Resource, time_name: str) -> Fields:
    """What StackResource, StackResourceDetail and StackResourceSummary have in common."""
    found: Fields = {
        "LogicalResourceId": resource.logical,
        "ResourceType": resource.type,
        "ResourceStatus": resource.status,
        time_name: resource.updated,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }
    if resource.physical:
        found["PhysicalResourceId"] = resource.physical
    if resource.reason:
        found["ResourceStatusReason"] = resource.reason
    return found


def as_tags(given: Iterable[Fields]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in given:
        if tag["Key"].startswith("aws:"):
            raise ValidationError("aws: prefixed tag key names are not allowed for external use.")
        tags[tag["Key"]] = tag["Value"]
    return tags

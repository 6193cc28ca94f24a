"""CloudFormation's operations that show stacks, events, resources, exports and templates."""

from __future__ import annotations

import msgspec

from ogi.service import Call, Fields
from ogi.services.cloudformation import (
    capabilities,
    drafts,
    exports,
    goals,
    pages,
    parameters,
    stacks,
)
from ogi.services.cloudformation import templates as reading
from ogi.services.cloudformation.errors import ChangeSetNotFoundException, ValidationError
from ogi.services.cloudformation.records import (
    CHANGE_SETS,
    EVENTS,
    EXPORTS,
    NAMES,
    RESOURCES,
    STACKS,
    ChangeSet,
    Event,
    Plan,
    Resource,
    Stack,
    plan_of,
    resources_of,
)
from ogi.services.cloudformation.service import SERVICE
from ogi.services.cloudformation.stacks import arn_of
from ogi.services.cloudformation.templates import Template
from ogi.storage import Reader
from ogi.storage.keys import number, u64

STACKS_MAX = 10_000
"""Stacks of an account in a region that are listed, deleted ones included."""
CHANGE_SETS_MAX = 1_000
EXPORTS_MAX = 10_000


@SERVICE.operation(on=arn_of, reads=True)
def describe_stacks(tx: Reader, call: Call, request: Fields) -> Fields:
    name = request.get("StackName")
    if name:
        return {"Stacks": [stacks.show(tx, call, stacks.find(tx, call, name))]}
    taken = NAMES.scan(tx, call.home, limit=STACKS_MAX)
    found = [STACKS.get(tx, call.home, row.uuid) for _, row in taken]
    listed, more = pages.page(request, [stack for stack in found if stack is not None])
    return {"Stacks": [stacks.show(tx, call, stack) for stack in listed], **more}


@SERVICE.operation(reads=True)
def list_stacks(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = frozenset(request.get("StackStatusFilter", ()))
    found = [stack for _, stack in STACKS.scan(tx, call.home, limit=STACKS_MAX)]
    found = [stack for stack in found if not wanted or stack.status in wanted]
    found.sort(key=lambda stack: stack.created, reverse=True)
    listed, more = pages.page(request, found)
    return {"StackSummaries": [stacks.summary(tx, call, stack) for stack in listed], **more}


@SERVICE.operation(on=arn_of, reads=True)
def describe_stack_events(tx: Reader, call: Call, request: Fields) -> Fields:
    stack = stacks.find(tx, call, request["StackName"], "Stack [{}] does not exist")
    prefix = EVENTS.key(call.home, stack.uuid)
    end = pages.start_of(request)
    before = prefix + (u64(end) if end else b"\xff" * 8)
    rows = tx.scan(prefix, before, pages.PAGE_MAX, reverse=True)
    events = [_event(stack, EVENTS.open(tx, call, key, raw)) for key, raw in rows]
    more = {}
    if len(rows) == pages.PAGE_MAX and number(rows[-1][0][len(prefix) :]) > 0:
        more = {"NextToken": str(number(rows[-1][0][len(prefix) :]))}
    return {"StackEvents": events, **more}


def _event(stack: Stack, event: Event) -> Fields:
    found: Fields = {
        "StackId": stack.arn,
        "StackName": stack.name,
        "EventId": event.id,
        "LogicalResourceId": event.logical,
        "PhysicalResourceId": event.physical,
        "ResourceType": event.type,
        "ResourceStatus": event.status,
        "Timestamp": event.at,
    }
    optional = {
        "ResourceStatusReason": event.reason,
        "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
    }
    return {**found, **{name: value for name, value in optional.items() if value}}


# -- resources ----------------------------------------------------------------------------------


@SERVICE.operation(on=arn_of, reads=True)
def describe_stack_resource(tx: Reader, call: Call, request: Fields) -> Fields:
    name, logical = request["StackName"], request["LogicalResourceId"]
    stack = stacks.find(tx, call, name, "Stack '{}' does not exist")
    resource = RESOURCES.get(tx, call, stack.uuid, logical)
    if resource is None:
        raise ValidationError(f"Resource {logical} does not exist for stack {name}")
    detail = _of_stack(stack, stacks.show_resource(resource, "LastUpdatedTimestamp"), resource)
    if resource.metadata:
        detail["Metadata"] = resource.metadata
    return {"StackResourceDetail": detail}


def _of_stack(stack: Stack, shown: Fields, resource: Resource) -> Fields:
    described = {"Description": resource.description} if resource.description else {}
    return {**shown, "StackId": stack.arn, "StackName": stack.name, **described}


@SERVICE.operation(on=arn_of, reads=True)
def describe_stack_resources(tx: Reader, call: Call, request: Fields) -> Fields:
    physical, logical = request.get("PhysicalResourceId"), request.get("LogicalResourceId")
    if "StackName" in request:
        stack = stacks.find(tx, call, request["StackName"])
    elif physical:
        stack = _owner(tx, call, physical)
    else:
        raise ValidationError("Either StackName or PhysicalResourceId must be specified")
    rows = resources_of(tx, call, stack.uuid).values()
    found = [
        _of_stack(stack, stacks.show_resource(row, "Timestamp"), row)
        for row in rows
        if ("StackName" not in request or not logical or row.logical == logical)
    ]
    if logical and "StackName" in request and not found:
        raise ValidationError(f"Resource {logical} does not exist for stack {stack.name}")
    return {"StackResources": found}


def _owner(tx: Reader, call: Call, physical: str) -> Stack:
    for _, taken in NAMES.scan(tx, call.home, limit=STACKS_MAX):
        rows = resources_of(tx, call, taken.uuid).values()
        if any(row.physical == physical for row in rows):
            stack = STACKS.get(tx, call.home, taken.uuid)
            if stack is not None:
                return stack
    raise ValidationError(f"Stack for {physical} does not exist")


@SERVICE.operation(on=arn_of, reads=True)
def list_stack_resources(tx: Reader, call: Call, request: Fields) -> Fields:
    stack = stacks.find(tx, call, request["StackName"])
    rows = list(resources_of(tx, call, stack.uuid).values())
    listed, more = pages.page(request, rows)
    found = [stacks.show_resource(row, "LastUpdatedTimestamp") for row in listed]
    return {"StackResourceSummaries": found, **more}


# -- exports ------------------------------------------------------------------------------------


@SERVICE.operation(reads=True)
def list_exports(tx: Reader, call: Call, request: Fields) -> Fields:
    rows = EXPORTS.scan(tx, call.home, limit=EXPORTS_MAX)
    names = [rest[:-2].replace(b"\x00\xff", b"\x00").decode() for rest, _ in rows]
    found = [
        {"ExportingStackId": row.stack_arn, "Name": name, "Value": row.value}
        for name, (_, row) in zip(names, rows, strict=True)
    ]
    listed, more = pages.page(request, found)
    return {"Exports": listed, **more}


@SERVICE.operation(reads=True)
def list_imports(tx: Reader, call: Call, request: Fields) -> Fields:
    name = request["ExportName"]
    users = exports.importers(tx, call.home, name)
    if not users:
        raise ValidationError(f"Export '{name}' is not imported by any stack.")
    listed, more = pages.page(request, users)
    return {"Imports": listed, **more}


# -- templates ----------------------------------------------------------------------------------


@SERVICE.operation(on=arn_of, reads=True)
def get_template(tx: Reader, call: Call, request: Fields) -> Fields:
    plan = _plan(tx, call, request)
    processed = plan.processed or plan.text
    wants = request.get("TemplateStage", "Original")
    stages = ["Original", "Processed"]
    return {
        "TemplateBody": processed if wants == "Processed" else plan.text,
        "StagesAvailable": stages,
    }


def _plan(tx: Reader, call: Call, request: Fields) -> Plan:
    wanted = request.get("ChangeSetName", "")
    name = request.get("StackName", "")
    if not name and not wanted.startswith("arn:"):
        raise ValidationError("StackName is required if ChangeSetName is not specified.")
    if wanted:
        for change_set in _change_sets(tx, call, name):
            if wanted in (change_set.arn, change_set.name):
                return change_set.plan
        raise ChangeSetNotFoundException(f"ChangeSet [{wanted}] does not exist")
    stack = stacks.find(tx, call, name)
    plan = plan_of(tx, call, stack.uuid)
    if plan is None:
        raise ValidationError(f"Stack with id {name} does not exist")
    return plan


def _change_sets(tx: Reader, call: Call, name: str) -> list[ChangeSet]:
    parts = () if not name else (stacks.find(tx, call, name).uuid,)
    rows = CHANGE_SETS.scan(tx, call, *parts, limit=CHANGE_SETS_MAX)
    return [row for _, row in rows]


@SERVICE.operation()
async def validate_template(call: Call, request: Fields) -> Fields:
    template = reading.read(await drafts.text_of(call, request))
    goals.check_references(template, drafts.pseudo(call, "", "", []))
    found = _summary(template)
    found["Parameters"] = [
        {
            name: entry[name]
            for name in ("ParameterKey", "DefaultValue", "NoEcho", "Description")
            if name in entry
        }
        for entry in parameters.declarations(template.parameters)
    ]
    return found


@SERVICE.operation(on=arn_of, unsupported=("StackSetName", "CallAs", "TemplateSummaryConfig"))
async def get_template_summary(call: Call, request: Fields) -> Fields:
    if request.get("StackName"):
        text = (await call.read(lambda tx: _plan(tx, call, request))).text
    else:
        text = await drafts.text_of(call, request)
    template = reading.read(text)
    found = _summary(template)
    found["Parameters"] = parameters.declarations(template.parameters)
    kinds = dict.fromkeys(resource["Type"] for resource in template.resources.values())
    found["ResourceTypes"] = sorted(kinds)
    if template.version:
        found["Version"] = template.version
    if template.metadata:
        found["Metadata"] = msgspec.json.encode(template.metadata).decode()
    return found


def _summary(template: Template) -> Fields:
    found: Fields = {}
    if template.description:
        found["Description"] = template.description
    needed, reason = capabilities.required(template)
    if template.transforms:
        needed = [*needed, capabilities.AUTO_EXPAND]
        found["DeclaredTransforms"] = list(template.transforms)
    if needed:
        found["Capabilities"] = needed
        found["CapabilitiesReason"] = reason or (
            "The following transform(s) may expand the template:"
            f" [{', '.join(template.transforms)}]"
        )
    return found

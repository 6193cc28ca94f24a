"""Drafts: a request's template and parameters, on the way to be a stack's plan.

Reading and transforming are done before the transaction; what depends on the stack, on exports and
on neighbours is resolved inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from ogi.errors import AwsError, unsupported
from ogi.service import Call, Fields
from ogi.services.cloudformation import exports, goals, stacks, templates, transforms
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.records import Plan, Stack, plan_of
from ogi.services.cloudformation.resources import TYPES
from ogi.services.cloudformation.templates import (
    BODY_BYTES_MAX,
    OBJECT_BYTES_MAX,
    Template,
)
from ogi.storage import Reader

REFUSED = (
    "DeploymentConfig",
    "DisableValidation",
    "ResourceTypes",
    "StackPolicyBody",
    "StackPolicyDuringUpdateBody",
    "StackPolicyDuringUpdateURL",
    "StackPolicyURL",
)
"""Members of requests that make or change a stack which are refused by name."""


class Draft(msgspec.Struct, frozen=True):
    text: str
    template: Template
    processed: str


async def make(call: Call, request: Fields, previous: Plan | None) -> Draft:
    """The template that the request means, read and transformed."""
    if request.get("RollbackConfiguration", {}).get("RollbackTriggers"):
        raise unsupported("RollbackTriggers")
    text = await text_of(call, request, previous)
    template = templates.read(text)
    given = _given(template, request, previous)
    made = await transforms.apply(template, given, call.region, call.account)
    processed = ""
    if template.transforms:
        processed = msgspec.json.encode(made.document()).decode()
    return Draft(text, made, processed)


def _given(template: Template, request: Fields, previous: Plan | None) -> dict[str, Any]:
    """Parameters as the transform sees them; what is wrong with them is said later."""
    found = {
        name: declaration["Default"]
        for name, declaration in template.parameters.items()
        if "Default" in declaration
    }
    for entry in request.get("Parameters", []):
        name = entry["ParameterKey"]
        if entry.get("UsePreviousValue") and previous is not None:
            found[name] = previous.goal.parameters.get(name, "")
        elif "ParameterValue" in entry:
            found[name] = entry["ParameterValue"]
    return found


async def text_of(call: Call, request: Fields, previous: Plan | None = None) -> str:
    """TemplateBody, what TemplateURL names, or the template that the stack has."""
    given = [
        name for name in ("TemplateBody", "TemplateURL", "UsePreviousTemplate") if request.get(name)
    ]
    if len(given) != 1:
        if not given:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        raise ValidationError(f"Only one of {' or '.join(given)} may be specified.")
    if "TemplateBody" in request and given[0] == "TemplateBody":
        body: str = request["TemplateBody"]
        if len(body.encode()) > BODY_BYTES_MAX:
            raise ValidationError(
                "1 validation error detected: Value at 'templateBody' failed to satisfy"
                f" constraint: Member must have length less than or equal to {BODY_BYTES_MAX}"
            )
        return body
    if given[0] == "TemplateURL":
        return await _fetch(call, request["TemplateURL"])
    if previous is None:
        raise ValidationError("UsePreviousTemplate needs a stack that has a template.")
    return previous.text


async def _fetch(call: Call, url: str) -> str:
    """An object in S3, read as the caller."""
    bucket, key, version = _object_at(call, url)
    request = {"Bucket": bucket, "Key": key}
    if version:
        request["VersionId"] = version
    try:
        found = await call.request("s3", "GetObject", request)
    except AwsError as error:
        raise ValidationError(f"S3 error: {error.message}") from None
    raw = bytearray()
    body = found["Body"]
    if isinstance(body, (bytes, bytearray)):
        raw += body
    else:
        async for chunk in body:
            raw += chunk
            if len(raw) > OBJECT_BYTES_MAX:
                break
    if len(raw) > OBJECT_BYTES_MAX:
        raise ValidationError(f"Template may not exceed {OBJECT_BYTES_MAX} bytes in size.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ValidationError("Template format error: unsupported structure.") from None


def _object_at(call: Call, url: str) -> tuple[str, str, str]:
    """Bucket, key and version of a path-style or virtual-host-style URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValidationError("TemplateURL must be a supported URL.")
    host, path = parts.hostname, unquote(parts.path.lstrip("/"))
    version = ""
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if name == "versionId":
            version = unquote(value)
    bucket, marker, _ = host.partition(".s3")
    if marker and not host.startswith("s3"):
        return bucket, path, version
    bucket, _, key = path.partition("/")
    if not bucket or not key:
        raise ValidationError(
            "TemplateURL must reference a valid S3 object to which you have access."
        )
    return bucket, key, version


def plan(
    tx: Reader,
    call: Call,
    draft: Draft,
    request: Fields,
    stack: Stack | None,
    name: str,
    arn: str,
    imported: Callable[[str], Any] | None = None,
) -> Plan:
    """What the draft means for this stack; all is refused here that can be known beforehand.

    imported: what an export's name stands for, if missing ones are not to be refused.
    """
    previous = plan_of(tx, call, stack.uuid) if stack is not None else None
    topics = _kept(request, "NotificationARNs", previous, "notification_arns")
    before: Mapping[str, str] | None = previous.goal.parameters if previous is not None else None
    goal = goals.resolve(
        draft.template,
        request.get("Parameters", []),
        before,
        pseudo(call, name, arn, list(topics)),
        imported or (lambda export: exports.value_of(tx, call.home, export)),
    )
    for logical, definition in goal.resources.items():
        _check_neighbours(call, logical, definition.type, definition.properties)
    for topic in topics:
        if ":sns:" not in topic:
            raise ValidationError(f"Invalid notification ARN {topic}")
    if "Tags" in request or previous is None:
        tags = stacks.as_tags(request.get("Tags", []))
    else:
        tags = previous.tags
    return Plan(
        text=draft.text,
        processed=draft.processed,
        goal=goal,
        tags=tags,
        capabilities=tuple(request.get("Capabilities", ())),
        notification_arns=tuple(topics),
        transforms=draft.template.transforms,
    )


def pseudo(call: Call, name: str, arn: str, topics: list[str]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html"""
    return {
        "AWS::AccountId": call.account,
        "AWS::NotificationARNs": topics,
        "AWS::Partition": "aws",
        "AWS::Region": call.region,
        "AWS::StackId": arn,
        "AWS::StackName": name,
        "AWS::URLSuffix": "amazonaws.com",
    }


def _kept(request: Fields, member: str, previous: Plan | None, attribute: str) -> tuple[str, ...]:
    if member in request or previous is None:
        return tuple(request.get(member, ()))
    kept: tuple[str, ...] = getattr(previous, attribute)
    return kept


def _check_neighbours(call: Call, logical: str, type_name: str, properties: Fields) -> None:
    """Refuse a property by name if the neighbour does not have the operation that it takes."""
    kind = TYPES[type_name]
    for name, (service, operation) in kind.asks.items():
        if name in properties and operation not in call.ports.services[service].operations:
            raise unsupported(f"the property {name} of {type_name} (resource {logical})")

"""Operations on log groups: life, listing, retention, encryption key, tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.errors import unsupported
from ogi.service import Call, Fields
from ogi.services.logs import groups, retention, tokens
from ogi.services.logs.errors import InvalidParameterException, TooManyTagsException
from ogi.services.logs.records import GROUPS, Group, group_arn
from ogi.services.logs.service import SERVICE
from ogi.storage import Reader, Transaction

PAGE_MAX = 50
SCANNED_MAX = 1000
"""Groups looked at for one page of a search by pattern."""
TAGS_MAX = 50


def on_group(tx: Reader, call: Call, request: Fields) -> str:
    """What policies name for a group: its ARN with no stream behind it."""
    return group_arn(call, groups.name_of(call, request)) + ":log-stream:"


def _tag_facts(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    tags = request.get("tags")
    if isinstance(tags, dict):
        found = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
        found["aws:TagKeys"] = list(tags)
    elif "tagKeys" in request:
        found["aws:TagKeys"] = request["tagKeys"]
    return found


@SERVICE.operation(on=on_group, keys=_tag_facts)
def create_log_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    log_class = request.get("logGroupClass", "STANDARD")
    if log_class == "DELIVERY":
        raise unsupported("log groups of the class DELIVERY")
    groups.create(
        tx,
        call,
        request["logGroupName"],
        log_class=log_class,
        key_id=request.get("kmsKeyId"),
        tags=_merged({}, request.get("tags") or {}),
        protected=bool(request.get("deletionProtectionEnabled")),
    )
    return {}


@SERVICE.operation(on=on_group)
def delete_log_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, groups.name_of(call, request))
    if group.protected:
        raise InvalidParameterException("Deletion protection is enabled for this log group.")
    groups.delete(tx, call, group)
    return {}


@SERVICE.operation(on=on_group)
def put_log_group_deletion_protection(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, groups.name_of(call, request))
    groups.changed(tx, call, group, protected=request["deletionProtectionEnabled"])
    return {}


@SERVICE.operation(
    on=lambda tx, call, request: call.arn("logs", "log-group::log-stream:"),
    reads=True,
    unsupported=("accountIdentifiers", "logGroupIdentifiers"),
)
def describe_log_groups(tx: Reader, call: Call, request: Fields) -> Fields:
    if request.get("includeLinkedAccounts"):
        raise unsupported("linked accounts")
    prefix, pattern = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern", "")
    if prefix and pattern:
        raise InvalidParameterException(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    limit = request.get("limit", PAGE_MAX)
    beyond = tokens.text(request.get("nextToken"))
    table = GROUPS.key(call.home)
    begin = max(table + prefix.encode(), table + beyond.encode() + b"\x00\x01" if beyond else b"")
    rows = tx.scan(begin, table + prefix.encode() + b"\xff" * 4, SCANNED_MAX)
    page: list[Group] = []
    last = ""
    for _, raw in rows:
        if len(page) == limit:
            break
        group = GROUPS.decode(raw)
        last = group.name
        log_class = request.get("logGroupClass", group.log_class)
        if pattern in group.name and group.log_class == log_class:
            page.append(group)
    else:
        if len(rows) < SCANNED_MAX:
            last = ""
    result: Fields = {"logGroups": [_shown(group, bool(pattern)) for group in page]}
    if last:
        result["nextToken"] = tokens.of_text(last)
    return result


def _shown(group: Group, brief: bool) -> Fields:
    found: Fields = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "arn": f"{group.arn}:*",
    }
    if brief:
        return found
    found |= {
        "logGroupArn": group.arn,
        "metricFilterCount": 0,
        "logGroupClass": group.log_class,
        "deletionProtectionEnabled": group.protected,
    }
    if group.retention_days is not None:
        found["retentionInDays"] = group.retention_days
    if group.key_id is not None:
        found["kmsKeyId"] = group.key_id
    return found


@SERVICE.operation(on=on_group)
def put_retention_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, request["logGroupName"])
    retention.set_days(tx, call, group, request["retentionInDays"])
    return {}


@SERVICE.operation(on=on_group)
def delete_retention_policy(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, request["logGroupName"])
    retention.set_days(tx, call, group, None)
    return {}


def _named_for_key(call: Call, request: Fields) -> str:
    if "resourceIdentifier" in request:
        return groups.name_in(call, request["resourceIdentifier"])
    if "logGroupName" not in request:
        raise InvalidParameterException
    return str(request["logGroupName"])


def _on_key(tx: Reader, call: Call, request: Fields) -> str:
    return group_arn(call, _named_for_key(call, request)) + ":log-stream:"


@SERVICE.operation(on=_on_key)
def associate_kms_key(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = groups.find(tx, call, _named_for_key(call, request))
    group = groups.changed(tx, call, group, key_id=request["kmsKeyId"])
    groups.require_key(tx, call, group)
    return {}


@SERVICE.operation(on=_on_key)
def disassociate_kms_key(tx: Transaction, call: Call, request: Fields) -> Fields:
    groups.changed(tx, call, groups.find(tx, call, _named_for_key(call, request)), key_id=None)
    return {}


# -- tags: by ARN, and by name as they were before ----------------------------------------------


def _tagged(tx: Reader, call: Call, request: Fields) -> Group:
    named = request.get("resourceArn") or request["logGroupName"]
    return groups.find(tx, call, groups.name_in(call, named))


def _on_tagged(tx: Reader, call: Call, request: Fields) -> str:
    return _tagged(tx, call, request).arn


@SERVICE.operation(on=_on_tagged, keys=_tag_facts)
def tag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    group = _tagged(tx, call, request)
    groups.changed(tx, call, group, tags=_merged(group.tags, request["tags"]))
    return {}


@SERVICE.operation(on=_on_tagged, keys=_tag_facts)
def untag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    return _untag(tx, call, request, request["tagKeys"])


@SERVICE.operation(on=_on_tagged, reads=True)
def list_tags_for_resource(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"tags": dict(_tagged(tx, call, request).tags)}


@SERVICE.operation(on=_on_tagged, keys=_tag_facts)
def tag_log_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    return tag_resource(tx, call, request)


@SERVICE.operation(on=_on_tagged)
def untag_log_group(tx: Transaction, call: Call, request: Fields) -> Fields:
    return _untag(tx, call, request, request["tags"])


@SERVICE.operation(on=_on_tagged, reads=True)
def list_tags_log_group(tx: Reader, call: Call, request: Fields) -> Fields:
    return list_tags_for_resource(tx, call, request)


def _untag(tx: Transaction, call: Call, request: Fields, names: list[str]) -> Fields:
    group = _tagged(tx, call, request)
    left = {name: value for name, value in group.tags.items() if name not in names}
    groups.changed(tx, call, group, tags=left)
    return {}


def _merged(tags: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    merged = {**tags, **more}
    if len(merged) > TAGS_MAX:
        raise TooManyTagsException
    return merged

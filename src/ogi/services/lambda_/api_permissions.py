"""Lambda's actions on resource policies and tags, in AWS's words."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec

from ogi import arn as arns
from ogi.access import trusts
from ogi.service import Call, Fields
from ogi.services.lambda_ import functions, mappings, permissions, tagging
from ogi.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from ogi.services.lambda_.names import Target, home_of, on_qualified, target, target_of
from ogi.services.lambda_.records import FUNCTIONS
from ogi.services.lambda_.service import SERVICE
from ogi.storage import Home, Reader, Transaction, control


@SERVICE.operation(on=on_qualified, home=home_of)
def add_permission(tx: Transaction, call: Call, request: Fields) -> Fields:
    statement = permissions.add(tx, call, target_of(call, request), request)
    shown = json.loads(trusts.unfastened(tx, json.dumps({"Statement": [statement]})))
    return {"Statement": msgspec.json.encode(shown["Statement"][0]).decode()}


@SERVICE.operation(on=on_qualified, home=home_of)
def remove_permission(tx: Transaction, call: Call, request: Fields) -> Fields:
    permissions.remove(tx, call, target_of(call, request), request)
    return {}


@SERVICE.operation(on=on_qualified, reads=True)
def get_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    function, _ = functions.find_version(tx, wanted)
    policy = permissions.document(function, wanted.qualifier)
    if policy is None:
        raise ResourceNotFoundException
    policy = trusts.unfastened(tx, policy)
    return {"Policy": policy, "RevisionId": function.policy_revisions[wanted.qualifier]}


# -- tags: of functions and of event source mappings ----------------------------------------------


def _on_resource(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["Resource"]
    return arn


def _home(call: Call, request: Fields) -> Home:
    parsed = arns.parse(request["Resource"])
    return call.home if parsed is None else control(parsed.account, parsed.region)


def _function(call: Call, request: Fields) -> Target:
    wanted = target(call, request["Resource"])
    if wanted.qualifier:
        raise InvalidParameterValueException(
            "Tags on function aliases and versions are not supported. Please specify a function "
            "ARN."
        )
    return wanted


def _mapping_id(request: Fields) -> str | None:
    _, found, id = str(request["Resource"]).partition(":event-source-mapping:")
    return id if found else None


def _tags(tx: Reader, call: Call, request: Fields) -> dict[str, str]:
    id = _mapping_id(request)
    if id is not None:
        return mappings.find(tx, _home(call, request), id).tags
    return functions.find(tx, _function(call, request)).tags


def _change(
    tx: Transaction, call: Call, request: Fields, change: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    id = _mapping_id(request)
    if id is not None:
        home = _home(call, request)
        mapping = mappings.find(tx, home, id)
        changed = msgspec.structs.replace(mapping, tags=change(mapping.tags))
        mappings.MAPPINGS.put(tx, changed, home, id)
        return
    wanted = _function(call, request)
    function = functions.find(tx, wanted)
    FUNCTIONS.put(
        tx, msgspec.structs.replace(function, tags=change(function.tags)), wanted.home, wanted.name
    )


@SERVICE.operation(on=_on_resource, keys=tagging.condition_keys, home=_home)
def tag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    _change(tx, call, request, lambda tags: tagging.changed(tags, request["Tags"], []))
    return {}


@SERVICE.operation(on=_on_resource, keys=tagging.condition_keys, home=_home)
def untag_resource(tx: Transaction, call: Call, request: Fields) -> Fields:
    _change(tx, call, request, lambda tags: tagging.changed(tags, {}, request["TagKeys"]))
    return {}


@SERVICE.operation(on=_on_resource, reads=True)
def list_tags(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"Tags": _tags(tx, call, request)}

"""Lambda's actions on versions and aliases, in AWS's words."""

from __future__ import annotations

import msgspec

from ogi.errors import unsupported
from ogi.service import Call, Fields
from ogi.services.lambda_ import functions, versions
from ogi.services.lambda_.errors import (
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from ogi.services.lambda_.names import LATEST, Target, home_of, on_function, target, target_of
from ogi.services.lambda_.records import ALIASES, VERSIONS, Alias
from ogi.services.lambda_.service import SERVICE
from ogi.storage import Reader, Transaction
from ogi.storage.keys import text

PAGE_MAX = 50


@SERVICE.operation(on=on_function, home=home_of, unsupported=("PublishTo",))
def publish_version(tx: Transaction, call: Call, request: Fields) -> Fields:
    function = functions.find(tx, target_of(call, request))
    if request.get("RevisionId", function.latest.revision) != function.latest.revision:
        raise PreconditionFailedException
    if request.get("CodeSha256", function.latest.sha256) != function.latest.sha256:
        raise InvalidParameterValueException(
            f"CodeSHA256 ({request['CodeSha256']}) is different from current CodeSHA256 in $LATEST "
            f"({function.latest.sha256}). Please try again with the CodeSHA256 in $LATEST."
        )
    description = request.get("Description", "")
    function, version = versions.publish(tx, call, function, description)
    return functions.describe(tx, call, function, version, version.version)


@SERVICE.operation(on=on_function, reads=True)
def list_versions_by_function(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    function = functions.find(tx, wanted)
    limit = min(request.get("MaxItems") or PAGE_MAX, PAGE_MAX)
    marker = request.get("Marker")
    start = int(marker) if marker and marker.isdigit() else 0
    shown = [] if start else [function.latest]
    shown += versions.page(tx, wanted.home, wanted.name, limit + 1, start)
    result: Fields = {
        "Versions": [
            functions.describe(tx, call, function, version, version.version)
            for version in shown[:limit]
        ]
    }
    if len(shown) > limit:
        result["NextMarker"] = shown[limit].version
    return result


def _on_alias(tx: Reader, call: Call, request: Fields) -> str:
    return _alias_of(call, request).arn


def _alias_of(call: Call, request: Fields) -> Target:
    return target(call, request["FunctionName"])


def _check_version(tx: Reader, wanted: Target, number: str) -> None:
    functions.find(tx, wanted)
    if number != LATEST and VERSIONS.get(tx, wanted.home, wanted.name, int(number)) is None:
        raise ResourceNotFoundException.of(f"{wanted.arn}:{number}")


def _refuse_routing(request: Fields) -> None:
    if (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
        raise unsupported("the member RoutingConfig of Lambda aliases")


def _described(wanted: Target, alias: Alias) -> Fields:
    return {
        "AliasArn": f"{wanted.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }


def _find(tx: Reader, wanted: Target, name: str) -> Alias:
    alias = ALIASES.get(tx, wanted.home, wanted.name, name)
    if alias is None:
        raise ResourceNotFoundException(f"Cannot find alias arn: {wanted.arn}:{name}")
    return alias


@SERVICE.operation(on=_on_alias, home=home_of)
def create_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted, name = _alias_of(call, request), request["Name"]
    _refuse_routing(request)
    _check_version(tx, wanted, request["FunctionVersion"])
    if ALIASES.get(tx, wanted.home, wanted.name, name) is not None:
        raise ResourceConflictException(f"Alias already exists: {wanted.arn}:{name}")
    description = request.get("Description", "")
    alias = Alias(name, request["FunctionVersion"], description, call.new_id())
    ALIASES.put(tx, alias, wanted.home, wanted.name, name)
    return _described(wanted, alias)


@SERVICE.operation(on=_on_alias, home=home_of)
def update_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted = _alias_of(call, request)
    _refuse_routing(request)
    alias = _find(tx, wanted, request["Name"])
    if request.get("RevisionId", alias.revision) != alias.revision:
        raise PreconditionFailedException
    version = request.get("FunctionVersion", alias.version)
    _check_version(tx, wanted, version)
    alias = msgspec.structs.replace(
        alias,
        version=version,
        description=request.get("Description", alias.description),
        revision=call.new_id(),
    )
    ALIASES.put(tx, alias, wanted.home, wanted.name, alias.name)
    return _described(wanted, alias)


@SERVICE.operation(on=_on_alias, reads=True)
def get_alias(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = _alias_of(call, request)
    return _described(wanted, _find(tx, wanted, request["Name"]))


@SERVICE.operation(on=_on_alias, home=home_of)
def delete_alias(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted = _alias_of(call, request)
    ALIASES.delete(tx, wanted.home, wanted.name, request["Name"])
    return {}


@SERVICE.operation(on=_on_alias, reads=True)
def list_aliases(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = _alias_of(call, request)
    functions.find(tx, wanted)
    limit = min(request.get("MaxItems") or PAGE_MAX, PAGE_MAX)
    marker = request.get("Marker")
    start = text(marker) if marker else None
    rows = ALIASES.scan(tx, wanted.home, wanted.name, limit=limit + 1, start=start)
    number = request.get("FunctionVersion")
    result: Fields = {
        "Aliases": [
            _described(wanted, alias)
            for _, alias in rows[:limit]
            if number is None or alias.version == number
        ]
    }
    if len(rows) > limit:
        result["NextMarker"] = rows[limit][1].name
    return result

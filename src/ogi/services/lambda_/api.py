"""Lambda's actions on functions, in AWS's words: requests in, results out.

API reference: docs.aws.amazon.com/lambda/latest/api/
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.service import Call, Fields
from ogi.services.lambda_ import (
    codes,
    concurrency,
    configurations,
    destinations,
    functions,
    roles,
    runs,
    tagging,
    uploads,
    variables,
    versions,
)
from ogi.services.lambda_.errors import (
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceConflictException,
)
from ogi.services.lambda_.mappings import BELL
from ogi.services.lambda_.names import (
    LATEST,
    Target,
    home_of,
    on_function,
    on_qualified,
    target_of,
)
from ogi.services.lambda_.records import (
    ALIASES,
    EVENT_CONFIGS,
    FUNCTIONS,
    RESERVATIONS,
    VERSIONS,
    Function,
    Version,
)
from ogi.services.lambda_.service import SERVICE
from ogi.storage import Reader, Transaction
from ogi.storage.keys import after, text

PAGE_MAX = 50
"""Functions per page (ListFunctions, API reference)."""
ROWS_MAX = 10_000
"""Versions and aliases that one deletion removes."""
CODE_BYTES_MAX = 80_530_636_800
"""75 GB of packages in an account and region (Lambda quotas page)."""


@SERVICE.operation(on=on_function, keys=tagging.condition_keys)
async def create_function(call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    fields = configurations.read(request)
    if not fields.get("runtime") or not fields.get("handler"):
        raise InvalidParameterValueException(
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )
    tags: dict[str, str] = request.get("Tags") or {}
    tagging.check(tags)
    await call.read(lambda tx: _check_free(tx, wanted))
    upload = await uploads.take(call, request["Code"], "CreateFunction", wanted)

    def body(tx: Transaction, call: Call) -> Fields:
        _check_free(tx, wanted)
        if tags:
            keys = {**call.context, **tagging.condition_keys(tx, call, request)}
            call.ports.authorise(tx, call, SERVICE, ("lambda:TagResource",), (wanted.arn,), keys)
        roles.check(tx, call, SERVICE, request["Role"], wanted.arn)
        settled = {**configurations.DEFAULTS, **fields}
        letters = settled.get("dead_letters", "")
        destinations.check_letters(tx, call, wanted.arn, request["Role"], letters)
        sealed = variables.seal(
            tx, call, wanted.arn, settled["kms_key"], _variables(request)
        )  # fmt: skip
        codes.refer(tx, upload)
        latest = Version(
            version=LATEST,
            variables=sealed,
            blob=upload.blob,
            package_key=upload.key,
            sha256=upload.sha256,
            modified=call.now,
            revision=call.new_id(),
            **settled,
        )
        function = Function(wanted.name, wanted.account, wanted.region, latest, tags=tags)
        functions.save(tx, function)
        if request.get("Publish"):
            function, version = versions.publish(tx, call, function, "")
            return functions.describe(tx, call, function, version, version.version)
        return functions.describe(tx, call, function, latest)

    return await call.transact(body, wanted.home)


def _check_free(tx: Reader, wanted: Target) -> None:
    if wanted.qualifier:
        raise InvalidParameterValueException(
            f"The function name {wanted.name}:{wanted.qualifier} has a qualifier."
        )
    if FUNCTIONS.get(tx, wanted.home, wanted.name) is not None:
        raise ResourceConflictException(f"Function already exist: {wanted.name}")


def _variables(request: Fields) -> dict[str, str]:
    found: dict[str, str] = (request.get("Environment") or {}).get("Variables") or {}
    return found


@SERVICE.operation(on=on_qualified, reads=True)
def get_function(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    function, version = functions.find_version(tx, wanted)
    result: Fields = {
        "Configuration": functions.describe(tx, call, function, version, wanted.qualifier),
        "Code": {"RepositoryType": "S3", "Location": codes.location(call, version)},
    }
    if function.tags:
        result["Tags"] = function.tags
    reserved = concurrency.reservations(tx, wanted).get(wanted.name)
    if reserved is not None:
        result["Concurrency"] = {"ReservedConcurrentExecutions": reserved}
    return result


@SERVICE.operation(on=on_qualified, reads=True)
def get_function_configuration(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    function, version = functions.find_version(tx, wanted)
    return functions.describe(tx, call, function, version, wanted.qualifier)


@SERVICE.operation(reads=True, unsupported=("MasterRegion",))
def list_functions(tx: Reader, call: Call, request: Fields) -> Fields:
    limit = min(request.get("MaxItems") or PAGE_MAX, PAGE_MAX)
    marker = request.get("Marker")
    start = text(marker) if marker else None
    rows = FUNCTIONS.scan(tx, call.home, limit=limit + 1, start=start)
    shown: list[Fields] = []
    for _, function in rows[:limit]:
        shown.append(functions.describe(tx, call, function, function.latest, LATEST))
        if request.get("FunctionVersion") == "ALL":
            published = versions.page(tx, call.home, function.name, ROWS_MAX)
            shown += [functions.describe(tx, call, function, v, v.version) for v in published]
    result: Fields = {"Functions": shown}
    if len(rows) > limit:
        result["NextMarker"] = rows[limit][1].name
    return result


@SERVICE.operation(on=on_function, unsupported=("PublishTo",))
async def update_function_code(call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    await call.read(lambda tx: functions.find(tx, wanted))
    upload = await uploads.take(call, request, "UpdateFunctionCode", wanted)

    def body(tx: Transaction, call: Call) -> Fields:
        function = functions.find(tx, wanted)
        _check_revision(function, request)
        changed: dict[str, Any] = {
            "blob": upload.blob, "sha256": upload.sha256, "package_key": upload.key,
        }  # fmt: skip
        if request.get("Architectures"):
            changed["architecture"] = configurations.architecture(request["Architectures"])
        latest = _changed(call, function.latest, changed)
        if request.get("DryRun"):
            return functions.describe(
                tx, call, msgspec.structs.replace(function, latest=latest), latest
            )
        codes.refer(tx, upload)
        uploads.owe(tx, call, wanted, function.latest.blob.name, uploads.REPLACED_S)
        return _save(tx, call, function, latest, request)

    result = await call.transact(body, wanted.home)
    await _retire(call, wanted.arn)
    return result


@SERVICE.operation(on=on_function)
async def update_function_configuration(call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    fields = configurations.read(request)

    def body(tx: Transaction, call: Call) -> Fields:
        function = functions.find(tx, wanted)
        _check_revision(function, request)
        if "role" in fields:
            roles.check(tx, call, SERVICE, fields["role"], wanted.arn)
        if "dead_letters" in fields:
            role, letters = fields.get("role", function.latest.role), fields["dead_letters"]
            destinations.check_letters(tx, call, wanted.arn, role, letters)
        changed = dict(fields)
        if "Environment" in request or "kms_key" in fields:
            changed["variables"] = _resealed(tx, call, function, fields, request)
        return _save(tx, call, function, _changed(call, function.latest, changed), request)

    result = await call.transact(body, wanted.home)
    await _retire(call, wanted.arn)
    return result


def _resealed(
    tx: Reader, call: Call, function: Function, fields: dict[str, Any], request: Fields
) -> bytes:
    """The variables, new or as they were, under the key, new or as it was."""
    latest = function.latest
    if "Environment" in request:
        own = _variables(request)
    else:
        own = variables.open(tx, call.via("lambda"), function.arn, latest.variables)
    return variables.seal(tx, call, function.arn, fields.get("kms_key", latest.kms_key), own)


def _changed(call: Call, version: Version, changed: dict[str, Any]) -> Version:
    return msgspec.structs.replace(
        version, modified=call.now, revision=call.new_id(), **changed
    )  # fmt: skip


def _save(
    tx: Transaction, call: Call, function: Function, latest: Version, request: Fields
) -> Fields:
    function = msgspec.structs.replace(function, latest=latest)
    functions.save(tx, function)
    if request.get("Publish"):
        function, version = versions.publish(tx, call, function, "")
        return functions.describe(tx, call, function, version, version.version)
    return functions.describe(tx, call, function, latest)


def _check_revision(function: Function, request: Fields) -> None:
    revision = request.get("RevisionId")
    if revision is not None and revision != function.latest.revision:
        raise PreconditionFailedException


@SERVICE.operation(on=on_qualified)
async def delete_function(call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)

    def body(tx: Transaction, call: Call) -> list[str]:
        if wanted.qualifier:
            return versions.delete(tx, call, wanted)
        function = functions.find(tx, wanted)
        arns = [function.arn]
        owed = {function.latest.blob.name}
        for version in versions.page(tx, wanted.home, wanted.name, ROWS_MAX):
            VERSIONS.delete(tx, wanted.home, wanted.name, int(version.version))
            arns.append(functions.version_arn(function, version))
            owed.add(version.blob.name)
        for prefix in (table.key(wanted.home, wanted.name) for table in (ALIASES, EVENT_CONFIGS)):
            for key, _ in tx.scan(prefix, after(prefix), ROWS_MAX):
                tx.delete(key)
        FUNCTIONS.delete(tx, wanted.home, wanted.name)
        concurrency.release(tx, wanted)
        for blob in sorted(owed):
            uploads.owe(tx, call, wanted, blob, uploads.REPLACED_S)
        return arns

    for arn in await call.transact(body, wanted.home):
        await _retire(call, arn)
    return {}


async def _retire(call: Call, arn: str) -> None:
    if call.ports.sandbox is not None:
        await runs.of(call.ports).sandbox.retire(arn)


# -- concurrency ----------------------------------------------------------------------------------


@SERVICE.operation(on=on_function, home=home_of)
def put_function_concurrency(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    functions.find(tx, wanted)
    amount: int = request["ReservedConcurrentExecutions"]
    concurrency.reserve(tx, wanted, amount)
    tx.ring(BELL)
    return {"ReservedConcurrentExecutions": amount}


@SERVICE.operation(on=on_function, reads=True)
def get_function_concurrency(tx: Reader, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    functions.find(tx, wanted)
    amount = concurrency.reservations(tx, wanted).get(wanted.name)
    return {} if amount is None else {"ReservedConcurrentExecutions": amount}


@SERVICE.operation(on=on_function, home=home_of)
def delete_function_concurrency(tx: Transaction, call: Call, request: Fields) -> Fields:
    wanted = target_of(call, request)
    functions.find(tx, wanted)
    concurrency.release(tx, wanted)
    tx.ring(BELL)
    return {}


@SERVICE.operation(reads=True)
def get_account_settings(tx: Reader, call: Call, request: Fields) -> Fields:
    rows = FUNCTIONS.scan(tx, call.home, limit=ROWS_MAX)
    row = RESERVATIONS.get(tx, call.home)
    reserved = sum(row.by_name.values()) if row is not None else 0
    return {
        "AccountLimit": {
            "TotalCodeSize": CODE_BYTES_MAX,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": concurrency.ACCOUNT_MAX,
            "UnreservedConcurrentExecutions": concurrency.ACCOUNT_MAX - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": sum(function.latest.blob.size for _, function in rows),
            "FunctionCount": len(rows),
        },
    }

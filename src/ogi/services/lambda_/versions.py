"""Published versions: snapshots of `$LATEST` that do not change, and what aliases point to."""

from __future__ import annotations

import msgspec

from ogi.service import Call
from ogi.services.lambda_ import functions, uploads
from ogi.services.lambda_.errors import InvalidParameterValueException, ResourceConflictException
from ogi.services.lambda_.names import LATEST, Target
from ogi.services.lambda_.records import ALIASES, FUNCTIONS, VERSIONS, Function, Version
from ogi.storage import Home, Reader, Transaction

ALIASES_MAX = 1000


def publish(
    tx: Transaction, call: Call, function: Function, description: str
) -> tuple[Function, Version]:
    """The new version; if nothing changed since the last one, that (PublishVersion, reference)."""
    home = call.in_place(function.account, function.region).home
    last = VERSIONS.scan(tx, home, function.name, limit=1, reverse=True)
    if last and _same(last[0][1], function.latest):
        return function, last[0][1]
    version = msgspec.structs.replace(
        function.latest,
        version=str(function.next_version),
        description=description or function.latest.description,
        revision=call.new_id(),
    )
    VERSIONS.put(tx, version, home, function.name, function.next_version)
    function = msgspec.structs.replace(function, next_version=function.next_version + 1)
    functions.save(tx, function)
    return function, version


def _same(version: Version, latest: Version) -> bool:
    return version == msgspec.structs.replace(
        latest,
        version=version.version,
        description=version.description,
        revision=version.revision,
    )


def page(tx: Reader, home: Home, name: str, limit: int, start: int = 0) -> list[Version]:
    """Published versions from number `start` on."""
    begin = start.to_bytes(8, "big")
    return [version for _, version in VERSIONS.scan(tx, home, name, limit=limit, start=begin)]


def delete(tx: Transaction, call: Call, wanted: Target) -> list[str]:
    """Delete one version; returns the ARN of what does not run any more."""
    if wanted.qualifier == LATEST:
        raise InvalidParameterValueException(
            "$LATEST version cannot be deleted without deleting the function."
        )
    function = FUNCTIONS.get(tx, wanted.home, wanted.name)
    if function is None or not wanted.qualifier.isdigit():
        return []
    version = VERSIONS.get(tx, wanted.home, wanted.name, int(wanted.qualifier))
    if version is None:
        return []
    aliases = ALIASES.scan(tx, wanted.home, wanted.name, limit=ALIASES_MAX)
    users = [alias.name for _, alias in aliases if alias.version == version.version]
    if users:
        raise ResourceConflictException(
            f"Version {version.version} is referenced by alias {', '.join(users)}."
        )
    VERSIONS.delete(tx, wanted.home, wanted.name, int(version.version))
    uploads.owe(tx, call, wanted, version.blob.name, uploads.REPLACED_S)
    return [functions.version_arn(function, version)]

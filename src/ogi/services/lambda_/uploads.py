"""Packages on their way in: from the request or from S3, checked, into the blob store.

Law: a blob that no version refers to is deleted. Before it is written its deletion is owed; the
transaction that refers to it cancels that, and owes it again when it is replaced.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec

from ogi import deliveries
from ogi.errors import AwsError, unsupported
from ogi.service import Call, Fields, Ports
from ogi.services.lambda_ import archives, packages
from ogi.services.lambda_.errors import (
    InvalidParameterValueException,
    RequestEntityTooLargeException,
)
from ogi.services.lambda_.names import Target
from ogi.services.lambda_.records import FUNCTIONS, VERSIONS
from ogi.services.lambda_.service import SERVICE
from ogi.storage import Blob, Home, Reader, Transaction, control

UNPACKED = "functions"
"""The folder of unpacked packages in the data folder."""
DISCARD_S = 3600.0
"""How long an upload may take before what it wrote is deleted."""
REPLACED_S = 1000.0
"""How long a replaced package stays: above the 900 s that an invocation of it may last."""
VERSIONS_PAGE = 100


class Upload(msgspec.Struct, frozen=True):
    """A package that is in the blob store, but not referred to yet."""

    blob: Blob
    sha256: str
    owed: bytes
    """The delivery that deletes it, to be cancelled by who refers to it."""
    key: bytes
    """See ogi.services.lambda_.archives."""


async def take(call: Call, code: Fields, operation: str, target: Target) -> Upload:
    """The package that a request brings or names."""
    zipped = await _bytes(call, code, operation)
    sha256 = await asyncio.to_thread(packages.check, zipped)
    name = call.entropy(16).hex()
    owed = await _owe(call, target, name, DISCARD_S)
    blob, key = await archives.write(call, zipped, name)
    return Upload(blob, sha256, owed, key)


async def _bytes(call: Call, code: Fields, operation: str) -> bytes:
    if "ImageUri" in code:
        raise unsupported(f"the member ImageUri of lambda:{operation}")
    if "SourceKMSKeyArn" in code:
        raise unsupported(f"the member SourceKMSKeyArn of lambda:{operation}")
    if "ZipFile" in code:
        if "S3Bucket" in code or "S3Key" in code:
            raise InvalidParameterValueException(
                "Please do not provide other FunctionCode parameters when providing a ZipFile."
            )
        zipped: bytes = code["ZipFile"]
        if len(zipped) > packages.ZIPPED_BYTES_MAX:
            raise RequestEntityTooLargeException.of(operation)
        return zipped
    if "S3Bucket" in code and "S3Key" in code:
        return await _from_s3(call, code)
    raise InvalidParameterValueException("Please provide a source for function code.")


async def _from_s3(call: Call, code: Fields) -> bytes:
    """As the caller, who must be allowed to read the object."""
    asked = {"Bucket": code["S3Bucket"], "Key": code["S3Key"]}
    if "S3ObjectVersion" in code:
        asked["VersionId"] = code["S3ObjectVersion"]
    try:
        found = await call.request("s3", "GetObject", asked)
    except AwsError as error:
        raise InvalidParameterValueException(
            f"Error occurred while GetObject. S3 Error Code: {error.code or error.shape}. "
            f"S3 Error Message: {error.message}"
        ) from error
    body = found.get("Body", b"")
    if isinstance(body, bytes):
        return body
    parts: list[bytes] = []
    size = 0
    async for piece in body:
        size += len(piece)
        if size > packages.UNPACKED_BYTES_MAX:
            raise InvalidParameterValueException(
                f"Unzipped size must be smaller than {packages.UNPACKED_BYTES_MAX} bytes"
            )
        parts.append(piece)
    return b"".join(parts)


async def _owe(call: Call, target: Target, name: str, after_s: float) -> bytes:
    def body(tx: Transaction, running: Call) -> bytes:
        return owe(tx, running, target, name, after_s)

    # Not the operation's own transaction, so it is not authorised as that.
    plain = call.but()
    return await plain.transact(body, target.home)


def owe(tx: Transaction, call: Call, target: Target, name: str, after_s: float) -> bytes:
    """Owe the deletion of a package, unless a version refers to it by then."""
    asked = {
        "Account": target.account, "Region": target.region, "Function": target.name, "Blob": name,
    }  # fmt: skip
    due = call.now + after_s
    return deliveries.post(tx, call, target.home, "lambda", "discard_package", asked, due=due)


@SERVICE.duty(home=lambda call, request: control(request["Account"], request["Region"]))
async def discard_package(call: Call, request: Fields) -> Fields:
    """Delete a package that nothing refers to."""
    home = control(request["Account"], request["Region"])
    name, blob = request["Function"], request["Blob"]
    if not await call.read(lambda tx: _refers(tx, home, name, blob)):
        await call.ports.blobs.delete(Blob(blob, 0))
        await asyncio.to_thread(shutil.rmtree, folder_of(call.ports, blob), True)
    return {}


def _refers(tx: Reader, home: Home, name: str, blob: str) -> bool:
    function = FUNCTIONS.get(tx, home, name)
    if function is not None and function.latest.blob.name == blob:
        return True
    start: bytes | None = None
    while True:
        rows = VERSIONS.scan(tx, home, name, limit=VERSIONS_PAGE, start=start)
        if any(version.blob.name == blob for _, version in rows):
            return True
        if len(rows) < VERSIONS_PAGE:
            return False
        start = rows[-1][0] + b"\0"


def folder_of(ports: Ports, blob: str) -> Path:
    """Where a package is unpacked."""
    return ports.settings.data / UNPACKED / blob

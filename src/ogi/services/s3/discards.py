"""Discards: files that nobody names any more are deleted, as deliveries that were owed for it."""

from __future__ import annotations

from ogi.service import Call, Fields
from ogi.services.s3.layout import MANIFESTS, PARTS, Manifest, Part
from ogi.services.s3.service import SERVICE, bucket_home, home_of
from ogi.storage import Blob, Home, Reader, Transaction

PAGE = 100
"""Parts that are forgotten in one transaction."""


@SERVICE.duty(home=bucket_home)
async def discard(call: Call, request: Fields) -> Fields:
    """Delete one file."""
    await call.ports.blobs.delete(Blob(request["Blob"], 0))
    return {}


@SERVICE.duty(home=bucket_home)
async def discard_parts(call: Call, request: Fields) -> Fields:
    """Forget the parts of an upload that has ended, and delete their files but for those that an
    object now consists of."""
    home, id = home_of(request["Bucket"]), request["UploadId"]
    while True:
        parts, kept = await call.read(lambda tx: _ended(tx, home, id))
        if not parts:
            return {}
        for _, part in parts:
            if part.blob.name not in kept:
                await call.ports.blobs.delete(part.blob)
        prefix = PARTS.key(home, id)
        keys = [prefix + rest for rest, _ in parts]

        def forget(tx: Transaction, _: Call, keys: list[bytes] = keys) -> None:
            for key in keys:
                tx.delete(key)

        await call.transact(forget, home)


def _ended(tx: Reader, home: Home, id: str) -> tuple[list[tuple[bytes, Part]], frozenset[str]]:
    manifest = MANIFESTS.get(tx, home, id) or Manifest(())
    kept = frozenset(piece.blob.name for piece in manifest.pieces)
    return PARTS.scan(tx, home, id, limit=PAGE), kept


@SERVICE.duty(home=bucket_home)
async def discard_manifest(call: Call, request: Fields) -> Fields:
    """Delete the files that an object consisted of."""
    home, id = home_of(request["Bucket"]), request["UploadId"]
    manifest = await call.read(lambda tx: MANIFESTS.get(tx, home, id))
    if manifest is None:
        return {}
    for piece in manifest.pieces:
        await call.ports.blobs.delete(piece.blob)
    await call.transact(lambda tx, _: MANIFESTS.delete(tx, home, id), home)
    return {}

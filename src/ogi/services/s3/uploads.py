"""Uploading one body: small ones go into the transaction, large ones into a file before it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ogi.chunks import ChunkCipher
from ogi.errors import AwsError
from ogi.sealing import DataKey
from ogi.service import Call, Fields
from ogi.services.s3 import attributes, bodies, buckets, encryption, objects
from ogi.services.s3.attributes import Attributes
from ogi.services.s3.checksums import Check
from ogi.services.s3.layout import Object, Sealing, Sum
from ogi.services.s3.objects import Pending
from ogi.services.s3.service import home_of
from ogi.storage import Blob, Transaction


async def store(
    call: Call, request: Fields, given: Attributes, body: bodies.Body, check: Check, *, event: str
) -> Object:
    """Let the body be the object that the request names."""
    beginning, rest = await bodies.begin(body)
    if rest is None:
        return await _store_small(call, request, given, body, beginning, check, event)
    return await _store_large(call, request, given, body, beginning, rest, check, event)


async def _store_small(
    call: Call,
    request: Fields,
    given: Attributes,
    body: bodies.Body,
    plain: bytes,
    check: Check,
    event: str,
) -> Object:
    check.update(plain)
    checksum = check.end(bodies.trailers(body))
    name, key = request["Bucket"], request["Key"]

    def commit(tx: Transaction, call: Call) -> Object:
        bucket = buckets.find(tx, call, request)
        attributes.check_acl(request, bucket)
        choice = encryption.wanted(request, bucket)
        context = encryption.context_of(request, bucket, key, choice)
        how, sealed = encryption.seal_small(tx, call, bucket, key, plain, choice, context)
        made = record(call, given, how, check.md5, len(plain), checksum)
        return objects.replace(
            tx, call, bucket, key, made, event=event, request=request, small=sealed
        )

    return await call.transact(commit, home_of(name))


async def _store_large(
    call: Call,
    request: Fields,
    given: Attributes,
    body: bodies.Body,
    beginning: bytes,
    rest: AsyncIterator[bytes],
    check: Check,
    event: str,
) -> Object:
    name, key = request["Bucket"], request["Key"]

    def prepare(tx: Transaction, call: Call) -> tuple[Sealing, DataKey, Pending]:
        bucket = buckets.find(tx, call, request)
        attributes.check_acl(request, bucket)
        choice = encryption.wanted(request, bucket)
        context = encryption.context_of(request, bucket, key, choice)
        how, data_key = encryption.new_key(tx, call, bucket, choice, context)
        return how, data_key, objects.reserve(tx, call, bucket)

    how, data_key, pending = await call.transact(prepare, home_of(name))
    blob, size = await bodies.write(
        call, pending.name, ChunkCipher(data_key.plain), beginning, rest, check
    )

    def commit(tx: Transaction, call: Call) -> Object:
        bucket = buckets.find(tx, call, request)
        objects.claim(tx, pending)
        made = record(call, given, how, check.md5, size, checksum, blob)
        return objects.replace(tx, call, bucket, key, made, event=event, request=request)

    try:
        checksum = check.end(bodies.trailers(body))
        return await call.transact(commit, home_of(name))
    except AwsError:
        # Refused, so nothing names the file. Other faults may leave open whether the transaction
        # committed; then the delivery decides.
        await objects.drop(call, pending)
        raise


def record(
    call: Call,
    given: Attributes,
    how: Sealing,
    md5: str,
    size: int,
    sum: Sum | None,
    blob: Blob | None = None,
) -> Object:
    """The record of an object that was stored in one piece."""
    return Object(
        # With KMS the ETag is not the MD5 of the bytes: docs.aws.amazon.com/AmazonS3/latest/API/
        # API_Object.html
        etag=md5 if how.algorithm == "AES256" else call.entropy(16).hex(),
        size=size, modified=int(call.now), sequence=0, sealing=how, headers=given.headers,
        metadata=given.metadata, tags=given.tags, sum=sum, blob=blob, storage=given.storage,
    )  # fmt: skip

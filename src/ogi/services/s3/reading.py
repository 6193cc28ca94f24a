"""Reading objects: ranges and parts of them, only the chunks that are touched, with read-ahead."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import msgspec

from ogi.chunks import ChunkCipher
from ogi.sealing import DataKey
from ogi.service import Call, Fields
from ogi.services.s3 import conditions, encryption, errors, objects
from ogi.services.s3.layout import BYTES, MANIFESTS, Bucket, Object, Piece
from ogi.services.s3.service import home_of
from ogi.storage import Blob, BlobStore, Reader
from ogi.storage.keys import key as key_of

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Found(msgspec.Struct, frozen=True):
    """An object and what is needed to read its bytes after the snapshot."""

    object: Object
    pieces: tuple[Piece, ...] = ()
    small: bytes | None = None
    """The plain bytes of an object that lives in the store."""
    key: DataKey | None = None


class Span(msgspec.Struct, frozen=True):
    """The bytes that are asked for, of how many."""

    start: int
    stop: int
    partial: bool


def find(tx: Reader, call: Call, bucket: Bucket, key: str, request: Fields) -> Object:
    """The object, if it is there and the request's conditions hold."""
    found = objects.get(tx, home_of(bucket.name), key)
    if found is None:
        raise objects.missing(tx, call, bucket, key)
    conditions.check_read(request, found)
    return found


def unlock(tx: Reader, call: Call, bucket: Bucket, key: str, object: Object) -> Found:
    """What is needed to read the object's bytes; KMS decides here."""
    home = home_of(bucket.name)
    if object.blob is None and not object.manifest:
        sealed = tx.get(key_of(home, BYTES, key))
        if sealed is None:
            raise LookupError(f"the bytes of {bucket.name}/{key} are gone")
        small = encryption.open_small(tx, call, bucket, key, sealed, object.sealing)
        return Found(object, small=small)
    return Found(
        object, pieces_of(tx, bucket, object),
        key=encryption.open_key(tx, call, bucket, object.sealing),
    )  # fmt: skip


def pieces_of(tx: Reader, bucket: Bucket, object: Object) -> tuple[Piece, ...]:
    """The parts of an object that was uploaded in parts."""
    if not object.manifest:
        return ()
    manifest = MANIFESTS.get(tx, home_of(bucket.name), object.manifest)
    if manifest is None:
        raise LookupError(f"the manifest {object.manifest} is gone")
    return manifest.pieces


def span_of(request: Fields, object: Object, pieces: Sequence[Piece]) -> Span:
    """Which bytes a request asks for; the whole if its range is not one that S3 knows.

    S3 serves one range per request: docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
    A header with more, or malformed, is ignored as RFC 9110 (14.2) allows.
    """
    number = request.get("PartNumber")
    asked = request.get("Range")
    if number is not None:
        if asked is not None:
            raise errors.InvalidRequest(
                "Cannot specify both Range header and partNumber query parameter"
            )
        return _part(number, object, pieces)
    match = _RANGE.fullmatch(asked.strip()) if asked is not None else None
    if match is None or not (match[1] or match[2]):
        return Span(0, object.size, False)
    return _range(asked or "", match[1], match[2], object.size)


def _range(asked: str, first: str, last: str, size: int) -> Span:
    if first:
        start = int(first)
        stop = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return Span(0, size, False)
    else:
        start = max(0, size - int(last))
        stop = size
    if start >= size:
        raise errors.InvalidRange(RangeRequested=asked, ActualObjectSize=str(size))
    return Span(start, stop, True)


def _part(number: int, object: Object, pieces: Sequence[Piece]) -> Span:
    if not pieces:
        if number != 1:
            raise _no_part(number, 1)
        return Span(0, object.size, object.size > 0)
    start = 0
    for piece in pieces:
        if piece.number == number:
            return Span(start, start + piece.size, True)
        start += piece.size
    raise _no_part(number, len(pieces))


def _no_part(number: int, count: int) -> errors.InvalidPartNumber:
    return errors.InvalidPartNumber(ActualPartCount=str(count), PartNumberRequested=str(number))


async def stream(
    blobs: BlobStore, found: Found, start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """The plain bytes from `start` to before `stop`."""
    if found.small is not None:
        yield found.small[start:stop]
        return
    if found.key is None:
        raise ValueError("a sealed object without its key")
    object = found.object
    if object.blob is not None:
        cipher = ChunkCipher(found.key.plain)
        async with aclosing(_open(blobs, object.blob, cipher, object.size, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk
        return
    place = 0
    for piece in found.pieces:
        first, last = max(start - place, 0), min(stop - place, piece.size)
        if first < last:
            cipher = ChunkCipher(found.key.derive(piece.blob.name.encode()))
            async with aclosing(
                _open(blobs, piece.blob, cipher, piece.size, first, last)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk
        place += piece.size
        if place >= stop:
            return


async def begun(chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The same stream once its first chunk is read: the file is open, and it is what was sealed."""
    first = await anext(chunks, b"")

    async def all_of_it() -> AsyncIterator[bytes]:
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return all_of_it()


async def _open(
    blobs: BlobStore, blob: Blob, cipher: ChunkCipher, size: int, start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """Decrypt the chunks that hold the span; each is read as one piece."""
    wide = cipher.sealed_chunk_bytes
    plain = cipher.chunk_bytes
    index, last = start // plain, cipher.last(size)
    end = max(start, stop - 1) // plain
    until = cipher.sealed_size(size) if end == last else (end + 1) * wide
    async with aclosing(blobs.open(blob, index * wide, until, piece_bytes=wide)) as pieces:
        async for sealed in pieces:
            chunk = cipher.decrypt(index, sealed, index == last)
            place = index * plain
            if place < start or place + len(chunk) > stop:
                chunk = chunk[max(0, start - place) : stop - place]
            yield chunk
            index += 1

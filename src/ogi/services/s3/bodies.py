"""Bodies on their way in: small ones are gathered, large ones are hashed, sealed and written.

A large body passes in chunks of 1 MiB: while a thread hashes one and another writes the one before,
the network brings the next, so at most four chunks per upload are in memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from ogi.chunks import CHUNK_BYTES, ChunkCipher
from ogi.service import Call
from ogi.services.s3 import errors
from ogi.services.s3.checksums import Check
from ogi.storage import Blob
from ogi.storage.lanes import Lane

SMALL_BYTES_MAX = 32 * 1024
"""Objects up to here live in the store, in the same transaction as their record."""
PUT_BYTES_MAX = 5 * 1024**3
"""Of one PutObject or UploadPart: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

Body = bytes | AsyncIterator[bytes]


async def begin(body: Body) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """A small body as a whole; of a large one the beginning, and an iterator of the rest."""
    if isinstance(body, bytes):
        if len(body) <= SMALL_BYTES_MAX:
            return body, None
        return body, _nothing()
    pieces: list[bytes] = []
    size = 0
    arriving = aiter(body)
    async for piece in arriving:
        pieces.append(piece)
        size += len(piece)
        if size > SMALL_BYTES_MAX:
            return b"".join(pieces), arriving
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), None


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def trailers(body: Body) -> list[tuple[str, str]]:
    """What came behind the body, once it has ended."""
    return list(getattr(body, "trailers", ()))


async def write(
    call: Call, name: str, cipher: ChunkCipher, beginning: bytes,
    rest: AsyncIterator[bytes] | None,
    check: Check,
) -> tuple[Blob, int]:  # fmt: skip
    """A body as a sealed file; returns it and how many plain bytes it holds."""
    passed = _Passed()
    pieces = _all(beginning, rest)
    async with aclosing(_sealed(_chunks(pieces), cipher, check, passed)) as chunks:
        blob = await call.ports.blobs.write(chunks, name)
    return blob, passed.size


class _Passed:
    """How many bytes have passed."""

    size = 0


async def _chunks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body cut into chunks of the cipher's size, each copied once; the last may be smaller."""
    waiting: list[bytes] = []
    room = CHUNK_BYTES
    async for piece in pieces:
        at = 0
        while len(piece) - at >= room:
            waiting.append(piece[at : at + room])
            at += room
            yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
            waiting, room = [], CHUNK_BYTES
        if at < len(piece):
            waiting.append(piece[at:])
            room -= len(piece) - at
    if waiting:
        yield b"".join(waiting)


async def _all(beginning: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield beginning
    if rest is not None:
        async for piece in rest:
            yield piece


async def _sealed(
    chunks: AsyncIterator[bytes], cipher: ChunkCipher, check: Check, passed: _Passed
) -> AsyncGenerator[bytes, None]:
    hashing: Lane[None] = Lane()
    index = 0
    waiting: bytes | None = None
    try:
        async for chunk in chunks:
            passed.size += len(chunk)
            if passed.size > PUT_BYTES_MAX:
                raise errors.EntityTooLarge(
                    ProposedSize=str(passed.size), MaxSizeAllowed=str(PUT_BYTES_MAX)
                )
            await hashing.put(check.update, chunk)
            # The last chunk is marked, so a full one waits until it is known that more follows.
            if waiting is not None:
                yield cipher.encrypt(index, waiting, False)
                index += 1
            waiting = chunk
        yield cipher.encrypt(index, waiting or b"", True)
        await hashing.end()
    finally:
        await hashing.settle()

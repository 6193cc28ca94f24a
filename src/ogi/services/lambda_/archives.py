"""Packages on disk: sealed in chunks, each under a key of its own that its version keeps, sealed.

A version of an older Ogi has no such key: its package is not sealed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ogi import sealing
from ogi.chunks import ChunkCipher
from ogi.service import Call, Ports
from ogi.storage import Blob

_PURPOSE = "lambda/package"


async def write(call: Call, zipped: bytes, name: str) -> tuple[Blob, bytes]:
    """The package as a blob, whose size is that of the plain package, and its sealed key."""
    plain = call.entropy(sealing.KEY_BYTES)
    sealed_key = await call.read(
        lambda tx: sealing.seal(
            tx, call, plain, purpose=_PURPOSE, key_id=None, context={}, bound=name.encode()
        )
    )
    await call.ports.blobs.write(_sealed(ChunkCipher(plain), zipped), name)
    return Blob(name, len(zipped)), sealed_key


async def _sealed(cipher: ChunkCipher, zipped: bytes) -> AsyncIterator[bytes]:
    last = cipher.last(len(zipped))
    for index in range(last + 1):
        begin = index * cipher.chunk_bytes
        piece = zipped[begin : begin + cipher.chunk_bytes]
        yield await asyncio.to_thread(cipher.encrypt, index, piece, index == last)


async def read(ports: Ports, blob: Blob, sealed_key: bytes) -> AsyncIterator[bytes]:
    """The plain package in pieces; raises cryptography.exceptions.InvalidTag if it was changed."""
    if not sealed_key:
        async for piece in ports.blobs.open(blob, 0, blob.size):
            yield piece
        return
    cipher = ChunkCipher(
        sealing.open_owned(
            ports.vault, sealed_key, purpose=_PURPOSE, context={}, bound=blob.name.encode()
        )
    )
    index, last = 0, cipher.last(blob.size)
    size = cipher.sealed_size(blob.size)
    async for piece in ports.blobs.open(blob, 0, size, cipher.sealed_chunk_bytes):
        yield await asyncio.to_thread(cipher.decrypt, index, piece, index == last)
        index += 1

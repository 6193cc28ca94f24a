"""Streams of any length sealed in chunks: AES-256-GCM per chunk, with random access.

Laws: a chunk opens only at its own place of its own stream, and the last one only as the last, so
chunks cannot be moved, dropped or added unseen (the STREAM construction). A key seals one stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ogi.sealing import TAG_BYTES

CHUNK_BYTES = 1024 * 1024
"""Large enough that the library works without the interpreter's lock; small enough for ranges."""

Read = Callable[[int, int], AsyncIterator[bytes]]
"""Bytes from start to stop (exclusive) of the sealed stream."""


class ChunkCipher:
    """The chunks of one stream. The nonce is the chunk's number and whether it is the last."""

    def __init__(self, key: bytes, chunk_bytes: int = CHUNK_BYTES, bound: bytes = b"") -> None:
        self.chunk_bytes = chunk_bytes
        self.sealed_chunk_bytes = chunk_bytes + TAG_BYTES
        self._cipher = AESGCM(key)
        self._bound = b"ogi/chunk/" + chunk_bytes.to_bytes(8, "big") + bound

    def encrypt(self, index: int, plain: bytes, final: bool) -> bytes:
        return self._cipher.encrypt(_nonce(index, final), plain, self._bound)

    def decrypt(self, index: int, sealed: bytes, final: bool) -> bytes:
        """Raises cryptography.exceptions.InvalidTag if it is not this chunk of this stream."""
        return self._cipher.decrypt(_nonce(index, final), sealed, self._bound)

    def sealed_size(self, plain_bytes: int) -> int:
        """How long the sealed stream of a plain one is; an empty one has one empty chunk."""
        return plain_bytes + TAG_BYTES * (self.last(plain_bytes) + 1)

    def last(self, plain_bytes: int) -> int:
        """The number of the last chunk."""
        return max(0, plain_bytes - 1) // self.chunk_bytes


def _nonce(index: int, final: bool) -> bytes:
    return (b"\x01\x00\x00\x00" if final else b"\x00\x00\x00\x00") + index.to_bytes(8, "big")


async def stream_seal(
    key: bytes, chunks: AsyncIterator[bytes], chunk_bytes: int = CHUNK_BYTES
) -> AsyncIterator[bytes]:
    """The sealed stream of a plain one whose pieces have any size. `key` is used for no other."""
    cipher = ChunkCipher(key, chunk_bytes)
    index = 0
    waiting = bytearray()
    async for piece in chunks:
        waiting += piece
        # The last chunk is marked, so a full one waits until it is known that more follows.
        while len(waiting) > chunk_bytes:
            yield cipher.encrypt(index, bytes(waiting[:chunk_bytes]), False)
            del waiting[:chunk_bytes]
            index += 1
    yield cipher.encrypt(index, bytes(waiting), True)


async def stream_open(
    key: bytes,
    read: Read,
    size: int,
    start: int = 0,
    stop: int | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> AsyncIterator[bytes]:
    """The plain bytes from `start` to `stop` of a stream of `size` plain bytes.

    Reads only the chunks that hold them. Raises InvalidTag at the first that is not what was
    sealed; nothing of that chunk is given out.
    """
    cipher = ChunkCipher(key, chunk_bytes)
    stop = size if stop is None else min(stop, size)
    if start >= stop and size > 0:
        return
    last = cipher.last(size)
    first, end = start // chunk_bytes, max(start, stop - 1) // chunk_bytes
    width = cipher.sealed_chunk_bytes
    waiting = bytearray()
    index = first
    until = cipher.sealed_size(size) if end == last else (end + 1) * width
    async for piece in read(first * width, until):
        waiting += piece
        while len(waiting) >= width and index < end:
            yield _cut(cipher.decrypt(index, bytes(waiting[:width]), False),
                       index * chunk_bytes, start, stop)  # fmt: skip
            del waiting[:width]
            index += 1
    plain = cipher.decrypt(index, bytes(waiting), index == last)
    yield _cut(plain, index * chunk_bytes, start, stop)


def _cut(plain: bytes, place: int, start: int, stop: int) -> bytes:
    """The part of a chunk at `place` that lies between `start` and `stop`."""
    if start <= place and place + len(plain) <= stop:
        return plain
    return plain[max(0, start - place) : stop - place]

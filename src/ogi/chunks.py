"""Streams of any length sealed in chunks: AES-256-GCM per chunk, with random access.

Laws: a chunk opens only at its own place of its own stream, and the last one only as the last, so
chunks cannot be moved, dropped or added unseen (the STREAM construction). A key seals one stream.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ogi.sealing import TAG_BYTES

CHUNK_BYTES = 1024 * 1024
"""Large enough that the library works without the interpreter's lock; small enough for ranges."""


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

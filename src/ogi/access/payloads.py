"""Bodies of signed requests: how they are signed, and proving them as they are read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from enum import Enum
from hashlib import sha256
from typing import Final, Protocol

from ogi.access.chunks import Decoder, Signatures
from ogi.access.signature_errors import (
    MISMATCH,
    S3,
    Family,
    InvalidArgument,
    MissingContentLength,
    XAmzContentSHA256Mismatch,
)  # fmt: skip
from ogi.access.signing_keys import SigningKey
from ogi.errors import unsupported
from ogi.http import Body, Request

HASH: Final = re.compile(r"[0-9a-fA-F]{64}").fullmatch
DECODED_BYTES_MAX: Final = 2**63


class Mode(Enum):
    """What x-amz-content-sha256 says; whole is a hash of the body, or the body itself."""

    WHOLE = "whole"
    UNSIGNED = "UNSIGNED-PAYLOAD"
    CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    CHUNKED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


CHUNKED: Final = frozenset({Mode.CHUNKED, Mode.CHUNKED_TRAILER, Mode.UNSIGNED_TRAILER})
_BY_VALUE: Final = {mode.value: mode for mode in Mode if mode is not Mode.WHOLE}


def mode_of(payload: str, s3: bool) -> Mode:
    """The mode that a value of x-amz-content-sha256 names."""
    if HASH(payload):
        return Mode.WHOLE
    mode = _BY_VALUE.get(payload)
    if not s3:
        # Only S3 has chunks. What is neither a hash nor unsigned is no body's hash: refused later.
        return Mode.UNSIGNED if mode is Mode.UNSIGNED else Mode.WHOLE
    if mode is not None:
        return mode
    if payload.startswith("STREAMING-AWS4-ECDSA-P256-SHA256"):
        raise unsupported(f"Signature Version 4A ({payload})")
    raise InvalidArgument(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, "
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=payload,
    )


def decoded_length(request: Request) -> int:
    """The length of an aws-chunked body's data, which such a request must give."""
    text = request.header("x-amz-decoded-content-length")
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) >= DECODED_BYTES_MAX:
        raise MissingContentLength()
    return int(text)


def anonymous(request: Request) -> Body:
    """The body of a request that nobody signed, without its framing.

    SDKs frame a body to send its checksum behind it, signed or not.
    """
    if request.header("x-amz-content-sha256") != Mode.UNSIGNED_TRAILER.value:
        return request.body
    length = decoded_length(request)
    decoder = Decoder(length, None, _names(request.header("x-amz-trailer")))
    return _read(request.body, decoder, length, decoder.trailers)


def proved(
    body: Body,
    *,
    mode: Mode,
    expected: str,
    key: SigningKey,
    amz_date: str,
    scope: str,
    seed: str,
    length: int | None,
    declared: str,
    trailers: list[tuple[str, str]],
    family: Family,
) -> Body:
    """`body` without its framing; raises where it is not what was signed."""
    proof: Proof
    if mode is Mode.WHOLE:
        proof = Whole(expected, family)
        length = getattr(body, "length", None)
        trailers = getattr(body, "trailers", trailers)
    else:
        assert length is not None
        signed = mode is not Mode.UNSIGNED_TRAILER
        decoder = Decoder(
            length,
            Signatures(key, amz_date, scope, seed) if signed else None,
            None if mode is Mode.CHUNKED else _names(declared),
        )
        decoder.trailers = trailers
        proof = decoder
    return _read(body, proof, length, trailers)


def _names(declared: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in declared.split(",") if name.strip())


def _read(body: Body, proof: Proof, length: int | None, trailers: list[tuple[str, str]]) -> Body:
    if not isinstance(body, bytes):
        return Proved(body, proof, length, trailers)
    data = b"".join(proof.feed(body))
    proof.finish()
    return Told(data, trailers) if trailers else data


class Proof(Protocol):
    def feed(self, data: bytes) -> list[bytes]: ...
    def finish(self) -> None: ...


class Whole:
    """A body that must have the hash that was signed."""

    def __init__(self, expected: str, family: Family) -> None:
        self._expected = expected
        self._family = family
        self._hash = sha256()

    def feed(self, data: bytes) -> list[bytes]:
        self._hash.update(data)
        return [data]

    def finish(self) -> None:
        computed = self._hash.hexdigest()
        if computed == self._expected.lower():
            return
        if self._family is not S3:
            raise self._family.mismatch(MISMATCH)
        raise XAmzContentSHA256Mismatch(
            ClientComputedContentSHA256=self._expected, S3ComputedContentSHA256=computed
        )


class Proved:
    """A streamed body that is proved as it is read. Its last bytes are given only once it is."""

    __slots__ = ("_ended", "_kept", "_proof", "_source", "length", "trailers")

    def __init__(
        self,
        source: AsyncIterator[bytes],
        proof: Proof,
        length: int | None,
        trailers: list[tuple[str, str]],
    ) -> None:
        self.length = length
        """Of the data, if known."""
        self.trailers = trailers
        """Complete once the body has ended."""
        self._source = source
        self._proof = proof
        self._kept: list[bytes] = []
        self._ended = False

    def __aiter__(self) -> Proved:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            try:
                found = self._proof.feed(await anext(self._source))
            except StopAsyncIteration:
                self._proof.finish()
                self._ended = True
                break
            if found:
                kept, self._kept = self._kept, found
                if kept:
                    return b"".join(kept)
        if not self._kept:
            raise StopAsyncIteration
        last = b"".join(self._kept)
        self._kept = []
        return last


class Told:
    """A body that is all there and proved, with the trailing headers that bytes could not carry."""

    __slots__ = ("_data", "length", "trailers")

    def __init__(self, data: bytes, trailers: list[tuple[str, str]]) -> None:
        self.length = len(data)
        self.trailers = trailers
        self._data = data

    def __aiter__(self) -> Told:
        return self

    async def __anext__(self) -> bytes:
        data, self._data = self._data, b""
        if not data:
            raise StopAsyncIteration
        return data

"""The aws-chunked framing: data in chunks, each signed over the one before, then trailing headers.

Sans I/O: `feed` takes what arrived and gives the data in it, `finish` says that no more comes.
Data is given before its chunk's signature has arrived; it is believed only after `finish`.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from ogi.access.signature_errors import (
    S3,
    IncompleteBody,
    InvalidChunkSizeError,
    InvalidRequest,
    MalformedTrailerError,
)  # fmt: skip
from ogi.access.signing_keys import SigningKey

CHUNK_BYTES_MIN = 8_192
"""Of every chunk but the last."""
LINE_BYTES_MAX = 1_024
TRAILER_BYTES_MAX = 16 * 1024
HEX = frozenset(b"0123456789abcdefABCDEF")
NOTHING = sha256(b"").hexdigest()
SIGNATURE = b"chunk-signature="
TRAILER_SIGNATURE = "x-amz-trailer-signature"

SIZE, DATA, AFTER, END = range(4)


class Signatures:
    """The chain of signatures: each covers the one before it, the first the request's own."""

    def __init__(self, key: SigningKey, amz_date: str, scope: str, seed: str) -> None:
        self._key = key
        self._place = f"{amz_date}\n{scope}"
        self._previous = seed

    def check_chunk(self, digest: str, signature: str) -> None:
        self._check("PAYLOAD", f"{NOTHING}\n{digest}", signature)

    def check_trailers(self, text: str, signature: str) -> None:
        self._check("TRAILER", sha256(text.encode("latin-1")).hexdigest(), signature)

    def _check(self, kind: str, digests: str, signature: str) -> None:
        to_sign = f"AWS4-HMAC-SHA256-{kind}\n{self._place}\n{self._previous}\n{digests}"
        computed = self._key.sign(to_sign)
        if not hmac.compare_digest(computed.encode(), signature.encode()):
            raise S3.mismatch(StringToSign=to_sign, SignatureProvided=signature)
        self._previous = computed


class Decoder:
    """One body. `signatures` is None where chunks are not signed."""

    def __init__(
        self, length: int, signatures: Signatures | None, declared: frozenset[str] | None
    ) -> None:
        """`length`: of the data; `declared`: the names of the trailing headers, None: no trailer"""
        self._length = length
        self._signatures = signatures
        self._declared = declared
        self.trailers: list[tuple[str, str]] = []
        self._state = SIZE
        self._held = b""
        self._left = 0
        self._size = 0
        self._count = 0
        self._total = 0
        self._hash = sha256()
        self._signature = ""

    def feed(self, data: bytes) -> list[bytes]:
        """The data within `data`."""
        if self._held:
            data = self._held + data
            self._held = b""
        found: list[bytes] = []
        at = 0
        while at < len(data):
            if self._state == DATA:
                piece = data[at : at + self._left]
                at += len(piece)
                self._take(piece)
                found.append(piece)
            elif self._state == SIZE:
                stop = data.find(b"\n", at, at + LINE_BYTES_MAX)
                if stop < 0:
                    self._hold(data[at:], LINE_BYTES_MAX)
                    break
                self._begin(data[at:stop].removesuffix(b"\r"))
                at = stop + 1
            elif self._state == AFTER:
                if len(data) - at < 2:
                    self._held = data[at:]
                    break
                if data[at : at + 2] != b"\r\n":
                    raise _malformed()
                at += 2
                self._state = SIZE
            else:
                self._hold(data[at:], TRAILER_BYTES_MAX)
                break
        return found

    def finish(self) -> None:
        """The body has ended: raise unless it was whole; `trailers` are complete."""
        if self._state != END or self._total != self._length:
            raise IncompleteBody()
        lines = [line.strip(b"\r") for line in self._held.split(b"\n")]
        lines = [line for line in lines if line]
        if self._declared is None:
            if lines:
                raise _malformed()
            return
        self._read_trailers(lines, self._declared)

    def _hold(self, rest: bytes, most: int) -> None:
        if len(rest) >= most:
            raise _malformed()
        self._held = rest

    def _begin(self, line: bytes) -> None:
        """A chunk's first line: its size, and its signature if chunks are signed."""
        digits, _, extension = line.partition(b";")
        if not digits or len(digits) > 16 or not HEX.issuperset(digits):
            raise _malformed()
        size = int(digits, 16)
        if self._signatures is None:
            self._signature = ""
        elif extension.startswith(SIGNATURE):
            self._signature = extension[len(SIGNATURE) :].decode("latin-1")
        else:
            raise _malformed()
        self._count += 1
        if size and self._count > 1 and self._size < CHUNK_BYTES_MIN:
            raise InvalidChunkSizeError(Chunk=str(self._count), BadChunkSize=str(self._size))
        self._size = self._left = size
        self._total += size
        if self._total > self._length:
            raise IncompleteBody()
        self._hash = sha256()
        if size:
            self._state = DATA
        else:
            self._end_chunk()
            self._state = END

    def _take(self, piece: bytes) -> None:
        if self._signatures is not None:
            self._hash.update(piece)
        self._left -= len(piece)
        if not self._left:
            self._end_chunk()
            self._state = AFTER

    def _end_chunk(self) -> None:
        if self._signatures is not None:
            self._signatures.check_chunk(self._hash.hexdigest(), self._signature)

    def _read_trailers(self, lines: list[bytes], declared: frozenset[str]) -> None:
        signature = ""
        found: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            name = name.strip().lower()
            if not colon or name in found:
                raise MalformedTrailerError()
            if name == TRAILER_SIGNATURE:
                signature = value.strip()
            else:
                found[name] = value.strip()
        if found.keys() != declared:
            raise MalformedTrailerError()
        if self._signatures is not None:
            text = "".join(f"{name}:{found[name]}\n" for name in sorted(found))
            self._signatures.check_trailers(text, signature)
        self.trailers.extend(found.items())


def _malformed() -> InvalidRequest:
    return InvalidRequest("The aws-chunked framing of the body is malformed.")

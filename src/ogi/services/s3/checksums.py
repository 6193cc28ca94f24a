"""Checksums: what clients declare about a body, computed while it passes, and compared.

docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from ogi.errors import unsupported
from ogi.service import Fields
from ogi.services.s3 import errors
from ogi.services.s3.layout import Sum

DEFAULT = "CRC64NVME"
"""S3 computes this one where the client sends none."""
BYTES_OF = {
    "CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32, "SHA512": 64, "MD5": 16,
}  # fmt: skip
UNSUPPORTED = ("XXHASH64", "XXHASH3", "XXHASH128")
_MEMBERS = {f"Checksum{algorithm}": algorithm for algorithm in (*BYTES_OF, *UNSUPPORTED)}


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A CRC fed piece by piece."""

    __slots__ = ("_crc", "_function", "_size")

    def __init__(self, function: Any, size: int) -> None:
        self._function = function
        self._size = size
        self._crc = 0

    def update(self, data: bytes) -> None:
        self._crc = self._function(data, self._crc)

    def digest(self) -> bytes:
        return int(self._crc).to_bytes(self._size, "big")


def new(algorithm: str) -> Digest:
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm.startswith("CRC"):
        # Imported at need: its library costs 8 MB, and boto3 sends CRC32.
        from awscrt import checksums as crt

        if algorithm == "CRC32C":
            return _Crc(crt.crc32c, 4)
        return _Crc(crt.crc64nvme, 8)
    return hashlib.new(algorithm.lower(), usedforsecurity=False)


def of(algorithm: str, data: bytes) -> str:
    digest = new(algorithm)
    digest.update(data)
    return base64.b64encode(digest.digest()).decode()


class Declared(msgspec.Struct, frozen=True):
    """What the client says about a body, apart from trailers."""

    algorithm: str | None
    value: str | None
    """None with an algorithm: the value is in the trailer, or S3 is to compute it."""
    md5: bytes | None


def declared(request: Fields) -> Declared:
    """The checks that a request asks for; refuses malformed ones."""
    found = [member for member in _MEMBERS if member in request]
    if len(found) > 1:
        raise errors.InvalidRequest(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    algorithm = request.get("ChecksumAlgorithm")
    value = None
    if found:
        algorithm, value = _MEMBERS[found[0]], str(request[found[0]])
    if algorithm is not None:
        _check_value(algorithm, value)
    return Declared(algorithm, value, _md5(request.get("ContentMD5")))


def _check_value(algorithm: str, value: str | None) -> None:
    if algorithm in UNSUPPORTED:
        raise unsupported(f"the checksum algorithm {algorithm}")
    if algorithm not in BYTES_OF:
        raise errors.InvalidRequest(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid "
            "types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
        )
    if value is not None and len(_decoded(value.partition("-")[0])) != BYTES_OF[algorithm]:
        name = f"x-amz-checksum-{algorithm.lower()}"
        raise errors.InvalidRequest(f"Value for {name} header is invalid.")


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _md5(value: str | None) -> bytes | None:
    if value is None:
        return None
    raw = _decoded(value)
    if len(raw) != 16:
        raise errors.InvalidDigest(Content_MD5=value)
    return raw


class Check:
    """The digests of one body, fed piece by piece and compared at the end."""

    def __init__(
        self, declared: Declared, trailing: Iterable[str] = (), kept: str | None = None
    ) -> None:
        """trailing: checksum algorithms that the client announced for its trailer.

        kept: the algorithm of a checksum that is computed as well, in `kept` after the end.
        """
        self._declared = declared
        algorithm = declared.algorithm
        for announced in trailing:
            _check_value(announced, None)
            algorithm = announced
        self.algorithm = algorithm or DEFAULT
        self._digest = new(self.algorithm)
        self._kept = kept if kept != self.algorithm else None
        self._second = None if self._kept is None else new(self._kept)
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._md5.update(data)
        self._digest.update(data)
        if self._second is not None:
            self._second.update(data)

    @property
    def kept(self) -> Sum | None:
        """The other checksum, if there is one."""
        if self._kept is None or self._second is None:
            return None
        return Sum(self._kept, base64.b64encode(self._second.digest()).decode())

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()

    def end(self, trailers: Iterable[tuple[str, str]]) -> Sum:
        """The checksum of the whole body; raises if what the client declared does not match."""
        declared = self._declared
        if declared.md5 is not None and declared.md5 != self._md5.digest():
            raise errors.BadDigest(
                ExpectedDigest=declared.md5.hex(),
                CalculatedDigest=base64.b64encode(self._md5.digest()).decode(),
            )
        value = base64.b64encode(self._digest.digest()).decode()
        expected = declared.value
        name = f"x-amz-checksum-{self.algorithm.lower()}"
        for trailer, sent in trailers:
            if trailer.lower() == name:
                expected = sent.strip()
                _check_value(self.algorithm, expected)
        if expected is not None and expected != value:
            raise errors.BadDigest(
                f"The {self.algorithm} you specified did not match the calculated checksum."
            )
        return Sum(self.algorithm, value)


def composite(algorithm: str, values: Iterable[str]) -> Sum:
    """The checksum of the parts' checksums, with their count."""
    parts = [base64.b64decode(value) for value in values]
    return Sum(algorithm, f"{of(algorithm, b''.join(parts))}-{len(parts)}", "COMPOSITE")


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> Sum:
    """The CRC of the whole from the CRCs and sizes of its parts, without reading them again."""
    from awscrt import checksums as crt

    join = {
        "CRC32": crt.combine_crc32,
        "CRC32C": crt.combine_crc32c,
        "CRC64NVME": crt.combine_crc64nvme,
    }[algorithm]
    whole = 0
    for value, size in parts:
        whole = join(whole, int.from_bytes(base64.b64decode(value), "big"), size)
    raw = whole.to_bytes(BYTES_OF[algorithm], "big")
    return Sum(algorithm, base64.b64encode(raw).decode())


def shown(sum: Sum | None) -> Fields:
    """The members of a result that tell of a checksum."""
    if sum is None:
        return {}
    return {f"Checksum{sum.algorithm}": sum.value, "ChecksumType": sum.kind}

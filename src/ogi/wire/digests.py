"""Digests of XML bodies: services see members only, so the wire compares what clients declare.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
Streamed bodies are the service's: it reads them.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping

from ogi.errors import AwsError, unsupported
from ogi.wire import quirks
from ogi.wire.errors import InvalidRequest

PREFIX = "x-amz-checksum-"
_ABOUT = frozenset({"algorithm", "type", "mode"})
"""Headers with the prefix that carry no checksum."""


class BadDigest(AwsError):
    """The Content-MD5 you specified did not match what we received."""

    status = 400


class InvalidDigest(AwsError):
    """The Content-MD5 you specified was invalid."""

    status = 400


def _crc32(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _crc32c(body: bytes) -> bytes:
    # Imported at need: its library costs 8 MB, and SDKs send CRC32 unless they are told otherwise.
    from awscrt import checksums

    return int(checksums.crc32c(body)).to_bytes(4, "big")


def _crc64nvme(body: bytes) -> bytes:
    from awscrt import checksums

    return int(checksums.crc64nvme(body)).to_bytes(8, "big")


_DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": _crc32,
    "crc32c": _crc32c,
    "crc64nvme": _crc64nvme,
    "sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
    "sha512": lambda body: hashlib.sha512(body).digest(),
    "md5": lambda body: hashlib.md5(body, usedforsecurity=False).digest(),
}


def check(headers: Mapping[str, str], body: bytes, *, required: bool) -> None:
    """Refuse a body that is not what its headers (or trailers, among them) say."""
    declared = False
    md5 = headers.get("content-md5")
    if md5 is not None:
        declared = True
        _check_md5(md5, body)
    for name, value in headers.items():
        if name.startswith(PREFIX) and name[len(PREFIX) :] not in _ABOUT:
            declared = True
            _check(name[len(PREFIX) :], value, body)
    if required and not declared and "x-amz-trailer" not in headers:
        raise InvalidRequest(quirks.S3_CHECKSUM_MISSING)


def _check_md5(value: str, body: bytes) -> None:
    raw = _decoded(value)
    if len(raw) != 16:
        raise InvalidDigest(Content_MD5=value)
    if raw != _DIGESTS["md5"](body):
        raise BadDigest()


def _check(algorithm: str, value: str, body: bytes) -> None:
    digest = _DIGESTS.get(algorithm)
    if digest is None:
        raise unsupported(f"the checksum algorithm {algorithm[:32].upper()}")
    expected = digest(body)
    raw = _decoded(value)
    if len(raw) != len(expected):
        raise InvalidRequest(f"Value for {PREFIX}{algorithm} header is invalid.")
    if raw != expected:
        raise BadDigest(
            f"The {algorithm.upper()} you specified did not match the calculated checksum."
        )


def _decoded(value: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except ValueError:
        return b""

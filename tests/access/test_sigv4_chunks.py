"""Bodies that are signed chunk by chunk: what is told as data is what was signed, in its order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.access import sigv4
from ogi.access.payloads import Mode, anonymous
from ogi.access.signing_keys import SigningKey
from ogi.errors import AwsError
from ogi.http import Body, Request

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = 1369353600.0
DATE, SCOPE = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request"
EMPTY = hashlib.sha256(b"").hexdigest()


def sign(text: str) -> str:
    """Straight from the documentation, apart from the code under test."""
    key = b"AWS4" + SECRET.encode()
    for part in SCOPE.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def head(mode: Mode, length: int, trailers: Sequence[str] = ()) -> Request:
    headers = [("host", "h"), ("x-amz-content-sha256", mode.value), ("x-amz-date", DATE),
               ("x-amz-decoded-content-length", str(length))]  # fmt: skip
    if trailers:
        headers.append(("x-amz-trailer", ",".join(trailers)))
    headers.sort()
    names = ";".join(name for name, _ in headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers)
    canonical = f"PUT\n/b/k\n\n{lines}\n{names}\n{mode.value}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = sign(f"AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{digest}")
    authorization = f"AWS4-HMAC-SHA256 Credential=AKID/{SCOPE}, SignedHeaders={names}, "
    return Request(
        "PUT", "/b/k", "", [*headers, ("authorization", f"{authorization}Signature={signature}")]
    )


def frames(
    request: Request, mode: Mode, chunks: Sequence[bytes], trailers: dict[str, str] | None = None
) -> list[bytes]:
    """Chunk after chunk, the empty one, and the trailers."""
    previous = request.header("authorization").rpartition("=")[2]
    signs = mode is not Mode.UNSIGNED_TRAILER
    found: list[bytes] = []
    for chunk in (*chunks, b""):
        digest = hashlib.sha256(chunk).hexdigest()
        line = f"{len(chunk):x}"
        if signs:
            previous = sign(
                f"AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{SCOPE}\n{previous}\n{EMPTY}\n{digest}"
            )
            line += f";chunk-signature={previous}"
        found.append(line.encode() + b"\r\n" + chunk + (b"\r\n" if chunk else b""))
    tail = ""
    if mode is not Mode.CHUNKED:
        trailers = trailers or {}
        tail = "".join(f"{name}:{value}\r\n" for name, value in trailers.items())
        if signs:
            text = "".join(f"{name}:{trailers[name]}\n" for name in sorted(trailers))
            digest = hashlib.sha256(text.encode()).hexdigest()
            signature = sign(f"AWS4-HMAC-SHA256-TRAILER\n{DATE}\n{SCOPE}\n{previous}\n{digest}")
            tail += f"x-amz-trailer-signature:{signature}\r\n"
    found.append(tail.encode() + b"\r\n")
    return found


def claimed(request: Request) -> sigv4.Claim:
    claim = sigv4.read(request, NOW, "")
    assert claim is not None
    claim.verify(SECRET)
    return claim


async def pieces(body: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    at = 0
    for cut in sorted(cuts):
        if cut > at:
            yield body[at:cut]
            at = cut
    if body[at:]:
        yield body[at:]


async def everything(body: Body) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"".join([chunk async for chunk in body])


MODES = (Mode.CHUNKED, Mode.CHUNKED_TRAILER, Mode.UNSIGNED_TRAILER)
SUMS = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "x"}


@given(
    mode=st.sampled_from(MODES),
    sizes=st.lists(st.integers(8192, 9000), max_size=3),
    last=st.integers(0, 100),
    cuts=st.lists(st.integers(0, 30_000), max_size=20),
    checked=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_data_and_trailers_come_out_however_the_body_is_cut(
    mode: Mode, sizes: list[int], last: int, cuts: list[int], checked: bool
) -> None:
    chunks = [bytes([65 + at]) * size for at, size in enumerate(sizes)]
    chunks += [b"z" * last] if last else []
    trailers = SUMS if checked and mode is not Mode.CHUNKED else {}
    data = b"".join(chunks)
    request = head(mode, len(data), list(trailers))
    body = b"".join(frames(request, mode, chunks, trailers))
    claim = claimed(request)
    assert claim.decoded_length == len(data)
    whole = claim.body(SECRET, body)
    assert isinstance(whole, bytes) is not bool(trailers)
    assert asyncio.run(everything(whole)) == data
    assert dict(claim.trailers) == trailers == dict(getattr(whole, "trailers", ()))
    claim = claimed(request)
    streamed = claim.body(SECRET, pieces(body, cuts))
    assert asyncio.run(everything(streamed)) == data
    assert dict(claim.trailers) == dict(streamed.trailers) == trailers  # type: ignore[union-attr]
    assert streamed.length == len(data)  # type: ignore[union-attr]


CHUNKS = [b"a" * 8192, b"b" * 8192, b"c" * 10]
DATA = b"".join(CHUNKS)


def _cut(text: bytes, pattern: bytes, replacement: bytes) -> bytes:
    changed, count = re.subn(pattern, replacement, text, count=1)
    assert count
    return changed


TRICKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "swapped chunks": lambda f: [f[1], f[0], *f[2:]],
    "a chunk left out": lambda f: [f[0], *f[2:]],
    "a chunk twice": lambda f: [f[0], f[0], *f[1:]],
    "swapped signatures": lambda f: [
        _cut(f[0], rb"chunk-signature=\w+", re.findall(rb"chunk-signature=\w+", f[1])[0]),
        *f[1:],
    ],
    "another byte": lambda f: [f[0].replace(b"a\r\n", b"x\r\n"), *f[1:]],
    "no signature": lambda f: [_cut(f[0], rb";chunk-signature=\w+", b""), *f[1:]],
    "truncated": lambda f: f[:2],
    "truncated within a chunk": lambda f: [f[0], f[1][:-9]],
    "without the last chunk": lambda f: f[:3],
    "more after the end": lambda f: [*f, b"5\r\nhello\r\n"],
    "no size": lambda f: [b";" + f[0].partition(b";")[2], *f[1:]],
    "a negative size": lambda f: [b"-" + f[0], *f[1:]],
    "a size with a prefix": lambda f: [b"0x" + f[0], *f[1:]],
    "a huge size": lambda f: [b"fffffffffffffff;chunk-signature=0\r\n", *f[1:]],
    "no line break after a chunk": lambda f: [f[0][:-2], *f[1:]],
    "an endless line": lambda f: [b"1" * 5_000, *f],
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
@pytest.mark.parametrize("mode", [Mode.CHUNKED, Mode.CHUNKED_TRAILER])
async def test_tricks_with_chunks_are_refused(
    mode: Mode, trick: Callable[[list[bytes]], list[bytes]]
) -> None:
    trailers = {} if mode is Mode.CHUNKED else {"x-amz-checksum-crc32": "AAAAAA=="}
    request = head(mode, len(DATA), list(trailers))
    body = b"".join(trick(frames(request, mode, CHUNKS, trailers)))
    with pytest.raises(AwsError):
        claimed(request).body(SECRET, body)
    got = b""
    with pytest.raises(AwsError):
        async for chunk in claimed(request).body(SECRET, pieces(body, range(0, 30_000, 5_000))):  # type: ignore[union-attr]
            got += chunk  # type: ignore[operator]
    assert len(got) < len(DATA), "who counts bytes never gets them all without proof"


@pytest.mark.parametrize("length", [0, len(DATA) - 1, len(DATA) + 1])
@pytest.mark.parametrize("mode", MODES)
def test_the_decoded_length_must_be_right(mode: Mode, length: int) -> None:
    request = head(mode, length)
    body = b"".join(frames(request, mode, CHUNKS))
    with pytest.raises(AwsError) as refused:
        claimed(request).body(SECRET, body)
    assert (refused.value.shape, refused.value.status) == ("IncompleteBody", 400)


@pytest.mark.parametrize("length", ["", "-1", "1.5", "x", "9" * 30])
def test_the_decoded_length_must_be_given(length: str) -> None:
    request = head(Mode.CHUNKED, 1)
    request.headers = [
        (name, length if name == "x-amz-decoded-content-length" else value)
        for name, value in request.headers
    ]
    with pytest.raises(AwsError) as refused:
        claimed(request)
    assert (refused.value.shape, refused.value.status) == ("MissingContentLength", 411)


def test_only_the_last_chunk_is_small() -> None:
    request = head(Mode.CHUNKED, 5)
    body = b"".join(frames(request, Mode.CHUNKED, [b"hel", b"lo"]))
    with pytest.raises(AwsError) as refused:
        claimed(request).body(SECRET, body)
    assert (refused.value.shape, refused.value.status) == ("InvalidChunkSizeError", 403)
    assert refused.value.members == {"Chunk": "2", "BadChunkSize": "3"}


@pytest.mark.parametrize("mode", [Mode.CHUNKED_TRAILER, Mode.UNSIGNED_TRAILER])
@pytest.mark.parametrize(
    "sent", [{}, {"x-amz-checksum-crc32": "a", "x-amz-meta-a": "b"}, {"x-amz-meta-a": "b"}]
)
def test_trailers_are_those_that_were_announced(mode: Mode, sent: dict[str, str]) -> None:
    request = head(mode, len(DATA), ["x-amz-checksum-crc32"])
    body = b"".join(frames(request, mode, CHUNKS, sent))
    with pytest.raises(AwsError) as refused:
        claimed(request).body(SECRET, body)
    assert refused.value.shape == "MalformedTrailerError"


def test_a_changed_trailer_is_refused() -> None:
    request = head(Mode.CHUNKED_TRAILER, len(DATA), ["x-amz-checksum-crc32"])
    whole = b"".join(
        frames(request, Mode.CHUNKED_TRAILER, CHUNKS, {"x-amz-checksum-crc32": "AAAAAA=="})
    )
    for body in (
        whole.replace(b"AAAAAA==", b"BAAAAA=="),
        _cut(whole, rb"x-amz-trailer-signature:\w+\r\n", b""),
    ):
        with pytest.raises(AwsError) as refused:
            claimed(request).body(SECRET, body)
        assert refused.value.shape == "SignatureDoesNotMatch"


async def test_a_body_that_is_whole_is_proved_before_its_end_is_told() -> None:
    request = head(Mode.UNSIGNED, 0)
    digest = hashlib.sha256(DATA).hexdigest()
    claim = sigv4.Claim(request, claimed(request)._scope, "", DATE, "", "", "", payload=digest)
    assert await everything(claim.body(SECRET, pieces(DATA, [100, 200]))) == DATA
    got = b""
    with pytest.raises(AwsError) as refused:
        async for chunk in claim.body(SECRET, pieces(DATA[:-1] + b"x", [100, 200])):  # type: ignore[union-attr]
            got += chunk  # type: ignore[operator]
    assert refused.value.shape == "XAmzContentSHA256Mismatch"
    assert len(got) < len(DATA)


async def test_a_body_that_nobody_signed_is_unframed_too() -> None:
    request = head(Mode.UNSIGNED_TRAILER, len(DATA), list(SUMS))
    request.body = b"".join(frames(request, Mode.UNSIGNED_TRAILER, CHUNKS, SUMS))
    body = anonymous(request)
    assert await everything(body) == DATA
    assert body.trailers == list(SUMS.items())  # type: ignore[union-attr]
    plain = Request("PUT", "/b/k", "", [("host", "h")], b"0\r\n\r\n")
    assert anonymous(plain) == b"0\r\n\r\n"


@given(st.binary(min_size=1, max_size=100), st.text(max_size=100))
@settings(max_examples=50)
def test_a_signing_key_is_hmac_sha256(key: bytes, text: str) -> None:
    text = text.encode().decode("latin-1")
    key = key[:64]
    assert SigningKey(key).sign(text) == hmac.new(key, text.encode("latin-1"), "sha256").hexdigest()

"""What AWS publishes to test against: its signing test suite, and S3's worked examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ogi.access import sigv4
from ogi.access.payloads import Mode
from ogi.http import Request

SUITE = json.loads((Path(__file__).parent / "vectors/aws-signing-test-suite.json").read_text())
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = 1369353600.0
"""Fri, 24 May 2013 00:00:00 GMT"""
HOST = ("host", "examplebucket.s3.amazonaws.com")
DATE = ("x-amz-date", "20130524T000000Z")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def request(vector: dict[str, Any], *more: tuple[str, str]) -> Request:
    path, _, query = vector["target"].partition("?")
    headers = [(name, value) for name, value in vector["headers"]]
    return Request(vector["method"], path, query, [*headers, *more], vector["body"].encode())


def name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", SUITE["header"], ids=name)
def test_a_header_of_the_published_suite_is_verified(vector: dict[str, Any]) -> None:
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={vector['signed']}, Signature={vector['signature']}"
    )
    asked = request(vector, ("authorization", authorization))
    claim = sigv4.read(asked, SUITE["now"], "eu-west-1")
    assert claim is not None
    claim.verify(SUITE["secret"])
    assert (claim.access_key, claim.region, claim.service, claim.date) == (
        SUITE["access_key"], "us-east-1", "service", "20150830",
    )  # fmt: skip
    assert claim.token == dict(asked.headers).get("x-amz-security-token", "")


@pytest.mark.parametrize("vector", SUITE["query"], ids=name)
def test_a_query_of_the_published_suite_is_verified(vector: dict[str, Any]) -> None:
    # The suite's files keep an x-amz-date header that is not signed; the services take none.
    claim = sigv4.read(request(vector), SUITE["now"], "eu-west-1")
    assert claim is not None
    claim.verify(SUITE["secret"])


def signed(method: str, path: str, headers: list[tuple[str, str]], signature: str) -> Request:
    """As in https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    names = ";".join(sorted(name for name, _ in headers))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={names},Signature={signature}"
    )
    path, _, query = path.partition("?")
    return Request(method, path, query, [*headers, ("authorization", authorization)])


def test_s3_get_object() -> None:
    asked = signed(
        "GET",
        "/test.txt",
        [HOST, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), DATE],
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    )
    claim = sigv4.read(asked, NOW, "")
    assert claim is not None
    claim.verify(SECRET)
    assert claim.body(SECRET, b"") == b""


def test_s3_put_object() -> None:
    body = b"Welcome to Amazon S3."
    digest = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    asked = signed(
        "PUT",
        "/test$file.text",
        [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            HOST,
            ("x-amz-content-sha256", digest),
            DATE,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    )
    claim = sigv4.read(asked, NOW, "")
    assert claim is not None
    claim.verify(SECRET)
    assert claim.body(SECRET, body) == body


@pytest.mark.parametrize(
    ("target", "signature"),
    [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "/?max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_s3_get_bucket(target: str, signature: str) -> None:
    asked = signed("GET", target, [HOST, ("x-amz-content-sha256", EMPTY), DATE], signature)
    claim = sigv4.read(asked, NOW, "")
    assert claim is not None
    claim.verify(SECRET)


def test_s3_presigned_url() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={KEY}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    asked = Request("GET", "/test.txt", query, [HOST])
    claim = sigv4.read(asked, NOW + 86_400, "")
    assert claim is not None
    claim.verify(SECRET)
    assert claim.mode is Mode.UNSIGNED


def chunk(size: int, signature: str) -> bytes:
    return b"%x;chunk-signature=%s\r\n" % (size, signature.encode()) + b"a" * size + b"\r\n"


def test_s3_chunked_upload() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
    asked = signed(
        "PUT",
        "/examplebucket/chunkObject.txt",
        [
            ("content-encoding", "aws-chunked"),
            ("content-length", "66824"),
            ("host", "s3.amazonaws.com"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            DATE,
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    body = (
        chunk(65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")
        + chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")
        + chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
    )
    assert len(body) == 66824
    claim = sigv4.read(asked, NOW, "")
    assert claim is not None
    claim.verify(SECRET)
    assert (claim.mode, claim.decoded_length) == (Mode.CHUNKED, 66560)
    assert claim.body(SECRET, body) == b"a" * 66560


async def test_s3_chunked_upload_with_a_trailer() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html"""
    asked = signed(
        "PUT",
        "/examplebucket/chunkObject.txt",
        [
            ("content-encoding", "aws-chunked"),
            ("host", "s3.amazonaws.com"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            DATE,
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ],
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    )
    body = (
        chunk(65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2")
        + chunk(1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7")
        + chunk(0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992")[:-2]
        + b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        + b"x-amz-trailer-signature:"
        + b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
    )
    claim = sigv4.read(asked, NOW, "")
    assert claim is not None
    claim.verify(SECRET)
    proved = claim.body(SECRET, body)
    assert not isinstance(proved, bytes)
    assert b"".join([part async for part in proved]) == b"a" * 66560
    assert claim.trailers == [("x-amz-checksum-crc32c", "sOO8/Q==")]

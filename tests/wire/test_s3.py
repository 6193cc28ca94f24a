"""S3 over REST XML: which operation a request means, what its parts are, what it is answered."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogi.errors import AwsError
from ogi.http import Request
from ogi.wire import codec, models

S3 = codec("s3")
COPY = [("x-amz-copy-source", "/b/k")]


def _request(
    method: str,
    target: str,
    headers: list[tuple[str, str]] | None = None,
    body: Any = b"",
) -> Request:
    path, _, query = target.partition("?")
    return Request(method, path, query, headers or [], body)


def _refused(request: Request) -> AwsError:
    with pytest.raises(AwsError) as caught:
        S3.parse(request)
    return caught.value


def _md5(body: bytes) -> tuple[str, str]:
    return "content-md5", b64encode(hashlib.md5(body).digest()).decode()


@pytest.mark.parametrize(
    ("method", "target", "headers", "operation"),
    [
        ("GET", "/", [], "ListBuckets"),
        ("GET", "/b", [], "ListObjects"),
        ("GET", "/b/", [], "ListObjects"),
        ("GET", "/b?list-type=2", [], "ListObjectsV2"),
        ("GET", "/b?list-type=1", [], "ListObjects"),
        ("GET", "/b?versions", [], "ListObjectVersions"),
        ("GET", "/b?uploads", [], "ListMultipartUploads"),
        ("GET", "/b?location", [], "GetBucketLocation"),
        ("GET", "/b?notification", [], "GetBucketNotificationConfiguration"),
        ("PUT", "/b?notification", [], "PutBucketNotificationConfiguration"),
        ("GET", "/b?lifecycle=", [], "GetBucketLifecycleConfiguration"),
        ("GET", "/b?analytics&id=1", [], "GetBucketAnalyticsConfiguration"),
        ("GET", "/b?analytics", [], "ListBucketAnalyticsConfigurations"),
        ("HEAD", "/b", [], "HeadBucket"),
        ("PUT", "/b", [], "CreateBucket"),
        ("DELETE", "/b?x-id=DeleteBucket", [], "DeleteBucket"),
        ("GET", "/b/k", [], "GetObject"),
        ("GET", "/b/k?x-id=GetObject", [], "GetObject"),
        ("GET", "/b/k?partNumber=1", [], "GetObject"),
        ("GET", "/b/k?versionId=3&response-content-type=text%2Fplain", [], "GetObject"),
        ("GET", "/b/k?acl", [], "GetObjectAcl"),
        ("GET", "/b/k?uploadId=u", [], "ListParts"),
        ("GET", "/b/k?attributes", [("x-amz-object-attributes", "ETag")], "GetObjectAttributes"),
        ("HEAD", "/b/k", [], "HeadObject"),
        ("PUT", "/b/k", [], "PutObject"),
        ("PUT", "/b/k", COPY, "CopyObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", [], "UploadPart"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", COPY, "UploadPartCopy"),
        ("PUT", "/b/k?tagging", [], "PutObjectTagging"),
        ("DELETE", "/b/k", [], "DeleteObject"),
        ("DELETE", "/b/k?versionId=1", [], "DeleteObject"),
        ("DELETE", "/b/k?uploadId=u", [], "AbortMultipartUpload"),
        ("POST", "/b/k?uploads", [], "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=u", [], "CompleteMultipartUpload"),
        ("POST", "/b?delete", [], "DeleteObjects"),
        ("POST", "/b/k?restore", [], "RestoreObject"),
    ],
)  # fmt: skip
def test_method_path_query_and_headers_choose_the_operation(
    method: str, target: str, headers: list[tuple[str, str]], operation: str
) -> None:
    found = S3._rest._rest.find(_request(method, target, headers))  # type: ignore[union-attr]
    assert found.operation.name == operation


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        # A sub-resource that the method does not have must not fall back to what lies above it.
        ("DELETE", "/b?acl", "BUCKET"), ("DELETE", "/b/k?acl", "OBJECT"),
        ("DELETE", "/b?versioning", "BUCKET"), ("POST", "/b/k", "OBJECT"), ("POST", "/b", "BUCKET"),
        ("PUT", "/", "SERVICE"), ("PATCH", "/b/k", "OBJECT"), ("PUT", "/b/k?uploadId=u", "OBJECT"),
        ("PUT", "/b/k?partNumber=1", "OBJECT"), ("PUT", "/b?uploads", "BUCKET"),
    ],
)  # fmt: skip
def test_what_no_operation_answers_is_not_allowed(method: str, target: str, kind: str) -> None:
    error = _refused(_request(method, target))
    assert (error.shape, error.status) == ("MethodNotAllowed", 405)
    assert error.members == {"Method": method, "ResourceType": kind}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a/b/c", "a/b/c"), ("/b/a/", "a/"), ("/b//a", "/a"), ("/b//", "/"), ("/b/..", ".."),
        ("/b/./x", "./x"), ("/b/a+b", "a+b"), ("/b/a%2Bb", "a+b"), ("/b/a%20b", "a b"),
        ("/b/a%2Fb", "a/b"), ("/b/%E6%97%A5", "日"), ("/b/a%00b", "a\x00b"), ("/b/%25", "%"),
        ("/b/a%", "a%"), ("/b/a?b", "a"),
    ],
)  # fmt: skip
def test_a_key_is_what_stands_behind_the_bucket(path: str, key: str) -> None:
    assert S3.parse(_request("GET", path)).params == {"Bucket": "b", "Key": key}


@given(st.text(min_size=1))
def test_any_key_comes_through_its_path(key: str) -> None:
    key = key.encode("utf-8", "ignore").decode()
    if key:
        parsed = S3.parse(_request("GET", f"/bucket/{quote(key, safe='/~')}"))
        assert parsed.params == {"Bucket": "bucket", "Key": key}


def test_a_path_that_is_no_utf8_is_refused() -> None:
    assert _refused(_request("GET", "/b/%ff")).shape == "InvalidURI"


def test_only_puts_of_objects_and_parts_stream() -> None:
    for target in ("/b/k", "/b/k?partNumber=1&uploadId=u"):
        assert S3.streams(_request("PUT", target))
        assert not S3.streams(_request("PUT", target, COPY))
        assert not S3.streams(_request("GET", target))
    for method, target in (("POST", "/b?delete"), ("PUT", "/b?policy"), ("POST", "/nowhere")):
        assert not S3.streams(_request(method, target))


async def test_a_streamed_body_is_passed_through_unread() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"never read here"

    body = chunks()
    headers = [
        ("content-encoding", "gzip,aws-chunked"), ("x-amz-decoded-content-length", "5"),
        ("content-length", "90"), ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ("x-amz-meta-kind", "photo"), ("content-type", "text/plain"), ("cache-control", "a, b"),
        ("expires", "never"),
    ]  # fmt: skip
    parsed = S3.parse(_request("PUT", "/b/k", headers, body))
    assert parsed.params.pop("Body") is body
    assert parsed.params == {
        "Bucket": "b", "Key": "k", "ContentEncoding": "gzip", "ContentLength": 5,
        "ChecksumAlgorithm": "CRC32C", "Metadata": {"kind": "photo"}, "ContentType": "text/plain",
        "CacheControl": "a, b", "Expires": "never",
    }  # fmt: skip
    await body.aclose()


def test_a_date_that_is_none_is_no_condition() -> None:
    headers = [("if-modified-since", "yesterday")]
    assert "IfModifiedSince" not in S3.parse(_request("GET", "/b/k", headers)).params
    for text in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"):
        params = S3.parse(_request("GET", "/b/k", [("if-modified-since", text)])).params
        assert params["IfModifiedSince"] == 784111777.0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/b?max-keys=many", "Provided max-keys not an integer or within integer range"),
        ("/b?max-keys=99999999999", "Provided max-keys not an integer or within integer range"),
        ("/b/k?partNumber=x", "Part number must be an integer between 1 and 10000, inclusive"),
        (
            "/b/k?response-content-disposition=%E6%97%A5",
            "Header value cannot be represented using ISO-8859-1.",
        ),
        (
            "/b/k?response-content-type=a%0d%0aSet-Cookie:%20x",
            "Header value cannot be represented using ISO-8859-1.",
        ),
    ],
)
def test_a_bad_value_is_named(target: str, message: str) -> None:
    error = _refused(_request("GET", target))
    assert (error.shape, error.message) == ("InvalidArgument", message)
    assert error.members["ArgumentName"] in target


# -- XML bodies ---------------------------------------------------------------------------------

DELETE = b"<Delete><Object><Key>a&amp;b</Key></Object><Quiet>true</Quiet></Delete>"


@pytest.mark.parametrize(
    "body",
    [
        DELETE,
        DELETE.replace(b"<Delete>", b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'),
        b'<?xml version="1.0" encoding="UTF-8"?>\n' + DELETE,
        b'<s:Delete xmlns:s="x"><s:Object><s:Key>a&#38;b</s:Key></s:Object>\n'
        b"<s:Quiet>true</s:Quiet></s:Delete>",
        b"<Delete><Object><Key><![CDATA[a&b]]></Key></Object><Quiet> TRUE </Quiet></Delete>",
    ],
)
def test_namespaces_are_tolerated(body: bytes) -> None:
    parsed = S3.parse(_request("POST", "/b?delete", [_md5(body)], body))
    assert parsed.params["Delete"] == {"Objects": [{"Key": "a&b"}], "Quiet": True}


LAUGHS = (
    b'<!DOCTYPE Delete [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<Delete><Object><Key>&b;</Key></Object></Delete>"
)
EXTERNAL = (
    b'<!DOCTYPE Delete [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    b"<Delete><Object><Key>&f;</Key></Object></Delete>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete>", b"nonsense", b"\x00", b"<Delete/>", b"<Remove/>", LAUGHS, EXTERNAL,
        b"<!DOCTYPE Delete>" + DELETE, DELETE + DELETE, DELETE.replace(b"Quiet", b"Loud"),
        DELETE.replace(b"true", b"maybe"), b"<Delete><Object></Object></Delete>",
        b"<Delete><Object><Key>a<Key>b</Key></Key></Object></Delete>", b"<a>" * 100_000,
        b'<?xml version="1.0" encoding="none-such"?>' + DELETE, b"<Delete>&unknown;</Delete>",
        b"<Delete><Object><Key>\xff</Key></Object></Delete>",
    ],
)  # fmt: skip
def test_xml_that_is_broken_or_dangerous_is_refused(body: bytes) -> None:
    error = _refused(_request("POST", "/b?delete", [_md5(body)], body))
    assert (error.shape, error.status) == ("MalformedXML", 400)


def test_a_missing_body_is_named() -> None:
    assert _refused(_request("POST", "/b?delete")).shape == "MissingRequestBodyError"
    # A bucket may be created without its configuration.
    assert S3.parse(_request("PUT", "/b")).params == {"Bucket": "b"}


def test_the_articles_notification_is_understood() -> None:
    body = (
        b"<NotificationConfiguration><TopicConfiguration><Topic>arn:aws:sns:us-east-1:0:t</Topic>"
        b"<Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>suffix</Name>"
        b"<Value>txt</Value></FilterRule></S3Key></Filter></TopicConfiguration>"
        b"</NotificationConfiguration>"
    )
    parsed = S3.parse(_request("PUT", "/b?notification", [], body))
    assert parsed.params["NotificationConfiguration"] == {
        "TopicConfigurations": [
            {
                "TopicArn": "arn:aws:sns:us-east-1:0:t",
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": "txt"}]}},
            }
        ]
    }


def test_a_policy_is_a_text() -> None:
    body = b'{"Version":"2012-10-17"}'
    parsed = S3.parse(_request("PUT", "/b?policy", [_md5(body)], body))
    assert parsed.params["Policy"] == body.decode()


CRC32 = b64encode(zlib.crc32(DELETE).to_bytes(4, "big")).decode()
SHA256 = b64encode(hashlib.sha256(DELETE).digest()).decode()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("x-amz-checksum-crc32", CRC32)], None),
        ([("x-amz-checksum-sha256", SHA256), ("x-amz-sdk-checksum-algorithm", "SHA256")], None),
        ([("x-amz-checksum-crc32", "AAAAAA==")], "BadDigest"),
        ([("x-amz-checksum-crc32", "AAAA")], "InvalidRequest"),
        ([("content-md5", "AAAA")], "InvalidDigest"),
        ([_md5(b"other")], "BadDigest"),
        ([("x-amz-checksum-xxhash3", "AAAA")], "Unsupported"),
        ([("x-amz-trailer", "x-amz-checksum-crc32")], None),
        ([], "InvalidRequest"),
    ],
)
def test_the_digest_of_an_xml_body_is_compared(
    headers: list[tuple[str, str]], code: str | None
) -> None:
    request = _request("POST", "/b?delete", headers, DELETE)
    if code is None:
        assert S3.parse(request).operation == "DeleteObjects"
    else:
        assert _refused(request).shape == code


# -- answers ------------------------------------------------------------------------------------


def _answer(method: str, target: str, result: dict[str, Any]) -> Any:
    return S3.respond(S3.parse(_request(method, target)), result, "id-1")


def test_a_listing_is_golden() -> None:
    result = {
        "Name": "b", "Prefix": "", "IsTruncated": False, "MaxKeys": 1000, "KeyCount": 1,
        "Contents": [{"Key": "a<&\r\x01", "LastModified": 1769853600.0, "ETag": '"e"', "Size": 3}],
        "CommonPrefixes": [{"Prefix": "p/"}],
    }  # fmt: skip
    response = _answer("GET", "/b?list-type=2", result)
    assert response.headers[-1] == ("Content-Type", "application/xml")
    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
        b"<Prefix></Prefix><IsTruncated>false</IsTruncated><MaxKeys>1000</MaxKeys>"
        b"<KeyCount>1</KeyCount><Contents><Key>a&lt;&amp;&#xd;&#x1;</Key>"
        b"<LastModified>2026-01-31T10:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag>"
        b"<Size>3</Size></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"
        b"</ListBucketResult>"
    )


def test_the_location_of_a_bucket_is_the_text_of_its_root() -> None:
    start = b'<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns='
    start += b'"http://s3.amazonaws.com/doc/2006-03-01/">'
    away = _answer("GET", "/b?location", {"LocationConstraint": "eu-west-1"})
    assert away.body == start + b"eu-west-1</LocationConstraint>"
    assert _answer("GET", "/b?location", {}).body == start + b"</LocationConstraint>"


def test_a_grantees_type_is_an_attribute() -> None:
    grant = {"Grantee": {"ID": "i", "Type": "CanonicalUser"}, "Permission": "READ"}
    body = _answer("GET", "/b?acl", {"Owner": {"ID": "i"}, "Grants": [grant]}).body
    assert (
        b'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        b'xsi:type="CanonicalUser"><ID>i</ID></Grantee>'
    ) in body


async def test_an_object_streams_with_its_headers_and_a_range_is_partial() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"

    body = chunks()
    result = {
        "Body": body, "ContentLength": 3, "ContentRange": "bytes 0-2/10", "ETag": '"e"',
        "LastModified": 784111777.4, "Metadata": {"kind": "photo\r\nX-Evil: 1"},
        "Expires": "never", "DeleteMarker": False,
    }  # fmt: skip
    response = _answer("GET", "/b/k", result)
    assert response.status == 206
    assert response.body is body
    assert response.headers == [
        ("x-amz-request-id", "id-1"), ("x-amz-id-2", "aWQtMQ=="), ("Content-Length", "3"),
        ("Content-Range", "bytes 0-2/10"), ("ETag", '"e"'),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-amz-meta-kind", "photo  X-Evil: 1"), ("Expires", "never"),
        ("x-amz-delete-marker", "false"), ("Content-Type", "binary/octet-stream"),
    ]  # fmt: skip
    await body.aclose()


@pytest.mark.parametrize(
    ("status", "method", "target", "body"),
    [
        # As S3 answers, not as the model says: ogi.wire.quirks.STATUSES.
        (204, "PUT", "/b?policy", b"{}"),
        (204, "PUT", "/b?tagging", b"<Tagging><TagSet/></Tagging>"),
        (204, "DELETE", "/b?policy", b""),
        (204, "DELETE", "/b?tagging", b""),
        (204, "DELETE", "/b?encryption", b""),
        (204, "DELETE", "/b?publicAccessBlock", b""),
        (204, "DELETE", "/b", b""),
        (204, "DELETE", "/b/k", b""),
        (204, "DELETE", "/b/k?tagging", b""),
        (204, "DELETE", "/b/k?uploadId=u", b""),
        (200, "PUT", "/b?notification", b"<NotificationConfiguration/>"),
        (200, "PUT", "/b?versioning", b"<VersioningConfiguration/>"),
        (200, "PUT", "/b?publicAccessBlock", b"<PublicAccessBlockConfiguration/>"),
        (200, "PUT", "/b/k?tagging", b"<Tagging><TagSet/></Tagging>"),
        (200, "PUT", "/b", b""),
    ],
)
def test_the_status_of_an_answer_is_s3s(status: int, method: str, target: str, body: bytes) -> None:
    digest = b64encode(hashlib.md5(body).digest()).decode()
    parsed = S3.parse(_request(method, target, [("content-md5", digest)], body))
    assert S3.respond(parsed, {}, "id-1").status == status


def test_what_has_no_body_says_no_content() -> None:
    response = _answer("DELETE", "/b/k", {"VersionId": "v"})
    assert (response.status, response.body) == (204, b"")
    assert ("x-amz-version-id", "v") in response.headers


def test_every_answer_of_s3_has_a_root_of_its_own_name() -> None:
    from ogi.wire.quirks import XML_ROOTS

    assert set(XML_ROOTS) <= set(models.load("s3").operations())

"""Objects: what was put is what is got, in whole, in ranges, under conditions, as ciphertext."""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.s3 import errors
from ogi.services.s3.bodies import SMALL_BYTES_MAX
from tests.services.s3.conftest import S3, read

MIB = 1024 * 1024
SIZES = [0, 1, SMALL_BYTES_MAX, SMALL_BYTES_MAX + 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 12345]


def bytes_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def in_pieces(whole: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_is_got(s3: S3, size: int) -> None:
    whole = bytes_of(size)
    put = await s3("PutObject", Key="k", Body=in_pieces(whole))
    assert put["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    got = await s3("GetObject", Key="k")
    assert got["ContentLength"] == size
    assert got["ETag"] == put["ETag"]
    assert await read(got["Body"]) == whole
    head = await s3("HeadObject", Key="k")
    assert {k: v for k, v in got.items() if k != "Body"} == head


@pytest.mark.parametrize("size", [10, 3 * MIB + 5])
async def test_bytes_at_rest_are_ciphertext(s3: S3, size: int, tmp_path: Path) -> None:
    whole = b"secret" * (size // 6 + 1)
    await s3("PutObject", Key="k", Body=in_pieces(whole))
    entries = await s3.world.store.read(lambda tx: tx.scan(b"", b"\xff" * 9, 1000))
    stored = [value for _, value in entries]
    files = [path.read_bytes() for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(files) == (1 if size > SMALL_BYTES_MAX else 0)
    assert not any(b"secretsecret" in raw for raw in stored + files)


@pytest.mark.parametrize("size", [100, 2 * MIB + 100])
@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), ("bytes=-7", -7, None), ("bytes=90-", 90, None),
        ("bytes=50-999999999", 50, None), ("bytes=-999999999", 0, None),
    ],
)  # fmt: skip
async def test_a_range_is_served(
    s3: S3, size: int, header: str, start: int, stop: int | None
) -> None:
    whole = bytes_of(size)
    await s3("PutObject", Key="k", Body=whole)
    got = await s3("GetObject", Key="k", Range=header)
    expected = whole[start:stop]
    assert await read(got["Body"]) == expected
    assert got["ContentLength"] == len(expected)
    first = whole.find(expected)
    assert got["ContentRange"] == f"bytes {first}-{first + len(expected) - 1}/{size}"


async def test_a_range_over_chunk_borders_is_served(s3: S3) -> None:
    whole = bytes_of(3 * MIB + 7)
    await s3("PutObject", Key="k", Body=in_pieces(whole))
    for start, stop in [(MIB - 1, MIB), (MIB, 2 * MIB), (MIB - 3, 2 * MIB + 3), (3 * MIB, 3 * MIB)]:
        body = await s3.body("k", Range=f"bytes={start}-{stop}")
        assert body == whole[start : stop + 1]


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
async def test_a_range_behind_the_end_is_refused(s3: S3, header: str) -> None:
    await s3("PutObject", Key="k", Body=bytes(100))
    with pytest.raises(errors.InvalidRange) as refused:
        await s3("GetObject", Key="k", Range=header)
    assert refused.value.members == {"RangeRequested": header, "ActualObjectSize": "100"}


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=5-2", "lines=1-2", "bytes=-", "junk"])
async def test_a_range_that_s3_does_not_know_is_ignored(s3: S3, header: str) -> None:
    await s3("PutObject", Key="k", Body=b"0123456789")
    got = await s3("GetObject", Key="k", Range=header)
    assert got["Body"] == b"0123456789"
    assert "ContentRange" not in got


ETAG = hashlib.md5(b"x").hexdigest()
BEFORE, AFTER = -3600, 3600


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        ({"IfMatch": f'"{ETAG}"'}, None),
        ({"IfMatch": ETAG}, None),
        ({"IfMatch": "*"}, None),
        ({"IfMatch": '"other"'}, "PreconditionFailed"),
        ({"IfMatch": f'"other", "{ETAG}"'}, None),
        ({"IfNoneMatch": f'"{ETAG}"'}, "NotModified"),
        ({"IfNoneMatch": '"other"'}, None),
        ({"IfModifiedSince": AFTER}, "NotModified"),
        ({"IfModifiedSince": 0}, "NotModified"),
        ({"IfModifiedSince": BEFORE}, None),
        ({"IfUnmodifiedSince": BEFORE}, "PreconditionFailed"),
        ({"IfUnmodifiedSince": AFTER}, None),
        ({"IfUnmodifiedSince": 0}, None),
        # If-Match true goes before If-Unmodified-Since false.
        ({"IfMatch": f'"{ETAG}"', "IfUnmodifiedSince": BEFORE}, None),
        # If-None-Match false goes before If-Modified-Since true.
        ({"IfNoneMatch": f'"{ETAG}"', "IfModifiedSince": BEFORE}, "NotModified"),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": AFTER}, None),
        ({"IfMatch": '"other"', "IfNoneMatch": f'"{ETAG}"'}, "PreconditionFailed"),
    ],
)
@pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
async def test_conditions_decide_as_documented(
    s3: S3, operation: str, conditions: dict[str, Any], outcome: str | None
) -> None:
    await s3("PutObject", Key="k", Body=b"x")
    modified = (await s3("HeadObject", Key="k"))["LastModified"]
    asked = {k: modified + v if isinstance(v, int) else v for k, v in conditions.items()}
    if outcome is None:
        await s3(operation, Key="k", **asked)
        return
    with pytest.raises(AwsError) as refused:
        await s3(operation, Key="k", **asked)
    assert refused.value.shape == outcome


async def test_a_write_on_condition_of_absence_happens_once(s3: S3) -> None:
    await s3("PutObject", Key="k", Body=b"1", IfNoneMatch="*")
    with pytest.raises(errors.PreconditionFailed):
        await s3("PutObject", Key="k", Body=b"2", IfNoneMatch="*")
    assert await s3.body("k") == b"1"


async def test_a_write_on_condition_of_an_etag_needs_that_etag(s3: S3) -> None:
    with pytest.raises(errors.NoSuchKey):
        await s3("PutObject", Key="k", Body=b"2", IfMatch=ETAG)
    await s3("PutObject", Key="k", Body=b"x")
    with pytest.raises(errors.PreconditionFailed):
        await s3("PutObject", Key="k", Body=b"2", IfMatch="other")
    await s3("PutObject", Key="k", Body=b"2", IfMatch=f'"{ETAG}"')
    assert await s3.body("k") == b"2"


async def test_headers_metadata_and_overrides_come_back(s3: S3) -> None:
    await s3(
        "PutObject", Key="k", Body=b"x", ContentType="text/plain", CacheControl="no-store",
        ContentEncoding="aws-chunked,gzip", Metadata={"Colour": "grün"}, StorageClass="STANDARD_IA",
    )  # fmt: skip
    head = await s3("HeadObject", Key="k")
    assert head["ContentType"] == "text/plain"
    assert head["CacheControl"] == "no-store"
    assert head["ContentEncoding"] == "gzip"
    assert head["Metadata"] == {"colour": "grün"}
    assert head["StorageClass"] == "STANDARD_IA"
    got = await s3("GetObject", Key="k", ResponseContentType="a/b", ResponseCacheControl="public")
    assert (got["ContentType"], got["CacheControl"]) == ("a/b", "public")


async def test_an_object_without_a_type_is_an_octet_stream(s3: S3) -> None:
    await s3("PutObject", Key="k")
    assert (await s3("HeadObject", Key="k"))["ContentType"] == "binary/octet-stream"


async def test_limits_are_kept(s3: S3) -> None:
    await s3("PutObject", Key="é" * 512)
    with pytest.raises(errors.KeyTooLongError):
        await s3("PutObject", Key="é" * 512 + "x")
    await s3("PutObject", Key="k", Metadata={"a": "b" * 2047})
    with pytest.raises(errors.MetadataTooLarge):
        await s3("PutObject", Key="k", Metadata={"a": "b" * 2048})
    with pytest.raises(errors.InvalidStorageClass):
        await s3("PutObject", Key="k", StorageClass="COSY")


@pytest.mark.parametrize(
    "member",
    ["SSECustomerKey", "ObjectLockMode", "WriteOffsetBytes"],
)
async def test_what_is_not_supported_is_refused_by_name(s3: S3, member: str) -> None:
    with pytest.raises(AwsError, match=member) as refused:
        await s3("PutObject", Key="k", **{member: "x"})
    assert refused.value.code == "NotImplemented"


async def test_only_the_owner_has_access_by_lists(s3: S3) -> None:
    await s3("PutObject", Key="k", ACL="bucket-owner-full-control")
    with pytest.raises(errors.AccessControlListNotSupported):
        await s3("PutObject", Key="k", ACL="public-read")
    acl = await s3("GetObjectAcl", Key="k")
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]


async def test_a_deleted_object_is_gone_and_deleting_again_is_fine(s3: S3) -> None:
    await s3("PutObject", Key="k", Body=b"x")
    assert await s3("DeleteObject", Key="k") == {}
    assert await s3("DeleteObject", Key="k") == {}
    with pytest.raises(errors.NoSuchKey):
        await s3("GetObject", Key="k")


async def test_who_may_not_list_is_not_told_that_a_key_is_missing(s3: S3) -> None:
    def authorise(
        tx: Any, call: Any, service: Any, actions: Any, resources: Any, context: Any
    ) -> None:
        if "s3:ListBucket" in actions:
            raise errors.AccessDenied()

    object.__setattr__(s3.world.ports, "authorise", authorise)
    with pytest.raises(errors.AccessDenied):
        await s3("GetObject", Key="missing")


async def test_many_are_deleted_at_once_and_refusals_are_listed(s3: S3) -> None:
    def authorise(
        tx: Any, call: Any, service: Any, actions: Any, resources: Any, context: Any
    ) -> None:
        if resources == ("arn:aws:s3:::bucket/kept",):
            raise errors.AccessDenied()

    for key in ("a", "b", "kept"):
        await s3("PutObject", Key=key)
    object.__setattr__(s3.world.ports, "authorise", authorise)
    wanted = [{"Key": key} for key in ("a", "b", "missing", "kept")]
    result = await s3("DeleteObjects", Delete={"Objects": wanted})
    assert [entry["Key"] for entry in result["Deleted"]] == ["a", "b", "missing"]
    assert [(entry["Key"], entry["Code"]) for entry in result["Errors"]] == [
        ("kept", "AccessDenied")
    ]
    assert [o["Key"] for o in (await s3("ListObjectsV2"))["Contents"]] == ["kept"]


async def test_a_quiet_delete_tells_only_of_refusals(s3: S3) -> None:
    assert await s3("DeleteObjects", Delete={"Objects": [{"Key": "a"}], "Quiet": True}) == {}
    with pytest.raises(errors.MalformedXML):
        await s3("DeleteObjects", Delete={"Objects": [{"Key": str(i)} for i in range(1001)]})


async def test_tags_are_kept_counted_and_limited(s3: S3) -> None:
    await s3("PutObject", Key="k", Tagging="a=1&b=two%20words")
    assert (await s3("GetObjectTagging", Key="k"))["TagSet"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "two words"},
    ]
    assert (await s3("HeadObject", Key="k"))["TagCount"] == 2
    await s3("PutObjectTagging", Key="k", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    assert (await s3("GetObjectTagging", Key="k"))["TagSet"] == [{"Key": "c", "Value": ""}]
    await s3("DeleteObjectTagging", Key="k")
    assert (await s3("GetObjectTagging", Key="k"))["TagSet"] == []
    eleven = {"TagSet": [{"Key": str(i), "Value": ""} for i in range(11)]}
    with pytest.raises(errors.InvalidTag, match="Object tags cannot be greater than 10"):
        await s3("PutObjectTagging", Key="k", Tagging=eleven)


# -- checksums ----------------------------------------------------------------------------------


def crc32(whole: bytes) -> str:
    return base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("size", [5, MIB + 5])
async def test_a_checksum_is_verified_and_given_back(s3: S3, size: int) -> None:
    whole = bytes_of(size)
    put = await s3("PutObject", Key="k", Body=whole, ChecksumCRC32=crc32(whole))
    assert (put["ChecksumCRC32"], put["ChecksumType"]) == (crc32(whole), "FULL_OBJECT")
    assert "ChecksumCRC32" not in await s3("HeadObject", Key="k")
    got = await s3("GetObject", Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"] == crc32(whole)
    await read(got["Body"])
    part = await s3("GetObject", Key="k", ChecksumMode="ENABLED", Range="bytes=1-2")
    assert "ChecksumCRC32" not in part
    await read(part["Body"])


@pytest.mark.parametrize("size", [5, MIB + 5])
async def test_a_body_that_does_not_match_is_refused_and_leaves_nothing(
    s3: S3, size: int, tmp_path: Path
) -> None:
    whole = bytes_of(size)
    with pytest.raises(errors.BadDigest, match="The CRC32 you specified did not match"):
        await s3("PutObject", Key="k", Body=whole, ChecksumCRC32=crc32(b"other"))
    with pytest.raises(errors.BadDigest, match="Content-MD5"):
        md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        await s3("PutObject", Key="k", Body=whole, ContentMD5=md5)
    assert "Contents" not in await s3("ListObjectsV2")
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [5, MIB + 5])
async def test_a_checksum_in_the_trailer_is_verified(s3: S3, size: int) -> None:
    whole = bytes_of(size)

    class Body:
        trailers: list[tuple[str, str]] = []  # noqa: RUF012
        value = crc32(whole)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield whole
            self.trailers = [("x-amz-checksum-crc32", self.value)]

    class Wrong(Body):
        value = crc32(b"other")

    put = await s3("PutObject", Key="k", Body=Body(), ChecksumAlgorithm="CRC32")
    assert put["ChecksumCRC32"] == crc32(whole)
    with pytest.raises(errors.BadDigest):
        await s3("PutObject", Key="k", Body=Wrong(), ChecksumAlgorithm="CRC32")


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        # Check values of "123456789" from the catalogue of parametrised CRC algorithms.
        ("CRC32", base64.b64encode(bytes.fromhex("cbf43926")).decode()),
        ("CRC32C", base64.b64encode(bytes.fromhex("e3069283")).decode()),
        ("CRC64NVME", base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode()),
        ("SHA1", base64.b64encode(hashlib.sha1(b"123456789").digest()).decode()),
        ("SHA256", base64.b64encode(hashlib.sha256(b"123456789").digest()).decode()),
    ],
)
async def test_every_algorithm_computes_its_published_value(
    s3: S3, algorithm: str, value: str
) -> None:
    put = await s3("PutObject", Key="k", Body=b"123456789", ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"] == value


async def test_without_a_checksum_s3_computes_crc64nvme(s3: S3) -> None:
    put = await s3("PutObject", Key="k", Body=b"123456789")
    assert put["ChecksumCRC64NVME"] == "rosUhgp5mIg="


async def test_malformed_checksums_are_refused(s3: S3) -> None:
    with pytest.raises(errors.InvalidRequest, match="Value for x-amz-checksum-crc32 header"):
        await s3("PutObject", Key="k", Body=b"x", ChecksumCRC32="short")
    with pytest.raises(errors.InvalidDigest):
        await s3("PutObject", Key="k", Body=b"x", ContentMD5="short")
    with pytest.raises(errors.InvalidRequest, match="Expecting a single x-amz-checksum-"):
        await s3("PutObject", Key="k", Body=b"x", ChecksumCRC32=crc32(b"x"), ChecksumSHA1="x")


# -- copies and attributes ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 2 * MIB + 3])
async def test_a_copy_has_the_bytes_and_the_attributes(s3: S3, size: int) -> None:
    whole = bytes_of(size)
    await s3("PutObject", Key="a b", Body=whole, ContentType="x/y", Metadata={"m": "1"})
    copied = await s3("CopyObject", Key="copy", CopySource="bucket/a%20b")
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    assert await s3.body("copy") == whole
    head = await s3("HeadObject", Key="copy")
    assert (head["ContentType"], head["Metadata"]) == ("x/y", {"m": "1"})
    await s3(
        "CopyObject", Key="copy", CopySource="/bucket/copy", MetadataDirective="REPLACE",
        Metadata={"m": "2"},
    )  # fmt: skip
    assert (await s3("HeadObject", Key="copy"))["Metadata"] == {"m": "2"}
    assert await s3.body("copy") == whole


async def test_a_copy_onto_itself_must_change_something(s3: S3) -> None:
    await s3("PutObject", Key="k", Body=b"x")
    with pytest.raises(errors.InvalidRequest, match="copy an object to itself"):
        await s3("CopyObject", Key="k", CopySource="bucket/k")
    await s3("CopyObject", Key="k", CopySource="bucket/k", StorageClass="STANDARD_IA")


async def test_a_copy_on_condition(s3: S3) -> None:
    await s3("PutObject", Key="k", Body=b"x")
    with pytest.raises(errors.PreconditionFailed):
        await s3("CopyObject", Key="c", CopySource="bucket/k", CopySourceIfMatch="other")
    with pytest.raises(errors.PreconditionFailed):
        await s3("CopyObject", Key="c", CopySource="bucket/k", CopySourceIfNoneMatch=ETAG)
    await s3("CopyObject", Key="c", CopySource="bucket/k", CopySourceIfMatch=ETAG)


async def test_attributes_tell_what_was_asked(s3: S3) -> None:
    await s3("PutObject", Key="k", Body=b"x")
    got = await s3("GetObjectAttributes", Key="k", ObjectAttributes=["ETag", "ObjectSize"])
    assert (got["ETag"], got["ObjectSize"]) == (ETAG, 1)
    assert "StorageClass" not in got


# -- files --------------------------------------------------------------------------------------


def _files(tmp_path: Path) -> int:
    return len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()])


async def test_files_that_nobody_names_any_more_are_deleted(s3: S3, tmp_path: Path) -> None:
    await s3("PutObject", Key="k", Body=bytes_of(MIB))
    await s3("PutObject", Key="k", Body=bytes_of(MIB + 1))
    await s3("PutObject", Key="k", Body=b"small")
    assert _files(tmp_path) == 2
    s3.world.clock.advance(60)
    await s3.world.deliver()
    assert _files(tmp_path) == 0
    assert await s3.body("k") == b"small"


async def test_a_file_that_was_never_named_is_deleted_in_the_end(s3: S3, tmp_path: Path) -> None:
    """As after a crash between the file and the transaction."""

    class Dies(Exception):
        pass

    store, count = s3.world.store, 0

    class Dying:
        """The store of a server that dies at its second transaction."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        async def transact(self, body: Any, home: Any, *also: Any) -> Any:
            nonlocal count
            count += 1
            if count == 2:
                raise Dies
            return await store.transact(body, home, *also)

    # Ports are frozen, and their store may be compiled: the death is slipped in between.
    object.__setattr__(s3.world.ports, "store", Dying())
    with pytest.raises(Dies):
        await s3("PutObject", Key="k", Body=bytes_of(MIB))
    object.__setattr__(s3.world.ports, "store", store)
    assert _files(tmp_path) == 1
    s3.world.clock.advance(25 * 3600)
    await s3.world.deliver()
    assert _files(tmp_path) == 0


async def test_a_kept_file_outlives_the_promise_to_delete_it(s3: S3, tmp_path: Path) -> None:
    whole = bytes_of(MIB)
    await s3("PutObject", Key="k", Body=whole)
    s3.world.clock.advance(25 * 3600)
    await s3.world.deliver()
    assert await s3.body("k") == whole


async def test_a_reader_goes_on_while_its_object_is_replaced(s3: S3) -> None:
    whole = bytes_of(3 * MIB)
    await s3("PutObject", Key="k", Body=whole)
    body = (await s3("GetObject", Key="k"))["Body"]
    await s3("PutObject", Key="k", Body=b"new")
    s3.world.clock.advance(60)
    await s3.world.deliver()
    assert await read(body) == whole

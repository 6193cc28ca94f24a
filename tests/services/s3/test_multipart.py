"""Multipart uploads: parts in any order become one object at once, or leave nothing."""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from pathlib import Path
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.s3 import errors
from tests.services.s3.conftest import S3, read

MIB = 1024 * 1024
PART = 5 * MIB
PARTS = [random.Random(n).randbytes(size) for n, size in enumerate((PART, PART + 7, 1234))]
WHOLE = b"".join(PARTS)


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def files(tmp_path: Path) -> int:
    return len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()])


async def begin(s3: S3, **request: Any) -> str:
    created = await s3("CreateMultipartUpload", Key="big", **request)
    return str(created["UploadId"])


async def upload(s3: S3, id: str, algorithm: str | None = None) -> list[dict[str, Any]]:
    """All parts, the last first; what CompleteMultipartUpload lists."""
    listed = []
    for number in (3, 2, 1):
        extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        part = await s3(
            "UploadPart", Key="big", UploadId=id, PartNumber=number, Body=PARTS[number - 1], **extra
        )
        part.pop("ServerSideEncryption")
        listed.append({"PartNumber": number, **part})
    return listed[::-1]


async def complete(s3: S3, id: str, parts: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
    return await s3(
        "CompleteMultipartUpload", Key="big", UploadId=id, MultipartUpload={"Parts": parts}, **rest
    )


async def test_parts_become_one_object(s3: S3, tmp_path: Path) -> None:
    id = await begin(s3, ContentType="a/b", Metadata={"m": "1"})
    parts = await upload(s3, id)
    assert "Contents" not in await s3("ListObjectsV2")
    done = await complete(s3, id, parts)
    md5s = b"".join(hashlib.md5(part).digest() for part in PARTS)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    got = await s3("GetObject", Key="big")
    assert await read(got["Body"]) == WHOLE
    assert (got["ContentType"], got["Metadata"]) == ("a/b", {"m": "1"})
    await s3.world.deliver()
    assert files(tmp_path) == 3
    assert await s3.body("big") == WHOLE


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (PART - 3, PART + 3), (PART, 2 * PART + 10), (100, len(WHOLE))]
)
async def test_a_range_crosses_parts(s3: S3, start: int, stop: int) -> None:
    id = await begin(s3)
    await complete(s3, id, await upload(s3, id))
    assert await s3.body("big", Range=f"bytes={start}-{stop - 1}") == WHOLE[start:stop]


async def test_a_part_can_be_read_by_its_number(s3: S3) -> None:
    id = await begin(s3)
    await complete(s3, id, await upload(s3, id))
    got = await s3("GetObject", Key="big", PartNumber=2)
    assert await read(got["Body"]) == PARTS[1]
    assert got["PartsCount"] == 3
    assert got["ContentRange"] == f"bytes {PART}-{2 * PART + 6}/{len(WHOLE)}"
    with pytest.raises(errors.InvalidPartNumber):
        await s3("HeadObject", Key="big", PartNumber=4)


async def test_only_listed_parts_count_and_others_are_discarded(s3: S3, tmp_path: Path) -> None:
    id = await begin(s3)
    parts = await upload(s3, id)
    await complete(s3, id, [parts[0], parts[2]])
    await s3.world.deliver()
    assert await s3.body("big") == PARTS[0] + PARTS[2]
    assert files(tmp_path) == 2


async def test_a_part_uploaded_again_replaces_the_first(s3: S3) -> None:
    id = await begin(s3)
    await s3("UploadPart", Key="big", UploadId=id, PartNumber=1, Body=b"old")
    part = await s3("UploadPart", Key="big", UploadId=id, PartNumber=1, Body=b"new")
    await complete(s3, id, [{"PartNumber": 1, "ETag": part["ETag"]}])
    s3.world.clock.advance(3600)
    await s3.world.deliver()
    assert await s3.body("big") == b"new"


async def test_what_cannot_be_completed_is_refused_and_can_be_mended(s3: S3) -> None:
    id = await begin(s3)
    one, two, three = await upload(s3, id)
    small = await s3("UploadPart", Key="big", UploadId=id, PartNumber=4, Body=b"small")
    four = {"PartNumber": 4, "ETag": small["ETag"]}
    five = {"PartNumber": 5, "ETag": three["ETag"]}
    cases: list[tuple[list[dict[str, Any]], type[AwsError]]] = [
        ([two, one], errors.InvalidPartOrder),
        ([one, one], errors.InvalidPartOrder),
        ([one, five], errors.InvalidPart),
        ([{**one, "ETag": "0" * 32}], errors.InvalidPart),
        ([one, three, four], errors.EntityTooSmall),
        ([], errors.InvalidRequest),
    ]
    for parts, refusal in cases:
        with pytest.raises(refusal):
            await complete(s3, id, parts)
    with pytest.raises(errors.InvalidRequest):
        await complete(s3, id, [one, two], MpuObjectSize=5)
    with pytest.raises(errors.NoSuchUpload):
        await complete(s3, "missing", [one])
    await complete(s3, id, [one, two, four], MpuObjectSize=2 * PART + 7 + 5)


async def test_completing_again_gives_the_same_answer(s3: S3) -> None:
    id = await begin(s3)
    parts = await upload(s3, id)
    assert await complete(s3, id, parts) == await complete(s3, id, parts)
    await s3("PutObject", Key="big", Body=b"other")
    with pytest.raises(errors.NoSuchUpload):
        await complete(s3, id, parts)


async def test_an_aborted_upload_leaves_nothing(s3: S3, tmp_path: Path) -> None:
    id = await begin(s3)
    await upload(s3, id)
    await s3("AbortMultipartUpload", Key="big", UploadId=id)
    await s3.world.deliver()
    assert files(tmp_path) == 0
    with pytest.raises(errors.NoSuchUpload):
        await s3("UploadPart", Key="big", UploadId=id, PartNumber=1, Body=b"x")
    with pytest.raises(errors.NoSuchUpload):
        await s3("AbortMultipartUpload", Key="big", UploadId=id)


async def test_an_object_in_parts_is_deleted_with_all_its_files(s3: S3, tmp_path: Path) -> None:
    id = await begin(s3)
    await complete(s3, id, await upload(s3, id))
    await s3.world.deliver()
    await s3("DeleteObject", Key="big")
    s3.world.clock.advance(3600)
    await s3.world.deliver()
    assert files(tmp_path) == 0


async def test_uploads_end_with_their_bucket(s3: S3, tmp_path: Path) -> None:
    id = await begin(s3)
    await s3("UploadPart", Key="big", UploadId=id, PartNumber=1, Body=b"x")
    await s3("DeleteBucket")
    await s3.world.deliver()
    assert files(tmp_path) == 0


@pytest.mark.parametrize("number", [0, 10_001])
async def test_part_numbers_have_limits(s3: S3, number: int) -> None:
    id = await begin(s3)
    with pytest.raises(errors.InvalidArgument, match="between 1 and 10000, inclusive"):
        await s3("UploadPart", Key="big", UploadId=id, PartNumber=number, Body=b"x")


async def test_a_composite_checksum_is_that_of_the_parts_checksums(s3: S3) -> None:
    id = await begin(s3, ChecksumAlgorithm="SHA256")
    parts = await upload(s3, id, "SHA256")
    assert (
        parts[0]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(PARTS[0]).digest()).decode()
    )
    bare = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    with pytest.raises(errors.InvalidRequest, match="It was missing for part 1 in the request"):
        await complete(s3, id, bare)
    done = await complete(s3, id, parts)
    digests = b"".join(hashlib.sha256(part).digest() for part in PARTS)
    expected = base64.b64encode(hashlib.sha256(digests).digest()).decode() + "-3"
    assert (done["ChecksumSHA256"], done["ChecksumType"]) == (expected, "COMPOSITE")
    got = await s3(
        "GetObjectAttributes", Key="big", ObjectAttributes=["ObjectParts", "Checksum"], MaxParts=2
    )
    assert got["Checksum"] == {"ChecksumSHA256": expected, "ChecksumType": "COMPOSITE"}
    assert got["ObjectParts"]["TotalPartsCount"] == 3
    assert [part["Size"] for part in got["ObjectParts"]["Parts"]] == [PART, PART + 7]
    assert got["ObjectParts"]["IsTruncated"] is True


async def test_a_full_checksum_is_that_of_the_whole(s3: S3) -> None:
    id = await begin(s3, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = await upload(s3, id, "CRC32")
    with pytest.raises(errors.BadDigest):
        await complete(s3, id, parts, ChecksumCRC32=crc32(b"other"))
    done = await complete(s3, id, parts, ChecksumCRC32=crc32(WHOLE), ChecksumType="FULL_OBJECT")
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (crc32(WHOLE), "FULL_OBJECT")


async def test_without_an_algorithm_the_whole_has_a_crc64nvme(s3: S3) -> None:
    id = await begin(s3)
    done = await complete(s3, id, await upload(s3, id))
    whole = await s3("PutObject", Key="whole", Body=WHOLE)
    assert done["ChecksumCRC64NVME"] == whole["ChecksumCRC64NVME"]


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256", "CRC64NVME"])
async def test_an_upload_that_announced_no_checksum_verifies_those_of_its_parts(
    s3: S3, algorithm: str
) -> None:
    id = await begin(s3)
    parts = await upload(s3, id, algorithm)
    if algorithm == "CRC32":
        assert [part["ChecksumCRC32"] for part in parts] == [crc32(part) for part in PARTS]
        with pytest.raises(errors.BadDigest):
            await s3(
                "UploadPart", Key="big", UploadId=id, PartNumber=4, Body=b"x",
                ChecksumCRC32=crc32(b"y"),
            )  # fmt: skip
        with pytest.raises(errors.InvalidPart):
            await complete(s3, id, [{**part, "ChecksumCRC32": crc32(b"")} for part in parts])
    assert "ChecksumAlgorithm" not in await s3("ListParts", Key="big", UploadId=id)
    done = await complete(s3, id, parts)
    whole = await s3("PutObject", Key="whole", Body=WHOLE)
    assert done["ChecksumCRC64NVME"] == whole["ChecksumCRC64NVME"]
    assert done["ChecksumType"] == "FULL_OBJECT"


async def test_a_part_with_another_kind_of_checksum_is_refused(s3: S3) -> None:
    id = await begin(s3, ChecksumAlgorithm="SHA256")
    with pytest.raises(errors.InvalidRequest, match="expected checksum Type: sha256, actual"):
        await s3(
            "UploadPart", Key="big", UploadId=id, PartNumber=1, Body=b"x", ChecksumCRC32=crc32(b"x")
        )
    with pytest.raises(errors.InvalidRequest):
        await begin(s3, ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")
    with pytest.raises(errors.InvalidRequest):
        await begin(s3, ChecksumAlgorithm="CRC64NVME", ChecksumType="COMPOSITE")


async def test_a_part_can_be_copied_from_an_object(s3: S3) -> None:
    await s3("PutObject", Key="source", Body=WHOLE)
    id = await begin(s3)
    copied = await s3(
        "UploadPartCopy", Key="big", UploadId=id, PartNumber=1, CopySource="bucket/source",
        CopySourceRange=f"bytes=10-{PART + 19}",
    )  # fmt: skip
    with pytest.raises(errors.InvalidArgument, match="Range specified is not valid"):
        await s3(
            "UploadPartCopy", Key="big", UploadId=id, PartNumber=2, CopySource="bucket/source",
            CopySourceRange=f"bytes=0-{len(WHOLE)}",
        )  # fmt: skip
    await complete(s3, id, [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}])
    assert await s3.body("big") == WHOLE[10 : PART + 20]


async def test_parts_are_listed_page_by_page(s3: S3) -> None:
    id = await begin(s3)
    await upload(s3, id)
    first = await s3("ListParts", Key="big", UploadId=id, MaxParts=2)
    assert [part["PartNumber"] for part in first["Parts"]] == [1, 2]
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 2)
    rest = await s3("ListParts", Key="big", UploadId=id, PartNumberMarker=2)
    assert [part["PartNumber"] for part in rest["Parts"]] == [3]
    assert rest["IsTruncated"] is False


async def test_uploads_are_listed_page_by_page(s3: S3) -> None:
    ids: dict[str, list[str]] = {}
    for key in ("a/1", "a/2", "b", "b"):
        s3.world.clock.advance(1)
        created = await s3("CreateMultipartUpload", Key=key)
        ids.setdefault(key, []).append(created["UploadId"])
    seen: list[tuple[str, str]] = []
    markers: dict[str, str] = {}
    while True:
        page = await s3("ListMultipartUploads", MaxUploads=1, **markers)
        seen += [(entry["Key"], entry["UploadId"]) for entry in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {
            "KeyMarker": page["NextKeyMarker"],
            "UploadIdMarker": page["NextUploadIdMarker"],
        }
    assert seen == [(key, id) for key in ("a/1", "a/2", "b") for id in ids[key]]
    rolled = await s3("ListMultipartUploads", Delimiter="/")
    assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert [entry["UploadId"] for entry in rolled["Uploads"]] == ids["b"]

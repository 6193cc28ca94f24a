"""S3 as boto3 speaks it when nobody told it how."""

from __future__ import annotations

import base64
import os
import zlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.conftest import REGION, Server

PART_BYTES = 5 * 1024 * 1024


def _bucket(s3: Any, name: str) -> None:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


def test_parts_may_come_with_checksums_that_nobody_announced(server: Server, name: str) -> None:
    """boto3 sends CRC32 with each part, and announces none in CreateMultipartUpload."""
    s3 = server.client("s3")
    _bucket(s3, name)
    bodies = [os.urandom(PART_BYTES), b"the rest"]
    where = {"Bucket": name, "Key": "big"}
    begun = s3.create_multipart_upload(**where)
    assert "ChecksumAlgorithm" not in begun
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(**where, UploadId=begun["UploadId"], PartNumber=number, Body=body)
        crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        assert part["ChecksumCRC32"] == crc
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(
        **where, UploadId=begun["UploadId"], MultipartUpload={"Parts": parts}
    )
    got = s3.get_object(**where)
    assert got["Body"].read() == b"".join(bodies)
    assert got["ChecksumType"] == "FULL_OBJECT"


def test_a_refused_upload_does_not_spoil_the_next_request(server: Server, name: str) -> None:
    """boto3 waits for `100 Continue` with what it uploads, and uses its connection again."""
    s3 = server.client("s3")
    _bucket(s3, name)
    s3.put_object(Bucket=name, Key="a", Body=b"hello")
    for _ in range(3):
        with pytest.raises(ClientError, match="InvalidDigest"):
            s3.put_object(Bucket=name, Key="b", Body=b"x", ContentMD5="bad")
        assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"hello"

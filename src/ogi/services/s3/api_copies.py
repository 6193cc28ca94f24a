"""CopyObject: an object made of another one, decrypted as the caller and encrypted anew."""

from __future__ import annotations

import msgspec

from ogi.service import Call, Fields
from ogi.services.s3 import (
    attributes,
    buckets,
    checksums,
    conditions,
    encryption,
    errors,
    keys,
    reading,
    uploads,
)  # fmt: skip
from ogi.services.s3.api_objects import CUSTOMER_KEYS, LOCKS, find_source, source_of
from ogi.services.s3.attributes import Attributes
from ogi.services.s3.bodies import PUT_BYTES_MAX
from ogi.services.s3.layout import Object
from ogi.services.s3.reading import Found
from ogi.services.s3.service import SERVICE, bucket_home, look, object_arn
from ogi.storage import Reader

SOURCE_KEYS = (
    "CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5",
)  # fmt: skip


@SERVICE.operation(
    on=object_arn, action="PutObject", keys=keys.of_write, home=bucket_home, preauthorised=False,
    unsupported=(*LOCKS, *CUSTOMER_KEYS, *SOURCE_KEYS),
)  # fmt: skip
async def copy_object(call: Call, request: Fields) -> Fields:
    attributes.check_key(request["Key"])

    def find(tx: Reader, call: Call) -> Found:
        bucket, key, source = find_source(tx, call, request)
        buckets.find(tx, call, request)
        conditions.check_copy(request, source)
        if source.size > PUT_BYTES_MAX:
            raise errors.InvalidRequest(
                "The specified copy source is larger than the maximum allowable size for a copy "
                f"source: {PUT_BYTES_MAX}"
            )
        _check_self(request)
        return reading.unlock(tx, call, bucket, key, source)

    found = await look(call, find)
    source = found.object
    given = _attributes(request, source)
    algorithm = request.get("ChecksumAlgorithm")
    if algorithm is None and source.sum is not None:
        algorithm = source.sum.algorithm
    check = checksums.Check(checksums.Declared(algorithm, None, None))
    body = (
        found.small
        if found.small is not None
        else reading.stream(call.ports.blobs, found, 0, source.size)
    )
    made = await uploads.store(call, request, given, body, check, event="ObjectCreated:Copy")
    return {
        "CopyObjectResult": {
            "ETag": f'"{made.etag}"',
            "LastModified": float(made.modified),
            **checksums.shown(made.sum),
        },
        **encryption.shown_context(made.sealing),
    }


def _attributes(request: Fields, source: Object) -> Attributes:
    """The copy's own attributes where the directives say so, else the source's."""
    given = attributes.of(request)
    headers, metadata, tags = given.headers, given.metadata, given.tags
    if request.get("MetadataDirective", "COPY") == "COPY":
        # A redirect is never copied: docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
        headers = {k: v for k, v in source.headers.items() if k != "WebsiteRedirectLocation"}
        if "WebsiteRedirectLocation" in given.headers:
            headers["WebsiteRedirectLocation"] = given.headers["WebsiteRedirectLocation"]
        metadata = source.metadata
    if request.get("TaggingDirective", "COPY") == "COPY":
        tags = source.tags
    return msgspec.structs.replace(given, headers=headers, metadata=metadata, tags=tags)


def _check_self(request: Fields) -> None:
    if source_of(request) != (request["Bucket"], request["Key"]):
        return
    changing = (
        "StorageClass", "ServerSideEncryption", "WebsiteRedirectLocation", "BucketKeyEnabled",
        "ChecksumAlgorithm",
    )  # fmt: skip
    if request.get("MetadataDirective") == "REPLACE" or any(name in request for name in changing):
        return
    raise errors.InvalidRequest(
        "This copy request is illegal because it is trying to copy an object to itself without "
        "changing the object's metadata, storage class, website redirect location or encryption "
        "attributes."
    )

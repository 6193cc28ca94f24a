"""S3's operations on objects, in AWS's words."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from ogi.errors import AccessDenied, AwsError
from ogi.service import Call, Fields
from ogi.services.s3 import (
    attributes,
    buckets,
    checksums,
    encryption,
    errors,
    keys,
    objects,
    reading,
    tags,
    uploads,
)  # fmt: skip
from ogi.services.s3.layout import Bucket, Object, Part, Piece
from ogi.services.s3.reading import Found, Span
from ogi.services.s3.service import SERVICE, bucket_home, home_of, look, object_arn
from ogi.storage import Reader, Transaction

DELETES_MAX = 1000
"""Keys of one DeleteObjects."""
DELETES_PAGE = 100
"""Keys of one of its transactions."""
PARTS_SHOWN_MAX = 1000
LOCKS = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
CUSTOMER_KEYS = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


@SERVICE.operation(
    on=object_arn, keys=keys.of_write, home=bucket_home, preauthorised=False,
    unsupported=("WriteOffsetBytes", *LOCKS, *CUSTOMER_KEYS),
)  # fmt: skip
async def put_object(call: Call, request: Fields) -> Fields:
    attributes.check_key(request["Key"])
    given = attributes.of(request)
    body = request.get("Body", b"")
    check = checksums.Check(checksums.declared(request))
    if given.tags:
        await look(call, lambda tx, call: may_tag(tx, call, request))
    made = await uploads.store(call, request, given, body, check, event="ObjectCreated:Put")
    return {
        "ETag": f'"{made.etag}"',
        **checksums.shown(made.sum),
        **encryption.shown_context(made.sealing),
    }


def may_tag(tx: Reader, call: Call, request: Fields) -> None:
    """Tags with a new object need the permission to tag as well."""
    arn = object_arn(tx, call, request)
    context = {**call.context, **keys.of_write(tx, call, request)}
    call.ports.authorise(tx, call, SERVICE, ("s3:PutObjectTagging",), (arn,), context)


@SERVICE.operation(on=object_arn, keys=keys.of_read, preauthorised=False, unsupported=CUSTOMER_KEYS)
async def get_object(call: Call, request: Fields) -> Fields:
    _check_overrides(call, request)

    def find(tx: Reader, call: Call) -> tuple[Found, Span]:
        bucket, object, _, span = _find(tx, call, request)
        call.note(
            "s3.get", bucket=bucket.name, key=request["Key"], size=span.stop - span.start,
            kms_key=object.sealing.key_arn, principal=call.principal.arn,
        )  # fmt: skip
        return reading.unlock(tx, call, bucket, request["Key"], object), span

    found, span = await look(call, find)
    result = _described(request, found.object, found.pieces, span)
    if found.small is not None:
        small = found.small
        result["Body"] = small[span.start : span.stop] if span.partial else small
    else:
        chunks = reading.stream(call.ports.blobs, found, span.start, span.stop)
        result["Body"] = await reading.begun(chunks)
    return result


@SERVICE.operation(
    on=object_arn, action="GetObject", keys=keys.of_read, reads=True, unsupported=CUSTOMER_KEYS
)
def head_object(tx: Reader, call: Call, request: Fields) -> Fields:
    _check_overrides(call, request)
    bucket, object, pieces, span = _find(tx, call, request)
    if request.get("ChecksumMode") == "ENABLED" and object.sealing.data_key:
        encryption.open_key(tx, call, bucket, object.sealing)
    return _described(request, object, pieces, span)


def _find(
    tx: Reader, call: Call, request: Fields
) -> tuple[Bucket, Object, tuple[Piece, ...], Span]:
    bucket = buckets.find(tx, call, request)
    attributes.check_version(request)
    object = reading.find(tx, call, bucket, request["Key"], request)
    pieces = reading.pieces_of(tx, bucket, object)
    return bucket, object, pieces, reading.span_of(request, object, pieces)


def _check_overrides(call: Call, request: Fields) -> None:
    if call.principal.kind == "anonymous" and any(name in request for name in OVERRIDES):
        raise errors.InvalidRequest(
            "Request specific response headers cannot be used for anonymous GET requests."
        )


def _described(
    request: Fields, object: Object, pieces: tuple[Piece, ...], span: Span
) -> dict[str, Any]:
    """What GetObject and HeadObject tell about an object."""
    result: Fields = {
        "AcceptRanges": "bytes",
        "LastModified": float(object.modified),
        "ContentLength": span.stop - span.start,
        "ETag": f'"{object.etag}"',
        **attributes.shown(object),
        **encryption.shown(object.sealing),
    }
    if span.partial:
        result["ContentRange"] = f"bytes {span.start}-{span.stop - 1}/{object.size}"
    if "PartNumber" in request and pieces:
        result["PartsCount"] = len(pieces)
    if request.get("ChecksumMode") == "ENABLED":
        result.update(_sum_of(request, object, pieces, span))
    for member, header in OVERRIDES.items():
        if member in request:
            result[header] = request[member]
    return result


def _sum_of(
    request: Fields, object: Object, pieces: tuple[Piece, ...], span: Span
) -> dict[str, Any]:
    """The checksum of what is sent: of the whole, or of the part; a range has none."""
    if not span.partial or (span.start == 0 and span.stop == object.size):
        return checksums.shown(object.sum)
    for piece in pieces:
        if piece.number == request.get("PartNumber") and object.sum is not None:
            return {**checksums.shown(piece.sum), "ChecksumType": object.sum.kind}
    return {}


@SERVICE.operation(
    on=object_arn,
    home=bucket_home,
    unsupported=("BypassGovernanceRetention", "IfMatchLastModifiedTime", "IfMatchSize"),
)
def delete_object(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    attributes.check_version(request)
    objects.remove(tx, call, bucket, request["Key"], request)
    return {}


@SERVICE.operation(open=True, preauthorised=False, unsupported=("BypassGovernanceRetention",))
async def delete_objects(call: Call, request: Fields) -> Fields:
    """Each key is authorised by itself, as DeleteObject: one that is refused is listed as such.

    Not atomic, as on AWS: a transaction takes a page of keys.
    """
    wanted = request["Delete"]["Objects"]
    if not 1 <= len(wanted) <= DELETES_MAX:
        raise errors.MalformedXML()
    quiet = request["Delete"].get("Quiet", False)
    deleted: list[Fields] = []
    refused: list[Fields] = []
    for start in range(0, len(wanted), DELETES_PAGE):
        page = wanted[start : start + DELETES_PAGE]

        def delete(tx: Transaction, call: Call, page: list[Fields] = page) -> list[Fields]:
            bucket = buckets.find(tx, call, request)
            return [_delete_one(tx, call, bucket, entry) for entry in page]

        for result in await call.transact(delete, home_of(request["Bucket"])):
            (refused if "Code" in result else deleted).append(result)
    answer: Fields = {}
    if deleted and not quiet:
        answer["Deleted"] = deleted
    if refused:
        answer["Errors"] = refused
    return answer


def _delete_one(tx: Transaction, call: Call, bucket: Bucket, entry: Fields) -> Fields:
    key = entry["Key"]
    try:
        arn = f"{bucket.arn}/{key}"
        call.ports.authorise(tx, call, SERVICE, ("s3:DeleteObject",), (arn,), call.context)
        attributes.check_version(entry)
        objects.remove(tx, call, bucket, key, entry)
    except AwsError as error:
        return {"Key": key, "Code": error.code or error.shape, "Message": error.message}
    return {"Key": key}


@SERVICE.operation(on=object_arn, keys=keys.of_read, reads=True)
def get_object_tagging(tx: Reader, call: Call, request: Fields) -> Fields:
    _, object = _existing(tx, call, request)
    return {"TagSet": tags.shown(object.tags)}


@SERVICE.operation(on=object_arn, keys=keys.of_write, home=bucket_home)
def put_object_tagging(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket, object = _existing(tx, call, request)
    given = tags.of_set(request["Tagging"], tags.OBJECT_TAGS_MAX, "Object")
    objects.retag(tx, call, bucket, request["Key"], object, given, "ObjectTagging:Put")
    return {}


@SERVICE.operation(on=object_arn, home=bucket_home)
def delete_object_tagging(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket, object = _existing(tx, call, request)
    objects.retag(tx, call, bucket, request["Key"], object, (), "ObjectTagging:Delete")
    return {}


def _existing(tx: Reader, call: Call, request: Fields) -> tuple[Bucket, Object]:
    bucket = buckets.find(tx, call, request)
    attributes.check_version(request)
    object = objects.get(tx, home_of(bucket.name), request["Key"])
    if object is None:
        raise objects.missing(tx, call, bucket, request["Key"])
    return bucket, object


@SERVICE.operation(on=object_arn, reads=True)
def get_object_acl(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket, _ = _existing(tx, call, request)
    return full_control(bucket)


@SERVICE.operation(on=object_arn, home=bucket_home)
def put_object_acl(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Only what changes nothing: the bucket's owner has full control of every object."""
    bucket, _ = _existing(tx, call, request)
    if "AccessControlPolicy" in request:
        raise errors.AccessControlListNotSupported()
    attributes.check_acl(request, bucket)
    return {}


def full_control(bucket: Bucket) -> Fields:
    """The only access control list there is."""
    owner = buckets.owner(bucket.account)
    return {
        "Owner": owner,
        "Grants": [
            {"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
        ],
    }


@SERVICE.operation(
    on=object_arn,
    action=("GetObject", "GetObjectAttributes"),
    keys=keys.of_read,
    reads=True,
    unsupported=CUSTOMER_KEYS,
)
def get_object_attributes(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket, object = _existing(tx, call, request)
    wanted = request["ObjectAttributes"]
    result: Fields = {"LastModified": float(object.modified)}
    if "ETag" in wanted:
        result["ETag"] = object.etag
    if "ObjectSize" in wanted:
        result["ObjectSize"] = object.size
    if "StorageClass" in wanted:
        result["StorageClass"] = object.storage
    if "Checksum" in wanted and object.sum is not None:
        result["Checksum"] = checksums.shown(object.sum)
    if "ObjectParts" in wanted and object.manifest:
        result["ObjectParts"] = _parts_shown(request, object, reading.pieces_of(tx, bucket, object))
    return result


def _parts_shown(request: Fields, object: Object, pieces: tuple[Piece, ...]) -> Fields:
    """The parts are listed only where each has a checksum of its own."""
    marker, most = request.get("PartNumberMarker", 0), request.get("MaxParts", PARTS_SHOWN_MAX)
    shown: Fields = {"TotalPartsCount": len(pieces)}
    if object.sum is None or object.sum.kind != "COMPOSITE":
        return shown
    rest = [piece for piece in pieces if piece.number > int(marker)]
    page = rest[: min(most, PARTS_SHOWN_MAX)]
    shown.update(
        PartNumberMarker=int(marker),
        MaxParts=min(most, PARTS_SHOWN_MAX),
        IsTruncated=len(page) < len(rest),
        Parts=[part_shown(piece.number, piece) for piece in page],
    )
    if page:
        shown["NextPartNumberMarker"] = page[-1].number
    return shown


def part_shown(number: int, part: Part | Piece) -> Fields:
    shown: Fields = {"PartNumber": number, "Size": part.size}
    if part.sum is not None:
        shown[f"Checksum{part.sum.algorithm}"] = part.sum.value
    return shown


_SOURCE = re.compile(r"/?([^/]+)/(.+)", re.DOTALL)


def source_of(request: Fields) -> tuple[str, str]:
    """The bucket and the key that CopySource names."""
    text, _, query = request["CopySource"].partition("?")
    match = _SOURCE.fullmatch(unquote(text))
    if match is None or text.startswith("arn:"):
        raise errors.InvalidArgument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            ArgumentName="x-amz-copy-source", ArgumentValue=request["CopySource"],
        )  # fmt: skip
    if query:
        attributes.check_version({"VersionId": query.removeprefix("versionId=")})
    return match[1], match[2]


def find_source(tx: Reader, call: Call, request: Fields) -> tuple[Bucket, str, Object]:
    """What a copy reads; the caller needs the permission to get it."""
    name, key = source_of(request)
    target = {"Bucket": name, "Key": key}
    context = {**call.context, **keys.of_read(tx, call, target)}
    arn = object_arn(tx, call, target)
    call.ports.authorise(tx, call, SERVICE, ("s3:GetObject",), (arn,), context)
    bucket = buckets.find(tx, call, target)
    expected = request.get("ExpectedSourceBucketOwner")
    if expected is not None and expected != bucket.account:
        raise AccessDenied()
    object = objects.get(tx, home_of(name), key)
    if object is None:
        raise objects.missing(tx, call, bucket, key)
    return bucket, key, object

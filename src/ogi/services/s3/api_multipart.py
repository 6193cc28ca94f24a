"""S3's operations on multipart uploads, in AWS's words."""

from __future__ import annotations

import re
from urllib.parse import quote

from ogi.chunks import ChunkCipher
from ogi.errors import AwsError
from ogi.sealing import DataKey
from ogi.service import Call, Fields
from ogi.services.s3 import (
    attributes,
    bodies,
    buckets,
    checksums,
    conditions,
    encryption,
    errors,
    keys,
    listing,
    multipart,
    objects,
    reading,
)  # fmt: skip
from ogi.services.s3.api_copies import SOURCE_KEYS
from ogi.services.s3.api_listing import encoded, limit_of
from ogi.services.s3.api_objects import CUSTOMER_KEYS, LOCKS, find_source, may_tag, part_shown
from ogi.services.s3.layout import UPLOADS, Object, Part, Upload
from ogi.services.s3.listing import Place
from ogi.services.s3.objects import Pending
from ogi.services.s3.reading import Found
from ogi.services.s3.service import SERVICE, bucket_arn, bucket_home, home_of, look, object_arn
from ogi.storage import Reader, Transaction

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@SERVICE.operation(
    on=object_arn, action="PutObject", keys=keys.of_write, home=bucket_home,
    unsupported=(*LOCKS, *CUSTOMER_KEYS),
)  # fmt: skip
def create_multipart_upload(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket, key = buckets.find(tx, call, request), request["Key"]
    attributes.check_key(key)
    attributes.check_acl(request, bucket)
    given = attributes.of(request)
    if given.tags:
        may_tag(tx, call, request)
    algorithm = checksums.declared(request).algorithm
    kind = multipart.kind_of(algorithm, request.get("ChecksumType"))
    choice = encryption.wanted(request, bucket)
    context = encryption.context_of(request, bucket, key, choice)
    how, _ = encryption.new_key(tx, call, bucket, choice, context)
    id = multipart.begin(tx, call, bucket, key, given, how, algorithm, kind)
    result: Fields = {
        "Bucket": bucket.name, "Key": key, "UploadId": id, **encryption.shown_context(how)
    }  # fmt: skip
    if algorithm is not None:
        result.update(ChecksumAlgorithm=algorithm, ChecksumType=kind)
    return result


@SERVICE.operation(
    on=object_arn, action="PutObject", preauthorised=False, unsupported=CUSTOMER_KEYS
)
async def upload_part(call: Call, request: Fields) -> Fields:
    declared = checksums.declared(request)
    part, upload = await _store(call, request, declared, request.get("Body", b""))
    result: Fields = {"ETag": f'"{part.etag}"', **encryption.shown(upload.sealing)}
    told = part.sent
    if told is None and (upload.algorithm or declared.algorithm):
        told = part.sum
    if told is not None:
        result[f"Checksum{told.algorithm}"] = told.value
    return result


@SERVICE.operation(
    on=object_arn, action="PutObject", keys=keys.of_write, preauthorised=False,
    unsupported=(*CUSTOMER_KEYS, *SOURCE_KEYS),
)  # fmt: skip
async def upload_part_copy(call: Call, request: Fields) -> Fields:
    multipart.check_number(request)

    def find(tx: Reader, call: Call) -> tuple[Found, int, int, str | None]:
        upload = multipart.find(tx, buckets.find(tx, call, request), request)
        bucket, key, source = find_source(tx, call, request)
        conditions.check_copy(request, source)
        start, stop = _span(request.get("CopySourceRange"), source)
        found = reading.unlock(tx, call, bucket, key, source)
        return found, start, stop, upload.algorithm

    found, start, stop, algorithm = await look(call, find)
    body = reading.stream(call.ports.blobs, found, start, stop)
    part, upload = await _store(call, request, checksums.Declared(algorithm, None, None), body)
    copied: Fields = {"ETag": f'"{part.etag}"', "LastModified": float(part.modified)}
    if upload.algorithm is not None and part.sum is not None:
        copied[f"Checksum{part.sum.algorithm}"] = part.sum.value
    return {"CopyPartResult": copied, **encryption.shown(upload.sealing)}


def _span(asked: str | None, source: Object) -> tuple[int, int]:
    if asked is None:
        start, stop = 0, source.size
    else:
        match = _RANGE.fullmatch(asked)
        if match is None or int(match[2]) < int(match[1]):
            raise errors.InvalidArgument(
                "The x-amz-copy-source-range value must be of the form bytes=first-last where "
                "first and last are the zero-based offsets of the first and last bytes to copy",
                ArgumentName="x-amz-copy-source-range", ArgumentValue=asked,
            )  # fmt: skip
        start, stop = int(match[1]), int(match[2]) + 1
    if stop > source.size:
        raise errors.InvalidArgument(
            f"Range specified is not valid for source object of size: {source.size}",
            ArgumentName="x-amz-copy-source-range", ArgumentValue=asked or "",
        )  # fmt: skip
    if stop - start > bodies.PUT_BYTES_MAX:
        raise errors.InvalidRequest(
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {bodies.PUT_BYTES_MAX}"
        )
    return start, stop


async def _store(
    call: Call, request: Fields, declared: checksums.Declared, body: bodies.Body
) -> tuple[Part, Upload]:
    """Write the body as a sealed file, then let it be the part."""
    part_number, id = multipart.check_number(request), request["UploadId"]
    home = home_of(request["Bucket"])

    def prepare(tx: Transaction, call: Call) -> tuple[Upload, checksums.Declared, DataKey, Pending]:
        bucket = buckets.find(tx, call, request)
        upload = multipart.find(tx, bucket, request)
        key = encryption.open_key(tx, call, bucket, upload.sealing)
        agreed = multipart.agreed(upload, declared)
        return upload, agreed, key, objects.reserve(tx, call, bucket)

    upload, agreed, key, pending = await call.transact(prepare, home)
    check = checksums.Check(agreed, kept=upload.algorithm or checksums.DEFAULT)
    beginning, rest = await bodies.begin(body)
    cipher = ChunkCipher(key.derive(pending.name.encode()))
    blob, size = await bodies.write(call, pending.name, cipher, beginning, rest, check)

    def commit(tx: Transaction, call: Call) -> Part:
        bucket = buckets.find(tx, call, request)
        multipart.find(tx, bucket, request)
        objects.claim(tx, pending)
        etag = check.md5 if upload.sealing.algorithm == "AES256" else call.entropy(16).hex()
        sent = None if check.kept is None else checksum
        part = Part(etag, size, int(call.now), blob, check.kept or checksum, sent)
        multipart.put_part(tx, call, bucket, id, part_number, part)
        return part

    try:
        checksum = check.end(bodies.trailers(body))
        return await call.transact(commit, home), upload
    except AwsError:
        await objects.drop(call, pending)
        raise


@SERVICE.operation(
    on=object_arn, action="PutObject", keys=keys.of_write, home=bucket_home,
    unsupported=CUSTOMER_KEYS,
)  # fmt: skip
def complete_multipart_upload(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    made = multipart.complete(tx, call, bucket, request)
    host = f"{bucket.name}.s3.{bucket.region}.amazonaws.com"
    return {
        "Location": f"https://{host}/{quote(request['Key'])}",
        "Bucket": bucket.name,
        "Key": request["Key"],
        "ETag": f'"{made.etag}"',
        **checksums.shown(made.sum),
        **encryption.shown(made.sealing),
    }


@SERVICE.operation(on=object_arn, home=bucket_home)
def abort_multipart_upload(tx: Transaction, call: Call, request: Fields) -> Fields:
    multipart.abort(tx, call, buckets.find(tx, call, request), request)
    return {}


@SERVICE.operation(
    on=object_arn, action="ListMultipartUploadParts", reads=True, unsupported=CUSTOMER_KEYS
)
def list_parts(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    upload = multipart.find(tx, bucket, request)
    marker, limit = int(request.get("PartNumberMarker", 0)), limit_of(request, "MaxParts")
    found = multipart.parts(tx, bucket, request["UploadId"], behind=marker, limit=limit + 1)
    page = found[:limit]
    result: Fields = {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": request["UploadId"],
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1][0] if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit,
        **_people(upload, bucket.account),
        "StorageClass": upload.storage,
    }
    if upload.algorithm is not None:
        result.update(ChecksumAlgorithm=upload.algorithm, ChecksumType=upload.kind)
    if page:
        result["Parts"] = [
            {
                **(part_shown(number, part) if upload.algorithm else _bare(number, part)),
                "ETag": f'"{part.etag}"',
                "LastModified": float(part.modified),
            }
            for number, part in page
        ]
    return result


def _bare(number: int, part: Part) -> Fields:
    return {"PartNumber": number, "Size": part.size}


def _people(upload: Upload, account: str) -> Fields:
    return {
        "Initiator": {"ID": upload.initiator, "DisplayName": upload.initiator_id},
        "Owner": buckets.owner(account),
    }


@SERVICE.operation(
    on=bucket_arn, action="ListBucketMultipartUploads", keys=keys.of_list, reads=True
)
def list_multipart_uploads(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    marker, id = request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
    limit = limit_of(request, "MaxUploads")
    page = listing.page(
        tx, home_of(bucket.name), UPLOADS.name, UPLOADS.decode, prefix=request.get("Prefix", ""),
        delimiter=request.get("Delimiter", ""), place=Place(marker, id=id), limit=limit,
    )  # fmt: skip
    result: Fields = {
        "Bucket": bucket.name,
        "KeyMarker": marker,
        "UploadIdMarker": id,
        "MaxUploads": limit,
        "IsTruncated": page.truncated,
        "Prefix": request.get("Prefix", ""),
    }
    if "Delimiter" in request:
        result["Delimiter"] = request["Delimiter"]
    if page.truncated:
        result.update(NextKeyMarker=page.last, NextUploadIdMarker=page.id)
    if page.entries:
        result["Uploads"] = [
            _upload_shown(name, id, upload, bucket.account)
            for (name, upload), id in zip(page.entries, page.ids, strict=True)
        ]
    if page.prefixes:
        result["CommonPrefixes"] = [{"Prefix": prefix} for prefix in page.prefixes]
    return encoded(request, result)


def _upload_shown(key: str, id: str, upload: Upload, account: str) -> Fields:
    shown: Fields = {
        "Key": key,
        "UploadId": id,
        "Initiated": upload.initiated,
        "StorageClass": upload.storage,
        **_people(upload, account),
    }
    if upload.algorithm is not None:
        shown.update(ChecksumAlgorithm=upload.algorithm, ChecksumType=upload.kind)
    return shown

"""S3's listings of objects, in AWS's words."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ogi.service import Call, Fields
from ogi.services.s3 import buckets, errors, keys, listing
from ogi.services.s3.attributes import NEVER_VERSIONED
from ogi.services.s3.layout import OBJECTS, Bucket, Object
from ogi.services.s3.listing import KEYS_MAX, Page, Place
from ogi.services.s3.service import SERVICE, bucket_arn, home_of
from ogi.storage import Reader

_ENCODED = (
    "Delimiter", "Prefix", "Marker", "NextMarker", "StartAfter", "KeyMarker", "NextKeyMarker",
)  # fmt: skip
_ENCODED_LISTS = {
    "Contents": "Key", "Versions": "Key", "Uploads": "Key", "CommonPrefixes": "Prefix",
}  # fmt: skip


@SERVICE.operation(
    on=bucket_arn, action="ListBucket", keys=keys.of_list, reads=True,
    unsupported=("OptionalObjectAttributes",),
)  # fmt: skip
def list_objects(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    marker = request.get("Marker", "")
    limit = limit_of(request, "MaxKeys")
    page = _page(tx, bucket, request, Place(marker), limit)
    result: Fields = {
        "Name": bucket.name,
        "Prefix": request.get("Prefix", ""),
        "Marker": marker,
        "MaxKeys": limit,
        "IsTruncated": page.truncated,
        **_shown(bucket, page, owner=True),
    }
    if "Delimiter" in request:
        result["Delimiter"] = request["Delimiter"]
        if page.truncated:
            # Without a delimiter the client takes the last key.
            result["NextMarker"] = page.last
    return encoded(request, result)


@SERVICE.operation(
    on=bucket_arn, action="ListBucket", keys=keys.of_list, reads=True,
    unsupported=("OptionalObjectAttributes",), name="ListObjectsV2",
)  # fmt: skip
def list_objects_v2(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    token = request.get("ContinuationToken")
    place = Place(request.get("StartAfter", "")) if token is None else _place(token)
    limit = limit_of(request, "MaxKeys")
    page = _page(tx, bucket, request, place, limit)
    result: Fields = {
        "Name": bucket.name,
        "Prefix": request.get("Prefix", ""),
        "MaxKeys": limit,
        "KeyCount": len(page.entries) + len(page.prefixes),
        "IsTruncated": page.truncated,
        **_shown(bucket, page, owner=request.get("FetchOwner", False)),
    }
    for member in ("Delimiter", "StartAfter", "ContinuationToken"):
        if member in request:
            result[member] = request[member]
    if page.truncated:
        under = bool(page.prefixes) and page.prefixes[-1] == page.last
        result["NextContinuationToken"] = _token(Place(page.last, under))
    return encoded(request, result)


@SERVICE.operation(
    on=bucket_arn, action="ListBucketVersions", keys=keys.of_list, reads=True,
    unsupported=("OptionalObjectAttributes",),
)  # fmt: skip
def list_object_versions(tx: Reader, call: Call, request: Fields) -> Fields:
    """Of a bucket that was never versioned: each object is the latest, with the version `null`."""
    bucket = buckets.find(tx, call, request)
    if "VersionIdMarker" in request and not request.get("KeyMarker"):
        raise errors.InvalidArgument(
            "A version-id marker cannot be specified without a key marker.",
            ArgumentName="version-id-marker", ArgumentValue=request["VersionIdMarker"],
        )  # fmt: skip
    limit = limit_of(request, "MaxKeys")
    page = _page(tx, bucket, request, Place(request.get("KeyMarker", "")), limit)
    result: Fields = {
        "Name": bucket.name,
        "Prefix": request.get("Prefix", ""),
        "KeyMarker": request.get("KeyMarker", ""),
        "VersionIdMarker": request.get("VersionIdMarker", ""),
        "MaxKeys": limit,
        "IsTruncated": page.truncated,
        **_shown(bucket, page, owner=True),
    }
    versions = result.pop("Contents", [])
    if versions:
        result["Versions"] = [
            {**entry, "VersionId": NEVER_VERSIONED, "IsLatest": True} for entry in versions
        ]
    if "Delimiter" in request:
        result["Delimiter"] = request["Delimiter"]
    if page.truncated:
        result["NextKeyMarker"] = page.last
        if page.entries and page.entries[-1][0] == page.last:
            result["NextVersionIdMarker"] = NEVER_VERSIONED
    return encoded(request, result)


def limit_of(request: Fields, member: str) -> int:
    limit = request.get(member, KEYS_MAX)
    if limit < 0:
        raise errors.InvalidArgument(
            f"Argument {member} must be an integer between 0 and 2147483647",
            ArgumentName=member, ArgumentValue=str(limit),
        )  # fmt: skip
    return int(min(limit, KEYS_MAX))


def _page(tx: Reader, bucket: Bucket, request: Fields, place: Place, limit: int) -> Page[Object]:
    encoding = request.get("EncodingType")
    if encoding not in (None, "url"):
        raise errors.InvalidArgument(
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type", ArgumentValue=encoding,
        )  # fmt: skip
    return listing.page(
        tx, home_of(bucket.name), OBJECTS.name, OBJECTS.decode, prefix=request.get("Prefix", ""),
        delimiter=request.get("Delimiter", ""), place=place, limit=limit,
    )  # fmt: skip


def _shown(bucket: Bucket, page: Page[Object], *, owner: bool) -> Fields:
    shown: Fields = {}
    owning = {"Owner": buckets.owner(bucket.account)} if owner else {}
    if page.entries:
        shown["Contents"] = [{**_entry(key, object), **owning} for key, object in page.entries]
    if page.prefixes:
        shown["CommonPrefixes"] = [{"Prefix": prefix} for prefix in page.prefixes]
    return shown


def _entry(key: str, object: Object) -> dict[str, Any]:
    entry: Fields = {
        "Key": key,
        "LastModified": float(object.modified),
        "ETag": f'"{object.etag}"',
        "Size": object.size,
        "StorageClass": object.storage,
    }
    if object.sum is not None:
        entry["ChecksumAlgorithm"] = [object.sum.algorithm]
        entry["ChecksumType"] = object.sum.kind
    return entry


def encoded(request: Fields, result: Fields) -> Fields:
    """The result with its names as the request's encoding-type wants them."""
    if request.get("EncodingType") != "url":
        return result
    result["EncodingType"] = "url"
    for member in _ENCODED:
        if member in result:
            result[member] = listing.url(result[member])
    for group, member in _ENCODED_LISTS.items():
        for entry in result.get(group, ()):
            entry[member] = listing.url(entry[member])
    return result


def _token(place: Place) -> str:
    kind = "p" if place.under else "k"
    return base64.urlsafe_b64encode(f"{kind}{place.name}".encode()).decode()


def _place(token: str) -> Place:
    try:
        text = base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        text = ""
    if text[:1] not in ("k", "p"):
        raise errors.InvalidArgument(
            "The continuation token provided is incorrect", ArgumentName="continuation-token"
        )
    return Place(text[1:], text[0] == "p")

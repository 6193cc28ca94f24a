"""What comes with an object beside its bytes: headers, metadata, tags, storage class, key."""

from __future__ import annotations

import msgspec

from ogi.errors import unsupported
from ogi.service import Fields
from ogi.services.s3 import errors, tags
from ogi.services.s3.layout import Bucket, Object, Pairs, Upload

KEY_BYTES_MAX = 1024
METADATA_BYTES_MAX = 2048
"""docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""
DEFAULT_TYPE = "binary/octet-stream"
HEADERS = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType",
    "Expires", "WebsiteRedirectLocation",
)  # fmt: skip
CLASSES = frozenset({
    "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR",
    "REDUCED_REDUNDANCY",
})  # fmt: skip
"""Classes whose objects are read at once: the class is kept, and bytes are stored all the same."""
ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})

NEVER_VERSIONED = "null"
"""The version of every object of a bucket that was never versioned."""


class Attributes(msgspec.Struct, frozen=True):
    headers: dict[str, str | float]
    metadata: dict[str, str]
    tags: Pairs
    storage: str


def of(request: Fields) -> Attributes:
    """The attributes that a request gives to the object that it makes."""
    storage = request.get("StorageClass", "STANDARD")
    if storage in ARCHIVES:
        raise unsupported(f"the storage class {storage}")
    if storage not in CLASSES:
        raise errors.InvalidStorageClass(StorageClassRequested=storage)
    tagging = request.get("Tagging")
    return Attributes(
        headers=_headers(request),
        metadata=_metadata(request.get("Metadata") or {}),
        tags=tags.of_header(tagging) if tagging else (),
        storage=storage,
    )


def _headers(request: Fields) -> dict[str, str | float]:
    found = {name: request[name] for name in HEADERS if name in request}
    encoding = found.get("ContentEncoding")
    if encoding is not None and "aws-chunked" in encoding:
        # How the body was sent, not what it is: docs.aws.amazon.com/AmazonS3/latest/API/
        # sigv4-streaming.html
        codings = [part.strip() for part in encoding.split(",")]
        found["ContentEncoding"] = ",".join(c for c in codings if c and c != "aws-chunked")
        if not found["ContentEncoding"]:
            del found["ContentEncoding"]
    found.setdefault("ContentType", DEFAULT_TYPE)
    return found


def _metadata(given: dict[str, str]) -> dict[str, str]:
    metadata = {name.lower(): value for name, value in given.items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        raise errors.MetadataTooLarge(Size=str(size), MaxSizeAllowed=str(METADATA_BYTES_MAX))
    return metadata


def check_key(key: str) -> None:
    if len(key.encode()) > KEY_BYTES_MAX:
        raise errors.KeyTooLongError(Size=str(len(key.encode())), MaxSizeAllowed=str(KEY_BYTES_MAX))


def check_version(request: Fields) -> None:
    """A bucket that was never versioned has the version `null` of everything, and no other."""
    version = request.get("VersionId")
    if version is not None and version != NEVER_VERSIONED:
        raise errors.InvalidArgument(
            "Invalid version id specified", ArgumentName="versionId", ArgumentValue=version
        )


def check_acl(request: Fields, bucket: Bucket) -> None:
    """docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html"""
    acl = request.get("ACL")
    grants = [name for name in request if name.startswith("Grant")]
    if acl is None and not grants:
        return
    if acl == "bucket-owner-full-control" and not grants:
        return
    if bucket.ownership in (None, "BucketOwnerEnforced"):
        raise errors.AccessControlListNotSupported()
    if grants:
        raise unsupported(f"{grants[0]} (access control lists other than private)")
    if acl != "private":
        raise unsupported(f"the canned ACL {acl}")


def shown(object: Object | Upload) -> Fields:
    """The members of a result that repeat the attributes."""
    members: Fields = dict(object.headers)
    if object.metadata:
        members["Metadata"] = object.metadata
    if object.tags:
        members["TagCount"] = len(object.tags)
    if object.storage != "STANDARD":
        members["StorageClass"] = object.storage
    return members

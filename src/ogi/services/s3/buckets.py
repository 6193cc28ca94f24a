"""Buckets: made under names that are global, found for every request, deleted when empty."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Any

import msgspec

from ogi import deliveries
from ogi.errors import AccessDenied, unsupported
from ogi.service import Call, Fields
from ogi.services.s3 import errors
from ogi.services.s3.layout import BUCKETS, OBJECTS, OWNED, UPLOADS, Bucket, Owned, bucket_named
from ogi.storage import CONTROL, Home, Reader, Transaction
from ogi.storage.keys import after, text, texts

BUCKETS_MAX = 10_000
"""Per account, by default: docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html"""
UPLOADS_DROPPED_MAX = 1_000
"""Uploads in progress that go with their bucket; one with more counts as not empty."""
LIST_MAX = 10_000

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_name(name: str) -> None:
    """docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    if (
        not _NAME.fullmatch(name)
        or ".." in name
        or name.startswith(_RESERVED_STARTS)
        or name.endswith(_RESERVED_ENDS)
        or _is_address(name)
    ):
        raise errors.InvalidBucketName(BucketName=name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def find(tx: Reader, call: Call, request: Fields) -> Bucket:
    """The bucket that the request names, if the caller may get through to it at all."""
    name = request["Bucket"]
    bucket = bucket_named(tx, name)
    if bucket is None:
        raise errors.NoSuchBucket(BucketName=name)
    expected = request.get("ExpectedBucketOwner")
    if expected is not None and expected != bucket.account:
        raise AccessDenied()
    check_restriction(call, bucket)
    return bucket


def check_restriction(call: Call, bucket: Bucket) -> None:
    """RestrictPublicBuckets: a public policy counts only for the account and for services."""
    if bucket.public and bucket.block is not None and bucket.block.restrict:
        principal = call.principal
        if principal.kind != "service" and principal.account != bucket.account:
            raise AccessDenied()


def create(tx: Transaction, call: Call, request: Fields) -> Bucket:
    name = request["Bucket"]
    check_name(name)
    region = _region(call, request.get("CreateBucketConfiguration") or {})
    ownership = request.get("ObjectOwnership", "BucketOwnerEnforced")
    acl = request.get("ACL", "private")
    if acl != "private":
        if ownership == "BucketOwnerEnforced":
            raise InvalidBucketAclWithObjectOwnership()
        raise unsupported(f"the canned ACL {acl}")
    existing = bucket_named(tx, name)
    if existing is not None:
        return _again(existing, call, region)
    if len(OWNED.scan(tx, CONTROL, call.account, limit=BUCKETS_MAX)) >= BUCKETS_MAX:
        raise errors.TooManyBuckets()
    tags = (request.get("CreateBucketConfiguration") or {}).get("Tags", [])
    bucket = Bucket(
        name=name, account=call.account, region=region, created=float(int(call.now)),
        ownership=ownership, tags=tuple((tag["Key"], tag["Value"]) for tag in tags),
    )  # fmt: skip
    BUCKETS.put(tx, bucket, CONTROL, name)
    OWNED.put(tx, Owned(name), CONTROL, call.account, name)
    return bucket


def _again(existing: Bucket, call: Call, region: str) -> Bucket:
    """Making a bucket again: an error everywhere but, for its owner, in us-east-1."""
    if existing.account != call.account:
        raise errors.BucketAlreadyExists(BucketName=existing.name)
    if region == "us-east-1" and existing.region == "us-east-1":
        return existing
    raise errors.BucketAlreadyOwnedByYou(BucketName=existing.name)


def _region(call: Call, configuration: Fields) -> str:
    """The new bucket's region: where the request went, which the constraint must agree with."""
    for member in ("Location", "Bucket"):
        if member in configuration:
            raise unsupported(f"CreateBucketConfiguration.{member} (directory buckets)")
    constraint = configuration.get("LocationConstraint")
    if constraint == "EU":
        constraint = "eu-west-1"
    if constraint == "us-east-1":
        raise errors.InvalidLocationConstraint(LocationConstraint=constraint)
    if call.region == "us-east-1":
        # The global endpoint, which makes buckets in every region.
        return str(constraint or "us-east-1")
    if constraint is None:
        raise errors.IllegalLocationConstraintException()
    if constraint != call.region:
        raise errors.IllegalLocationConstraintException(
            f"The {constraint} location constraint is incompatible for the region specific "
            "endpoint this request was sent to."
        )
    return str(constraint)


def change(tx: Transaction, bucket: Bucket, **changes: Any) -> Bucket:
    changed = msgspec.structs.replace(bucket, **changes)
    BUCKETS.put(tx, changed, CONTROL, bucket.name)
    return changed


def delete(tx: Transaction, call: Call, bucket: Bucket, home: Home) -> None:
    """Forget an empty bucket; uploads in progress end with it."""
    if OBJECTS.scan(tx, home, limit=1):
        raise errors.BucketNotEmpty(BucketName=bucket.name)
    uploads = UPLOADS.scan(tx, home, limit=UPLOADS_DROPPED_MAX + 1)
    if len(uploads) > UPLOADS_DROPPED_MAX:
        raise errors.BucketNotEmpty(BucketName=bucket.name)
    prefix = UPLOADS.key(home)
    for rest, _ in uploads:
        tx.delete(prefix + rest)
        _, id = texts(rest)
        deliveries.post(
            tx, call, home, "s3", "discard_parts", {"Bucket": bucket.name, "UploadId": id}
        )
    BUCKETS.delete(tx, CONTROL, bucket.name)
    OWNED.delete(tx, CONTROL, bucket.account, bucket.name)


def listed(
    tx: Reader, account: str, *, prefix: str, region: str | None, start: str, limit: int
) -> tuple[list[Bucket], str | None]:
    """The account's buckets by name from `start` on, and where the next page starts."""
    begin = OWNED.key(CONTROL, account) + text(max(start, prefix))
    found: list[Bucket] = []
    while True:
        entries = tx.scan(begin, after(OWNED.key(CONTROL, account)), 256)
        for key, raw in entries:
            name = OWNED.decode(raw).name
            if prefix and not name.startswith(prefix):
                return found, None
            bucket = bucket_named(tx, name)
            if bucket is None or (region is not None and bucket.region != region):
                continue
            if len(found) == limit:
                return found, name
            found.append(bucket)
            begin = key + b"\x00"
        if len(entries) < 256:
            return found, None
        begin = entries[-1][0] + b"\x00"


def owner(account: str) -> dict[str, str]:
    """The owner as S3 names accounts: a canonical user id."""
    return {"ID": hashlib.sha256(b"canonical user " + account.encode()).hexdigest()}


class InvalidBucketAclWithObjectOwnership(errors.AccessControlListNotSupported):
    """Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"""

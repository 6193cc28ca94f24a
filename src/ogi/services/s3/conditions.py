"""Conditional requests: of reads, of writes, of copies, in S3's order of precedence.

docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html ("Conditional requests") and
docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

from email.utils import formatdate

from ogi.service import Fields
from ogi.services.s3 import errors
from ogi.services.s3.layout import Object


def matches(header: str, etag: str) -> bool:
    """Whether an If-Match or If-None-Match header names the ETag."""
    if header.strip() == "*":
        return True
    return any(_bare(candidate) == etag for candidate in header.split(","))


def _bare(candidate: str) -> str:
    return candidate.strip().removeprefix("W/").strip('"')


def check_read(request: Fields, object: Object) -> None:
    """If-Match goes before If-Unmodified-Since, If-None-Match before If-Modified-Since."""
    if "IfMatch" in request:
        if not matches(request["IfMatch"], object.etag):
            raise errors.PreconditionFailed(Condition="If-Match")
    elif "IfUnmodifiedSince" in request and object.modified > request["IfUnmodifiedSince"]:
        raise errors.PreconditionFailed(Condition="If-Unmodified-Since")
    if "IfNoneMatch" in request:
        if matches(request["IfNoneMatch"], object.etag):
            raise _not_modified(object)
    elif "IfModifiedSince" in request and object.modified <= request["IfModifiedSince"]:
        raise _not_modified(object)


def check_copy(request: Fields, source: Object) -> None:
    """The same of a copy's source; every failure is a failed precondition."""
    if "CopySourceIfMatch" in request:
        if not matches(request["CopySourceIfMatch"], source.etag):
            raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-Match")
    elif (
        "CopySourceIfUnmodifiedSince" in request
        and source.modified > request["CopySourceIfUnmodifiedSince"]
    ):
        raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-Unmodified-Since")
    if "CopySourceIfNoneMatch" in request:
        if matches(request["CopySourceIfNoneMatch"], source.etag):
            raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-None-Match")
    elif (
        "CopySourceIfModifiedSince" in request
        and source.modified <= request["CopySourceIfModifiedSince"]
    ):
        raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-Modified-Since")


def check_write(request: Fields, existing: Object | None, key: str) -> None:
    """If-None-Match: * writes only what is new, If-Match only over what the client has seen."""
    absent, present = request.get("IfNoneMatch"), request.get("IfMatch")
    if absent is not None:
        if absent.strip() != "*" or present is not None:
            raise errors.NotImplemented_(Header="If-None-Match")
        if existing is not None:
            raise errors.PreconditionFailed(Condition="If-None-Match")
    if present is not None:
        if existing is None:
            raise errors.NoSuchKey(Key=key)
        if not matches(present, existing.etag):
            raise errors.PreconditionFailed(Condition="If-Match")


def check_delete(request: Fields, existing: Object | None) -> None:
    wanted = request.get("IfMatch", request.get("ETag"))
    if wanted is None:
        return
    if existing is None:
        raise errors.PreconditionFailed(Condition="If-Match")
    if not matches(wanted, existing.etag):
        raise errors.PreconditionFailed(Condition="If-Match")


def _not_modified(object: Object) -> errors.NotModified:
    # An answer without a body carries its members as headers.
    headers = {
        "ETag": f'"{object.etag}"',
        "Last-Modified": formatdate(object.modified, usegmt=True),
    }
    return errors.NotModified(**headers)

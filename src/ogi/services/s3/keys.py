"""The condition keys that S3 adds to a request, for policies.

docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from ogi.service import Call, Fields
from ogi.services.s3 import objects
from ogi.services.s3.service import home_of
from ogi.storage import Reader

_LIST = {"Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys"}
_WRITE = {
    "ACL": "s3:x-amz-acl",
    "GrantFullControl": "s3:x-amz-grant-full-control",
    "GrantRead": "s3:x-amz-grant-read",
    "GrantReadACP": "s3:x-amz-grant-read-acp",
    "GrantWrite": "s3:x-amz-grant-write",
    "GrantWriteACP": "s3:x-amz-grant-write-acp",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "StorageClass": "s3:x-amz-storage-class",
    "WebsiteRedirectLocation": "s3:x-amz-website-redirect-location",
    "CopySource": "s3:x-amz-copy-source",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "IfMatch": "s3:if-match",
    "IfNoneMatch": "s3:if-none-match",
}


def of_list(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    found = {key: str(request[member]) for member, key in _LIST.items() if member in request}
    # Policies that allow only the root of a bucket compare the prefix with ''.
    found.setdefault("s3:prefix", "")
    return found


def of_write(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: request[member] for member, key in _WRITE.items() if member in request
    }
    tagging = request.get("Tagging")
    if tagging:
        pairs = (
            parse_qsl(tagging, keep_blank_values=True)
            if isinstance(tagging, str)
            else [(tag["Key"], tag["Value"]) for tag in tagging["TagSet"]]
        )
        found["s3:RequestObjectTagKeys"] = [key for key, _ in pairs]
        found.update({f"s3:RequestObjectTag/{key}": value for key, value in pairs})
    return found


def of_read(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    """The tags that the object has."""
    found = objects.get(tx, home_of(request["Bucket"]), request["Key"])
    if found is None or not found.tags:
        return {}
    return {f"s3:ExistingObjectTag/{key}": value for key, value in found.tags}


def of_bucket(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    found = of_write(tx, call, {k: v for k, v in request.items() if k != "Tagging"})
    configuration = request.get("CreateBucketConfiguration") or {}
    if "LocationConstraint" in configuration:
        found["s3:locationconstraint"] = configuration["LocationConstraint"]
    if "ObjectOwnership" in request:
        found["s3:x-amz-object-ownership"] = request["ObjectOwnership"]
    return found

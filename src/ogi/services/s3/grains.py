"""What S3's actions are on: a bucket, or the objects in it. A bucket policy whose action is on
neither of its statement's resources is refused.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_s3.html, "Actions defined by
Amazon S3"; what is not listed here is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from re import compile

ON_OBJECTS = frozenset(
    "s3:" + name.lower()
    for name in (
        "AbortMultipartUpload", "BypassGovernanceRetention", "DeleteObject", "DeleteObjectTagging",
        "DeleteObjectVersion", "DeleteObjectVersionTagging", "GetObject", "GetObjectAcl",
        "GetObjectAttributes", "GetObjectLegalHold", "GetObjectRetention", "GetObjectTagging",
        "GetObjectTorrent", "GetObjectVersion", "GetObjectVersionAcl",
        "GetObjectVersionAttributes", "GetObjectVersionForReplication", "GetObjectVersionTagging",
        "GetObjectVersionTorrent", "InitiateReplication", "ListMultipartUploadParts",
        "ObjectOwnerOverrideToBucketOwner", "PutObject", "PutObjectAcl", "PutObjectLegalHold",
        "PutObjectRetention", "PutObjectTagging", "PutObjectVersionAcl",
        "PutObjectVersionTagging", "ReplicateDelete", "ReplicateObject", "ReplicateTags",
        "RestoreObject",
    )
)  # fmt: skip
ON_BUCKETS = frozenset(
    "s3:" + name.lower()
    for name in (
        "DeleteBucket", "DeleteBucketPolicy", "DeleteBucketWebsite", "GetAccelerateConfiguration",
        "GetAnalyticsConfiguration", "GetBucketAcl", "GetBucketCORS", "GetBucketLocation",
        "GetBucketLogging", "GetBucketNotification", "GetBucketObjectLockConfiguration",
        "GetBucketOwnershipControls", "GetBucketPolicy", "GetBucketPolicyStatus",
        "GetBucketPublicAccessBlock", "GetBucketRequestPayment", "GetBucketTagging",
        "GetBucketVersioning", "GetBucketWebsite", "GetEncryptionConfiguration",
        "GetIntelligentTieringConfiguration", "GetInventoryConfiguration",
        "GetLifecycleConfiguration", "GetMetricsConfiguration", "GetReplicationConfiguration",
        "ListBucket", "ListBucketMultipartUploads", "ListBucketVersions",
        "PutAccelerateConfiguration", "PutAnalyticsConfiguration", "PutBucketAcl", "PutBucketCORS",
        "PutBucketLogging", "PutBucketNotification", "PutBucketObjectLockConfiguration",
        "PutBucketOwnershipControls", "PutBucketPolicy", "PutBucketPublicAccessBlock",
        "PutBucketRequestPayment", "PutBucketTagging", "PutBucketVersioning", "PutBucketWebsite",
        "PutEncryptionConfiguration", "PutIntelligentTieringConfiguration",
        "PutInventoryConfiguration", "PutLifecycleConfiguration", "PutMetricsConfiguration",
        "PutReplicationConfiguration",
    )
)  # fmt: skip


def fits(action: str, resources: Iterable[str]) -> bool:
    """Whether an action (or one that a pattern matches) is on one of the resources."""
    on_objects, on_buckets = _kinds(action.lower())
    if not on_objects and not on_buckets:
        return True
    return any(
        (on_objects and _may_be_object(resource)) or (on_buckets and _may_be_bucket(resource))
        for resource in resources
    )


@lru_cache(maxsize=1024)
def _kinds(action: str) -> tuple[bool, bool]:
    """Whether it is on objects, and whether on buckets."""
    if "*" not in action and "?" not in action:
        return action in ON_OBJECTS, action in ON_BUCKETS
    # Policies know * and ? only, and an action has no brackets, which fnmatch takes for more.
    matches = compile(translate(action.replace("[", ""))).fullmatch
    return any(map(matches, ON_OBJECTS)), any(map(matches, ON_BUCKETS))


def _may_be_object(arn: str) -> bool:
    return "/" in arn or "*" in arn


def _may_be_bucket(arn: str) -> bool:
    return "/" not in arn

"""S3's operations on buckets as such, in AWS's words."""

from __future__ import annotations

import base64
import binascii

from ogi.service import Call, Fields
from ogi.services.s3 import buckets, errors, keys
from ogi.services.s3.service import SERVICE, bucket_arn, home_of
from ogi.storage import CONTROL, Home, Reader, Transaction


def in_control(call: Call, request: Fields) -> Home:
    return CONTROL


@SERVICE.operation(
    on=bucket_arn, keys=keys.of_bucket, home=in_control,
    unsupported=(
        "ObjectLockEnabledForBucket", "GrantFullControl", "GrantRead", "GrantReadACP",
        "GrantWrite", "GrantWriteACP", "BucketNamespace",
    ),
)  # fmt: skip
def create_bucket(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket = buckets.create(tx, call, request)
    call.note("s3.bucket", bucket=bucket.name, region=bucket.region)
    return {"Location": f"/{bucket.name}", "BucketArn": bucket.arn}


@SERVICE.operation(on=bucket_arn, action="ListBucket", reads=True)
def head_bucket(tx: Reader, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    return {"BucketRegion": bucket.region, "BucketArn": bucket.arn, "AccessPointAlias": False}


@SERVICE.operation(on=bucket_arn, home=lambda call, request: (CONTROL, home_of(request["Bucket"])))
def delete_bucket(tx: Transaction, call: Call, request: Fields) -> Fields:
    bucket = buckets.find(tx, call, request)
    buckets.delete(tx, call, bucket, home_of(bucket.name))
    return {}


@SERVICE.operation(on=bucket_arn, reads=True)
def get_bucket_location(tx: Reader, call: Call, request: Fields) -> Fields:
    region = buckets.find(tx, call, request).region
    # The oldest region answers with an empty element.
    return {} if region == "us-east-1" else {"LocationConstraint": region}


@SERVICE.operation(action="ListAllMyBuckets", reads=True)
def list_buckets(tx: Reader, call: Call, request: Fields) -> Fields:
    limit = request.get("MaxBuckets", buckets.LIST_MAX)
    if not 1 <= limit <= buckets.LIST_MAX:
        raise errors.InvalidArgument(
            "Argument max-buckets must be an integer between 1 and 10000",
            ArgumentName="max-buckets", ArgumentValue=str(limit),
        )  # fmt: skip
    token = request.get("ContinuationToken")
    found, following = buckets.listed(
        tx, call.account, prefix=request.get("Prefix", ""), region=request.get("BucketRegion"),
        start=_start(token) if token else "", limit=limit,
    )  # fmt: skip
    result: Fields = {
        "Buckets": [
            {
                "Name": bucket.name,
                "CreationDate": bucket.created,
                "BucketRegion": bucket.region,
                "BucketArn": bucket.arn,
            }
            for bucket in found
        ],
        "Owner": buckets.owner(call.account),
    }
    if "Prefix" in request:
        result["Prefix"] = request["Prefix"]
    if following is not None:
        result["ContinuationToken"] = base64.urlsafe_b64encode(following.encode()).decode()
    return result


def _start(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise errors.InvalidArgument(
            "The continuation token provided is incorrect", ArgumentName="continuation-token"
        ) from None

"""How CloudTrail calls things: events and their sources, what is data, what only reads, resources.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.wire import models

DATA: Mapping[str, frozenset[str]] = {
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
    # logging-using-cloudtrail.html
    "sqs": frozenset({
        "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "DeleteMessage",
        "DeleteMessageBatch", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues",
        "ListQueues", "ListQueueTags", "ReceiveMessage", "SendMessage", "SendMessageBatch",
    }),
    # docs.aws.amazon.com/sns/latest/dg/logging-using-cloudtrail.html
    "sns": frozenset({"Publish", "PublishBatch"}),
    # docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
    "s3": frozenset({
        "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateMultipartUpload",
        "DeleteObject", "DeleteObjects", "DeleteObjectTagging", "GetObject", "GetObjectAcl",
        "GetObjectAttributes", "GetObjectTagging", "HeadBucket", "HeadObject",
        "ListMultipartUploads", "ListObjects", "ListObjectsV2", "ListObjectVersions", "ListParts",
        "PutObject", "PutObjectAcl", "PutObjectTagging", "RestoreObject", "UploadPart",
        "UploadPartCopy",
    }),
    # docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
    "lambda": frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"}),
    # docs.aws.amazon.com/AmazonCloudWatch/latest/logs/logging_cw_api_calls_cwl.html names what is
    # a management event; these are not among them.
    "logs": frozenset({"FilterLogEvents", "GetLogEvents", "GetLogRecord", "PutLogEvents"}),
    # docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/logging_cw_api_calls.html
    "cloudwatch": frozenset({
        "GetMetricData", "GetMetricStatistics", "GetMetricWidgetImage", "ListMetrics",
        "PutMetricData",
    }),
}  # fmt: skip
"""Data events by botocore's name of the service; everything else is a management event."""

_READS = ("BatchGet", "Check", "Describe", "Detect", "Estimate", "Filter", "Get", "Head", "List",
          "Preview", "Receive", "Search", "Simulate", "Test", "Validate")  # fmt: skip
_READ_ONLY: Mapping[str, frozenset[str]] = {
    # docs.aws.amazon.com/kms/latest/developerguide/understanding-kms-entries.html
    "kms": frozenset({
        "Decrypt", "DeriveSharedSecret", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac",
        "GenerateRandom", "ReEncrypt", "Sign", "Verify", "VerifyMac",
    }),
    "sts": frozenset({
        "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity",
        "DecodeAuthorizationMessage",
    }),
}  # fmt: skip
ANSWERED: Mapping[str, frozenset[str]] = {
    # docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
    "sts": frozenset({
        "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetFederationToken",
        "GetSessionToken",
    }),
}  # fmt: skip
"""Reads whose response elements are recorded nevertheless."""

_SOURCES = {"cloudwatch": "monitoring"}
_S3_NAMES = {
    # docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetBucketLifecycle",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "ListObjectsV2": "ListObjects",
    "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
_LAMBDA_SECOND = frozenset({
    "AddPermission", "GetFunction", "GetFunctionConfiguration", "GetPolicy", "RemovePermission",
    "TagResource", "UntagResource", "UpdateFunctionCode", "UpdateFunctionConfiguration",
})  # fmt: skip
"""Operations of Lambda whose event is named `...v2`."""

_TYPES = {
    "sqs": "AWS::SQS::Queue", "sns": "AWS::SNS::Topic", "kms": "AWS::KMS::Key",
    "lambda": "AWS::Lambda::Function", "sts": "AWS::IAM::Role",
}  # fmt: skip


def source(service: str) -> str:
    """`sqs.amazonaws.com`; CloudWatch's is `monitoring.amazonaws.com`."""
    return f"{_SOURCES.get(service, service)}.amazonaws.com"


def is_data(service: str, operation: str) -> bool:
    return operation in DATA.get(service, ())


def is_read(service: str, operation: str) -> bool:
    return operation.startswith(_READS) or operation in _READ_ONLY.get(service, ())


def event(service: str, operation: str) -> str:
    """The event's name: the operation's, but for some of S3's and most of Lambda's.

    "The eventName might include date and version information, such as GetFunction20150331":
    docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
    """
    if service == "s3":
        return _S3_NAMES.get(operation, operation)
    if service != "lambda" or is_data(service, operation):
        return operation
    found = models.load("lambda").operation(operation)
    version = found.uri.split("/")[1].replace("-", "") if found is not None else ""
    if not version.isdigit():
        return operation
    return f"{operation}{version}{'v2' if operation in _LAMBDA_SECOND else ''}"


def resources(
    service: str, region: str, account: str, asked: Mapping[str, Any], result: Mapping[str, Any]
) -> list[dict[str, str]]:
    """What was accessed, as far as request and answer name it; [] if they do not."""
    if service == "s3":
        return _s3(asked)
    arn = _arn(service, region, account, asked, result)
    if not arn:
        return []
    return [{"accountId": arn.split(":")[4], "type": _TYPES[service], "ARN": arn}]


def _s3(asked: Mapping[str, Any]) -> list[dict[str, str]]:
    bucket, key = asked.get("Bucket"), asked.get("Key")
    if type(bucket) is not str:
        return []
    found = [{"type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}]
    if type(key) is str:
        found.insert(0, {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"})
    return found


def _arn(
    service: str, region: str, account: str, asked: Mapping[str, Any], result: Mapping[str, Any]
) -> str:
    if service == "sqs":
        parts = str(asked.get("QueueUrl") or result.get("QueueUrl") or "").rsplit("/", 2)
        if len(parts) == 1 and parts[0]:
            parts = ["", account, parts[0]]  # A queue's name in place of its URL.
        return f"arn:aws:sqs:{region}:{parts[1]}:{parts[2]}" if len(parts) == 3 else ""
    if service == "sns":
        return _whole(result.get("TopicArn") or asked.get("TopicArn"))
    if service == "kms":
        made = result.get("KeyMetadata")
        named = made.get("Arn") if isinstance(made, Mapping) else result.get("KeyId")
        return _whole(named) or _whole(asked.get("KeyId"))
    if service == "lambda":
        name = asked.get("FunctionName")
        if type(name) is not str:
            return ""
        return _whole(name) or f"arn:aws:lambda:{region}:{account}:function:{name}"
    return _whole(asked.get("RoleArn")) if service == "sts" else ""


def _whole(arn: Any) -> str:
    """`arn` if it is one."""
    return arn if type(arn) is str and arn.startswith("arn:") and arn.count(":") >= 5 else ""

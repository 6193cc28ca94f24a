"""Every deviation from the models, each with its reason.

The models are written for clients; what is here is what servers do beside them. The other files of
this package read these tables, they hold no service's name themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from ogi.wire.models import Operation, Shape
from ogi.wire.scalars import iso8601_milliseconds, iso8601_seconds

# -- query ----------------------------------------------------------------------------------------

NAMESPACES = {"sqs": "http://queue.amazonaws.com/doc/2012-11-05/"}
"""SQS's model is a JSON one today and has lost the namespace of its XML answers."""

QUERY_NAMES: dict[str, dict[str, str]] = {
    "sqs": {
        # It has lost the names of its query parameters too. They are in the last query model
        # (botocore 1.31.80), and in the sample requests of each action's page, as in
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
        "AWSAccountIdList.member": "AWSAccountId",
        "ActionNameList.member": "ActionName",
        "AttributeNameList.member": "AttributeName",
        "BatchResultErrorEntryList.member": "BatchResultErrorEntry",
        "BinaryList.member": "BinaryListValue",
        "ChangeMessageVisibilityBatchRequestEntryList.member": (
            "ChangeMessageVisibilityBatchRequestEntry"
        ),
        "ChangeMessageVisibilityBatchResultEntryList.member": (
            "ChangeMessageVisibilityBatchResultEntry"
        ),
        "CreateQueueRequest.Attributes": "Attribute",
        "CreateQueueRequest.tags": "Tag",
        "DeleteMessageBatchRequestEntryList.member": "DeleteMessageBatchRequestEntry",
        "DeleteMessageBatchResultEntryList.member": "DeleteMessageBatchResultEntry",
        "GetQueueAttributesResult.Attributes": "Attribute",
        "ListMessageMoveTasksResultEntryList.member": "ListMessageMoveTasksResultEntry",
        "ListQueueTagsResult.Tags": "Tag",
        "Message.Attributes": "Attribute",
        "Message.MessageAttributes": "MessageAttribute",
        "MessageAttributeNameList.member": "MessageAttributeName",
        "MessageAttributeValue.BinaryListValues": "BinaryListValue",
        "MessageAttributeValue.StringListValues": "StringListValue",
        "MessageBodyAttributeMap.key": "Name",
        "MessageBodyAttributeMap.value": "Value",
        "MessageBodySystemAttributeMap.key": "Name",
        "MessageBodySystemAttributeMap.value": "Value",
        "MessageList.member": "Message",
        "MessageSystemAttributeList.member": "MessageSystemAttributeName",
        "MessageSystemAttributeMap.key": "Name",
        "MessageSystemAttributeMap.value": "Value",
        "MessageSystemAttributeValue.BinaryListValues": "BinaryListValue",
        "MessageSystemAttributeValue.StringListValues": "StringListValue",
        "QueueAttributeMap.key": "Name",
        "QueueAttributeMap.value": "Value",
        "QueueUrlList.member": "QueueUrl",
        "SendMessageBatchRequestEntry.MessageAttributes": "MessageAttribute",
        "SendMessageBatchRequestEntry.MessageSystemAttributes": "MessageSystemAttribute",
        "SendMessageBatchRequestEntryList.member": "SendMessageBatchRequestEntry",
        "SendMessageBatchResultEntryList.member": "SendMessageBatchResultEntry",
        "SendMessageRequest.MessageAttributes": "MessageAttribute",
        "SendMessageRequest.MessageSystemAttributes": "MessageSystemAttribute",
        "SetQueueAttributesRequest.Attributes": "Attribute",
        "StringList.member": "StringListValue",
        "TagKeyList.member": "TagKey",
        "TagMap.key": "Key",
        "TagMap.value": "Value",
        "TagQueueRequest.Tags": "Tag",
    },
}

QUERY_ALIASES = {"sqs": {"Tags": "Tag"}}
"""Other names of parameters that clients send: the AWS SDK for Java writes `Tags.1.Key` in TagQueue
(aws/aws-sdk-java-v2#2524 on GitHub)."""

QUERY_UNNUMBERED = frozenset({"sqs"})
"""Where a list or map of one may come without its number: `Attribute.Name=Policy` of the page of
SetQueueAttributes that follows, and `AttributeName=All` of clients like boto 2 and kombu 4.0.
https://docs.aws.amazon.com/AWSSimpleQueueService/2009-02-01/APIReference/Query_QuerySetQueueAttributes.html"""

QUERY_SENTENCES = {
    "sqs": {
        # As AWS's command line heard it over Query (softwaremill/elasticmq#825 on GitHub).
        "The specified queue does not exist.": (
            "The specified queue does not exist for this wsdl version."
        ),
    },
}
"""What is said in other words over Query."""

QUERY_PATH_MEMBER = {"sqs": "QueueUrl"}
"""Query requests to SQS may be sent to the queue's URL and then need not name the queue:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html"""

TIMESTAMPS: dict[str, Callable[[float], str]] = {
    # Those that the examples of the operations' pages show: CloudFormation and S3 always write
    # three digits of fraction, IAM and STS none.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackEvents.html
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
    "cloudformation": iso8601_milliseconds,
    "s3": iso8601_milliseconds,
    "iam": iso8601_seconds,
    "sts": iso8601_seconds,
}

QUERY_DETAIL = frozenset({"sqs"})
"""SQS's XML errors have an empty Detail after the message, as in the page above."""

UNKNOWN_ACTION = {
    # XervoIO/aws-sqs#3 and mirkokiefer/aws-lib#8 on GitHub.
    "sqs": "The action {action} is not valid for this endpoint.",
}
UNKNOWN_ACTION_ELSE = "Could not find operation {action} for version {version}"

# -- errors ---------------------------------------------------------------------------------------

_SQS = "AWS.SimpleQueueService."

QUERY_ERRORS: dict[str, dict[str, tuple[str, int]]] = {
    "sqs": {
        # The JSON model of SQS says neither code nor status. The codes are those of its query
        # model before November 2023; with awsQueryCompatible they are still what SDKs show:
        # https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#x-amzn-query-error
        "BatchEntryIdsNotDistinct": (f"{_SQS}BatchEntryIdsNotDistinct", 400),
        "BatchRequestTooLong": (f"{_SQS}BatchRequestTooLong", 400),
        "EmptyBatchRequest": (f"{_SQS}EmptyBatchRequest", 400),
        "InvalidAddress": ("InvalidAddress", 404),
        "InvalidBatchEntryId": (f"{_SQS}InvalidBatchEntryId", 400),
        "MessageNotInflight": (f"{_SQS}MessageNotInflight", 400),
        "PurgeQueueInProgress": (f"{_SQS}PurgeQueueInProgress", 403),
        "QueueDeletedRecently": (f"{_SQS}QueueDeletedRecently", 400),
        "QueueDoesNotExist": (f"{_SQS}NonExistentQueue", 400),
        "QueueNameExists": ("QueueAlreadyExists", 400),
        "TooManyEntriesInBatchRequest": (f"{_SQS}TooManyEntriesInBatchRequest", 400),
        "UnsupportedOperation": (f"{_SQS}UnsupportedOperation", 400),
        "OverLimit": ("OverLimit", 403),
        "KmsAccessDenied": ("KMS.AccessDeniedException", 400),
        "KmsDisabled": ("KMS.DisabledException", 400),
        "KmsInvalidKeyUsage": ("KMS.InvalidKeyUsageException", 400),
        "KmsInvalidState": ("KMS.InvalidStateException", 400),
        "KmsNotFound": ("KMS.NotFoundException", 400),
        "KmsOptInRequired": ("KMS.OptInRequired", 403),
        "KmsThrottled": ("KMS.ThrottlingException", 400),
        # That what is not found is 404 shows in answers that users quote: aws/aws-sdk-net#437
        # (addresses); spulec/PyQS#24, awslabs/amazon-sqs-java-extended-client-lib#16 (handles).
        "ReceiptHandleIsInvalid": ("ReceiptHandleIsInvalid", 404),
        "RequestThrottled": ("RequestThrottled", 403),
        "ResourceNotFoundException": ("ResourceNotFoundException", 404),
    },
}

INTERNAL_ERRORS = {
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    "s3": ("InternalError", "We encountered an internal error. Please try again."),
}

TYPE_PREFIX = {"sqs": "com.amazonaws.sqs#"}
"""SQS's `__type` names its namespace; KMS's and Logs' do not. SDKs cut it off."""

TYPE_NAMES = {
    # Of errors that are in no model: the framework's names, while x-amzn-query-error has those of
    # Query. As AWS answered http4k/http4k#1336 and brefphp/laravel-bridge#154 (GitHub), and
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
    "sqs": {
        "AccessDenied": "AccessDeniedException",
        "InvalidParameterValue": "InvalidParameterValueException",
        "MissingParameter": "MissingRequiredParameterException",
    },
}

# -- validation -----------------------------------------------------------------------------------

OWN_WORDS = frozenset({"sqs", "s3"})
"""These check limits themselves and in their own words; the others answer with the sentences of
ogi.wire.constraints, made from the model."""

VALIDATION_CODES = {
    # In the words of users' reports: `InvalidParameterException: 1 validation error detected:
    # Value null at 'logEvents.1.member.timestamp' failed ...` (PutLogEvents); `ValidationException
    # ... when calling the CreateFunction operation: 1 validation error detected` (Lambda, KMS);
    # `ValidationError` for those that speak query (IAM, STS, CloudFormation, CloudWatch, SNS).
    "logs": "InvalidParameterException",
    "iam": "ValidationError",
    "sts": "ValidationError",
    "cloudformation": "ValidationError",
    "cloudwatch": "ValidationError",
    "sns": "ValidationError",
}

UNCHECKED_SHAPES = {
    # Lambda answers an unknown runtime with a sentence of its own, which its service knows.
    "lambda": frozenset({"Runtime"}),
}

PATTERN_SENTENCES = {
    # Quoted by users: github.com/app-sre/qontract-reconcile/pull/2640 (names) and
    # github.com/aws-cloudformation/cfn-lint/pull/782 (paths).
    "iam": {
        r"[\w+=,.@-]+": "The specified value for {} is invalid. It must contain only alphanumeric "
        "characters and/or the following: +=,.@_-",
        r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)": "The specified value for {} is invalid. It "
        "must begin and end with / and contain only alphanumeric characters and/or / characters.",
    },
}
"""What a service says of its own, and by itself, where a value does not match a pattern; `{}` is
the member."""

PATTERNS = {
    # Java takes `\w-_` for three members of a class, Python for a range that it refuses.
    r"[\w-_]*": r"[\w\-_]*",
}

SQS_MISSING_NAMES = {"Attributes": "Attribute.Name", "Tags": "Tag.Key"}
"""`MissingParameter: The request must contain the parameter Attribute.Name.`"""

SQS_EMPTY_IF_MISSING = "Entries"
"""Query has no way to say an empty list, so a batch without entries is an empty batch
(AWS.SimpleQueueService.EmptyBatchRequest), not a missing parameter."""

# -- rest -----------------------------------------------------------------------------------------

STREAMED = frozenset({"s3"})
"""Lambda's InvokeAsync has a streaming payload by the model, but it is a small event."""

STATUSES: dict[str, int] = {
    # Their pages say 200 and show 204, and so does S3: answers of `Server: AmazonS3` are quoted in
    # github.com/versity/versitygw/issues/1712 (policies) and /932 (tags).
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
    "PutBucketPolicy": 204,
    "PutBucketTagging": 204,
}

_HIDDEN = {
    # Other names of operations with the same method and URI. ListDirectoryBuckets is told from
    # ListBuckets by the host of S3 Express alone.
    "s3": frozenset({"ListDirectoryBuckets"}),
}


def is_hidden(operation: Operation) -> bool:
    """The operation cannot be told from another by its request."""
    service = operation.model.service
    return operation.name in _HIDDEN.get(service, ()) or (service == "s3" and operation.deprecated)


XML_ROOTS = {
    # The models name no root for answers without a payload member; SDKs do not look at it, people
    # and older tools do. Names from the response syntax of each operation's page under
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

BARE_ROOTS = {"GetBucketLocation": "LocationConstraint"}
"""The only member is the root's own text. botocore and the others parse it by hand."""

LENIENT_TIMESTAMPS = frozenset({"Expires"})
"""S3 keeps whatever was given as Expires and gives it back; it is a text that may be a date."""

IGNORED_IF_INVALID = frozenset(
    {"IfModifiedSince", "IfUnmodifiedSince", "CopySourceIfModifiedSince"}
    | {"CopySourceIfUnmodifiedSince"}
)
"""RFC 9110, 13.1.3: a recipient must ignore the condition if its date is not valid."""

S3_INTEGERS = {
    "partNumber": "Part number must be an integer between 1 and 10000, inclusive",
}
S3_INTEGER_ELSE = "Provided {name} not an integer or within integer range"

S3_HEADER_NOT_LATIN = "Header value cannot be represented using ISO-8859-1."
"""How S3 answers `?response-content-disposition=` with other characters."""

S3_CHECKSUM_MISSING = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"

S3_SUMS_OF_OBJECT = frozenset({"CompleteMultipartUpload"})
"""Their x-amz-checksum-* headers are of the object that is made, not of the body: API page of
CompleteMultipartUpload."""

ALWAYS_CONSUMED = frozenset({"list-type"})
"""A sub-resource by the model, but `list-type=1` is just the first ListObjects."""

DISCRIMINATORS = {"s3": frozenset({"uploadId", "partNumber"})}
"""Query names that choose an operation like sub-resources do: a request that has one must not end
in an operation that does not know it (an UploadPart without its number is not a PutObject)."""


def root_name(operation: Operation, shape: Shape, fallback: str) -> str:
    """The root element of an answer or of a payload."""
    return XML_ROOTS.get(operation.name) or shape.location_name or fallback

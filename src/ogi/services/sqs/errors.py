"""What SQS refuses, in its words: shapes of its model, and the generic codes that it answers too.

`code` is the code of the Query protocol (and of the header `x-amzn-query-error` of JSON), where it
differs from the shape's name: the model's trait awsQueryError.
"""

from __future__ import annotations

from ogi.errors import AwsError


class QueueDoesNotExist(AwsError):
    """The specified queue does not exist."""

    code = "AWS.SimpleQueueService.NonExistentQueue"


class QueueNameExists(AwsError):
    """A queue already exists with the same name and a different value for an attribute"""

    code = "QueueAlreadyExists"

    @classmethod
    def by(cls, attribute: str) -> QueueNameExists:
        return cls(
            "A queue already exists with the same name and a different value for attribute "
            + attribute
        )


class QueueDeletedRecently(AwsError):
    """You must wait 60 seconds after deleting a queue before you can create another with the same name."""  # noqa: E501

    code = "AWS.SimpleQueueService.QueueDeletedRecently"


class PurgeQueueInProgress(AwsError):
    """Only one PurgeQueue operation on each queue is allowed every 60 seconds."""

    code = "AWS.SimpleQueueService.PurgeQueueInProgress"

    @classmethod
    def on(cls, queue_name: str) -> PurgeQueueInProgress:
        return cls(f"Only one PurgeQueue operation on {queue_name} is allowed every 60 seconds.")


class InvalidAddress(AwsError):
    """The specified ID is invalid."""

    @classmethod
    def of(cls, url: str) -> InvalidAddress:
        return cls(f"The address {url} is not valid for this endpoint.")


class InvalidAttributeName(AwsError):
    """The specified attribute doesn't exist."""

    @classmethod
    def of(cls, name: str) -> InvalidAttributeName:
        return cls(f"Unknown Attribute {name}.")


class InvalidAttributeValue(AwsError):
    """A queue attribute value is invalid."""

    @classmethod
    def of(cls, name: str) -> InvalidAttributeValue:
        return cls(f"Invalid value for the parameter {name}.")


class InvalidMessageContents(AwsError):
    """The message contains characters outside the allowed set."""


class ReceiptHandleIsInvalid(AwsError):
    """The input receipt handle is not a valid receipt handle."""

    @classmethod
    def of(cls, handle: str) -> ReceiptHandleIsInvalid:
        return cls(f'The input receipt handle "{handle}" is not a valid receipt handle.')

    @classmethod
    def elsewhere(cls, handle: str) -> ReceiptHandleIsInvalid:
        # As AWS's users report it: spulec/PyQS#24, aws/aws-sdk-java-v2#3101 on GitHub.
        return cls(f'The receipt handle "{handle}" is not valid for this queue.')


class OverLimit(AwsError):
    """The specified action violates a limit."""


class RequestThrottled(AwsError):
    """Request is throttled"""

    # The sentence of AWS's answers that users report (vectordotdev/vector#9005 on GitHub).


class EmptyBatchRequest(AwsError):
    """The batch request doesn't contain any entries."""

    code = "AWS.SimpleQueueService.EmptyBatchRequest"


class TooManyEntriesInBatchRequest(AwsError):
    """The batch request contains more entries than permissible."""

    code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"


class BatchEntryIdsNotDistinct(AwsError):
    """Two or more batch entries in the request have the same Id."""

    code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"


class InvalidBatchEntryId(AwsError):
    """A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."""  # noqa: E501

    code = "AWS.SimpleQueueService.InvalidBatchEntryId"


class BatchRequestTooLong(AwsError):
    """The length of all the messages put together is more than the limit."""

    code = "AWS.SimpleQueueService.BatchRequestTooLong"


class ResourceNotFoundException(AwsError):
    """The resource that you specified for the SourceArn parameter doesn't exist."""


class CouldNotDetermineMessageSource(AwsError):
    """The message was sent to the dead-letter queue itself, so that it has no source to go to.

    Only a FailureReason of move tasks; the developer guide: only messages that SQS moved there
    can be moved to their source.
    """

    code = "CouldNotDetermineMessageSource"


class InvalidParameterValue(AwsError):
    """One or more parameters cannot be validated."""

    code = "InvalidParameterValue"

    @classmethod
    def of(cls, name: str, value: object, reason: str) -> InvalidParameterValue:
        return cls(f"Value {value} for parameter {name} is invalid. Reason: {reason}")


class MissingParameter(AwsError):
    """A required parameter is missing."""

    code = "MissingParameter"

    @classmethod
    def of(cls, name: str) -> MissingParameter:
        return cls(f"The request must contain the parameter {name}.")


class AccessDenied(AwsError):
    """Access to the resource is denied."""

    code = "AccessDenied"
    status = 403


class KmsRefused(AwsError):
    """KMS refused to encrypt or decrypt a message."""


class KmsAccessDenied(KmsRefused):
    """The caller doesn't have the required KMS access."""

    code = "KMS.AccessDeniedException"


class KmsDisabled(KmsRefused):
    """The request was rejected because the specified KMS key is not enabled."""

    code = "KMS.DisabledException"


class KmsInvalidState(KmsRefused):
    """The request was rejected because the state of the specified resource is not valid for this request."""  # noqa: E501

    code = "KMS.InvalidStateException"


class KmsNotFound(KmsRefused):
    """The request was rejected because the specified entity or resource could not be found."""

    code = "KMS.NotFoundException"


class KmsThrottled(KmsRefused):
    """Amazon Web Services KMS throttles requests for the following conditions."""

    code = "KMS.ThrottlingException"


class KmsInvalidKeyUsage(KmsRefused):
    """The request was rejected because the key usage or algorithm does not fit the operation."""

    code = "KMS.InvalidKeyUsageException"

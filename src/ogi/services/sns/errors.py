"""SNS's refusals: docs.aws.amazon.com/sns/latest/api/CommonErrors.html and each action's page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ogi.errors import AwsError


class AuthorizationErrorException(AwsError):
    """Indicates that the user has been denied access to the requested resource."""


class NotFoundException(AwsError):
    """Topic does not exist"""


class ResourceNotFoundException(AwsError):
    """Resource does not exist"""


class InvalidParameterException(AwsError):
    """A parameter is invalid; `of` names it as SNS does."""

    attribute = ""
    """The name of an attribute that there is not."""

    @classmethod
    def of(cls, name: str, reason: str = "") -> InvalidParameterException:
        return cls(f"Invalid parameter: {name}" + (f" Reason: {reason}" if reason else ""))

    @classmethod
    def unknown(cls, attribute: str) -> InvalidParameterException:
        refused = cls.of("AttributeName")
        refused.attribute = attribute
        return refused


def check_elements(arn: str, member: str) -> None:
    """Refuse what has too few elements for an ARN."""
    elements = len(arn.split(":"))
    if elements < 6:
        raise InvalidParameterException.of(
            member, f"An ARN must have at least 6 elements, not {elements}"
        )


def check_slashes(resource: str, count: int, member: str) -> None:
    """Refuse the last part of an ARN of mobile push that has other than so many slashes."""
    if resource.count("/") != count:
        raise InvalidParameterException.of(
            member, "Wrong number of slashes in relative portion of the ARN."
        )


@contextmanager
def of_attributes() -> Iterator[None]:
    """What is refused of one attribute, in the words for several: CreateTopic and Subscribe.

    "Invalid parameter: Attributes Reason: RedrivePolicy: invalid JSON. Attribute maxReceiveCount is
    unknown.", "... Reason: Unknown attribute FifoTopic", "... Reason: DisplayName" are answers of
    AWS in github.com/cloudposse/terraform-aws-sns-topic/issues/48,
    github.com/hashicorp/terraform-provider-aws/pull/22282 and what real deployments were told in
    github.com/badmintoncryer/cdk-preflight, rules/sns, which other files name for their sentences.
    """
    try:
        yield
    except InvalidParameterException as error:
        reason = error.message.removeprefix("Invalid parameter: ")
        if error.attribute:
            reason = f"Unknown attribute {error.attribute}"
        elif " Reason: " in reason:
            raise
        raise InvalidParameterException.of("Attributes", reason) from error


class InvalidParameterValueException(AwsError):
    """A message attribute's value does not fit its type."""


class TopicLimitExceededException(AwsError):
    """The customer already owns the maximum allowed number of topics."""


class SubscriptionLimitExceededException(AwsError):
    """The customer already owns the maximum allowed number of subscriptions."""


class FilterPolicyLimitExceededException(AwsError):
    """The number of filter polices in your Amazon Web Services account exceeds the limit."""


class InvalidStateException(AwsError):
    """The specified state is not a valid state."""


class TagLimitExceededException(AwsError):
    """Could not complete request: tag quota of per resource exceeded"""


class EmptyBatchRequestException(AwsError):
    """The batch request doesn't contain any entries."""


class TooManyEntriesInBatchRequestException(AwsError):
    """The batch request contains more entries than permissible (more than 10)."""


class BatchEntryIdsNotDistinctException(AwsError):
    """Two or more batch entries in the request have the same Id."""


class InvalidBatchEntryIdException(AwsError):
    """The Id of a batch entry in a batch request doesn't abide by the specification."""


class BatchRequestTooLongException(AwsError):
    """The length of all the batch messages put together is more than the limit."""


class KMSAccessDeniedException(AwsError):
    """The ciphertext references a key that doesn't exist or that you don't have access to."""


class KMSDisabledException(AwsError):
    """The specified KMS key isn't enabled."""


class KMSInvalidStateException(AwsError):
    """The state of the specified resource isn't valid for this request."""


class KMSNotFoundException(AwsError):
    """The specified entity or resource can't be found."""


class KMSThrottlingException(AwsError):
    """The request was denied due to request throttling."""


class EndpointDisabledException(AwsError):
    """Endpoint is disabled"""


class OptedOutException(AwsError):
    """The phone number has opted out of receiving SMS messages."""


class ThrottledException(AwsError):
    """Rate exceeded"""


class UserErrorException(AwsError):
    """A parameter does not comply with the associated constraints."""


class VerificationException(AwsError):
    """The one-time password (OTP) used for verification is invalid."""

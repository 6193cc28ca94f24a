"""IAM's refusals. https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"""

from __future__ import annotations

from ogi.errors import AwsError


class AccessDenied(AwsError):
    """User is not authorized to perform the operation."""

    status = 403


class NoSuchEntityException(AwsError):
    pass


class EntityAlreadyExistsException(AwsError):
    pass


class DeleteConflictException(AwsError):
    pass


class LimitExceededException(AwsError):
    pass


class MalformedPolicyDocumentException(AwsError):
    pass


class InvalidInputException(AwsError):
    pass


class ValidationError(AwsError):
    status = 400


# -- reports; the sentences are those of the model ------------------------------------------------


class CredentialReportNotPresentException(AwsError):
    """The request was rejected because the credential report does not exist. To generate a \
credential report, use GenerateCredentialReport."""


class CredentialReportExpiredException(AwsError):
    """The request was rejected because the most recent credential report has expired. To generate \
a new credential report, use GenerateCredentialReport."""

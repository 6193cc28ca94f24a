"""KMS's refusals. Sentences are AWS's own; where AWS documents none, the model's documentation.

docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from ogi.errors import AwsError


class AccessDeniedException(AwsError):
    """You do not have sufficient access to perform this action."""

    status = 400


class ValidationException(AwsError):
    """The input fails to satisfy the constraints specified by an AWS service."""

    status = 400


class AlreadyExistsException(AwsError):
    """The request was rejected because it attempted to create a resource that already exists."""


class ConflictException(AwsError):
    """An automatic rotation of this key is in progress or begins within the next 20 minutes."""


class DisabledException(AwsError):
    """The request was rejected because the specified KMS key is not enabled."""


class DryRunOperationException(AwsError):
    """The request would have succeeded, but the DryRun option is set."""


class ExpiredImportTokenException(AwsError):
    """The specified import token is expired."""


class IncorrectKeyException(AwsError):
    """The key ID in the request does not identify a CMK that can perform this operation."""


class IncorrectKeyMaterialException(AwsError):
    """The key material in the request is, expired, invalid, or does not meet expectations."""


class InvalidAliasNameException(AwsError):
    """The request was rejected because the specified alias name is not valid."""


class InvalidArnException(AwsError):
    """A specified ARN, or an ARN in a key policy, is not valid."""


class InvalidCiphertextException(AwsError):
    # AWS sends this one without a message.
    __doc__ = ""


class InvalidGrantIdException(AwsError):
    """The specified GrantId is not valid."""


class InvalidGrantTokenException(AwsError):
    """The specified grant token is not valid."""


class InvalidImportTokenException(AwsError):
    """The provided import token is invalid or is associated with a different KMS key."""


class InvalidKeyUsageException(AwsError):
    """The KeyUsage value of the KMS key is incompatible with the API operation."""


class InvalidMarkerException(AwsError):
    """The marker that specifies where pagination should next begin is not valid."""


class KMSInvalidMacException(AwsError):
    # AWS sends this one without a message.
    __doc__ = ""


class KMSInvalidSignatureException(AwsError):
    # AWS sends this one without a message.
    __doc__ = ""


class KMSInvalidStateException(AwsError):
    """The state of the specified resource is not valid for this request."""


class LimitExceededException(AwsError):
    """The request was rejected because a length constraint or quota was exceeded."""


class MalformedPolicyDocumentException(AwsError):
    """The specified policy is not syntactically or semantically correct."""


class NotFoundException(AwsError):
    """The specified entity or resource could not be found."""


class TagException(AwsError):
    """One or more tags are not valid."""


class UnsupportedOperationException(AwsError):
    """A specified parameter is not supported or a resource is not valid for this operation."""

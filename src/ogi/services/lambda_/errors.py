"""What Lambda refuses, in its words: the shapes of its model, each with its usual message.

API reference: docs.aws.amazon.com/lambda/latest/api/
"""

from __future__ import annotations

from typing import Any

from ogi.errors import AwsError


class LambdaError(AwsError):
    """Lambda's errors say whose fault they are: `Type`, `User` for all of these."""

    def __init__(self, message: str | None = None, **members: Any) -> None:
        super().__init__(message, **{"Type": "User", **members})


class AccessDeniedException(AwsError):
    """You do not have sufficient access to perform this action."""

    status = 403


class ValidationException(AwsError):
    """The input does not satisfy the constraints."""

    status = 400

    @classmethod
    def of(cls, member: str, value: Any, rule: str) -> ValidationException:
        return cls(
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy "
            f"constraint: {rule}"
        )


class InvalidParameterValueException(LambdaError):
    """One of the parameters in the request is not valid."""


class ResourceNotFoundException(LambdaError):
    """The resource you requested does not exist."""

    @classmethod
    def of(cls, arn: str) -> ResourceNotFoundException:
        return cls(f"Function not found: {arn}")


class ResourceConflictException(LambdaError):
    """The resource already exists, or another operation is in progress."""


class ResourceInUseException(LambdaError):
    """The operation conflicts with the resource's availability."""


class PreconditionFailedException(LambdaError):
    """The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"""  # noqa: E501


class InvalidRequestContentException(LambdaError):
    """The request body could not be parsed as JSON."""


class RequestTooLargeException(LambdaError):
    """The request payload exceeded the Invoke request body JSON input quota."""

    @classmethod
    def of(cls, limit: int) -> RequestTooLargeException:
        return cls(f"Request must be smaller than {limit} bytes for the InvokeFunction operation")


class RequestEntityTooLargeException(LambdaError):
    """Request must be smaller than 70167211 bytes for the CreateFunction operation"""

    code = "RequestEntityTooLargeException"
    status = 413

    @classmethod
    def of(cls, operation: str) -> RequestEntityTooLargeException:
        return cls(f"Request must be smaller than 70167211 bytes for the {operation} operation")


class CodeStorageExceededException(LambdaError):
    """Code storage limit exceeded."""


class PolicyLengthExceededException(LambdaError):
    """The final policy size exceeds the limit."""


class TooManyRequestsException(LambdaError):
    """Rate Exceeded."""

    @classmethod
    def of(cls, reason: str) -> TooManyRequestsException:
        return cls(Reason=reason)


class ServiceException(LambdaError):
    """The Lambda service encountered an internal error."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, Type="Service")


class KMSAccessDeniedException(LambdaError):
    """Lambda was unable to decrypt the environment variables because KMS access was denied. Please check the function's KMS key settings."""  # noqa: E501


class KMSDisabledException(LambdaError):
    """Lambda was unable to decrypt the environment variables because the KMS key used is disabled. Please check the function's KMS key settings."""  # noqa: E501


class KMSNotFoundException(LambdaError):
    """Lambda was unable to decrypt the environment variables because the KMS key was not found. Please check the function's KMS key settings."""  # noqa: E501


class KMSInvalidStateException(LambdaError):
    """Lambda was unable to decrypt the environment variables because the state of the KMS key used is not valid for Decrypt. Please check the function's KMS key settings."""  # noqa: E501


def of_kms(error: AwsError) -> AwsError:
    """A refusal of KMS, as Lambda passes it on."""
    known: dict[str, type[AwsError]] = {
        "AccessDeniedException": KMSAccessDeniedException,
        "DisabledException": KMSDisabledException,
        "NotFoundException": KMSNotFoundException,
        "KMSInvalidStateException": KMSInvalidStateException,
    }
    kind = known.get(error.shape)
    if kind is None:
        return error
    return kind(f"{kind.__doc__} KMS Exception: {error.shape} KMS Message: {error.message}")

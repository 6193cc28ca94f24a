"""What CloudFormation refuses, by the shapes of its model."""

from __future__ import annotations

from ogi.errors import AwsError


class ValidationError(AwsError):
    """CloudFormation's common error for bad input; no shape of the model, but documented under
    CommonErrors of its API reference."""

    code = "ValidationError"
    status = 400


class AccessDenied(AwsError):
    """User is not authorized to perform this action"""

    code = "AccessDenied"
    status = 403


class AlreadyExistsException(AwsError):
    """The resource with the name requested already exists."""


class InsufficientCapabilitiesException(AwsError):
    """The template contains resources with capabilities that weren't specified."""


class LimitExceededException(AwsError):
    """The quota for the resource has already been reached."""


class ChangeSetNotFoundException(AwsError):
    """The specified change set name or ID doesn't exit."""


class InvalidChangeSetStatusException(AwsError):
    """The specified change set can't be used to update the stack."""


class TokenAlreadyExistsException(AwsError):
    """A client request token already exists."""


def format_error(text: str) -> ValidationError:
    return ValidationError(f"Template format error: {text}")


def template_error(text: str) -> ValidationError:
    return ValidationError(f"Template error: {text}")

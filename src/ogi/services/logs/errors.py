"""CloudWatch Logs' refusals, in its sentences."""

from __future__ import annotations

from ogi.errors import AwsError


class AccessDeniedException(AwsError):
    """You don't have sufficient permissions to perform this action."""

    status = 400


class InvalidParameterException(AwsError):
    """A parameter is specified incorrectly."""


class ResourceAlreadyExistsException(AwsError):
    """The specified resource already exists."""


class ResourceNotFoundException(AwsError):
    """The specified resource does not exist."""


class TooManyTagsException(AwsError):
    """A resource can have no more than 50 tags."""

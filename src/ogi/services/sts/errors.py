"""STS's refusals. https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html"""

from __future__ import annotations

from ogi.errors import AwsError


class AccessDenied(AwsError):
    """Access denied"""

    status = 403


class MalformedPolicyDocumentException(AwsError):
    pass


class PackedPolicyTooLargeException(AwsError):
    pass


class ValidationError(AwsError):
    status = 400


class NoSuchEntity(AwsError):
    status = 404

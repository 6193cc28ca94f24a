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


class InvalidAuthorizationMessageException(AwsError):
    """Message is not valid"""


# -- web identity tokens --------------------------------------------------------------------------


class InvalidIdentityTokenException(AwsError):
    """The web identity token that was passed could not be validated by AWS. Get a new identity \
token from the identity provider and then retry the request."""


class ExpiredTokenException(AwsError):
    pass


class IDPCommunicationErrorException(AwsError):
    """The request could not be fulfilled because the identity provider (IDP) that was asked to \
verify the incoming identity token could not be reached."""


class IDPRejectedClaimException(AwsError):
    pass

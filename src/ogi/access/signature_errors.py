"""How AWS refuses a signature: codes, statuses and sentences, by family of protocols.

IAM user guide, "Troubleshoot signed requests for AWS APIs" (signature-v4-troubleshooting.html);
the services' "Common errors" pages; Amazon S3 API reference, "Error responses"
(API/ErrorResponses.html). Sentences that those pages do not give are what AWS answers, as quoted
in the issue trackers of its SDKs and tools.
"""

from __future__ import annotations

from dataclasses import dataclass

from ogi.errors import AwsError

# -- Amazon S3 --------------------------------------------------------------------------------


class AccessDenied(AwsError):
    """Access Denied"""

    status = 403


class AuthorizationHeaderMalformed(AwsError):
    """The authorization header that you provided is not valid."""

    status = 400


class AuthorizationQueryParametersError(AwsError):
    """The authorization query parameters that you provided are not valid."""

    status = 400


class RequestTimeTooSkewed(AwsError):
    """The difference between the request time and the current time is too large."""

    status = 403


class SignatureDoesNotMatch(AwsError):
    """The request signature we calculated does not match the signature you provided. Check your \
key and signing method."""

    status = 403


class InvalidAccessKeyId(AwsError):
    """The AWS Access Key Id you provided does not exist in our records."""

    status = 403


class InvalidRequest(AwsError):
    """The authorization mechanism you have provided is not supported. Please use \
AWS4-HMAC-SHA256."""

    status = 400


class InvalidArgument(AwsError):
    """Invalid Argument"""

    status = 400


class ExpiredToken(AwsError):
    """The provided token has expired."""

    status = 400


class InvalidToken(AwsError):
    """The provided token is malformed or otherwise invalid."""

    status = 400


class XAmzContentSHA256Mismatch(AwsError):
    """The provided 'x-amz-content-sha256' header does not match what was computed."""

    status = 400


class InvalidChunkSizeError(AwsError):
    """Only the last chunk is allowed to have a size less than 8192 bytes"""

    status = 403


class IncompleteBody(AwsError):
    """You did not provide the number of bytes specified by the Content-Length HTTP header."""

    status = 400


class MissingContentLength(AwsError):
    """You must provide the Content-Length HTTP header."""

    status = 411


class MalformedTrailerError(AwsError):
    """The request contained trailing data that was not well-formed or did not conform to our \
published schema."""

    status = 400


# -- query: SQS, SNS, IAM, STS, CloudFormation, CloudWatch ----------------------------------------

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)
INVALID = "The security token included in the request is invalid."
EXPIRED = "The security token included in the request is expired"


class QuerySignatureDoesNotMatch(AwsError):
    code = "SignatureDoesNotMatch"
    status = 403


class IncompleteSignature(AwsError):
    """The request signature does not conform to AWS standards."""

    status = 400


class MissingAuthenticationToken(AwsError):
    """Request is missing Authentication Token"""

    status = 403


class InvalidClientTokenId(AwsError):
    status = 403


class QueryExpiredToken(AwsError):
    code = "ExpiredToken"
    status = 403


# -- JSON 1.0 and 1.1, CBOR: KMS, Logs, SQS, CloudWatch -------------------------------------------


class InvalidSignatureException(AwsError):
    status = 400


class IncompleteSignatureException(AwsError):
    status = 400


class MissingAuthenticationTokenException(AwsError):
    """Missing Authentication Token"""

    status = 400


class UnrecognizedClientException(AwsError):
    status = 400


class ExpiredTokenException(AwsError):
    status = 400


# -- REST with JSON: Lambda. The same names, answered 403 -----------------------------------------


class RestInvalidSignature(InvalidSignatureException):
    code = "InvalidSignatureException"
    status = 403


class RestIncompleteSignature(IncompleteSignatureException):
    code = "IncompleteSignatureException"
    status = 403


class RestMissingAuthenticationToken(MissingAuthenticationTokenException):
    """Missing Authentication Token"""

    code = "MissingAuthenticationTokenException"
    status = 403


class RestUnrecognizedClient(UnrecognizedClientException):
    code = "UnrecognizedClientException"
    status = 403


class RestExpiredToken(ExpiredTokenException):
    code = "ExpiredTokenException"
    status = 403


@dataclass(frozen=True)
class Family:
    """The words of the services that share a protocol."""

    name: str
    mismatch: type[AwsError]
    incomplete: type[AwsError]
    anonymous: type[AwsError]
    unknown: type[AwsError]
    invalid: type[AwsError]
    expired: type[AwsError]

    # -- for whoever looks up the access key ------------------------------------------------

    def missing(self) -> AwsError:
        """Nobody signed, and the operation is not open to everybody."""
        return self.anonymous()

    def unknown_key(self, access_key: str) -> AwsError:
        """The access key id does not exist, or is inactive."""
        if self is S3:
            return self.unknown(AWSAccessKeyId=access_key)
        return self.unknown(INVALID)

    def invalid_token(self) -> AwsError:
        """The session token was not made here, or is not this key's."""
        return self.invalid() if self is S3 else self.invalid(INVALID)

    def expired_token(self) -> AwsError:
        """The session is over."""
        return self.expired() if self is S3 else self.expired(EXPIRED)


S3 = Family(
    "s3", SignatureDoesNotMatch, AuthorizationHeaderMalformed, AccessDenied,
    InvalidAccessKeyId, InvalidToken, ExpiredToken,
)  # fmt: skip
QUERY = Family(
    "query", QuerySignatureDoesNotMatch, IncompleteSignature, MissingAuthenticationToken,
    InvalidClientTokenId, InvalidClientTokenId, QueryExpiredToken,
)  # fmt: skip
JSON = Family(
    "json", InvalidSignatureException, IncompleteSignatureException,
    MissingAuthenticationTokenException, UnrecognizedClientException,
    UnrecognizedClientException, ExpiredTokenException,
)  # fmt: skip
REST_JSON = Family(
    "rest-json", RestInvalidSignature, RestIncompleteSignature, RestMissingAuthenticationToken,
    RestUnrecognizedClient, RestUnrecognizedClient, RestExpiredToken,
)  # fmt: skip

"""S3's refusals in its own words.

Codes, statuses and sentences are those of docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses
(also in the service model, shape `Error`), unless a line names another source.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ogi.errors import AccessDenied, AwsError

__all__ = ["AccessDenied"]


class NoSuchBucket(AwsError):
    """The specified bucket does not exist"""

    status = 404


class NoSuchKey(AwsError):
    """The specified key does not exist."""

    status = 404


class NoSuchUpload(AwsError):
    """The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."""  # noqa: E501

    status = 404


class NoSuchVersion(AwsError):
    """The specified version does not exist."""

    status = 404


class InvalidBucketName(AwsError):
    """The specified bucket is not valid."""

    status = 400


class BucketAlreadyOwnedByYou(AwsError):
    """Your previous request to create the named bucket succeeded and you already own it."""

    status = 409


class BucketAlreadyExists(AwsError):
    """The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."""  # noqa: E501

    status = 409


class BucketNotEmpty(AwsError):
    """The bucket you tried to delete is not empty"""

    status = 409


class TooManyBuckets(AwsError):
    """You have attempted to create more buckets than allowed"""

    status = 400


class IllegalLocationConstraintException(AwsError):
    """The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."""  # noqa: E501

    status = 400


class InvalidLocationConstraint(AwsError):
    """The specified location-constraint is not valid"""

    status = 400


class InvalidArgument(AwsError):
    """Invalid Argument"""

    status = 400


class InvalidRequest(AwsError):
    """Invalid Request"""

    status = 400


class MalformedXML(AwsError):
    """The XML you provided was not well-formed or did not validate against our published schema"""

    status = 400


class MalformedPolicy(AwsError):
    """Policies must be valid JSON and the first byte must be '{'"""

    status = 400


class MethodNotAllowed(AwsError):
    """The specified method is not allowed against this resource."""

    status = 405


class NoSuchBucketPolicy(AwsError):
    """The bucket policy does not exist"""

    status = 404


class NoSuchTagSet(AwsError):
    """The TagSet does not exist"""

    status = 404


class InvalidTag(AwsError):
    """The tag provided was not a valid tag."""

    status = 400


class NoSuchPublicAccessBlockConfiguration(AwsError):
    """The public access block configuration was not found"""

    status = 404


class OwnershipControlsNotFoundError(AwsError):
    """The bucket ownership controls were not found"""

    status = 404


class AccessControlListNotSupported(AwsError):
    """The bucket does not allow ACLs"""

    status = 400


class NoSuchLifecycleConfiguration(AwsError):
    """The lifecycle configuration does not exist"""

    status = 404


class NoSuchCORSConfiguration(AwsError):
    """The CORS configuration does not exist"""

    status = 404


class NoSuchWebsiteConfiguration(AwsError):
    """The specified bucket does not have a website configuration"""

    status = 404


class ReplicationConfigurationNotFoundError(AwsError):
    """The replication configuration was not found"""

    status = 404


class ObjectLockConfigurationNotFoundError(AwsError):
    """Object Lock configuration does not exist for this bucket"""

    status = 404


class KeyTooLongError(AwsError):
    """Your key is too long"""

    status = 400


class MetadataTooLarge(AwsError):
    """Your metadata headers exceed the maximum allowed metadata size"""

    status = 400


class InvalidStorageClass(AwsError):
    """The storage class you specified is not valid"""

    status = 400


class EntityTooLarge(AwsError):
    """Your proposed upload exceeds the maximum allowed size"""

    status = 400


class EntityTooSmall(AwsError):
    """Your proposed upload is smaller than the minimum allowed size"""

    status = 400


class IncompleteBody(AwsError):
    """You did not provide the number of bytes specified by the Content-Length HTTP header"""

    status = 400


class BadDigest(AwsError):
    """The Content-MD5 you specified did not match what we received."""

    status = 400


class InvalidDigest(AwsError):
    """The Content-MD5 you specified was invalid"""

    status = 400


class PreconditionFailed(AwsError):
    """At least one of the pre-conditions you specified did not hold"""

    status = 412


class NotModified(AwsError):
    """Not Modified"""

    code = "304"
    status = 304


class NotImplemented_(AwsError):
    """A header you provided implies functionality that is not implemented"""

    code = "NotImplemented"
    status = 501


class InvalidRange(AwsError):
    """The requested range is not satisfiable"""

    status = 416


class InvalidPartNumber(AwsError):
    """The requested partnumber is not satisfiable"""

    status = 416


class InvalidPart(AwsError):
    """One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."""  # noqa: E501

    status = 400


class InvalidPartOrder(AwsError):
    """The list of parts was not in ascending order. Parts must be ordered by part number."""

    status = 400


class InvalidEncryptionAlgorithmError(AwsError):
    """The Encryption request you specified is not valid. Supported value: AES256."""

    status = 400


class RequestTimeout(AwsError):
    """Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."""  # noqa: E501

    status = 400


class KmsNotFound(AwsError):
    """The key does not exist."""

    code = "KMS.NotFoundException"


class KmsDisabled(AwsError):
    """The key is disabled."""

    code = "KMS.DisabledException"


class KmsInvalidState(AwsError):
    """The key's state does not allow this."""

    code = "KMS.KMSInvalidStateException"


class KmsInvalidKeyUsage(AwsError):
    """The key's usage does not allow this."""

    code = "KMS.InvalidKeyUsageException"


_OF_KMS: dict[str, type[AwsError]] = {
    "AccessDeniedException": AccessDenied,
    "NotFoundException": KmsNotFound,
    "DisabledException": KmsDisabled,
    "KMSInvalidStateException": KmsInvalidState,
    "InvalidKeyUsageException": KmsInvalidKeyUsage,
}


@contextmanager
def of_kms() -> Iterator[None]:
    """KMS's refusals as S3 passes them on: AccessDenied, or the code behind `KMS.`."""
    try:
        yield
    except AwsError as refusal:
        translated = _OF_KMS.get(refusal.shape)
        if translated is None:
            raise
        raise translated(refusal.message) from refusal

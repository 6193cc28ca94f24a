"""Encryption: message contents are ciphertext on disk, always.

A queue with KmsMasterKeyId seals under data keys of that key (context aws:sqs:arn, used again for
KmsDataKeyReusePeriodSeconds); any other queue seals under keys that Ogi owns, also one with
SqsManagedSseEnabled=false: the attribute is reported as it was set, and nothing is ever stored in
the clear. Developer guide, 'Encryption at rest': a message that is moved to a dead-letter queue
stays as it was encrypted.
"""

from __future__ import annotations

from typing import Final

from ogi import sealing
from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.sqs import errors
from ogi.services.sqs.queues import Queue
from ogi.services.sqs.records import Content, Record, decode_content
from ogi.storage import Transaction

_REFUSALS: Final[dict[str, type[errors.KmsRefused]]] = {
    "AccessDeniedException": errors.KmsAccessDenied,
    "AccessDenied": errors.KmsAccessDenied,
    "DisabledException": errors.KmsDisabled,
    "NotFoundException": errors.KmsNotFound,
    "KMSInvalidStateException": errors.KmsInvalidState,
    "InvalidKeyUsageException": errors.KmsInvalidKeyUsage,
    "IncorrectKeyException": errors.KmsInvalidKeyUsage,
    "InvalidCiphertextException": errors.KmsInvalidKeyUsage,
    "ThrottlingException": errors.KmsThrottled,
    "LimitExceededException": errors.KmsThrottled,
    "KeyUnavailableException": errors.KmsInvalidState,
}


def seal(
    tx: Transaction, call: Call, queue: Queue, plain: bytes, bound: bytes
) -> tuple[bytes, bool]:
    """The ciphertext, and whether opening it asks KMS."""
    purpose, key_id = f"sqs/{queue.arn}", queue.attributes.kms_key_id
    if not key_id:
        return sealing.seal(
            tx, call, plain, purpose=purpose, key_id=None, context={}, bound=bound
        ), False
    try:
        return sealing.seal(
            tx, call.via("sqs"), plain, purpose=purpose, key_id=key_id,
            context={"aws:sqs:arn": queue.arn}, bound=bound,
            reuse_s=queue.attributes.kms_reuse_s,
        ), True  # fmt: skip
    except AwsError as error:
        raise _translated(error) from error


def open_(
    tx: Transaction, call: Call, arn: str, sealed: bytes, *, kms: bool, bound: bytes
) -> bytes:
    """`arn`: the queue for which it was sealed."""
    purpose = f"sqs/{arn}"
    if not kms:
        return sealing.open(tx, call, sealed, purpose=purpose, context={}, bound=bound)
    try:
        return sealing.open(
            tx, call.via("sqs"), sealed, purpose=purpose, context={"aws:sqs:arn": arn},
            bound=bound,
        )  # fmt: skip
    except AwsError as error:
        raise _translated(error) from error


def open_content(tx: Transaction, call: Call, queue: Queue, record: Record) -> Content:
    """As the call's principal, who needs kms:Decrypt if it is sealed under a KMS key."""
    arn = record.sealed_for or queue.arn
    return decode_content(open_(tx, call, arn, record.sealed, kms=record.kms, bound=record.id))


def _translated(error: AwsError) -> AwsError:
    refusal = _REFUSALS.get(error.shape)
    return error if refusal is None else refusal(error.message)

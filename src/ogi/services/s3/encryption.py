"""Encryption of objects: which key, asked of KMS as the caller through S3, and S3's words for it.

AES256 means keys that Ogi owns. With aws:kms each object (or upload) has a data key of its own:
docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from __future__ import annotations

import base64
import binascii
import json

from ogi import sealing
from ogi.chunks import ChunkCipher
from ogi.errors import unsupported
from ogi.sealing import DataKey
from ogi.service import Call, Fields
from ogi.services.s3 import errors
from ogi.services.s3.layout import Bucket, Encryption, Pairs, Sealing
from ogi.storage import Reader

MANAGED_KEY = "alias/aws/s3"
NONE = Sealing("AES256")
OTHERS = frozenset({"aws:kms:dsse", "aws:fsx", "aws:backup"})
"""Encryptions that S3 has and Ogi has not."""


def wanted(request: Fields, bucket: Bucket) -> Encryption:
    """How the request, else the bucket, wants an object to be encrypted."""
    algorithm = request.get("ServerSideEncryption")
    if algorithm is None:
        if "SSEKMSKeyId" in request:
            raise errors.InvalidArgument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header "
                "x-amz-server-side-encryption : aws:kms",
                ArgumentName="x-amz-server-side-encryption", ArgumentValue="null",
            )  # fmt: skip
        return bucket.encryption
    if algorithm == "AES256":
        if "SSEKMSKeyId" in request:
            raise errors.InvalidArgument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header "
                "x-amz-server-side-encryption : aws:kms",
                ArgumentName="x-amz-server-side-encryption", ArgumentValue="AES256",
            )  # fmt: skip
        return Encryption()
    if algorithm in OTHERS:
        raise unsupported(f"the server-side encryption {algorithm}")
    if algorithm != "aws:kms":
        # docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, "List of error codes"
        raise errors.InvalidEncryptionAlgorithmError
    return Encryption(
        "aws:kms",
        request.get("SSEKMSKeyId"),
        bool(request.get("BucketKeyEnabled", bucket.encryption.bucket_key)),
    )


def context_of(request: Fields, bucket: Bucket, key: str, choice: Encryption) -> Pairs:
    """The encryption context: the object's ARN, or the bucket's where a bucket key is used, and
    what the client adds."""
    if choice.algorithm != "aws:kms":
        return ()
    arn = bucket.arn if choice.bucket_key else f"{bucket.arn}/{key}"
    added = request.get("SSEKMSEncryptionContext")
    pairs = {} if added is None else _pairs(added)
    return tuple(sorted({**pairs, "aws:s3:arn": arn}.items()))


def _pairs(text: str) -> dict[str, str]:
    try:
        found = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise errors.InvalidArgument(
            "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 "
            "string holding JSON which represents a string-string map",
            ArgumentName="x-amz-server-side-encryption-context", ArgumentValue=text,
        )  # fmt: skip
    return found


def new_key(
    tx: Reader, call: Call, bucket: Bucket, choice: Encryption, context: Pairs
) -> tuple[Sealing, DataKey]:
    """A data key for one object or upload, and how that is remembered."""
    with errors.of_kms():
        made = sealing.data_key(
            tx, _through_s3(call, bucket, choice.algorithm), purpose=_purpose(bucket),
            key_id=_key_id(choice), context=dict(context),
        )  # fmt: skip
    remembered = Sealing(choice.algorithm, made.key_arn, choice.bucket_key, context, made.blob)
    return remembered, made


def open_key(tx: Reader, call: Call, bucket: Bucket, sealed: Sealing) -> DataKey:
    """The data key of an object or upload; KMS decides whether the caller may have it."""
    with errors.of_kms():
        return sealing.open_data_key(
            tx, _through_s3(call, bucket, sealed.algorithm), sealed.data_key,
            purpose=_purpose(bucket), context=dict(sealed.context),
        )  # fmt: skip


def seal_small(
    tx: Reader,
    call: Call,
    bucket: Bucket,
    key: str,
    plain: bytes,
    choice: Encryption,
    context: Pairs,
) -> tuple[Sealing, bytes]:
    """The bytes of an object that lives in the store, sealed."""
    if choice.algorithm == "AES256":
        sealed = sealing.seal(
            tx, call, plain, purpose=_purpose(bucket), key_id=None, context={}, bound=key.encode()
        )
        return NONE, sealed
    remembered, made = new_key(tx, call, bucket, choice, context)
    return remembered, ChunkCipher(made.plain).encrypt(0, plain, True)


def open_small(
    tx: Reader, call: Call, bucket: Bucket, key: str, sealed: bytes, how: Sealing
) -> bytes:
    if not how.data_key:
        return sealing.open(
            tx, call, sealed, purpose=_purpose(bucket), context={}, bound=key.encode()
        )
    return ChunkCipher(open_key(tx, call, bucket, how).plain).decrypt(0, sealed, True)


def shown(how: Sealing) -> Fields:
    """The members of a result that tell how an object is encrypted."""
    if how.algorithm == "AES256":
        return {"ServerSideEncryption": "AES256"}
    members: Fields = {"ServerSideEncryption": how.algorithm, "SSEKMSKeyId": how.key_arn}
    if how.bucket_key:
        members["BucketKeyEnabled"] = True
    return members


def shown_context(how: Sealing) -> Fields:
    """The same, and the context that the client added: only the answers to writes have it."""
    members = shown(how)
    added = {name: value for name, value in how.context if name != "aws:s3:arn"}
    if added:
        raw = json.dumps(dict(how.context), separators=(",", ":")).encode()
        members["SSEKMSEncryptionContext"] = base64.b64encode(raw).decode()
    return members


def _purpose(bucket: Bucket) -> str:
    return f"s3/{bucket.arn}"


def _key_id(choice: Encryption) -> str | None:
    if choice.algorithm == "AES256":
        return None
    return choice.key_id or MANAGED_KEY


def _through_s3(call: Call, bucket: Bucket, algorithm: str) -> Call:
    """The caller through S3, where the bucket's keys are (an alias is looked up in the caller's
    account, as on AWS)."""
    if algorithm == "AES256":
        return call
    return call.in_place(call.account, bucket.region).via("s3")

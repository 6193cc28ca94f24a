"""The records of S3 and where they live.

Bucket names are global, so buckets are control records of the home `control`. What is in a bucket
lives in the home that is the bucket's ARN. Rows of control records are maps (they will grow
fields); rows of objects are arrays (they are many), so new fields go to their ends.
"""

from __future__ import annotations

import msgspec

from ogi.storage import CONTROL, Blob, Reader
from ogi.storage.tables import Table

Pairs = tuple[tuple[str, str], ...]


class Block(msgspec.Struct, frozen=True):
    """A public access block; new buckets block everything."""

    acls: bool = True
    ignore_acls: bool = True
    policy: bool = True
    restrict: bool = True


class Encryption(msgspec.Struct, frozen=True):
    """How objects are encrypted for which the request does not say."""

    algorithm: str = "AES256"
    key_id: str | None = None
    """As the user named it; None with aws:kms is the AWS-managed key."""
    bucket_key: bool = False


class Rule(msgspec.Struct, frozen=True):
    """One notification: these events of these keys go to this destination."""

    id: str
    service: str
    """sns, sqs or lambda."""
    arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    filter_names: tuple[str, ...] = ()
    """The filter's rule names as the user wrote them, in order."""


class Bucket(msgspec.Struct, frozen=True):
    name: str
    account: str
    region: str
    created: float
    policy: str | None = None
    public: bool = False
    """Whether the policy is public in S3's sense."""
    block: Block | None = Block()
    encryption: Encryption = Encryption()
    ownership: str | None = "BucketOwnerEnforced"
    tags: Pairs = ()
    rules: tuple[Rule, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"


class Owned(msgspec.Struct, frozen=True):
    """The index of buckets by account; the bucket's own record has everything."""

    name: str


class Sealing(msgspec.Struct, frozen=True, array_like=True):
    """How an object's bytes are encrypted."""

    algorithm: str
    key_arn: str = ""
    bucket_key: bool = False
    context: Pairs = ()
    """The encryption context given to KMS."""
    data_key: bytes = b""
    """The encrypted data key; empty where ogi.sealing sealed the bytes at once."""


class Sum(msgspec.Struct, frozen=True, array_like=True):
    """A checksum as S3 shows it."""

    algorithm: str
    value: str
    kind: str = "FULL_OBJECT"
    """FULL_OBJECT, or COMPOSITE: a checksum of the parts' checksums."""


class Object(msgspec.Struct, frozen=True, array_like=True):
    """An object but for its bytes."""

    etag: str
    """Without quotes."""
    size: int
    modified: int
    """Seconds since the epoch: S3 knows no finer."""
    sequence: int
    """Greater than that of every earlier event of this key."""
    sealing: Sealing
    headers: dict[str, str | float] = {}
    """ContentType, CacheControl and so on, by the model's member names."""
    metadata: dict[str, str] = {}
    tags: Pairs = ()
    sum: Sum | None = None
    blob: Blob | None = None
    """The file of its bytes; None: they are in the store, or in parts."""
    manifest: str = ""
    """The upload whose parts are its bytes."""
    storage: str = "STANDARD"


class Part(msgspec.Struct, frozen=True, array_like=True):
    """An uploaded part. Its bytes are sealed under a key derived from the upload's data key."""

    etag: str
    size: int
    modified: int
    blob: Blob
    sum: Sum | None = None
    """What the checksum of the whole is made of."""
    sent: Sum | None = None
    """One of another algorithm, which came with the part and was verified."""


class Upload(msgspec.Struct, frozen=True):
    """A multipart upload in progress."""

    key: str
    initiated: float
    initiator: str
    initiator_id: str
    sealing: Sealing
    headers: dict[str, str | float]
    metadata: dict[str, str]
    tags: Pairs
    algorithm: str | None
    """Of the checksums that the client announced."""
    kind: str
    """COMPOSITE or FULL_OBJECT."""
    storage: str = "STANDARD"


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A part of a completed object."""

    number: int
    size: int
    blob: Blob
    sum: Sum | None = None


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """The parts of a completed object, in order."""

    pieces: tuple[Piece, ...]


BUCKETS = Table("s3.bucket", Bucket)
OWNED = Table("s3.owned", Owned)
OBJECTS = Table("object", Object, cached=False)
UPLOADS = Table("upload", Upload, cached=False)
"""By key, then upload id: the order of ListMultipartUploads."""
PARTS = Table("part", Part, cached=False)
"""By upload id, then number."""
MANIFESTS = Table("manifest", Manifest, cached=False)

BYTES = "bytes"
"""The bytes of small objects, by key, beside the table `object`, whose rows stay small."""
LAST_REMOVED = "removed"
"""The largest sequence number of any removal in the bucket: a key that is gone has no record."""


def bucket_named(tx: Reader, name: str) -> Bucket | None:
    return BUCKETS.get(tx, CONTROL, name)

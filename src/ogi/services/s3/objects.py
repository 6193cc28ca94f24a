"""Objects: replaced and removed, with all that must follow, in one transaction.

Laws: the bytes are durable before the record names them; a file that nobody names any more is owed
a deletion in the same transaction, and a file that nobody names yet is owed one from before it was
written, which the transaction that names it cancels.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi import deliveries
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.s3 import conditions, errors, events
from ogi.services.s3.layout import BYTES, LAST_REMOVED, OBJECTS, Bucket, Object
from ogi.services.s3.service import SERVICE, home_of
from ogi.storage import Blob, Home, Reader, Transaction
from ogi.storage.keys import key as key_of
from ogi.storage.keys import number, u64

WRITING_S = 24 * 3600.0
"""How long one body may take to arrive; then its file is taken for abandoned."""
GRACE_S = 30.0
"""Between the reading of a record and the opening of its file, the file may be replaced."""
PARTS_GRACE_S = 900.0
"""The files of an object in parts are opened one after the other while it is read."""


class Pending(msgspec.Struct, frozen=True):
    """A file that is being written and owed a deletion until a record names it."""

    name: str
    delivery: bytes


def reserve(tx: Transaction, call: Call, bucket: Bucket) -> Pending:
    """Promise to delete a file of a new name, should nothing come to name it."""
    name = call.entropy(16).hex()
    due = call.now + WRITING_S
    delivery = _discard(tx, call, bucket, name, due)
    return Pending(name, delivery)


def claim(tx: Transaction, pending: Pending) -> None:
    """The file is named by this transaction, so it is kept."""
    if not deliveries.cancel(tx, pending.delivery):
        raise errors.RequestTimeout()


async def drop(call: Call, pending: Pending) -> None:
    """Delete the file of a refused request now; the promise remains and finds nothing."""
    await call.ports.blobs.delete(Blob(pending.name, 0))


def get(tx: Reader, home: Home, key: str) -> Object | None:
    return OBJECTS.get(tx, home, key)


def replace(
    tx: Transaction,
    call: Call,
    bucket: Bucket,
    key: str,
    made: Object,
    *,
    event: str,
    request: Fields,
    small: bytes | None = None,
) -> Object:
    """Let `made` be the object of this key. `small`: its sealed bytes, if they live in the store.

    request: the conditions under which that may happen.
    """
    home = home_of(bucket.name)
    old = OBJECTS.get(tx, home, key)
    conditions.check_write(request, old, key)
    made = msgspec.structs.replace(made, sequence=_next(tx, call, home, old))
    OBJECTS.put(tx, made, home, key)
    if small is not None:
        tx.set(key_of(home, BYTES, key), small)
    if old is not None:
        _let_go(tx, call, bucket, key, old, keep_small=small is not None)
    call.note(
        "s3.put", bucket=bucket.name, key=key, size=made.size, kms_key=made.sealing.key_arn,
        encryption=made.sealing.algorithm, principal=call.principal.arn,
    )  # fmt: skip
    events.tell(tx, call, home, bucket, event, key, made, made.sequence)
    return made


def remove(tx: Transaction, call: Call, bucket: Bucket, key: str, request: Fields) -> None:
    """Forget the object of this key; nothing happens if there is none."""
    home = home_of(bucket.name)
    old = OBJECTS.get(tx, home, key)
    conditions.check_delete(request, old)
    if old is None:
        return
    OBJECTS.delete(tx, home, key)
    _let_go(tx, call, bucket, key, old, keep_small=False)
    sequence = _next(tx, call, home, old)
    last = tx.get(key_of(home, LAST_REMOVED))
    tx.set(key_of(home, LAST_REMOVED), u64(max(sequence, number(last) if last else 0)))
    call.note("s3.delete", bucket=bucket.name, key=key, principal=call.principal.arn)
    events.tell(tx, call, home, bucket, "ObjectRemoved:Delete", key, None, sequence)


def retag(
    tx: Transaction, call: Call, bucket: Bucket, key: str, old: Object, tags: Any, event: str
) -> None:
    home = home_of(bucket.name)
    made = msgspec.structs.replace(old, tags=tags, sequence=_next(tx, call, home, old))
    OBJECTS.put(tx, made, home, key)
    events.tell(tx, call, home, bucket, event, key, made, made.sequence)


def discard_later(tx: Transaction, call: Call, bucket: Bucket, blob: Blob) -> None:
    """Owe the deletion of a file that is named no longer."""
    _discard(tx, call, bucket, blob.name, call.now + GRACE_S)


def _discard(tx: Transaction, call: Call, bucket: Bucket, name: str, due: float) -> bytes:
    return deliveries.post(
        tx, call, home_of(bucket.name), "s3", "discard", {"Bucket": bucket.name, "Blob": name},
        due=due,
    )  # fmt: skip


def _let_go(
    tx: Transaction, call: Call, bucket: Bucket, key: str, old: Object, *, keep_small: bool
) -> None:
    """What held the bytes of `old` is owed a deletion."""
    if old.blob is not None:
        discard_later(tx, call, bucket, old.blob)
    elif old.manifest:
        deliveries.post(
            tx, call, home_of(bucket.name), "s3", "discard_manifest",
            {"Bucket": bucket.name, "UploadId": old.manifest}, due=call.now + PARTS_GRACE_S,
        )  # fmt: skip
    elif not keep_small:
        tx.delete(key_of(home_of(bucket.name), BYTES, key))


def _next(tx: Reader, call: Call, home: Home, old: Object | None) -> int:
    """A sequence number greater than all before of this key, also across a removal, also when the
    clock goes back."""
    last = tx.get(key_of(home, LAST_REMOVED))
    return max(
        int(call.now * 1_000_000),
        0 if old is None else old.sequence + 1,
        0 if last is None else number(last) + 1,
    )


def missing(tx: Reader, call: Call, bucket: Bucket, key: str) -> AwsError:
    """Who may list the bucket hears that the key is not there, others only that they may not."""
    try:
        call.ports.authorise(tx, call, SERVICE, ("s3:ListBucket",), (bucket.arn,), call.context)
    except AwsError as denied:
        return denied
    return errors.NoSuchKey(Key=key)

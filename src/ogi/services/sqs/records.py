"""Records: what of a message never changes, with its content sealed."""

from __future__ import annotations

import uuid

import msgspec

from ogi.service import Call
from ogi.services.sqs import contents, encryption
from ogi.services.sqs.contents import Content
from ogi.services.sqs.queues import Queue
from ogi.storage import Transaction


class Record(msgspec.Struct, frozen=True, array_like=True):
    id: bytes
    ready_ms: int
    """When it became or becomes ready first."""
    sender: str
    sealed: bytes
    kms: bool = False
    """It is sealed under a KMS key, so opening asks KMS as whoever receives."""
    group: str = ""
    deduplication: str = ""
    sealed_for: str = ""
    """The ARN of the queue for which it was sealed, if that was another."""
    source_arn: str = ""
    """The queue from which it came to this dead-letter queue."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
encode = _encoder.encode
decode = _decoder.decode


def open_content(tx: Transaction, call: Call, queue: Queue, record: Record) -> Content:
    """As the call's principal, who needs kms:Decrypt if it is sealed under a KMS key."""
    plain = encryption.open_(
        tx, call, record.sealed_for or queue.arn, record.sealed, kms=record.kms, bound=record.id
    )
    return contents.decode(plain)


def message_id(record_id: bytes) -> str:
    return str(uuid.UUID(bytes=record_id, version=4))

"""Records: what of a message never changes, with its content sealed."""

from __future__ import annotations

import msgspec

from ogi.service import Call
from ogi.services.sqs import content, encryption
from ogi.services.sqs.content import Content
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


class Earlier(msgspec.Struct, frozen=True, array_like=True):
    """A message that was sent with a deduplication id."""

    at_ms: int
    id: bytes
    sequence: str


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """What a ReceiveRequestAttemptId received."""

    at_ms: int
    due_ms: int
    handles: tuple[str, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
encode = _encoder.encode
decode = _decoder.decode
decode_earlier = msgspec.msgpack.Decoder(Earlier).decode
decode_attempt = msgspec.msgpack.Decoder(Attempt).decode


def open_content(tx: Transaction, call: Call, queue: Queue, record: Record) -> Content:
    """As the call's principal, who needs kms:Decrypt if it is sealed under a KMS key."""
    plain = encryption.open_(
        tx, call, record.sealed_for or queue.arn, record.sealed, kms=record.kms, bound=record.id
    )
    return content.decode(plain)


def new_id(call: Call) -> bytes:
    """Sixteen random bytes that are a UUID of version 4."""
    raw = bytearray(call.entropy(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def message_id(record_id: bytes) -> str:
    """The UUID's text; uuid.UUID takes five times as long."""
    text = record_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

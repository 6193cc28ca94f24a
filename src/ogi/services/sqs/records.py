"""What is written down of messages: rows, and what of them is sealed."""

from __future__ import annotations

from typing import Any

import msgspec


class Content(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed. Attributes are by name, in the API's form."""

    body: str
    md5: str
    """Of the body; '' if it was made by no client who would compare it: see `digest_of`."""
    attributes: dict[str, dict[str, Any]] | None = None
    md5_of_attributes: str = ""
    trace_header: str = ""
    md5_of_system_attributes: str = ""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What of a message never changes."""

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


class Source(msgspec.Struct, frozen=True):
    """That a queue names another as its dead-letter queue; found under the other's name."""

    name: str


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode
decode_content = msgspec.msgpack.Decoder(Content).decode
decode_earlier = msgspec.msgpack.Decoder(Earlier).decode
decode_attempt = msgspec.msgpack.Decoder(Attempt).decode

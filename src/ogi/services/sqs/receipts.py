"""Receipt handles: names of one receipt of one message, which only this server can write.

A handle is plain base64 (clients split at '-', so the URL alphabet will not do) of a version, the
message's place at the receipt and a keyed BLAKE2b digest of them and the queue's ARN.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import struct
from functools import lru_cache
from typing import Final

from ogi.services.sqs.errors import ReceiptHandleIsInvalid
from ogi.vault import Vault

HANDLE_CHARS_MAX: Final = 1024
_VERSION: Final = b"\x01\x01\x01"
_FIELDS: Final = struct.Struct(">16sQQQQIQ")
_DIGEST_BYTES: Final = 16
_BYTES: Final = len(_VERSION) + _FIELDS.size + _DIGEST_BYTES


class Receipt:
    """What a handle says. Not to be changed once made."""

    __slots__ = ("count", "due_ms", "epoch", "id", "number", "received_ms", "sent_ms")

    def __init__(
        self, id: bytes, epoch: int, sent_ms: int, number: int, due_ms: int, count: int,
        received_ms: int,
    ) -> None:  # fmt: skip
        self.id = id
        self.epoch = epoch
        self.sent_ms = sent_ms
        self.number = number
        self.due_ms = due_ms
        """When the message's invisibility was to end, at the receipt: where its state lies."""
        self.count = count
        """The how-manieth receipt of the message this was."""
        self.received_ms = received_ms


def write(vault: Vault, arn: str, receipt: Receipt) -> str:
    fields = _FIELDS.pack(
        receipt.id, receipt.epoch, receipt.sent_ms, receipt.number, receipt.due_ms, receipt.count,
        receipt.received_ms,
    )  # fmt: skip
    return binascii.b2a_base64(
        _VERSION + fields + _digest(vault, arn, fields, vault.generation), newline=False
    ).decode()


def read(vault: Vault, arn: str, handle: str) -> Receipt:
    """Raises ReceiptHandleIsInvalid for what `write` did not write for this queue.

    What has a handle's form may be another queue's, or forged: only the queue's own can be told.
    """
    if len(handle) > HANDLE_CHARS_MAX:
        raise ReceiptHandleIsInvalid.of(handle)
    try:
        raw = binascii.a2b_base64(handle.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ReceiptHandleIsInvalid.of(handle) from None
    if len(raw) != _BYTES or raw[:3] != _VERSION:
        raise ReceiptHandleIsInvalid.of(handle)
    fields = raw[3:-_DIGEST_BYTES]
    if not _is_ours(vault, arn, fields, raw[-_DIGEST_BYTES:]):
        raise ReceiptHandleIsInvalid.elsewhere(handle)
    return Receipt(*_FIELDS.unpack(fields))


def _is_ours(vault: Vault, arn: str, fields: bytes, digest: bytes) -> bool:
    """Whether it was written under one of the vault's generations, most likely the newest."""
    generation = vault.generation
    while not hmac.compare_digest(digest, _digest(vault, arn, fields, generation)):
        generation -= 1
        if generation < 0:
            return False
    return True


def _digest(vault: Vault, arn: str, fields: bytes, generation: int) -> bytes:
    hasher = _hasher(vault, arn, generation).copy()
    hasher.update(fields)
    return hasher.digest()


@lru_cache(maxsize=4096)
def _hasher(vault: Vault, arn: str, generation: int) -> hashlib.blake2b:
    """A hash that has taken in the key and the queue, of which each handle takes a copy."""
    hasher = hashlib.blake2b(digest_size=_DIGEST_BYTES, key=vault.key("sqs/receipt", generation))
    hasher.update(len(arn).to_bytes(2, "big") + arn.encode())
    return hasher

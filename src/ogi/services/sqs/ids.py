"""Message ids: UUIDs as sixteen bytes and as text."""

from __future__ import annotations

from ogi.service import Call


def new_id(call: Call) -> bytes:
    """Sixteen random bytes that are a UUID of version 4."""
    raw = bytearray(call.run.entropy(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def message_id(record_id: bytes) -> str:
    """The UUID's text; uuid.UUID takes five times as long."""
    text = record_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

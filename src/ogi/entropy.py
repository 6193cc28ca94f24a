"""Random bytes from the system, drawn in larger pieces: each system call lets go of the
interpreter's lock, and a busy thread may be slow to give it back."""

from __future__ import annotations

import os
from typing import Final

PIECE_BYTES: Final = 4096

_piece = b""
_at = 0


def entropy(size: int) -> bytes:
    """`size` unpredictable bytes, given to nobody else. For the event loop's thread alone."""
    global _piece, _at
    if size > PIECE_BYTES:
        return os.urandom(size)
    end = _at + size
    if end > len(_piece):
        _piece, _at, end = os.urandom(PIECE_BYTES), 0, size
    taken = _piece[_at:end]
    _at = end
    return taken


def uuid_of(raw: bytes) -> str:
    """Sixteen random bytes as a UUID of version 4 (RFC 9562); the uuid module takes 3 us for it."""
    text = raw.hex()
    variant = "89ab"[raw[8] & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _forget() -> None:
    """A child process must not give out what its parent does."""
    global _piece
    _piece = b""


os.register_at_fork(after_in_child=_forget)

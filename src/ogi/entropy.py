"""Random bytes from the system, drawn in larger pieces: each system call lets go of the
interpreter's lock, and a busy thread may be slow to give it back."""

from __future__ import annotations

import os

PIECE_BYTES = 4096

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


def _forget() -> None:
    """A child process must not give out what its parent does."""
    global _piece
    _piece = b""


os.register_at_fork(after_in_child=_forget)

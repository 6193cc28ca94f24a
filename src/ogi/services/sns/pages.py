"""Pages of lists: a token names the last entry that was shown."""

from __future__ import annotations

import base64
import binascii

from ogi.services.sns.errors import InvalidParameterException

PAGE = 100
"""Entries in one answer of the List actions (each action's page)."""


def token(rest: bytes) -> str:
    return base64.urlsafe_b64encode(rest).decode()


def start(next_token: str | None) -> bytes | None:
    """Where a scan goes on behind the entry that the token names."""
    return place(next_token) + b"\x00" if next_token else None


def place(next_token: str) -> bytes:
    """The entry that a token names."""
    try:
        return base64.b64decode(next_token, altchars=b"-_", validate=True)
    except binascii.Error:
        raise InvalidParameterException.of("NextToken") from None

"""Tokens of pages: texts for lists of names, places for events."""

from __future__ import annotations

import base64
import binascii
import re

from ogi.services.logs.errors import InvalidParameterException

_EVENTS = re.compile(r"([fb])/(\d{1,60})/s")
_SENTENCE = "The specified nextToken is invalid."


def of_text(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def text(token: str | None) -> str:
    """The name that a token was made of; '' for the first page."""
    if token is None:
        return ""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise InvalidParameterException(_SENTENCE) from None


def forward(place: int) -> str:
    """Goes on with events behind `place`."""
    return f"f/{place:056d}/s"


def backward(place: int) -> str:
    """Goes on with events before `place`."""
    return f"b/{place:056d}/s"


def events(token: str) -> tuple[bool, int]:
    """(whether it goes backward, the place) of a token of events."""
    found = _EVENTS.fullmatch(token)
    if found is None:
        raise InvalidParameterException(_SENTENCE)
    return found[1] == "b", int(found[2])

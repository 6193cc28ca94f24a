"""Pages of lists: markers that say where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ogi.service import Fields
from ogi.services.kms.errors import InvalidMarkerException

T = TypeVar("T")


def begin(request: Fields) -> str:
    """The name behind which this page begins; '' for the first page."""
    marker = request.get("Marker")
    if marker is None:
        return ""
    try:
        return base64.b64decode(marker.encode(), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise InvalidMarkerException from None


def behind(name: str) -> bytes | None:
    """Where a table's scan begins so that it skips `name` and all before it."""
    return name.encode() + b"\x00\x01" if name else None


def marker(name: str) -> str:
    """The marker of the page that begins behind `name`."""
    return base64.b64encode(name.encode()).decode()


def answer(
    member: str,
    found: Sequence[T],
    limit: int,
    name: Callable[[T], str],
    shown: Callable[[T], Any],
) -> Fields:
    """The page of the first `limit` of `found`, which has one more if there is a next page."""
    page = found[:limit]
    result: Fields = {member: [shown(item) for item in page], "Truncated": len(found) > limit}
    if len(found) > limit:
        result["NextMarker"] = marker(name(page[-1]))
    return result

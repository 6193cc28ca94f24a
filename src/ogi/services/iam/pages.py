"""Pages of lists: Marker, MaxItems, IsTruncated."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ogi.access import identities
from ogi.access.identities import Entity
from ogi.service import Fields
from ogi.services.iam.errors import ValidationError
from ogi.storage import Reader
from ogi.storage.tables import Table

T = TypeVar("T")

ITEMS_DEFAULT = 100
SCAN_MAX = 200
"""Rows looked at in one go."""


def of_table(
    tx: Reader,
    table: Table[Entity],
    account: str,
    request: Fields,
    member: str,
    shape: Callable[[Entity], Any],
    wanted: Callable[[Entity], bool] | None = None,
) -> Fields:
    """A page of an account's rows, in order of their names, as AWS answers it."""
    limit = request.get("MaxItems", ITEMS_DEFAULT)
    start = _start(request)
    prefix = request.get("PathPrefix", "/")
    found: list[Any] = []
    while True:
        entries = identities.page(tx, table, account, start, SCAN_MAX)
        for rest, row in entries:
            if not row.path.startswith(prefix) or (wanted is not None and not wanted(row)):
                continue
            if len(found) == limit:
                return {member: found, "IsTruncated": True, "Marker": _marker(rest)}
            found.append(shape(row))
        if len(entries) < SCAN_MAX:
            return {member: found, "IsTruncated": False}
        start = entries[-1][0] + b"\x00"


def of_list(items: Sequence[T], request: Fields, member: str) -> tuple[Sequence[T], Fields]:
    """A page of a short list in its order, and the answer's members that say so."""
    limit = request.get("MaxItems", ITEMS_DEFAULT)
    start = _start(request)
    begin = int(start) if start is not None and start.isdigit() else 0
    page = items[begin : begin + limit]
    answer: Fields = {member: list(page), "IsTruncated": begin + limit < len(items)}
    if answer["IsTruncated"]:
        answer["Marker"] = _marker(str(begin + limit).encode())
    return page, answer


def _marker(at: bytes) -> str:
    return base64.urlsafe_b64encode(at).decode()


def _start(request: Fields) -> bytes | None:
    marker = request.get("Marker")
    if marker is None:
        return None
    try:
        return base64.b64decode(marker.encode(), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValidationError("Invalid Marker.") from None

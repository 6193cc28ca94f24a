"""Pages of lists: what is shown at once, and the token for what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ogi.service import Fields
from ogi.services.cloudformation.errors import ValidationError

T = TypeVar("T")

PAGE_MAX = 100


def start_of(request: Fields) -> int:
    """The number in NextToken: where the page begins."""
    token = request.get("NextToken")
    if not token:
        return 0
    if not token.isdecimal() or len(token) > 18:
        raise ValidationError("NextToken is invalid")
    return int(token)


def page(request: Fields, items: Sequence[T], limit: int = PAGE_MAX) -> tuple[list[T], Fields]:
    """The items of the page that is asked for, and its NextToken if more follow."""
    start = start_of(request)
    more = {"NextToken": str(start + limit)} if len(items) > start + limit else {}
    return list(items[start : start + limit]), more

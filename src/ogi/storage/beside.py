"""What services keep in memory beside the data of one store. It goes with the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

M = TypeVar("M")


class Beside:
    """One of each kind."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def __call__(self, make: Callable[..., M], *arguments: Any) -> M:
        """What `make(*arguments)` made at the first call for `make`."""
        found: M | None = self._kept.get(make)
        if found is None:
            found = self._kept[make] = make(*arguments)
        return found

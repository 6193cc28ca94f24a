"""Traces: the way of a request through the services, hop by hop, as a bounded memory.

A hop is noted inside a transaction and added once it is durable. Traces explain; nothing depends on
them, and they do not survive a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

TRACES_MAX = 2_000
HOPS_MAX = 1_000
"""Hops kept per trace; later ones are dropped."""


class Traces:
    """The latest traces by id, oldest first."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    def add(self, notes: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        for trace, kind, fields in notes:
            if not trace:
                continue
            hops = self._traces.get(trace)
            if hops is None:
                hops = self._traces[trace] = []
                if len(self._traces) > TRACES_MAX:
                    self._traces.popitem(last=False)
            if len(hops) < HOPS_MAX:
                hops.append({"kind": kind, **fields})

    def get(self, trace: str) -> list[dict[str, Any]]:
        return list(self._traces.get(trace, ()))

    def latest(self, limit: int) -> list[tuple[str, list[dict[str, Any]]]]:
        """The newest `limit` traces, newest first."""
        return [(t, list(self._traces[t])) for t in list(reversed(self._traces))[:limit]]

    def clear(self) -> None:
        self._traces.clear()

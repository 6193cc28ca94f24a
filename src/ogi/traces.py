"""Traces: the way of a request through the services, hop by hop, as a bounded memory.

A hop is noted inside a transaction and added once it is durable. A message that waits in a queue is
received by somebody else's request: what becomes of it joins the trace in which it was sent.
Traces explain; nothing depends on them, and they do not survive a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

TRACES_MAX = 2_000
HOPS_MAX = 1_000
"""Hops kept per trace; later ones are dropped."""
MESSAGES_MAX = 20_000
"""Messages whose trace is remembered."""

Note = tuple[str, str, dict[str, Any]]
"""Trace, kind, fields."""

SENT = "sqs.send"


class Traces:
    """The latest traces by id, oldest first."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._senders: OrderedDict[str, str] = OrderedDict()

    def add(self, notes: Sequence[Note]) -> None:
        """The notes of one transaction; those without a trace only join others."""
        joined: set[str] = set()
        for trace, kind, fields in notes:
            if trace:
                self._append(trace, kind, fields)
            if "message_id" in fields or "message_ids" in fields:
                joined |= self._messages(trace, kind, fields)
        for other in joined:
            for trace, kind, fields in notes:
                if trace != other:
                    self._append(other, kind, fields)

    def _messages(self, trace: str, kind: str, fields: dict[str, Any]) -> set[str]:
        """Remember who sent a message; else the traces in which the messages were sent."""
        if kind == SENT:
            self._senders[fields["message_id"]] = trace
            if len(self._senders) > MESSAGES_MAX:
                self._senders.popitem(last=False)
            return set()
        ids = fields.get("message_ids") or (fields.get("message_id"),)
        return {found for id in ids if (found := self._senders.get(str(id))) is not None}

    def _append(self, trace: str, kind: str, fields: dict[str, Any]) -> None:
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
        self._senders.clear()

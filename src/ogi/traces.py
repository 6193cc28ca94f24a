"""Traces: the way of a request through the services, hop by hop, as a bounded memory.

A hop is noted inside a transaction and added once it is durable. A message that waits in a queue is
received by somebody else's request: what becomes of it joins the trace in which it was sent.
Keeping the notes costs next to nothing, since every request has some; they are put in order when
somebody asks. Traces explain; nothing depends on them, and they do not survive a restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

KEPT_MAX = 8_192
"""Notes that are kept, besides those of the newest transaction: one publish may make hundreds."""
HOPS_MAX: Final = 1_000
"""Hops shown of one trace."""
DECIDED_MAX: Final = 2_048
"""Allowed requests (and hops) whose inputs are kept, to judge them again if somebody asks why."""
REFUSED_MAX: Final = 1_000
"""Refused requests (and hops) that are kept."""

Note = tuple[str, str, dict[str, Any]]
"""Trace, kind, fields."""

SENT: Final = "sqs.send"


class Traces:
    """The latest notes, by transaction."""

    def __init__(self) -> None:
        self._kept: deque[Sequence[Note]] = deque()
        self._count = 0
        """Of the notes in `_kept`."""
        self.decided: deque[tuple[Any, ...]] = deque(maxlen=DECIDED_MAX)
        """What was allowed, as `access.authorise` appends it."""
        self._refused: dict[Any, Any] = {}

    def add(self, notes: Sequence[Note]) -> None:
        """The notes of one transaction; those without a trace only join others."""
        if notes:
            kept = self._kept
            kept.append(notes)
            self._count += len(notes)
            while self._count > KEPT_MAX and len(kept) > 1:
                self._count -= len(kept.popleft())

    def get(self, trace: str) -> list[dict[str, Any]]:
        """The hops of one trace, in the order in which they became durable."""
        return self._ordered().get(trace, [])

    def latest(self, limit: int) -> list[tuple[str, list[dict[str, Any]]]]:
        """The newest `limit` traces, newest first."""
        return list(reversed(self._ordered().items()))[:limit]

    def refuse(self, name: Any, evidence: Any) -> None:
        """Keep a refusal; one of the same name, of a body that was run again, takes its place."""
        self._refused.pop(name, None)
        self._refused[name] = evidence
        if len(self._refused) > REFUSED_MAX:
            del self._refused[next(iter(self._refused))]

    @property
    def refused(self) -> list[Any]:
        """What was refused, the newest first."""
        return list(reversed(self._refused.values()))

    def clear(self) -> None:
        self._kept.clear()
        self._count = 0
        self.decided.clear()
        self._refused.clear()

    def _ordered(self) -> dict[str, list[dict[str, Any]]]:
        traces: dict[str, list[dict[str, Any]]] = {}
        senders: dict[str, str] = {}
        for notes in tuple(self._kept):
            owners = set(_senders(notes, senders))
            for trace, kind, fields in notes:
                for owner in owners | {trace} if trace else owners:
                    hops = traces.setdefault(owner, [])
                    if len(hops) < HOPS_MAX:
                        hops.append({"kind": kind, **fields})
        return traces


def _senders(notes: Sequence[Note], senders: dict[str, str]) -> Iterator[str]:
    """The traces in which the messages of these notes were sent; remembers who sends one now."""
    for trace, kind, fields in notes:
        ids = fields.get("message_ids") or (fields.get("message_id"),)
        if kind == SENT:
            senders.update(dict.fromkeys(map(str, ids), trace))
            continue
        for id in ids:
            sender = senders.get(str(id))
            if sender:
                yield sender

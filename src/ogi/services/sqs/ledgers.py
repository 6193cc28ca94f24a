"""Ledgers: what a queue knows of all its messages without looking at them.

One small row per queue: counts by lane, the next number, and when something happens next. It is
rewritten by every change, which costs one dictionary store per request and one row per group
commit; in exchange the counts are exact at any depth. A message whose time has come while it lies
in `f` or `d` is counted there until it is settled; `counts` corrects for that by a look at the
overdue rows only, and the tender settles them when they are due.

At most one delivery to `tend` and one to `expire` is live: the one posted for the moment that the
ledger names; others, posted before something nearer came up, do nothing.
"""

from __future__ import annotations

import struct

from ogi import deliveries
from ogi.service import Call
from ogi.services.sqs.layout import END, NEVER, Layout
from ogi.services.sqs.queues import Queue
from ogi.storage import Reader, Transaction
from ogi.storage.keys import u64

OVERDUE_PAGE = 1_000
HORIZON_MS = 300_000
"""A queue that has messages in flight or delayed is tended at least this often, so that few
deliveries are posted in vain where long and short timeouts mix."""
_ROW = struct.Struct(">9Q")
_EMPTY = (0, 0, 0, 0, NEVER, NEVER, NEVER, NEVER, NEVER)


class Ledger:
    """Loaded where a transaction begins to work on a queue, saved where it ends."""

    __slots__ = (
        "_loaded", "delayed", "delayed_next", "expired_at", "expires_next", "flight",
        "flight_next", "layout", "next_number", "ready", "tended_at",
    )  # fmt: skip

    def __init__(self, tx: Reader, layout: Layout) -> None:
        self.layout = layout
        raw = tx.get(layout.ledger)
        self._loaded = raw
        (
            self.next_number, self.ready, self.flight, self.delayed, self.flight_next,
            self.delayed_next, self.expires_next, self.tended_at, self.expired_at,
        ) = _EMPTY if raw is None else _ROW.unpack(raw)  # fmt: skip

    def save(self, tx: Transaction, call: Call, queue: Queue) -> None:
        """Write what changed, and have the queue tended when something happens next."""
        due_ms = min(self.flight_next, self.delayed_next)
        if due_ms < self.tended_at:
            due_ms = min(due_ms, int(call.now * 1000) + HORIZON_MS)
            if due_ms < self.tended_at:
                self.tended_at = due_ms
                self._post(tx, call, queue, "tend", due_ms)
        if self.expires_next < self.expired_at:
            self.expired_at = self.expires_next
            self._post(tx, call, queue, "expire", self.expired_at)
        raw = _ROW.pack(
            self.next_number, self.ready, self.flight, self.delayed, self.flight_next,
            self.delayed_next, self.expires_next, self.tended_at, self.expired_at,
        )  # fmt: skip
        if raw != self._loaded:
            tx.set(self.layout.ledger, raw)
            self._loaded = raw

    def _post(self, tx: Transaction, call: Call, queue: Queue, duty: str, due_ms: int) -> None:
        own = call.as_service("sqs.amazonaws.com", queue.arn, queue.account)
        request = {"arn": queue.arn, "epoch": queue.epoch, "at": due_ms}
        deliveries.post(tx, own, self.layout.home, "sqs", duty, request, due=due_ms / 1000)


def counts(tx: Reader, layout: Layout, now_ms: int) -> tuple[int, int, int]:
    """(ready, in flight, delayed) at this moment, exactly."""
    ledger = Ledger(tx, layout)
    returned = ripened = 0
    if ledger.flight_next <= now_ms:
        returned = _overdue(tx, layout.flight, now_ms)
    if ledger.delayed_next <= now_ms:
        ripened = _overdue(tx, layout.delayed, now_ms)
    return ledger.ready + returned + ripened, ledger.flight - returned, ledger.delayed - ripened


def _overdue(tx: Reader, lane: bytes, now_ms: int) -> int:
    begin, end, found = lane, lane + u64(now_ms + 1), 0
    while True:
        page = tx.scan(begin, end, OVERDUE_PAGE)
        found += len(page)
        if len(page) < OVERDUE_PAGE:
            return found
        begin = page[-1][0] + b"\x00"


def first_due(tx: Reader, lane: bytes) -> int:
    """When the first state of a lane is due."""
    rows = tx.scan(lane, lane + END, 1)
    return int.from_bytes(rows[0][0][-16:-8], "big") if rows else NEVER


def outlook(tx: Reader, layout: Layout, now_ms: int) -> tuple[int, float]:
    """How many messages can be received now, and when the next can, in seconds."""
    ready, _, _ = counts(tx, layout, now_ms)
    ledger = Ledger(tx, layout)
    return ready, min(ledger.flight_next, ledger.delayed_next) / 1000

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
from typing import TYPE_CHECKING, Final

from ogi import deliveries
from ogi.service import Call
from ogi.services.sqs import layout as layouts
from ogi.services.sqs.layout import END, NEVER, due_of
from ogi.services.sqs.queues import Queue
from ogi.storage import Reader, Transaction
from ogi.storage.keys import u64

if TYPE_CHECKING:
    from ogi.services.sqs.groups import Group

OVERDUE_PAGE: Final = 1_000
HORIZON_MS: Final = 300_000
"""A queue that has messages in flight or delayed is tended at least this often, so that few
deliveries are posted in vain where long and short timeouts mix."""
_ROW: Final = struct.Struct(">13Q")
_EMPTY: Final = (0, 0, 0, 0, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, 0, 0, 0)


class Ledger:
    """Loaded where a transaction begins to work on a queue, saved where it ends."""

    __slots__ = (
        "_loaded", "busy", "busy_at", "delayed", "delayed_next", "expired_at",
        "expires_next", "fetched", "flight", "flight_next", "groups", "layout",
        "memory_next", "next_number", "queue", "ready", "shift_ms", "tended_at", "turns",
    )  # fmt: skip
    next_number: int
    ready: int
    flight: int
    delayed: int
    flight_next: int
    delayed_next: int
    expires_next: int
    memory_next: int
    tended_at: int
    expired_at: int
    turns: int
    busy: int
    busy_at: int

    def __init__(self, tx: Reader, queue: Queue) -> None:
        self.queue = queue
        self.layout = layouts.of(queue.arn, queue.epoch)
        attributes = queue.attributes
        self.shift_ms = attributes.delay_s * 1000 if attributes.fifo else 0
        """What is added to the times in the delayed lane: they are those of sending in FIFO."""
        self.groups: dict[str, Group] = {}
        """The groups that this transaction touches."""
        self.fetched: dict[int, bytes] = {}
        """Rows that were read together, by the numbers of their messages."""
        raw = tx.get(self.layout.ledger)
        self._loaded = raw
        (
            self.next_number, self.ready, self.flight, self.delayed, self.flight_next,
            self.delayed_next, self.expires_next, self.memory_next, self.tended_at,
            self.expired_at, self.turns, self.busy, self.busy_at,
        ) = _EMPTY if raw is None else _ROW.unpack(raw)  # fmt: skip

    def save(self, tx: Transaction, call: Call) -> None:
        """Write what changed, and have the queue tended when something happens next."""
        self.save_groups(tx)
        due_ms = min(self.flight_next, self.delayed_next + self.shift_ms, self.memory_next)
        if due_ms < self.tended_at:
            due_ms = min(due_ms, int(call.now * 1000) + HORIZON_MS)
            if due_ms < self.tended_at:
                self.tended_at = due_ms
                self._post(tx, call, "tend", due_ms)
        if self.expires_next < self.expired_at:
            self.expired_at = self.expires_next
            self._post(tx, call, "expire", self.expired_at)
        raw = _ROW.pack(
            self.next_number, self.ready, self.flight, self.delayed, self.flight_next,
            self.delayed_next, self.expires_next, self.memory_next, self.tended_at,
            self.expired_at, self.turns, self.busy, self.busy_at,
        )  # fmt: skip
        if raw != self._loaded:
            tx.set(self.layout.ledger, raw)
            self._loaded = raw

    def save_groups(self, tx: Transaction) -> None:
        """Write the turns as they are now."""
        for group in self.groups.values():
            group.save(tx, self)

    def _post(self, tx: Transaction, call: Call, duty: str, due_ms: int) -> None:
        queue = self.queue
        own = call.as_service("sqs.amazonaws.com", queue.arn, queue.account)
        request = {"arn": queue.arn, "epoch": queue.epoch, "at": due_ms}
        deliveries.post(tx, own, self.layout.home, "sqs", duty, request, due=due_ms / 1000)

    def counts(self, tx: Reader, now_ms: int) -> tuple[int, int, int]:
        """(ready, in flight, delayed) at this moment, exactly."""
        returned = ripened = 0
        if self.flight_next <= now_ms:
            returned = _overdue(tx, self.layout.flight, now_ms)
        if self.delayed_next + self.shift_ms <= now_ms:
            ripened = _overdue(tx, self.layout.delayed, now_ms - self.shift_ms)
        return self.ready + returned + ripened, self.flight - returned, self.delayed - ripened


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
    return due_of(rows[0][0]) if rows else NEVER

"""Groups: the lanes of messages that have a MessageGroupId, and whose turn it is.

In a FIFO queue a group has a turn while some of its messages are ready and none is in flight; the
group with the oldest head comes first. In a standard queue a group is a tenant (a fair queue): all
tenants that have ready messages have a turn, quiet ones by the age of their head and before noisy
ones, of which that with the fewest in flight comes first. A group that has no messages has no rows.

Noisy is, by the developer guide ('How Amazon SQS fair queues work'): more than a tenth of all
messages in flight and at least 30 of them; or more than a tenth of the recent processing time.
"""

from __future__ import annotations

import heapq
import struct
from typing import Final

from ogi.services.sqs.layout import END, State, due_of, pair, unpack, unpair
from ogi.services.sqs.ledgers import Ledger
from ogi.storage import Reader, Transaction
from ogi.storage.keys import after, text, texts, u64

NOISY_SHARE: Final = 10
"""One in so many is a share that makes noisy."""
NOISY_FLIGHT_MIN: Final = 30
BUSY_MS_MIN: Final = 10_000
"""Processing time in all below which shares of it say nothing."""
BUSY_HALVES_S: Final = 60
"""Recent processing time counts half after so many seconds, a quarter after twice as many."""
PAGES_MAX: Final = 10
QUIET, NOISY, NO_TURN = 0, 1, 255

_ROW: Final = struct.Struct(">QQBQQQ")

Ready = tuple[bytes, int, State]
"""The key, the number and the state of a message that is ready."""


class Group:
    """A group's row, loaded once per transaction and saved with the ledger."""

    __slots__ = (
        "_stored", "busy", "busy_at", "flight", "head", "name", "noisy", "turn", "turn_at",
        "waiting",
    )  # fmt: skip
    waiting: int
    flight: int
    turn: int
    turn_at: int
    busy: int
    busy_at: int

    def __init__(self, tx: Reader, ledger: Ledger, name: str) -> None:
        self.name = name
        self._stored = tx.get(ledger.layout.groups + text(name))
        (self.waiting, self.flight, self.turn, self.turn_at, self.busy, self.busy_at) = (
            (0, 0, NO_TURN, 0, 0, 0) if self._stored is None else _ROW.unpack(self._stored)
        )
        self.noisy = self.turn == NOISY
        self.head: int | None = self.turn_at if self.turn == QUIET else None
        """Where the first ready message stands in the order; None: not known."""

    def joined(self, order: int) -> None:
        """A message became ready that stands at `order`."""
        if self.waiting == 0:
            self.head = order
        elif self.head is not None:
            self.head = min(self.head, order)
        self.waiting += 1

    def left(self) -> None:
        """A ready message was taken."""
        self.waiting -= 1
        self.head = None

    def save(self, tx: Transaction, ledger: Ledger) -> None:
        turn, turn_at = self._turn(tx, ledger)
        if (turn, turn_at) != (self.turn, self.turn_at):
            if self.turn != NO_TURN:
                tx.delete(_turn_key(ledger, self.turn, self.turn_at, self.name))
                ledger.turns -= 1
            if turn != NO_TURN:
                tx.ring(ledger.layout.bell)
                tx.set(_turn_key(ledger, turn, turn_at, self.name), b"")
                ledger.turns += 1
            self.turn, self.turn_at = turn, turn_at
        key = ledger.layout.groups + text(self.name)
        if not self.waiting and not self.flight:
            if self._stored is not None:
                tx.delete(key)
                self._stored = None
            return
        row = _ROW.pack(self.waiting, self.flight, self.turn, self.turn_at, self.busy, self.busy_at)
        if row != self._stored:
            tx.set(key, row)
            self._stored = row

    def _turn(self, tx: Reader, ledger: Ledger) -> tuple[int, int]:
        fifo = ledger.queue.attributes.fifo
        if not self.waiting or (fifo and self.flight):
            return NO_TURN, 0
        if self.noisy:
            return NOISY, self.flight
        if self.head is None:
            lane = ledger.layout.lane(self.name)
            ((key, _),) = tx.scan(lane, lane + END, 1)
            due_ms, number = unpair(key)
            self.head = number if fifo else due_ms
        return QUIET, self.head


def _turn_key(ledger: Ledger, turn: int, turn_at: int, name: str) -> bytes:
    return ledger.layout.turns + bytes([turn]) + u64(turn_at) + text(name)


def of(tx: Reader, ledger: Ledger, name: str) -> Group:
    """The group, as this transaction sees it."""
    group = ledger.groups.get(name)
    if group is None:
        group = ledger.groups[name] = Group(tx, ledger, name)
    return group


def lane_key(ledger: Ledger, group: str, due_ms: int, number: int) -> bytes:
    """The key of a ready message of a group."""
    return ledger.layout.lane(group) + pair(0 if ledger.queue.attributes.fifo else due_ms, number)


Heap = list[tuple[int, str, list[Ready] | None]]
"""(rank, group, its ready messages with the first at the end, None while not looked at)"""

# -- whose turn it is -----------------------------------------------------------------------------


def ready_fifo(tx: Reader, ledger: Ledger, limit: int) -> list[Ready]:
    """The next messages of a FIFO queue: as many of one group as there are, then of the next."""
    found: list[Ready] = []
    for _, name in _turns(tx, ledger, QUIET, limit):
        lane = ledger.layout.lane(name)
        found += map(_ready, tx.scan(lane, lane + END, limit - len(found)))
        if len(found) == limit:
            break
    return found


def ready_fair(tx: Transaction, ledger: Ledger, limit: int) -> list[Ready]:
    """The next messages of a standard queue that has tenants."""
    layout = ledger.layout
    single = [_ready(row) for row in tx.scan(layout.ready, layout.ready + END, limit)]
    # Each message without a group is a quiet tenant of its own.
    heap: Heap = [(due_of(single[0][0]), "", single[::-1])] if single else []
    heap += [(head, name, None) for head, name in _quiet(tx, ledger, limit)]
    heapq.heapify(heap)
    found = _merge(tx, ledger, heap, limit, by_age=True)
    if len(found) < limit:
        noisy: Heap = []
        for flight, name in _turns(tx, ledger, NOISY, limit - len(found)):
            group = of(tx, ledger, name)
            group.noisy = is_noisy(ledger, group)
            noisy.append((flight, name, None))
        found += _merge(tx, ledger, noisy, limit - len(found), by_age=False)
    return found


def _merge(tx: Reader, ledger: Ledger, heap: Heap, limit: int, *, by_age: bool) -> list[Ready]:
    """Messages of several tenants: the oldest first, or one each of who has fewest in flight."""
    found: list[Ready] = []
    while heap and len(found) < limit:
        rank, name, rows = heapq.heappop(heap)
        if rows is None:
            lane = ledger.layout.lane(name)
            rows = [_ready(row) for row in tx.scan(lane, lane + END, limit - len(found))][::-1]
        found.append(rows.pop())
        if rows:
            heapq.heappush(heap, (due_of(rows[-1][0]) if by_age else rank + 1, name, rows))
    return found


def _quiet(tx: Transaction, ledger: Ledger, limit: int) -> list[tuple[int, str]]:
    """The first quiet tenants; those that turn out to be noisy are put behind all quiet ones."""
    found: list[tuple[int, str]] = []
    begin = ledger.layout.turns + bytes([QUIET])
    end = after(begin)
    for _ in range(PAGES_MAX):
        page = tx.scan(begin, end, limit)
        for key, _ in page:
            head, name = _parse_turn(ledger, key)
            group = of(tx, ledger, name)
            if is_noisy(ledger, group):
                group.noisy = True
                group.save(tx, ledger)
            else:
                found.append((head, name))
        if len(page) < limit or len(found) >= limit:
            break
        begin = page[-1][0] + b"\x00"
    return found[:limit]


def _turns(tx: Reader, ledger: Ledger, turn: int, limit: int) -> list[tuple[int, str]]:
    begin = ledger.layout.turns + bytes([turn])
    return [_parse_turn(ledger, key) for key, _ in tx.scan(begin, after(begin), limit)]


def _parse_turn(ledger: Ledger, key: bytes) -> tuple[int, str]:
    at = len(ledger.layout.turns) + 1
    (name,) = texts(key[at + 8 :])
    return int.from_bytes(key[at : at + 8], "big"), name


def _ready(row: tuple[bytes, bytes]) -> Ready:
    key, raw = row
    return key, unpair(key)[1], unpack(raw)


# -- who is noisy ---------------------------------------------------------------------------------


def is_noisy(ledger: Ledger, group: Group) -> bool:
    if group.flight >= NOISY_FLIGHT_MIN and group.flight * NOISY_SHARE > ledger.flight:
        return True
    busy = _halved(group.busy, group.busy_at, ledger.busy_at)
    return ledger.busy >= BUSY_MS_MIN and busy * NOISY_SHARE > ledger.busy


def processed(tx: Reader, ledger: Ledger, name: str, took_ms: int, now_ms: int) -> None:
    """Remember that a message was worked on for so long; only where there are tenants."""
    if not name and not ledger.turns and not ledger.busy:
        return
    now = now_ms // 1000 // BUSY_HALVES_S
    ledger.busy = _halved(ledger.busy, ledger.busy_at, now) + took_ms
    ledger.busy_at = now
    if name:
        group = of(tx, ledger, name)
        group.busy = _halved(group.busy, group.busy_at, now) + took_ms
        group.busy_at = now
        if group.noisy and not is_noisy(ledger, group):
            group.noisy = False


def _halved(busy: int, at: int, now: int) -> int:
    return busy >> min(63, max(0, now - at))

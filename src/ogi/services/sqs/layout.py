"""Where a queue's messages lie in its home: the keys, and the small rows that move.

A message is two rows: its record, under (sent, number), is written once and deleted once; its
state, a few bytes, moves between the lanes and lies under (due, number):

    b  records, in order of sending: what expires first comes first
    r  ready to be received, by when they became so      d  delayed, by when they become ready
    f  in flight, by when their invisibility ends        l  ready ones of one group, in its order
    w  by number: where the state lies, kept only of messages that changed visibility or came back
    g  by group: how many of it are ready and in flight  t  the groups whose turn it may be
    c  the ledger: counts by lane, the next number, and when something happens next

In a FIFO queue a group's lane is in order of the numbers, and delayed states lie under the time of
sending, because a change of the queue's delay changes the delay of what is there already. All keys
begin with the queue's ARN and its epoch, so that a purge is a new epoch. What outlives a purge
(i: deduplication, a: receive attempts) lies under epoch 0.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from ogi.storage import Home
from ogi.storage.keys import number, text, u64

NEVER: Final = 2**63
"""A due time that does not come."""
LASTING: Final = 0
"""The epoch of what outlives a purge."""
END: Final = b"\xff" * 17
"""Behind all pairs that follow a prefix."""

_STATE: Final = struct.Struct(">QQIB")
_PAIR: Final = struct.Struct(">QQ")
pair: Final = _PAIR.pack
"""Two numbers as the end of a key: (sent, number) or (due, number)."""


def unpair(key: bytes) -> tuple[int, int]:
    """The two numbers that a key ends with."""
    first, second = _PAIR.unpack_from(key, len(key) - 16)
    return first, second


class State:
    """What moves of a message. Not to be changed once made."""

    __slots__ = ("count", "first_ms", "group", "sent_ms", "wanders")

    def __init__(self, sent_ms: int, first_ms: int, count: int, wanders: bool, group: str) -> None:
        self.sent_ms = sent_ms
        """Names the record, together with the number."""
        self.first_ms = first_ms
        """When it was first received; 0 if never."""
        self.count = count
        """How often it was received."""
        self.wanders = wanders
        """It has a row in `w`."""
        self.group = group
        """MessageGroupId, '' if none."""


def pack(state: State) -> bytes:
    fixed = _STATE.pack(state.sent_ms, state.first_ms, state.count, state.wanders)
    return fixed + state.group.encode() if state.group else fixed


def unpack(raw: bytes) -> State:
    sent_ms, first_ms, count, wanders = _STATE.unpack_from(raw)
    group = raw[_STATE.size :].decode() if len(raw) > _STATE.size else ""
    return State(sent_ms, first_ms, count, bool(wanders), group)


class Layout:
    """The prefixes of the keys of one epoch of one queue."""

    __slots__ = (
        "attempts", "base", "bell", "delayed", "duplicates", "flight", "groups", "home", "lanes",
        "ledger", "ready", "records", "turns", "where",
    )  # fmt: skip

    def __init__(self, arn: str, epoch: int) -> None:
        self.home = Home(arn)
        self.bell = b"sqs/" + arn.encode()
        self.base = arn.encode() + b"\x00" + u64(epoch)
        self.records = self.base + b"b"
        self.ready = self.base + b"r"
        self.delayed = self.base + b"d"
        self.flight = self.base + b"f"
        self.lanes = self.base + b"l"
        self.groups = self.base + b"g"
        self.turns = self.base + b"t"
        self.where = self.base + b"w"
        self.ledger = self.base + b"c"
        lasting = arn.encode() + b"\x00" + u64(LASTING)
        self.duplicates = lasting + b"i"
        self.attempts = lasting + b"a"

    def lane(self, group: str) -> bytes:
        """The prefix of the ready messages of a group."""
        return self.lanes + text(group)


@lru_cache(maxsize=65536)
def of(arn: str, epoch: int) -> Layout:
    return Layout(arn, epoch)


def due_of(key: bytes) -> int:
    """The due time of a key of a lane."""
    return number(key, len(key) - 16)

"""What Logs keeps: groups in their control home; streams and events in the group's own home.

Events are kept in segments: what one request brought for one stream within SEGMENT_SPAN_MS. A
segment stands once, in the group's order of time, and is named a second time in the lane of its
stream. So writing costs three small records per request whatever the number of lines, and
reading many streams is one scan in order of time.
"""

from __future__ import annotations

import msgspec

from ogi import arn as arns
from ogi.service import Call
from ogi.storage import Home
from ogi.storage.tables import Table

SEGMENT_SPAN_MS = 1000
"""How far apart the first and the last event of a segment are at most: what a reader must look at
before the time that it wants."""
SEGMENT_BYTES_MAX = 256 * 1024
"""Of messages; a longer message has a segment of its own."""


class Group(msgspec.Struct, frozen=True):
    name: str
    arn: str
    """Without the `:*` that policies and DescribeLogGroups put behind it."""
    number: int
    """Of this incarnation: a group that is deleted and made again shares nothing."""
    created_ms: int
    log_class: str = "STANDARD"
    retention_days: int | None = None
    sweep: int = 0
    """Which series of retention sweeps is the current one."""
    key_id: str | None = None
    tags: dict[str, str] = {}
    protected: bool = False

    @property
    def home(self) -> Home:
        return Home(self.arn)


class Stream(msgspec.Struct, frozen=True):
    name: str
    number: int
    created_ms: int


class Segment(msgspec.Struct, frozen=True, array_like=True):
    stream: str
    ingested_ms: int
    sealed: bytes
    """`events` as ogi.sealing sealed them."""


class Lane(msgspec.Struct, frozen=True, array_like=True):
    """A segment in its stream's order; the key says all."""


class Tail(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a stream's newest events; written by who writes to the stream."""

    sequence: int
    """Of the segment that came last: microseconds, and greater than all before."""
    last_ms: int
    ingested_ms: int


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """A deleted stream, some of whose events may still be there."""

    number: int


GROUPS = Table("logs.groups", Group)
"""name"""
STREAMS = Table("logs.streams", Stream)
"""group number, name"""
SEGMENTS = Table("logs.segments", Segment, cached=False)
"""group number, first event's ms, sequence, stream number"""
LANES = Table("logs.lanes", Lane, cached=False)
"""group number, stream number, first event's ms, sequence"""
TAILS = Table("logs.tails", Tail, cached=False)
"""group number, stream number"""
GONE = Table("logs.gone", Gone)
"""group number, stream number"""


def group_arn(call: Call, name: str) -> str:
    return arns.make("logs", call.region, call.account, f"log-group:{name}")

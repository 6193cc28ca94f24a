"""Crossings: dead letters of a FIFO queue on their way to their queue, in their order.

They lie in the home of the queue that they left, and one delivery takes them over, the oldest
first; one that has to be tried again holds up those behind it instead of being overtaken. (What the
developer guide says in 'Using dead-letter queues', that they break the exact order, is about the
messages that stay.)
Law: who puts a load where none waits posts that delivery, and it posts itself until none is left.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.storage import Home, Reader, Transaction
from ogi.storage.tables import Table


class Line(msgspec.Struct, frozen=True, array_like=True):
    """That some wait in a queue's home, and which numbers they have."""

    first: int
    next: int


class Load(msgspec.Struct, frozen=True, array_like=True):
    """What moves together: messages of one receive, for one queue."""

    arn: str
    messages: list[dict[str, Any]]


LINES = Table("sqs.line", Line, cached=False)
LOADS = Table("sqs.load", Load, cached=False)


def join(tx: Transaction, call: Call, source: str, load: Load) -> None:
    """Put a load at the end of its queue's line. `call` is SQS's own, for the queue."""
    home = Home(source)
    line = LINES.get(tx, home)
    if line is None:
        line = Line(0, 0)
        go_on(tx, call, source, load.arn)
    LOADS.put(tx, load, home, line.next)
    LINES.put(tx, Line(line.first, line.next + 1), home)


def first(tx: Reader, source: str) -> Load | None:
    """The oldest load that waits."""
    line = LINES.get(tx, Home(source))
    return None if line is None else LOADS.get(tx, Home(source), line.first)


def forget_first(tx: Transaction, source: str) -> None:
    home = Home(source)
    line = LINES.get(tx, home)
    if line is None:
        return
    LOADS.delete(tx, home, line.first)
    line = Line(line.first + 1, line.next)
    if line.first == line.next:
        LINES.delete(tx, home)
    else:
        LINES.put(tx, line, home)


def go_on(tx: Transaction, call: Call, source: str, arn: str) -> None:
    """Owe the crossing of the oldest, which goes to the queue of this ARN."""
    request: Fields = {"source": source, "arn": arn}
    deliveries.post(tx, call, Home(source), "sqs", "cross", request)

"""Lines on their way to Logs, as some principal: batched, off the hot path.

A function's role without permission for Logs has a function without logs, as on AWS. Lines that
were printed right before a crash of Ogi may be lost: they are in memory for at most LINGER_S.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from ogi.errors import AwsError
from ogi.service import Call, Fields

LINGER_S = 0.2
"""How long a line waits for others; the end of an invocation does not wait."""
BATCH_EVENTS_MAX = 10_000
BATCH_BYTES_MAX = 1_048_576
EVENT_OVERHEAD_BYTES = 26
"""PutLogEvents, API reference: 10,000 events, 1,048,576 bytes with 26 for each event."""
PENDING_BYTES_MAX = 32 * 1024 * 1024
"""Of one stream; what does not fit is dropped, so that a slow store does not eat the memory."""
REFUSED_S = 60.0
"""How long nothing is tried after a refusal."""

log = logging.getLogger("ogi.shipping")


class LogLine(Protocol):
    """One event of a log."""

    @property
    def at_ms(self) -> int: ...

    @property
    def text(self) -> str: ...


class Shipper:
    """Ships lines to one stream, which is made if need be."""

    def __init__(
        self,
        call: Call,
        group: str,
        stream: str,
        tasks: set[asyncio.Task[None]],
        bytes_max: int = BATCH_BYTES_MAX,
    ) -> None:
        """`call` acts as who may write there. `tasks` owns what runs in the background. bytes_max:
        of one batch, which is one transaction: others wait for it."""
        self._call = call
        self._bytes_max = bytes_max
        self._group, self._stream = group, stream
        self._tasks = tasks
        self._pending: deque[LogLine] = deque()
        self._bytes = 0
        self._hurry = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._made = False
        self._refused_until = 0.0

    def take(self, lines: Sequence[LogLine]) -> None:
        """Lines in the order of their times; never blocks."""
        for line in lines:
            size = len(line.text) + EVENT_OVERHEAD_BYTES
            if self._bytes + size > PENDING_BYTES_MAX:
                return
            self._pending.append(line)
            self._bytes += size
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())
            self._tasks.add(self._sending)
            self._sending.add_done_callback(self._sent)

    def hurry(self) -> None:
        """An invocation has ended: ship what there is."""
        self._hurry.set()

    async def flushed(self) -> None:
        """Wait until all is shipped (tests, shutdown)."""
        self._hurry.set()
        if self._sending is not None:
            await asyncio.wait([self._sending])

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._sending = None
        if not task.cancelled() and task.exception() is not None:
            log.error("log not shipped", exc_info=task.exception())

    async def _send(self) -> None:
        while self._pending:
            if not self._hurry.is_set() and self._bytes < self._bytes_max:
                try:
                    async with asyncio.timeout(LINGER_S):
                        await self._hurry.wait()
                except TimeoutError:
                    pass
            self._hurry.clear()
            batch = self._batch()
            if self._call.ports.clock.now() < self._refused_until:
                continue
            try:
                await self._put(batch)
            except AwsError as error:
                self._refused_until = self._call.ports.clock.now() + REFUSED_S
                log.warning(
                    "log refused",
                    extra={
                        "group": self._group,
                        "principal": self._call.principal.arn,
                        "code": error.code or error.shape,
                        "reason": error.message,
                    },
                )

    def _batch(self) -> list[Fields]:
        events: list[Fields] = []
        size = 0
        while self._pending and len(events) < BATCH_EVENTS_MAX:
            line = self._pending[0]
            text = line.text if line.text.endswith("\n") else line.text + "\n"
            more = len(text.encode()) + EVENT_OVERHEAD_BYTES
            if events and size + more > self._bytes_max:
                break
            self._pending.popleft()
            self._bytes -= len(line.text) + EVENT_OVERHEAD_BYTES
            size += more
            events.append({"timestamp": line.at_ms, "message": text})
        return events

    async def _put(self, events: list[Fields]) -> None:
        if not self._made:
            await self._make()
        asked = {
            "logGroupName": self._group, "logStreamName": self._stream, "logEvents": events,
        }  # fmt: skip
        try:
            await self._call.request("logs", "PutLogEvents", asked)
        except AwsError as error:
            if error.shape != "ResourceNotFoundException":
                raise
            # Somebody deleted the group or the stream meanwhile.
            await self._make()
            await self._call.request("logs", "PutLogEvents", asked)

    async def _make(self) -> None:
        """The stream, and the group if need be."""
        stream = {"logGroupName": self._group, "logStreamName": self._stream}
        try:
            await self._once("CreateLogStream", stream)
        except AwsError as error:
            if error.shape != "ResourceNotFoundException":
                raise
            await self._once("CreateLogGroup", {"logGroupName": self._group})
            await self._once("CreateLogStream", stream)
        self._made = True

    async def _once(self, operation: str, asked: Fields) -> None:
        try:
            await self._call.request("logs", operation, asked)
        except AwsError as error:
            if error.shape != "ResourceAlreadyExistsException":
                raise

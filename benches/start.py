"""How long until a server on an empty folder answers, and what it holds in memory when idle.

Run: python -m benches.start [--quick]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from benches.places import Effort, Place, Row, Unable, main

START_GOAL_S = 0.7
MEMORY_GOAL_MB = 90
IDLE_S = 3.0


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    if place.process is None:
        raise Unable("a start can only be measured of a server of our own")
    yield Row("first answer after the start", place.started_s, "s", START_GOAL_S, less=True)
    await asyncio.sleep(IDLE_S)
    yield Row("idle memory", place.memory_mb(), "MB", MEMORY_GOAL_MB, less=True)


if __name__ == "__main__":
    main(measure, __doc__)

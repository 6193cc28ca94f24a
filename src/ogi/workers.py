"""How things happen later: workers do bounded units of work, the supervisor owns the looping."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

BACKOFF_S = (0.05, 0.2, 1.0, 5.0, 30.0)
"""Waits after faults in a row."""

log = logging.getLogger("ogi.workers")


class Worker(Protocol):
    @property
    def name(self) -> str: ...

    async def work(self) -> bool:
        """One bounded unit. True if there may be more now."""
        ...

    async def wait(self) -> None:
        """Return when there may be work."""
        ...

    async def close(self) -> None:
        """Let go of everything; nothing that was promised may be lost."""
        ...


async def supervise(worker: Worker) -> None:
    """Run `worker` until cancelled: work, wait, back off after faults."""
    faults = 0
    try:
        while True:
            try:
                more = await worker.work()
                faults = 0
                if not more:
                    await worker.wait()
            except Exception:
                log.exception("worker failed", extra={"worker": worker.name})
                await asyncio.sleep(BACKOFF_S[min(faults, len(BACKOFF_S) - 1)])
                faults += 1
    finally:
        await worker.close()

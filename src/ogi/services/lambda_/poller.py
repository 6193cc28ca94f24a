"""The poller: keeps one feed for each enabled event source mapping."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from ogi.service import Ports
from ogi.services.lambda_ import mappings, runs
from ogi.services.lambda_.feeds import Feed
from ogi.services.lambda_.mappings import BELL, Mapping
from ogi.storage import Bell

IDLE_S = 5.0
"""A bell is a hint: look at the mappings at least this often."""
FLUSH_S_MAX = 2.0
"""How long the end of the server waits for function logs."""

log = logging.getLogger("ogi.lambda")


class Poller:
    """A worker. What it holds is made anew from the mappings at the next start."""

    name = "lambda.poller"

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._listening = contextlib.ExitStack()
        self._bell: Bell | None = None

    async def work(self) -> bool:
        """Bring the feeds in line with the mappings."""
        if self._bell is None:
            self._bell = self._listening.enter_context(self._ports.store.listen(BELL))
        self._bell.clear()
        wanted = {m.id: m for m in await self._ports.store.read(mappings.all_of)}
        for id in [id for id in self._feeds if id not in wanted]:
            self._feeds[id].stop()
        for mapping in wanted.values():
            await self._align(mapping)
        return False

    async def _align(self, mapping: Mapping) -> None:
        task, feed = self._tasks.get(mapping.id), self._feeds.get(mapping.id)
        if mapping.enabled and mapping.state != "Deleting":
            if feed is None or task is None or task.done():
                self._start(mapping)
            else:
                feed.change(mapping)
        elif feed is not None and task is not None and not task.done():
            feed.stop()
            # The state follows when the batches in progress have ended.
            return
        if mapping.state not in ("Enabled", "Disabled"):
            await self._ports.store.transact(lambda tx: mappings.settle(tx, mapping), mapping.home)

    def _start(self, mapping: Mapping) -> None:
        feed = self._feeds[mapping.id] = Feed(self._ports, mapping)
        task = asyncio.get_running_loop().create_task(feed.run())
        self._tasks[mapping.id] = task
        task.add_done_callback(lambda task: self._ended(mapping.id, task))

    def _ended(self, id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(id) is task:
            del self._tasks[id], self._feeds[id]
        if not task.cancelled() and task.exception() is not None:
            log.error("feed failed", exc_info=task.exception(), extra={"mapping": id})
        if self._bell is not None:
            self._bell.event.set()

    async def wait(self) -> None:
        if self._bell is not None:
            clock = self._ports.clock
            await clock.wait(self._bell.event, clock.now() + IDLE_S)

    async def close(self) -> None:
        """Messages of batches in progress come back when their visibility timeout passes."""
        self._bell = None
        self._listening.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        running = runs.of(self._ports)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S_MAX):
                await running.flush()
        await running.close()

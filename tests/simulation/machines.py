"""What the state machines of SQS have in common: a server on an engine, and its restarts."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from ogi.storage import Store, open
from ogi.storage.memory import MemoryStore
from tests.services.sqs.conftest import Client
from tests.world import World


async def _opened(engine: str, folder: Path) -> Store:
    """A store belongs to the loop on which it is opened."""
    return open(engine, folder)


class Machine(RuleBasedStateMachine):
    """SQS on an engine, in virtual time."""

    engine = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.store: Store = (
            MemoryStore(reruns=1)
            if self.engine == "memory"
            else self.run(_opened(self.engine, self.folder))
        )
        self.sqs = Client(World("sqs", store=self.store))

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @property
    def now(self) -> float:
        return self.sqs.clock.now()

    def start_again(self, seed: int) -> None:
        """Stop the server and start another on its folder; `seed` for what is drawn from now on."""
        self.run(self.store.close())
        now = self.now
        self.store = self.run(_opened(self.engine, self.folder))
        self.sqs = Client(World("sqs", store=self.store))
        self.sqs.world.random.seed(seed)
        self.sqs.clock.advance(now - self.now)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        shutil.rmtree(self.folder)


def check(kind: type[Machine], engine: str, *, examples: int, steps: int) -> None:
    """Run the machine on an engine; on a disk a third as often."""
    machine = type(kind.__name__, (kind,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples if engine == "memory" else examples // 3,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

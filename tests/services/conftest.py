"""Every test of a service's rules runs on each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ogi.storage import Store, open
from ogi.storage.memory import MemoryStore
from tests.world import World


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store = (
        MemoryStore(reruns=1) if request.param == "memory" else open(request.param, tmp_path)
    )
    yield store
    await store.close()


@pytest.fixture
def world_of(store: Store) -> Callable[..., World]:
    """world_of("sqs", "kms", ...): a World of these service packages on the engine under test."""

    def make(*packages: str, **rest: Any) -> World:
        return World(*packages, store=store, **rest)

    return make

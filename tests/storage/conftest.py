"""Every test of the storage contract runs on each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ogi.storage import Store, open
from ogi.storage.memory import MemoryStore
from tests.simulation.faulty import FaultyStore


@pytest.fixture(params=["memory", "memory-rerun", "late", "sqlite", "sqlite-process"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store
    if request.param == "memory-rerun":
        store = MemoryStore(reruns=1)
    elif request.param == "late":
        store = FaultyStore(1, faulty=False)
    else:
        store = open(request.param, tmp_path)
    yield store
    await store.close()

"""A world with all that the fan-out stack touches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ogi.storage.files import FileBlobs
from tests.world import World

NEIGHBOURS = ("cloudformation", "iam", "kms", "lambda_", "logs", "s3", "sns", "sqs", "sts")


@pytest.fixture
def whole_world(tmp_path: Path) -> Callable[..., Awaitable[World]]:
    """whole_world(store=...): all services, ready for their first request."""

    async def make(**options: Any) -> World:
        world = World(*NEIGHBOURS, blobs=FileBlobs(tmp_path / "blobs"), **options)
        for service in world.ports.services.values():
            if service.prepare is not None:
                await service.prepare(world.ports)
        return world

    return make

"""A world with S3, KMS and real files; neighbours that record what S3 asks of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ogi.errors import AccessDenied
from ogi.service import Service
from ogi.storage.files import FileBlobs
from tests.world import World


class S3:
    """A client: `await s3("PutObject", Key=...)` with the bucket filled in."""

    def __init__(self, world: World, bucket: str) -> None:
        self.world = world
        self.bucket = bucket

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self.world.call("s3", operation, **{"Bucket": self.bucket, **request})

    async def body(self, key: str, **request: Any) -> bytes:
        return await read((await self("GetObject", Key=key, **request))["Body"])


async def read(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"".join([piece async for piece in body])


class Neighbour:
    """A real service that keeps what it is asked, and refuses while `open` is False."""

    def __init__(self, name: str, operation: str) -> None:
        self.open = True
        self.calls: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.service = Service(name, f"{name}.amazonaws.com", AccessDenied)

        async def take(call: Any, request: Any) -> dict[str, Any]:
            if not self.open:
                raise AccessDenied()
            self.calls.append(call)
            self.asked.append(request)
            return {}

        self.service.operation(name=operation, open=True, preauthorised=False)(take)

    @property
    def messages(self) -> list[dict[str, Any]]:
        raw = [r.get("Message") or r.get("MessageBody") or r.get("Payload") for r in self.asked]
        return [json.loads(text) for text in raw]


@pytest.fixture
def world(world_of: Callable[..., World], tmp_path: Path) -> World:
    return world_of("s3", "kms", blobs=FileBlobs(tmp_path / "blobs"))


@pytest.fixture
async def s3(world: World) -> S3:
    s3 = S3(world, "bucket")
    await s3("CreateBucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return s3


@pytest.fixture
def topic(world: World) -> Neighbour:
    return _join(world, Neighbour("sns", "Publish"))


@pytest.fixture
def queue(world: World) -> Neighbour:
    return _join(world, Neighbour("sqs", "SendMessage"))


@pytest.fixture
def function(world: World) -> Neighbour:
    return _join(world, Neighbour("lambda", "Invoke"))


def _join(world: World, neighbour: Neighbour) -> Neighbour:
    world.ports.services[neighbour.service.name] = neighbour.service  # type: ignore[index]
    return neighbour

"""A client of SQS, and a queue to use it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ogi.service import Fields
from tests.world import World


class Client:
    """SQS as boto3 shows it: `await sqs.send_message(QueueUrl=..., ...)`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = world.clock

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = "".join(word.capitalize() for word in name.split("_"))

        async def ask(**request: Any) -> Fields:
            return await self.world.call("sqs", operation, **request)

        return ask

    async def queue(self, name: str = "orders", **attributes: Any) -> str:
        """The URL of a new queue with these attributes."""
        texts = {key: str(value) for key, value in attributes.items()}
        made = await self.create_queue(QueueName=name, Attributes=texts)
        url: str = made["QueueUrl"]
        return url

    async def send(self, url: str, body: str = "hello", **rest: Any) -> str:
        sent = await self.send_message(QueueUrl=url, MessageBody=body, **rest)
        id: str = sent["MessageId"]
        return id

    async def receive(self, url: str, limit: int = 10, **rest: Any) -> list[Fields]:
        found = await self.receive_message(QueueUrl=url, MaxNumberOfMessages=limit, **rest)
        messages: list[Fields] = found.get("Messages", [])
        return messages

    async def bodies(self, url: str, limit: int = 10, **rest: Any) -> list[str]:
        return [message["Body"] for message in await self.receive(url, limit, **rest)]

    async def attributes(self, url: str, *names: str) -> dict[str, str]:
        found = await self.get_queue_attributes(QueueUrl=url, AttributeNames=list(names or ["All"]))
        attributes: dict[str, str] = found["Attributes"]
        return attributes

    async def counts(self, url: str) -> tuple[int, int, int]:
        """(visible, in flight, delayed)"""
        found = await self.attributes(url)
        return (
            int(found["ApproximateNumberOfMessages"]),
            int(found["ApproximateNumberOfMessagesNotVisible"]),
            int(found["ApproximateNumberOfMessagesDelayed"]),
        )

    async def rows(self, arn: str) -> list[bytes]:
        """The keys that lie in a queue's home."""
        prefix = arn.encode() + b"\x00"
        found = await self.world.store.read(
            lambda tx: tx.scan(prefix, prefix + b"\xff" * 9, 10_000)
        )
        return [key[len(prefix) :] for key, _ in found]


@pytest.fixture
def sqs(world_of: Callable[..., World]) -> Client:
    return Client(world_of("sqs"))


@pytest.fixture
async def url(sqs: Client) -> str:
    return await sqs.queue()

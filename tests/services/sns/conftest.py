"""A client of SNS with queues to subscribe."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.service import Fields
from ogi.services.sns import certificates, outbox
from ogi.services.sns.outbox import Letter
from tests.world import World

ACCOUNT_ARN = "eu-west-1:111122223333"


class Client:
    """SNS as boto3 shows it: `await sns.publish(TopicArn=..., ...)`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = "".join(word.capitalize() for word in name.split("_")).replace("Sms", "SMS")

        async def ask(**request: Any) -> Fields:
            return await self.world.call("sns", operation, **request)

        return ask

    async def topic(self, name: str = "news", **attributes: Any) -> str:
        """The ARN of a new topic with these attributes."""
        await certificates.prepare(self.world.ports)
        texts = {key: str(value) for key, value in attributes.items()}
        made = await self.create_topic(Name=name, Attributes=texts)
        arn: str = made["TopicArn"]
        return arn

    async def queue(self, name: str = "inbox", **attributes: Any) -> str:
        """The ARN of a new queue."""
        await self.world.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)
        return f"arn:aws:sqs:{ACCOUNT_ARN}:{name}"

    async def subscribed(self, topic: str, queue: str = "inbox", **attributes: Any) -> str:
        """The ARN of a new queue's subscription; other values than texts become JSON."""
        endpoint = await self.queue(queue, **fifo_of(queue))
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in attributes.items()}
        made = await self.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes=texts
        )
        arn: str = made["SubscriptionArn"]
        return arn

    async def messages(self, queue: str = "inbox", limit: int = 10) -> list[Fields]:
        """What came to a queue, and is taken out of it."""
        await self.world.deliver()
        url = f"https://sqs.eu-west-1.amazonaws.com/111122223333/{queue}"
        found = await self.world.call(
            "sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=limit,
            MessageAttributeNames=["All"], AttributeNames=["All"],
        )  # fmt: skip
        messages: list[Fields] = found.get("Messages", [])
        for message in messages:
            await self.world.call(
                "sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
            )
        return messages

    async def texts(self, queue: str = "inbox", limit: int = 10) -> list[str]:
        """The texts that were published, out of the envelopes that came to a queue."""
        return [json.loads(m["Body"])["Message"] for m in await self.messages(queue, limit)]

    async def outbox(self, kind: str = "") -> list[Letter]:
        """What lies in the outbox, the oldest first."""
        await self.world.deliver()
        call = self.world.caller()
        found = await self.world.store.read(lambda tx: outbox.latest(tx, call, 1_000))
        return [letter for _, _, letter in reversed(found) if kind in ("", letter.kind)]

    def hops(self, kind: str) -> list[Fields]:
        return [hop for hop in self.world.ports.traces.get("1-test") if hop["kind"] == kind]


def fifo_of(name: str) -> dict[str, str]:
    return {"FifoQueue": "true"} if name.endswith(".fifo") else {}


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Client:
    return Client(world_of("sns", "sqs", "kms"))

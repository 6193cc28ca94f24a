"""What a publish costs with many filtered subscriptions, by how many and by whether one matches.

Run: python -m benches.sns_filters [SUBSCRIPTIONS...]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.world import World

from ogi import storage
from ogi.services.sns import certificates

PUBLISHES = 300


async def measure(subscriptions: int) -> None:
    """One queue, subscribed by a filter on a text; the others ask for other texts."""
    with tempfile.TemporaryDirectory() as folder:
        store = storage.open("sqlite", Path(folder))
        world = World(
            "sns",
            "sqs",
            "kms",
            store=store,
            settings={"sns_quotas": "filters-per-topic=10000"},
        )
        await certificates.prepare(world.ports)
        topic = (await world.call("sns", "CreateTopic", Name="t"))["TopicArn"]
        await world.call("sqs", "CreateQueue", QueueName="q0")
        for n in range(subscriptions):
            await world.call(
                "sns", "Subscribe", TopicArn=topic, Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{world.caller().region}:{world.caller().account}:q{n}",
                Attributes={"FilterPolicy": json.dumps({"to": [f"q{n}"]}),
                            "RawMessageDelivery": "true"},
            )  # fmt: skip
        for text in ("q0", "nobody"):
            attributes = {"to": {"DataType": "String", "StringValue": text}}
            began = time.process_time()
            for _ in range(PUBLISHES):
                await world.call(
                    "sns", "Publish", TopicArn=topic, Message="x" * 1024,
                    MessageAttributes=attributes,
                )  # fmt: skip
            await world.deliver()
            each_us = (time.process_time() - began) / PUBLISHES * 1e6
            print(f"{subscriptions:>7,} subscriptions, for {text:<7} {each_us:7.0f} us of CPU each")
        await store.close()


async def main() -> None:
    for subscriptions in [int(n) for n in sys.argv[1:]] or [1, 100, 1_000, 10_000]:
        await measure(subscriptions)


if __name__ == "__main__":
    asyncio.run(main())

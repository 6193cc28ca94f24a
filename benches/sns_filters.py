"""What a publish costs with many filtered subscriptions, by filters and by whether one matches.

Run: python -m benches.sns_filters [--filters text,...] [SUBSCRIPTIONS...]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.world import World

from ogi import storage
from ogi.services.sns import certificates

PUBLISHES = 300
TESTED_AT_MOST = 3_000_000
"""Filters that a measurement may test one by one, in all."""

FILTERS: dict[str, Callable[[int], dict[str, Any]]] = {
    "text": lambda n: {"to": [f"q{n}"]},
    "two texts": lambda n: {"kind": ["order"], "to": [f"q{n}"]},
    "number": lambda n: {"at": [n]},
    "prefix": lambda n: {"to": [{"prefix": f"q{n}"}]},
    "range": lambda n: {"at": [{"numeric": [">=", n, "<", n + 1]}]},
    "anything-but": lambda n: {"kind": [{"anything-but": f"k{n}"}], "to": [f"q{n}"]},
}
"""All of them ask for something else; those of one kind for something in common, too."""


async def measure(subscriptions: int, name: str) -> None:
    """One queue, subscribed by a filter; the others ask for something else."""
    with tempfile.TemporaryDirectory() as folder:
        store = storage.open("sqlite", Path(folder))
        world = World(
            "sns", "sqs", "kms", store=store, settings={"sns_quotas": "filters-per-topic=10000"}
        )
        await certificates.prepare(world.ports)
        topic = (await world.call("sns", "CreateTopic", Name="t"))["TopicArn"]
        await world.call("sqs", "CreateQueue", QueueName="q0")
        for n in range(subscriptions):
            await world.call(
                "sns", "Subscribe", TopicArn=topic, Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{world.caller().region}:{world.caller().account}:q{n}",
                Attributes={"FilterPolicy": json.dumps(FILTERS[name](n)),
                            "RawMessageDelivery": "true"},
            )  # fmt: skip
        publishes = max(3, min(PUBLISHES, TESTED_AT_MOST // 5 // subscriptions))
        for whom, number in (("q0", "0"), ("nobody", "-1")):
            attributes = {
                "to": {"DataType": "String", "StringValue": whom},
                "kind": {"DataType": "String", "StringValue": "order"},
                "at": {"DataType": "Number", "StringValue": number},
            }
            began = time.process_time()
            for _ in range(publishes):
                await world.call(
                    "sns", "Publish", TopicArn=topic, Message="x" * 1024,
                    MessageAttributes=attributes,
                )  # fmt: skip
            await world.deliver()
            each_us = (time.process_time() - began) / publishes * 1e6
            print(
                f"{subscriptions:>7,} filters on {name:<12} for {whom:<7}"
                f"{each_us:8.0f} us of CPU each"
            )
        await store.close()


async def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--filters", default=",".join(FILTERS))
    given.add_argument("subscriptions", type=int, nargs="*", default=[1, 100, 1_000, 10_000])
    options = given.parse_args()
    for name in options.filters.split(","):
        for subscriptions in options.subscriptions:
            await measure(subscriptions, name)


if __name__ == "__main__":
    asyncio.run(main())

"""Lambda alone, without HTTP: cold and warm starts, and the way from a queue to the handler.

Run: python -m benches.lambda_core [invocations per row] [--profile]
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import json
import logging
import pstats
import sys
import tempfile
import time
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from tests.world import ACCOUNT, REGION, World

from ogi.access.authorise import authorise
from ogi.clock import SystemClock
from ogi.courier import Courier
from ogi.sandbox.local import LocalSandbox
from ogi.services.lambda_.poller import Poller
from ogi.storage.files import FileBlobs
from ogi.storage.sqlite import SqliteStore
from ogi.workers import supervise

SPACING_S = 0.01
"""Between messages, so that each is alone on its way."""
BURST = 5
"""Messages sent at once, per invocation of a row."""
CODE = """
import time
def handler(event, context):
    return time.time()
"""
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
         "Action": "sts:AssumeRole"}
    ],
})  # fmt: skip
ALLOW = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", code)
    return buffer.getvalue()


def row(name: str, seconds: list[float], cpu_s: float) -> None:
    seconds.sort()
    p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    cpu = cpu_s / len(seconds) * 1e6
    print(f"{name:<28} p50 {p50 * 1e3:7.2f} ms  p99 {p99 * 1e3:7.2f} ms  cpu {cpu:6.0f} us")


async def timed(name: str, count: int, request: Callable[[], Awaitable[Any]]) -> None:
    took: list[float] = []
    cpu = time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        await request()
        took.append(time.perf_counter() - began)
    row(name, took, time.process_time() - cpu)


async def from_queue(world: World, count: int) -> None:
    """From the answer of SendMessage to the function's start, and how many a second at once."""
    made = await world.call(
        "sqs", "CreateQueue", QueueName="q", Attributes={"VisibilityTimeout": "60"}
    )
    url, arn = made["QueueUrl"], f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    await world.call(
        "lambda", "CreateEventSourceMapping", EventSourceArn=arn, FunctionName="f", BatchSize=1
    )
    poller = asyncio.create_task(supervise(Poller(world.ports)))
    starts: dict[str, float] = {}
    arrived = asyncio.Event()
    add = world.ports.traces.add

    def watch(notes: Any) -> None:
        for _, kind, fields in notes:
            if kind == "lambda.start":
                starts.update(dict.fromkeys(fields["message_ids"], fields["at"]))
                arrived.set()
        add(notes)

    world.ports.traces.add = watch  # type: ignore[method-assign]
    took: list[float] = []
    cpu = time.process_time()
    for _ in range(count):
        sent = await world.call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
        answered = time.time()
        await asyncio.sleep(SPACING_S)
        while sent["MessageId"] not in starts:
            arrived.clear()
            await arrived.wait()
        took.append(starts[sent["MessageId"]] - answered)
    row("send to handler, alone", took, time.process_time() - cpu)
    starts.clear()
    began = time.perf_counter()
    await asyncio.gather(
        *(
            world.call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
            for _ in range(count * BURST)
        )
    )
    while len(starts) < count * BURST:
        arrived.clear()
        await arrived.wait()
    rate = count * BURST / (time.perf_counter() - began)
    print(f"{'burst, batches of one':<28} {rate:9,.0f} invocations/s, sends included")
    poller.cancel()
    await asyncio.wait([poller])


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sandbox = LocalSandbox(folder / "sandbox")
        print(sandbox.describe())
        world = World(
            "lambda_", "sqs", "iam", "kms", "logs", store=SqliteStore(folder),
            blobs=FileBlobs(folder / "blobs"), authorise=authorise, sandbox=sandbox,
            settings={"data": folder},
        )  # fmt: skip
        world.clock = SystemClock()  # type: ignore[assignment]
        object.__setattr__(world.ports, "clock", world.clock)
        courier = asyncio.create_task(supervise(Courier(world.ports)))
        await world.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
        await world.call("iam", "PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=ALLOW)
        await world.call(
            "lambda", "CreateFunction", FunctionName="f", Runtime="python3.11",
            Role=f"arn:aws:iam::{ACCOUNT}:role/r", Handler="index.handler", Timeout=30,
            Code={"ZipFile": zipped(CODE)},
        )  # fmt: skip

        async def invoke() -> None:
            await world.call("lambda", "Invoke", FunctionName="f", Payload=b"{}")

        async def cold() -> None:
            await sandbox.reset()
            await invoke()

        await timed("invoke, cold", 20, cold)
        await timed("invoke, warm", count, invoke)
        await from_queue(world, count)
        courier.cancel()
        await asyncio.wait([courier])
        await sandbox.close()
        await world.store.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    amount = int(next((a for a in sys.argv[1:] if a.isdigit()), "500"))
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    if profile is not None:
        profile.enable()
    uvloop.run(main(amount))
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)

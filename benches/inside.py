"""The event loop's own time for a request, without sockets: what a change of the code gives, while
other work keeps the machine too busy to compare requests a second.

Run: python -m benches.inside [--rounds N] [--only send,batch,receive,delete,publish]

The whole way of a request is gone, from the bytes that a connection gets to those of the answer,
in waves as they come from so many connections. The figure is processor time of the loop's thread
per message: of the waves that nobody disturbed, which is a tenth even on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvloop

from benches.load import Target
from ogi import compiled
from ogi.app import Ogi
from ogi.cli.serve import GC_THRESHOLDS
from ogi.gateway.connections import Connection
from ogi.settings import Settings

CONNECTIONS = {"send": 32, "batch": 16, "receive": 16, "delete": 16, "publish": 32}
WAVES = 20
"""Of one round."""


class Wire:
    """A transport that keeps what is written."""

    def __init__(self, done: Callable[[], None]) -> None:
        self.answer = b""
        self._done = done

    def write(self, data: bytes) -> None:
        self.answer = data
        self._done()

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def close(self) -> None:
        pass

    abort = close


class Clients:
    """So many connections, each with one request under way."""

    def __init__(self, ogi: Ogi, connections: int) -> None:
        self._left = 0
        self._answered = asyncio.Event()
        self._wires: list[Wire] = []
        self._lines: list[Connection] = []
        for _ in range(connections):
            wire = Wire(self._one_less)
            line = Connection(ogi._server, False)
            line.connection_made(wire)  # type: ignore[arg-type]
            self._wires.append(wire)
            self._lines.append(line)

    def _one_less(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._answered.set()

    async def wave(self, requests: Sequence[bytes]) -> list[bytes]:
        """A request on each connection; the bodies of the answers."""
        self._left = len(requests)
        self._answered.clear()
        for line, request in zip(self._lines, requests, strict=False):
            line.data_received(request)
        await self._answered.wait()
        answers = [wire.answer for wire in self._wires[: len(requests)]]
        for answer in answers:
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:500])
        return [answer.partition(b"\r\n\r\n")[2] for answer in answers]


class Bench:
    def __init__(self, ogi: Ogi) -> None:
        self.ogi = ogi
        self.target = Target(ogi.endpoint, region="us-east-1")
        self.queue = ""

    async def ask(self, *requests: bytes) -> list[bytes]:
        return await Clients(self.ogi, len(requests)).wave(requests)

    def sqs(self, operation: str, **members: Any) -> bytes:
        body = json.dumps(members).encode()
        return self.target.json("sqs", f"AmazonSQS.{operation}", body)

    def sns(self, **members: str) -> bytes:
        return self.target.query("sns", urlencode({"Version": "2010-03-31", **members}).encode())

    async def prepare(self) -> None:
        made = await self.ask(self.sqs("CreateQueue", QueueName="inside"))
        self.queue = json.loads(made[0])["QueueUrl"]
        await self.ask(self.sns(Action="CreateTopic", Name="inside"))
        topic = "arn:aws:sns:us-east-1:000000000000:inside"
        for at in range(10):
            arn = f"arn:aws:sqs:us-east-1:000000000000:inside-{at}"
            policy = json.dumps({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage", "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}})  # fmt: skip
            queue = {"QueueName": f"inside-{at}", "Attributes": {"Policy": policy}}
            await self.ask(self.sqs("CreateQueue", **queue))
            await self.ask(self.sns(
                Action="Subscribe", Protocol="sqs", TopicArn=topic, Endpoint=arn,
            ))  # fmt: skip

    async def fill(self, messages: int) -> None:
        clients = Clients(self.ogi, 16)
        for _ in range(messages // 160 + 1):
            await clients.wave([self.batch()] * 16)

    def batch(self) -> bytes:
        entries = [{"Id": str(at), "MessageBody": text()} for at in range(10)]
        return self.sqs("SendMessageBatch", QueueUrl=self.queue, Entries=entries)

    async def waves(self, part: str) -> tuple[list[list[bytes]], int]:
        """The requests of a round, and how many messages each is."""
        many = CONNECTIONS[part]
        if part == "send":
            one = [self.sqs("SendMessage", QueueUrl=self.queue, MessageBody=text())] * many
            return [one] * WAVES, 1
        if part == "batch":
            return [[self.batch()] * many] * WAVES, 10
        if part == "publish":
            topic = "arn:aws:sns:us-east-1:000000000000:inside"
            one = [self.sns(Action="Publish", TopicArn=topic, Message=text())] * many
            return [one] * WAVES, 10
        await self.fill(WAVES * many * 10)
        receive = self.sqs("ReceiveMessage", QueueUrl=self.queue, MaxNumberOfMessages=10)
        if part == "receive":
            return [[receive] * many] * WAVES, 10
        found: list[list[bytes]] = []
        clients = Clients(self.ogi, many)
        for _ in range(WAVES):
            found.append([self.delete(body) for body in await clients.wave([receive] * many)])
        return found, 10

    def delete(self, received: bytes) -> bytes:
        entries = [
            {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]}
            for at, message in enumerate(json.loads(received)["Messages"])
        ]
        return self.sqs("DeleteMessageBatch", QueueUrl=self.queue, Entries=entries)

    async def round(self, part: str) -> list[float]:
        """Microseconds of the loop's thread for each message, of each wave."""
        requests, each = await self.waves(part)
        clients = Clients(self.ogi, CONNECTIONS[part])
        await self._quiet()
        found: list[float] = []
        for wave in requests:
            began = time.thread_time()
            await clients.wave(wave)
            found.append((time.thread_time() - began) * 1e6 / (each * len(wave)))
        return found

    async def _quiet(self) -> None:
        """What earlier rounds left to do is done."""
        spent = 1.0
        while spent > 0.001:
            began = time.thread_time()
            await asyncio.sleep(0.05)
            spent = time.thread_time() - began


def text() -> str:
    return os.urandom(512).hex()


async def run(rounds: int, parts: Sequence[str]) -> None:
    settings = Settings(
        data=Path(), ephemeral=True, port=0, credentials="test:test", region="us-east-1"
    )
    ogi = await Ogi.start(settings)
    try:
        bench = Bench(ogi)
        await bench.prepare()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        for part in parts:
            found = sorted(chain.from_iterable([await bench.round(part) for _ in range(rounds)]))
            tenth, half = found[len(found) // 10], found[len(found) // 2]
            print(f"{part:8} {tenth:6.2f} us a message  (median {half:.2f})", flush=True)
    finally:
        await ogi.stop(0)


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--rounds", type=int, default=20)
    given.add_argument("--only", default=",".join(CONNECTIONS))
    options = given.parse_args()
    print("Python", sys.version.split()[0], "compiled" if compiled.active() else "")
    uvloop.run(run(options.rounds, options.only.split(",")))


if __name__ == "__main__":
    main()

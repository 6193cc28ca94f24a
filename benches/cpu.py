"""CPU per request, of one or several source trees side by side: what remains comparable while the
machine is busy with other things. Each tree's server runs the same requests in turn.

Run: python -m benches.cpu [--rounds N] [--only send,receive] SRC[,OPTION...] [SRC ...]
(SRC: .../src; OPTION: of `ogi serve`, e.g. src,--audit=all)
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from benches.load import Connection, Target, connect

CONNECTIONS = 32


class Server:
    """One `ogi serve` of a source tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        source, *options = source.split(",")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ogi", "serve", "--ephemeral", "--port", "0",
             "--credentials", "test:test", "--region", "us-east-1", *options],
            env={**os.environ, "PYTHONPATH": str(Path(source).resolve())},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.target = Target(
            next(word for word in line.split() if word.startswith("http")), region="us-east-1"
        )
        self.queue = ""

    def cpu_us(self) -> tuple[float, float]:
        """Microseconds on a processor so far: of the main thread, and of all."""
        main, total = 0.0, 0.0
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            us = int((task / "schedstat").read_text().split()[0]) / 1000
            total += us
            if task.name == str(self._process.pid):
                main = us
        return main, total

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


async def ask(target: Target, requests: Sequence[bytes]) -> list[bytes]:
    """Each request once, over all connections; the bodies of the answers."""
    clients = [await connect(target) for _ in range(CONNECTIONS)]
    left = iter(requests)
    bodies: list[bytes] = []

    async def client(connection: Connection) -> None:
        for request in left:
            status, body = await connection.ask(request)
            if status >= 300:
                raise RuntimeError(f"{status}: {body[:300]!r}")
            bodies.append(body)

    await asyncio.gather(*(client(c) for c in clients))
    for connection in clients:
        connection.close()
    return bodies


def sqs(server: Server, operation: str, members: dict[str, object]) -> bytes:
    body = json.dumps({"QueueUrl": server.queue, **members} if server.queue else members)
    return server.target.json("sqs", f"AmazonSQS.{operation}", body.encode())


def text() -> str:
    return os.urandom(512).hex()


async def prepare(server: Server) -> None:
    made = await ask(server.target, [sqs(server, "CreateQueue", {"QueueName": "bench"})])
    server.queue = json.loads(made[0])["QueueUrl"]
    topic = server.target.query("sns", b"Action=CreateTopic&Version=2010-03-31&Name=bench")
    await ask(server.target, [topic])
    for at in range(10):
        name, arn = f"fan{at}", f"arn:aws:sqs:us-east-1:000000000000:fan{at}"
        policy = json.dumps({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn}})  # fmt: skip
        body = json.dumps({"QueueName": name, "Attributes": {"Policy": policy}}).encode()
        subscribe = (
            "Action=Subscribe&Version=2010-03-31&Protocol=sqs"
            f"&TopicArn=arn:aws:sns:us-east-1:000000000000:bench&Endpoint={arn}"
        )
        await ask(server.target, [server.target.json("sqs", "AmazonSQS.CreateQueue", body)])
        await ask(server.target, [server.target.query("sns", subscribe.encode())])
    await ask(server.target, [server.target.render("s3", "PUT", "/bench", {})])


Part = tuple[list[bytes], int]
"""Requests, and how many messages, copies or objects they are."""


async def send(server: Server) -> Part:
    one = [sqs(server, "SendMessage", {"MessageBody": text()}) for _ in range(200)]
    return one * 25, 5000


async def batch(server: Server) -> Part:
    entries = [{"Id": str(at), "MessageBody": text()} for at in range(10)]
    return [sqs(server, "SendMessageBatch", {"Entries": entries})] * 500, 5000


async def receive(server: Server) -> Part:
    requests, _ = await batch(server)
    await ask(server.target, requests)
    return [sqs(server, "ReceiveMessage", {"MaxNumberOfMessages": 10})] * 500, 5000


async def delete(server: Server) -> Part:
    receives, _ = await receive(server)
    requests = []
    for body in await ask(server.target, receives):
        found = json.loads(body).get("Messages", [])
        entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(found)]
        if entries:
            requests.append(sqs(server, "DeleteMessageBatch", {"Entries": entries}))
    return requests, 10 * len(requests)


async def publish(server: Server) -> Part:
    body = (
        "Action=Publish&Version=2010-03-31&TopicArn=arn:aws:sns:us-east-1:000000000000:bench"
        f"&Message={text()}"
    )
    return [server.target.query("sns", body.encode())] * 500, 5000


async def put(server: Server) -> Part:
    body = os.urandom(1024)
    digest = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    requests = [
        server.target.render("s3", "PUT", f"/bench/key-{at}", digest, body) for at in range(500)
    ]
    return requests * 4, 2000


async def get(server: Server) -> Part:
    requests = [server.target.render("s3", "GET", f"/bench/key-{at}", {}) for at in range(500)]
    return requests * 4, 2000


PARTS: dict[str, Callable[[Server], object]] = {
    part.__name__: part for part in (send, batch, receive, delete, publish, put, get)
}


async def settled(server: Server) -> None:
    """Wait until what the requests left to do is done."""
    _, before = server.cpu_us()
    while True:
        await asyncio.sleep(0.25)
        _, now = server.cpu_us()
        if now - before < 10_000:
            return
        before = now


async def measured(server: Server, part: str) -> tuple[float, float, float]:
    """Microseconds of the main thread and of all per unit; units a second."""
    requests, units = await PARTS[part](server)  # type: ignore[misc]
    await settled(server)
    main, total = server.cpu_us()
    began = time.perf_counter()
    await ask(server.target, requests)
    seconds = time.perf_counter() - began
    if part == "publish":
        await settled(server)
    main_now, total_now = server.cpu_us()
    return (main_now - main) / units, (total_now - total) / units, units / seconds


async def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--only", default=",".join(PARTS))
    given.add_argument("sources", nargs="+")
    options = given.parse_args()
    servers = [Server(source) for source in options.sources]
    try:
        for server in servers:
            await prepare(server)
        for part in options.only.split(","):
            found: dict[str, list[tuple[float, float, float]]] = {s.source: [] for s in servers}
            for _ in range(options.rounds + 1):
                for server in servers:
                    found[server.source].append(await measured(server, part))
            for source, rows in found.items():
                main_us, total_us, rate = map(statistics.median, zip(*rows[1:], strict=True))
                print(
                    f"{part:8} main {main_us:7.1f} us  all {total_us:7.1f} us  {rate:7.0f}/s"
                    f"  {source}",
                    flush=True,
                )
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    uvloop.run(main())

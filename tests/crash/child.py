"""A server that is killed while it works, and the load that is in flight when it dies.

What a load attempts is written down before it is sent, what was acknowledged after the answer came;
between the two the server may have died, so either outcome is right for it, but no half of one.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import boto3
import pytest
from benches.load import Connection, Target, connect
from botocore.config import Config

ROUNDS = int(os.environ.get("OGI_CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("OGI_CRASH_SEED", "0")) or random.randrange(1, 1_000_000)
START_S_MAX = 30.0
LOAD_S = (0.02, 0.4)
"""How long the load runs before the kill."""
STILLBORN = 0.15
"""The share of restarts that are killed, too, before the one that counts."""
ACCOUNT = "000000000000"
REGION = "eu-west-1"


class Child:
    """`ogi serve` on one folder and one port, over and over."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options
        self.port = _free_port()
        self.target = Target(f"http://127.0.0.1:{self.port}", region=REGION)
        self._log = folder / "ogi.log"
        self._process: subprocess.Popen[str] | None = None
        self._clients: dict[str, Any] = {}

    def spawn(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "ogi", "serve", "--port", str(self.port),
                    "--data", str(self.folder / "data"), "--region", REGION,
                    "--credentials", "test:test", *self._options,
                ],
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def start(self) -> None:
        self.spawn()
        assert self._process is not None
        assert self._process.stdout is not None
        if "ready at" not in self._process.stdout.readline():
            self.kill()
            pytest.fail(f"it did not start again:\n{self._log.read_text()}")

    def kill(self) -> None:
        if self._process is not None:
            with self._process as process:
                process.send_signal(signal.SIGKILL)
                process.wait(START_S_MAX)
            self._process = None

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, endpoint_url=self.target.endpoint, region_name=REGION,
                aws_access_key_id="test", aws_secret_access_key="test",
                config=Config(retries={"max_attempts": 0}),
            )  # fmt: skip
        return self._clients[service]

    def close(self) -> None:
        self.kill()
        for client in self._clients.values():
            client.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Line:
    """One connection of a load; it takes one request at a time."""

    def __init__(self, target: Target, connection: Connection) -> None:
        self._target = target
        self._connection = connection

    async def sqs(self, operation: str, **request: Any) -> dict[str, Any]:
        body = json.dumps(request).encode()
        answer = await self._ask(self._target.json("sqs", f"AmazonSQS.{operation}", body))
        parsed: dict[str, Any] = json.loads(answer or b"{}")
        assert not parsed.get("Failed"), parsed
        return parsed

    async def attempt(self, operation: str, **request: Any) -> dict[str, Any]:
        """An action of SQS that may be refused; the refusal is an answer, too."""
        body = json.dumps(request).encode()
        request_bytes = self._target.json("sqs", f"AmazonSQS.{operation}", body)
        status, answer = await self._connection.ask(request_bytes)
        assert status < 500, answer
        parsed: dict[str, Any] = json.loads(answer or b"{}")
        return parsed

    async def query(self, service: str, version: str, action: str, **request: str) -> bytes:
        body = urlencode({"Action": action, "Version": version, **request}).encode()
        return await self._ask(self._target.query(service, body))

    async def s3(self, method: str, path: str, body: bytes = b"") -> bytes:
        return await self._ask(self._target.render("s3", method, path, {}, body))

    async def _ask(self, request: bytes) -> bytes:
        status, body = await self._connection.ask(request)
        assert status < 300, body
        return body


class Load(Protocol):
    """What is going on when the server dies, and what must be true when it is back."""

    def set_up(self, child: Child) -> None: ...

    def jobs(self) -> Sequence[Callable[[Line], Coroutine[Any, Any, None]]]:
        """Each runs on a connection of its own until the server dies."""
        ...


def storms(
    folder: Path, load: Load, background: Sequence[Load], check: Callable[[Child], None],
    rounds: int = ROUNDS,
) -> None:  # fmt: skip
    """Kill the server in mid-flight again and again, and `check` after each restart."""
    chance = random.Random(f"{SEED}{type(load).__name__}")
    child = Child(folder)
    try:
        child.start()
        for one in (load, *background):
            one.set_up(child)
        for turn in range(rounds):
            try:
                asyncio.run(_storm(child, [load, *background], chance))
                if chance.random() < STILLBORN:
                    child.spawn()
                    time.sleep(chance.uniform(0.1, 1.0))
                    child.kill()
                child.start()
                check(child)
            except (AssertionError, pytest.fail.Exception) as failure:
                failure.add_note(f"round {turn}; again with OGI_CRASH_SEED={SEED}")
                raise
    finally:
        child.close()


async def _storm(child: Child, loads: Sequence[Load], chance: random.Random) -> None:
    jobs = [job for load in loads for job in load.jobs()]
    async with connected(child.target, len(jobs)) as lines:
        running = [asyncio.create_task(job(line)) for job, line in zip(jobs, lines, strict=True)]
        await asyncio.sleep(chance.uniform(*LOAD_S))
        child.kill()
        # Answers that had left the server before it died count as acknowledged.
        await asyncio.sleep(0.02)
        for job in running:
            job.cancel()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            if not isinstance(ended, OSError | asyncio.CancelledError):
                raise AssertionError(f"a load ended before its server: {ended!r}") from ended


@asynccontextmanager
async def connected(target: Target, count: int) -> AsyncIterator[list[Line]]:
    connections = [await connect(target) for _ in range(count)]
    try:
        yield [Line(target, connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()


def drain(client: Any, url: str) -> list[str]:
    """The bodies of all that can be received now; they are deleted."""
    bodies: list[str] = []
    while found := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in found]
        entries = [
            {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]}
            for i, message in enumerate(found)
        ]
        answer = client.delete_message_batch(QueueUrl=url, Entries=entries)
        assert not answer.get("Failed"), answer
    return bodies


def waiting(client: Any, url: str) -> int:
    """Messages in a queue, whether they can be received now or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def eventually(look: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether `look` becomes true in time."""
    until = time.monotonic() + seconds
    while not look():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True

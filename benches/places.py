"""Where a promise is measured: a server that the bench starts, or any endpoint; and its rows.

Each script has `measure(place, effort)`, which gives rows; `main` makes it a command of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import boto3
import uvloop
from botocore.config import Config

from benches.load import Connection, Outcome, Target, connect, repeat

START_S_MAX = 60.0
SOURCES = Path(__file__).parents[1] / "src"
FOLDER = Path(".ogi")
"""Data folders lie in it: on the disk of the working directory, not in a file system of memory."""


class Unable(Exception):
    """This endpoint cannot do what the row is about; the message says why."""


@dataclass(frozen=True)
class Row:
    """One promise and what was measured; goal None: measured for its own sake."""

    promise: str
    measured: float
    unit: str
    goal: float | None = None
    less: bool = False
    """Whether less is better."""
    remark: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.measured <= self.goal if self.less else self.measured >= self.goal


@dataclass(frozen=True)
class Effort:
    """How long and how often is measured."""

    runs: int = 3
    seconds: float = 4.0
    messages: int = 20_000
    samples: int = 200
    backlog: int = 1_000_000
    script_s_max: float = 600.0

    @classmethod
    def quick(cls, backlog: int | None = None) -> Effort:
        return cls(
            runs=1,
            seconds=1.5,
            messages=5_000,
            samples=40,
            backlog=backlog or 50_000,
            script_s_max=20,
        )


@dataclass
class Place:
    """An endpoint, and the process behind it if the bench started it."""

    target: Target
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    """From the start of the process to its first answer."""
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client, for what is not measured."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, endpoint_url=self.target.endpoint, region_name=self.target.region,
                aws_access_key_id=self.target.key, aws_secret_access_key=self.target.secret,
                config=Config(retries={"max_attempts": 0}, read_timeout=120),
            )  # fmt: skip
        return self._clients[service]

    def queue(self, **attributes: str) -> str:
        """The URL of a fresh queue."""
        suffix = ".fifo" if "FifoQueue" in attributes else ""
        made = self.client("sqs").create_queue(QueueName=name() + suffix, Attributes=attributes)
        url: str = made["QueueUrl"]
        return url

    def arn(self, url: str) -> str:
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn: str = found["Attributes"]["QueueArn"]
        return arn

    def sqs(self, operation: str, **members: Any) -> bytes:
        body = json.dumps(members).encode()
        return self.target.json("sqs", f"AmazonSQS.{operation}", body)

    def sns(self, action: str, **members: str) -> bytes:
        body = urlencode({"Action": action, "Version": "2010-03-31", **members}).encode()
        return self.target.query("sns", body)

    async def rate(
        self, requests: Sequence[bytes], connections: int, effort: Effort
    ) -> tuple[float, str]:
        """Median of requests a second, and a remark on their latencies and cost."""
        await repeat(self.target, requests, connections, 0.3)
        before = self.cpu_s()
        runs = [
            await repeat(self.target, requests, connections, effort.seconds)
            for _ in range(effort.runs)
        ]
        if any(run.failures for run in runs):
            raise Unable(f"{sum(run.failures for run in runs)} requests failed")
        latencies = Outcome(latencies=[one for run in runs for one in run.latencies])
        remark = f"p50 {latencies.percentile(0.5):.2f} ms, p99 {latencies.percentile(0.99):.2f} ms"
        cpu = cost(self.cpu_s() - before, len(latencies.latencies))
        return median(run.rate for run in runs), f"{remark}, {cpu}"

    async def once(self, requests: Sequence[bytes], connections: int) -> tuple[float, list[bytes]]:
        """Each request once over all connections: seconds, and the bodies of the answers."""
        source = iter(requests)
        bodies: list[bytes] = []

        async def client(connection: Connection) -> None:
            for request in source:
                status, body = await connection.ask(request)
                if status >= 300:
                    raise Unable(f"{status}: {body[:200]!r}")
                bodies.append(body)

        seconds = await self.together(client, connections)
        return seconds, bodies

    async def together(
        self, client: Callable[[Connection], Awaitable[None]], connections: int
    ) -> float:
        """Run `client` on so many connections; the seconds that all took."""
        lines = [await connect(self.target) for _ in range(connections)]
        began = time.perf_counter()
        try:
            await asyncio.gather(*(client(line) for line in lines))
            return time.perf_counter() - began
        finally:
            for line in lines:
                line.close()

    async def fill(self, url: str, messages: int, body_bytes: int) -> None:
        """So many messages into a queue, ten at a time."""
        entries = [{"Id": str(i), "MessageBody": text(body_bytes)} for i in range(10)]
        request = self.sqs("SendMessageBatch", QueueUrl=url, Entries=entries)
        left = iter(range(messages // 10))

        async def client(connection: Connection) -> None:
            for _ in left:
                status, body = await connection.ask(request)
                if status >= 300 or b'"Failed": [{' in body:
                    raise Unable(f"{status}: {body[:200]!r}")

        await self.together(client, 16)

    async def consume(
        self, url: str, messages: int, connections: int, seen: Callable[[Any], None] | None = None
    ) -> float:
        """Receive ten and delete ten until so many messages are gone; the seconds it took."""
        receive = self.sqs(
            "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["MessageGroupId"] if url.endswith(".fifo") else [],
        )  # fmt: skip
        done = 0

        async def client(connection: Connection) -> None:
            nonlocal done
            while done < messages:
                status, body = await connection.ask(receive)
                if status >= 300:
                    raise Unable(f"{status}: {body[:200]!r}")
                found = json.loads(body).get("Messages") or ()
                if not found:
                    await asyncio.sleep(0.001)
                    continue
                entries = [
                    {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(found)
                ]
                if seen is not None:
                    for message in found:
                        seen(message)
                members = json.dumps({"QueueUrl": url, "Entries": entries}).encode()
                request = self.target.sign_json("sqs", "AmazonSQS.DeleteMessageBatch", members)
                status, body = await connection.ask(request)
                if status >= 300:
                    raise Unable(f"{status}: {body[:200]!r}")
                done += len(found)

        return await self.together(client, connections)

    def memory_mb(self) -> float:
        """Resident memory of the started process and its children."""
        if self.process is None:
            raise Unable("not our process")
        return sum(_resident_kb(pid) for pid in _family(self.process.pid)) / 1024

    def cpu_s(self) -> float:
        """Processor time of the started process so far, of all its threads; 0 if not ours."""
        if self.process is None:
            return 0.0
        tasks = Path(f"/proc/{self.process.pid}/task")
        if not tasks.exists():
            return 0.0
        spent_ns = 0
        for task in tasks.iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # A thread that just ended.
                spent_ns += int((task / "schedstat").read_text().split()[0])
        return spent_ns / 1e9

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def cost(cpu_s: float, count: int) -> str:
    """What stays comparable when other things keep the machine busy."""
    return f"{cpu_s / count * 1e6:.0f} us of CPU each"


def name() -> str:
    return f"bench-{uuid.uuid4().hex[:12]}"


def text(size_bytes: int) -> str:
    return os.urandom(size_bytes // 2).hex()


@contextmanager
def started(command: Callable[[int, Path], list[str]], region: str) -> Iterator[Place]:
    """A server of its own on a fresh folder; `command` is given port and folder."""
    FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=FOLDER)).resolve()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = command(port, folder)
    began = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    place = Place(Target(f"http://127.0.0.1:{port}", region=region), process)
    try:
        _wait(port, process, folder / "log")
        place.started_s = time.perf_counter() - began
        yield place
    finally:
        place.close()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def ogi(port: int, folder: Path) -> list[str]:
    """Ogi as its users start it: durable, signed, authorised, with the bytecode of an installation,
    which Python itself does not write everywhere.
    """
    compileall.compile_dir(SOURCES, quiet=1)
    return [
        sys.executable, "-m", "ogi", "serve", "--port", str(port), "--data", str(folder / "data"),
        "--credentials", "test:test", "--region", "us-east-1",
        "--sns-quotas", "filters-per-topic=10000,filters=100000",
    ]  # fmt: skip


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S_MAX
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status != 503:
                return
        except OSError:
            pass
        finally:
            connection.close()
        if process.poll() is not None or time.monotonic() > until:
            raise Unable(f"it did not start: {log.read_text()[-2000:]}")
        time.sleep(0.005)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = children.read_text().split() if children.exists() else []
    return [pid, *(member for child in found for member in _family(int(child)))]


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


Measure = Callable[[Place, Effort], AsyncIterator[Row]]


def arguments(description: str) -> argparse.ArgumentParser:
    given = argparse.ArgumentParser(description=description)
    given.add_argument("--endpoint", help="any endpoint, instead of a server of our own")
    given.add_argument("--key", default="test")
    given.add_argument("--secret", default="test")
    given.add_argument("--region", default="us-east-1")
    given.add_argument("--quick", action="store_true", help="short runs, and one of each")
    given.add_argument("--backlog", type=int, help="messages that wait (default a million)")
    return given


def effort_of(options: argparse.Namespace) -> Effort:
    if options.quick:
        return Effort.quick(options.backlog)
    return Effort(backlog=options.backlog or Effort.backlog)


@contextmanager
def place_of(options: argparse.Namespace) -> Iterator[Place]:
    if options.endpoint is None:
        with started(ogi, options.region) as place:
            yield place
        return
    place = Place(Target(options.endpoint, options.key, options.secret, options.region))
    try:
        yield place
    finally:
        place.close()


def main(measure: Measure, description: str) -> None:
    """A script as a command of its own."""
    options = arguments(description).parse_args()

    async def run() -> None:
        with place_of(options) as place:
            async for row in measure(place, effort_of(options)):
                goal = "" if row.goal is None else f"   goal {row.goal:,g}"
                print(f"{row.promise}: {row.measured:,.5g} {row.unit}{goal}   {row.remark}")

    uvloop.run(run())

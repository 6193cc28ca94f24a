"""The HTTP front against granian, with the same handler, in pairs in one run.

Run: python -m benches.front [PYTHON]
PYTHON is an interpreter in whose environment granian, uvloop and msgspec are installed; without it
only our own front is measured. The handler verifies the signature, reads the JSON and answers as
SendMessage does; nothing is stored. docs/decisions/0003-http-front.md keeps the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PORT = 5_611
PAIRS = 5
SECONDS = 4.0
CONNECTIONS = 32
POLLS = 10_000
ANSWER = b'{"MD5OfMessageBody": "d41d8cd98f00b204e9800998ecf8427e", "MessageId": "5f1a0f5c"}'
HEADERS = [
    ("content-type", "application/x-amz-json-1.0"),
    ("x-amzn-requestid", "5f1a0f5c-0b1c-4c1e-8c1a-5f1a0f5c0b1c"),
]


# -- the servers, each run as a process of its own ------------------------------------------------


def _prove(request: Any) -> None:
    import msgspec

    from ogi.access import sigv4

    claim = sigv4.read(request, time.time(), "us-east-1")
    if claim is not None:
        claim.verify("test")
        msgspec.json.decode(request.body)


async def serve_own() -> None:
    from ogi.gateway import http
    from ogi.http import Request, Response
    from ogi.settings import Settings

    async def handler(request: Request) -> Response:
        if request.path == "/poll":
            await asyncio.Event().wait()
        _prove(request)
        return Response(200, HEADERS, ANSWER)

    def begin(request: Request, turns: Any) -> None:
        turns.run(lambda: handler(request))

    await http.serve(begin, host="127.0.0.1", port=PORT, settings=replace(Settings()))
    await asyncio.Event().wait()


async def rsgi(scope: Any, protocol: Any) -> None:
    """The same for granian's own interface."""
    from ogi.http import Request

    if scope.path == "/poll":
        await asyncio.Event().wait()
    body = await protocol()
    headers = [(name, value) for name, value in scope.headers.items()]
    peer = scope.client.rpartition(":")[0]
    _prove(Request(scope.method, scope.path, scope.query_string, headers, body, False, peer))
    protocol.response_bytes(200, HEADERS, ANSWER)


# -- measuring -------------------------------------------------------------------------------------


def _start(command: list[str]) -> tuple[subprocess.Popen[bytes], float]:
    """The process, and the seconds until it answered."""
    import socket

    began = time.perf_counter()
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, start_new_session=True
    )
    while time.perf_counter() - began < 20:
        try:
            with socket.create_connection(("127.0.0.1", PORT), 1) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                client.recv(1)
                return process, time.perf_counter() - began
        except OSError:
            time.sleep(0.005)
    raise SystemExit("the server did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _members(leader: int) -> list[int]:
    """The processes of a group: granian has a supervisor and a worker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader:
                found.append(int(entry.name))
    return found


def _cpu_s(leader: int) -> float:
    ticks = 0
    for pid in _members(leader):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_mb(leader: int) -> float:
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _members(leader))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _load(leader: int) -> dict[str, float]:
    from benches.load import Target, repeat

    target = Target(f"http://127.0.0.1:{PORT}", region="us-east-1")
    body = json.dumps({"QueueUrl": "http://q", "MessageBody": "x" * 1024}).encode()
    requests = [target.json("sqs", "AmazonSQS.SendMessage", body)]
    await repeat(target, requests, CONNECTIONS, 0.5)
    began = _cpu_s(leader)
    outcome = await repeat(target, requests, CONNECTIONS, SECONDS)
    return {
        "requests/s": outcome.rate,
        "CPU us/request": (_cpu_s(leader) - began) / outcome.requests * 1e6,
        "p50 ms": outcome.percentile(0.5),
        "p99 ms": outcome.percentile(0.99),
        "failures": float(outcome.failures),
    }


async def _poll(leader: int) -> dict[str, float]:
    """Many connections, each waiting for its answer."""
    import resource
    import socket
    import struct

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    number = min(POLLS, most - 100)
    before = _memory_mb(leader)
    clients = []
    for _ in range(number):
        _, writer = await asyncio.open_connection("127.0.0.1", PORT)
        # Closed by a reset, so that no ports are left waiting for the next round.
        opened = writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(b"POST /poll HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        clients.append(writer)
    await asyncio.sleep(1)
    began = _cpu_s(leader)
    await asyncio.sleep(4)
    busy = (_cpu_s(leader) - began) / 4
    memory = _memory_mb(leader) - before
    for writer in clients:
        writer.transport.abort()
    return {"polls": number, "idle CPU %": busy * 100, "KB/poll": memory * 1e3 / number}


def _measure(command: list[str]) -> dict[str, float]:
    process, ready_s = _start(command)
    try:
        figures = {"ready ms": ready_s * 1e3, "idle MB": _memory_mb(process.pid)}
        figures |= asyncio.run(_load(process.pid))
        figures |= asyncio.run(_poll(process.pid))
        return figures
    finally:
        _stop(process)


def main(granian: str | None) -> None:
    commands = {"own": [sys.executable, "-m", "benches.front", "--serve"]}
    if granian:
        commands["granian RSGI"] = [
            granian, "-m", "granian", "--interface", "rsgi", "--loop", "uvloop", "--workers", "1",
            "--backlog", "16384", "--backpressure", "16384", "--no-access-log",
            "--log-level", "error", "--port", str(PORT), "benches.front:rsgi",
        ]  # fmt: skip
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(PAIRS):
        for name, command in commands.items():
            found[name].append(_measure(command))
    for name, rows in found.items():
        print(name)
        for figure in rows[0]:
            values = [row[figure] for row in rows]
            print(
                f"  {figure:16} {statistics.median(values):10.1f}   {[round(v, 1) for v in values]}"
            )


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        import uvloop

        uvloop.run(serve_own())
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else None)

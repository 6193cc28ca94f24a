"""Objects of 64 MiB over HTTP, one after the other, of one or several source trees in turn.

Run: python -m benches.large [--rounds N] SRC [SRC ...]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import statistics
import time

import uvloop

from benches.cpu import Server
from benches.load import Target

BYTES = 64 * 1024 * 1024


async def timed(target: Target, request: bytes) -> float:
    """MiB per second from the first byte of the request to the last of the answer."""
    reader, writer = await asyncio.open_connection(*target.address, limit=4 * 1024 * 1024)
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:")
    )
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head!r} {await reader.readexactly(length)!r}")
    left = length
    while left:
        left -= len(await reader.read(1024 * 1024))
    seconds = time.perf_counter() - began
    writer.close()
    return BYTES / 1024 / 1024 / seconds


async def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--rounds", type=int, default=7)
    given.add_argument("sources", nargs="+")
    options = given.parse_args()
    body = os.urandom(BYTES)
    digest = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    servers = [Server(source) for source in options.sources]
    try:
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for server in servers:
            await timed(server.target, server.target.render("s3", "PUT", "/large", {}))
        for _ in range(options.rounds):
            for server in servers:
                for method, headers, sent in (("PUT", digest, body), ("GET", {}, b"")):
                    request = server.target.render("s3", method, "/large/one", headers, sent)
                    _, before = server.cpu_us()
                    rate = await timed(server.target, request)
                    _, after = server.cpu_us()
                    rows = found.setdefault((method, server.source), [])
                    rows.append((rate, (after - before) / 1000))
        for (method, source), rows in sorted(found.items()):
            rate, cpu_ms = map(statistics.median, zip(*rows, strict=True))
            print(f"{method} 64 MiB  {rate:6.0f} MiB/s  {cpu_ms:6.0f} ms of CPU  {source}")
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    uvloop.run(main())

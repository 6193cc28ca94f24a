"""S3 alone, without HTTP: durable puts and gets of small objects, and throughput of large ones.

Run: python -m benches.s3_core [seconds per row] [--profile]
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from tests.world import World

from ogi.storage.files import FileBlobs
from ogi.storage.sqlite import SqliteStore

SMALL = os.urandom(1024)
LARGE_BYTES = 64 * 1024 * 1024
PIECE = os.urandom(256 * 1024)


async def repeated(
    request: Callable[[int], Awaitable[Any]], at_once: int, seconds: float
) -> tuple[float, float]:
    """Requests per second, and microseconds of CPU of each."""
    stop = time.perf_counter() + seconds
    count = 0

    async def one() -> None:
        nonlocal count
        while time.perf_counter() < stop:
            count += 1
            await request(count)

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(at_once)))
    return count / (time.perf_counter() - began), (time.process_time() - cpu) / count * 1e6


async def large() -> AsyncIterator[bytes]:
    for _ in range(LARGE_BYTES // len(PIECE)):
        yield PIECE
        await asyncio.sleep(0)


async def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder))
        world = World("s3", store=store, blobs=FileBlobs(Path(folder) / "blobs"))
        place = {"LocationConstraint": "eu-west-1"}
        await world.call("s3", "CreateBucket", Bucket="bench", CreateBucketConfiguration=place)

        async def put(n: int) -> None:
            await world.call("s3", "PutObject", Bucket="bench", Key=f"k/{n % 50_000}", Body=SMALL,
                             ChecksumAlgorithm="CRC32")  # fmt: skip

        async def get(n: int) -> None:
            await world.call("s3", "GetObject", Bucket="bench", Key=f"k/{1 + n % 99}")

        for name, request in (("put", put), ("get", get)):
            for at_once in (1, 32):
                rate, cpu = await repeated(request, at_once, seconds)
                print(f"{name} 1 KiB, {at_once:2} at once: {rate:7.0f}/s, {cpu:5.0f} us CPU each")

        for n in range(3):
            began = time.perf_counter()
            await world.call("s3", "PutObject", Bucket="bench", Key="large", Body=large(),
                             ChecksumAlgorithm="CRC32")  # fmt: skip
            put_s = time.perf_counter() - began
            began = time.perf_counter()
            got = await world.call("s3", "GetObject", Bucket="bench", Key="large")
            async for _ in got["Body"]:
                pass
            get_s = time.perf_counter() - began
            mb = LARGE_BYTES / 1e6
            print(f"64 MiB, run {n + 1}: put {mb / put_s:5.0f} MB/s, get {mb / get_s:5.0f} MB/s")
        await store.close()


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--profile"]
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    if profile is not None:
        profile.enable()
    uvloop.run(main(float(arguments[0]) if arguments else 2.0))
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)

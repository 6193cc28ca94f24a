"""The engine alone: durable queue cycles per second by concurrency, without HTTP.

Run: python benches/storage.py [seconds per row]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from ogi.storage import Home
from ogi.storage.keys import after, key, u64
from ogi.storage.sqlite import SqliteStore

HOME = Home("arn:aws:sqs:eu-west-1:111122223333:bench")
INDEX = key(HOME, "i")
BODY = key(HOME, "b")
PAYLOAD = os.urandom(1200)


async def sends(store: SqliteStore, concurrency: int, seconds: float) -> float:
    stop = time.perf_counter() + seconds
    count = 0

    async def sender() -> None:
        nonlocal count
        while time.perf_counter() < stop:
            seq = u64(time.time_ns()) + os.urandom(4)

            def body(tx: Any, seq: bytes = seq) -> None:
                tx.set(BODY + seq, PAYLOAD)
                tx.set(INDEX + seq, b"state-of-ten")

            await store.transact(body, HOME)
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(concurrency)))
    return count / (time.perf_counter() - began)


async def drains(store: SqliteStore, concurrency: int, seconds: float) -> float:
    stop = time.perf_counter() + seconds
    count = 0

    def take(tx: Any) -> list[bytes]:
        found = [k for k, _ in tx.scan(INDEX, after(INDEX), 10)]
        for k in found:
            tx.get(BODY + k[len(INDEX) :])
            tx.delete(k)
            tx.set(INDEX + b"\xfe" + k[len(INDEX) :], b"state-of-ten")
        return found

    async def taker() -> None:
        nonlocal count
        while time.perf_counter() < stop:
            found = await store.transact(take, HOME)

            def drop(tx: Any, found: list[bytes] = found) -> None:
                for k in found:
                    tx.delete(INDEX + b"\xfe" + k[len(INDEX) :])
                    tx.delete(BODY + k[len(INDEX) :])

            await store.transact(drop, HOME)
            count += len(found)

    began = time.perf_counter()
    await asyncio.gather(*(taker() for _ in range(concurrency)))
    return count / (time.perf_counter() - began)


async def main(seconds: float) -> None:
    for concurrency in (1, 16, 64, 256):
        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore(Path(folder))
            cpu = time.process_time()
            rate = await sends(store, concurrency, seconds)
            cpu = (time.process_time() - cpu) / (rate * seconds) * 1e6
            drained = await drains(store, concurrency, seconds)
            print(
                f"{concurrency:4} at once: {rate:8.0f} sends/s ({cpu:.1f} us CPU each),"
                f" {drained:8.0f} received and deleted/s"
            )
            await store.close()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0))

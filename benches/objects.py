"""Objects: many small ones, and large ones put and got over one connection.

Run: python -m benches.objects [--endpoint URL --key K --secret S --region R] [--quick]
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator
from statistics import median

from benches.places import Effort, Place, Row, Unable, main, name

SMALL_BYTES = 1024
KEYS = 2_000
LARGE_BYTES = 64 * 1024 * 1024
SMALL_GOAL, LARGE_GOAL = 3_500, 300


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    bucket = name()
    place.client("s3").create_bucket(Bucket=bucket)
    small = _hashed(os.urandom(SMALL_BYTES))
    requests = [
        place.target.render("s3", "PUT", f"/{bucket}/key-{at}", small[1], small[0])
        for at in range(KEYS)
    ]
    rate, remark = await place.rate(requests, 32, effort)
    yield Row("put 1 KiB objects, 32 connections", rate, "/s", SMALL_GOAL, remark=remark)

    body, headers = _hashed(os.urandom(LARGE_BYTES))
    put = place.target.render("s3", "PUT", f"/{bucket}/large", headers, body)
    get = place.target.render("s3", "GET", f"/{bucket}/large", {})
    puts, gets = [], []
    for _ in range(max(3, effort.runs)):
        puts.append(_transfer(place, put, None))
        gets.append(_transfer(place, get, body))
    mb = LARGE_BYTES / 1e6
    yield Row("put 64 MiB, one connection", mb / median(puts), "MB/s", LARGE_GOAL)
    yield Row("get 64 MiB, one connection", mb / median(gets), "MB/s", LARGE_GOAL)


def _hashed(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The body with the header that makes its signature cover it."""
    return body, {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}


def _transfer(place: Place, request: bytes, expected: bytes | None) -> float:
    """Seconds from the first byte sent to the last received; a plain socket costs least."""
    buffer = bytearray(LARGE_BYTES + 64 * 1024)
    view = memoryview(buffer)
    with socket.create_connection(place.target.address) as line:
        began = time.perf_counter()
        line.sendall(request)
        have, head, length = 0, -1, 0
        while head < 0 or have < head + length:
            count = line.recv_into(view[have:])
            if count == 0:
                raise Unable("the connection was closed")
            have += count
            if head < 0 and (end := buffer.find(b"\r\n\r\n", 0, have)) >= 0:
                head = end + 4
                lines = bytes(buffer[:end]).lower().split(b"\r\n")
                if int(lines[0].split()[1]) >= 300:
                    raise Unable(bytes(buffer[:have]).decode(errors="replace")[:300])
                sizes = [n.split(b":")[1] for n in lines if n.startswith(b"content-length:")]
                length = int(sizes[0]) if sizes else 0
        seconds = time.perf_counter() - began
    if expected is not None and buffer[head : head + length] != expected:
        raise Unable("other bytes came back")
    return seconds


if __name__ == "__main__":
    main(measure, __doc__)

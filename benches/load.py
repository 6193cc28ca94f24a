"""A load generator that costs little beside the server: requests are signed and rendered before
the clock starts, connections are kept alive, and an answer is read only as far as it must be.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass(frozen=True)
class Target:
    """An endpoint and the credentials to sign with."""

    endpoint: str
    key: str = "test"
    secret: str = "test"
    region: str = "eu-west-1"

    def render(
        self,
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
    ) -> bytes:
        """One signed request as bytes."""
        parts = urlsplit(self.endpoint)
        request = AWSRequest(
            method, f"{self.endpoint}{path}", data=body,
            headers={**headers, "Host": parts.netloc},
        )  # fmt: skip
        auth = S3SigV4Auth if service == "s3" else SigV4Auth
        auth(Credentials(self.key, self.secret), service, self.region).add_auth(request)
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body

    def json(self, service: str, target: str, body: bytes, version: str = "1.0") -> bytes:
        headers = {"Content-Type": f"application/x-amz-json-{version}", "X-Amz-Target": target}
        return self.render(service, "POST", "/", headers, body)

    def query(self, service: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self.render(service, "POST", "/", headers, body)

    def sign_json(self, service: str, target: str, body: bytes) -> bytes:
        """As `json`, for requests that can only be made while the clock runs: a few microseconds.

        (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
        """
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        host = urlsplit(self.endpoint).netloc
        kind = "application/x-amz-json-1.0"
        signed = "content-type;host;x-amz-date;x-amz-target"
        canonical = (
            f"POST\n/\n\ncontent-type:{kind}\nhost:{host}\nx-amz-date:{now}\n"
            f"x-amz-target:{target}\n\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        )
        scope = f"{now[:8]}/{self.region}/{service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode()
        signature = hmac.digest(_signing_key(self.secret, scope), text, "sha256").hex()
        return (
            f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nX-Amz-Date: {now}\r\n"
            f"X-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256"
            f" Credential={self.key}/{scope}, SignedHeaders={signed}, Signature={signature}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.endpoint)
        return parts.hostname or "127.0.0.1", parts.port or 80


@lru_cache
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@dataclass
class Outcome:
    """What a run of load measured; times in seconds."""

    requests: int = 0
    failures: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in milliseconds below which this share of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way; made anew if the server closes it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._again: asyncio.Task[None] | None = None
        self._closing = 0
        self._buffer = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Send; the answer is (status, body)."""
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        if self._transport is not None:
            self._transport.write(request)
        else:
            self._again = loop.create_task(self._reconnect(request, self._answer))
        return self._answer

    async def _reconnect(self, request: bytes, answer: asyncio.Future[tuple[int, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, *self._address)
        except OSError as error:
            if not answer.done():
                answer.set_exception(error)
            return
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        at = head.find(b"content-length:")
        if at < 0:
            if b"transfer-encoding: chunked" in head and not self._buffer.endswith(b"0\r\n\r\n"):
                return
            length = len(self._buffer) - end - 4
        else:
            stop = head.find(b"\r\n", at)
            length = int(head[at + 15 : stop if stop > 0 else None])
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        status = int(head[9:12])
        self._buffer.clear()
        if b"\r\nconnection: close" in head and self._transport is not None:
            self._transport.close()
            self._transport = None
            self._closing += 1
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closing:
            self._closing -= 1
            return  # An earlier connection; an answer may be awaited on the next already.
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(target: Target) -> Connection:
    host, port = target.address
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection((host, port)), host, port
    )
    return connection


async def repeat(
    target: Target,
    requests: Sequence[bytes],
    connections: int,
    seconds: float,
    seen: Callable[[bytes], None] | None = None,
) -> Outcome:
    """Send `requests` over and over on so many connections; `seen` gets each body."""
    outcome = Outcome()
    clients = [await connect(target) for _ in range(connections)]
    source = _cycle(requests)
    began = time.perf_counter()
    until = began + seconds

    async def client(connection: Connection) -> None:
        while (sent := time.perf_counter()) < until:
            status, body = await connection.ask(next(source))
            outcome.latencies.append(time.perf_counter() - sent)
            outcome.requests += 1
            if status >= 300:
                outcome.failures += 1
                if outcome.failures == 1:
                    print("first failure:", status, body[:300])
            elif seen is not None:
                seen(body)

    await asyncio.gather(*(client(c) for c in clients))
    outcome.seconds = time.perf_counter() - began
    for connection in clients:
        connection.close()
    return outcome


def _cycle(requests: Sequence[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests

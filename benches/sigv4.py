"""The cost of proving a signature, in microseconds of one core, without HTTP.

Run: python -m benches.sigv4 [requests per row]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ogi.access import sigv4
from ogi.access.chunks import Decoder, Signatures
from ogi.access.signing_keys import SigningKey
from ogi.http import Request

ROUNDS = 7
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "127.0.0.1:4566"
CLIENT = {
    "User-Agent": "Boto3/1.44.8 md/Botocore#1.44.8 ua/2.1 os/linux#6.1 md/arch#x86_64",
    "amz-sdk-invocation-id": "5f1a0f5c-0b1c-4c1e-cc1a-5f1a0f5c0b1c",
    "amz-sdk-request": "attempt=1",
    "Accept-Encoding": "identity",
}
SEND = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}


def signed(
    auth: Callable[..., Any], service: str, method: str, path: str, headers: dict[str, str],
    body: bytes,
) -> Request:  # fmt: skip
    asked = AWSRequest(method, f"http://{HOST}{path}", headers={**headers, **CLIENT}, data=body)
    auth(Credentials("AKIDEXAMPLE", SECRET), service, "us-east-1").add_auth(asked)
    sent = asked.prepare()
    pairs = [("host", HOST), ("content-length", str(len(body)))]
    pairs += [
        (name.lower(), value.decode() if isinstance(value, bytes) else str(value))
        for name, value in sent.headers.items()
    ]
    path, _, query = sent.url.removeprefix(f"http://{HOST}").partition("?")
    return Request(method, path, query, pairs, body)


def prove(request: Request, now: float) -> None:
    claim = sigv4.read(request, now, "us-east-1")
    assert claim is not None
    claim.verify(SECRET)
    claim.body(SECRET, request.body)


def _median_us(work: Callable[[], object], count: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(count):
            work()
        rounds.append((time.perf_counter() - began) / count * 1e6)
    return statistics.median(rounds)


def main(count: int) -> None:
    now = time.time()
    small = b'{"QueueUrl": "http://q", "MessageBody": "' + b"x" * 160 + b'"}'
    large = b'{"QueueUrl": "http://q", "MessageBody": "' + b"x" * 1024 + b'"}'
    rows = [
        ("SendMessage, 200 bytes", signed(SigV4Auth, "sqs", "POST", "/", SEND, small)),
        ("SendMessage, 1 KiB", signed(SigV4Auth, "sqs", "POST", "/", SEND, large)),
        ("PutObject, 1 KiB", signed(S3SigV4Auth, "s3", "PUT", "/bucket/a/key.txt", {}, large)),
        ("presigned GetObject", signed(S3SigV4QueryAuth, "s3", "GET", "/bucket/key", {}, b"")),
    ]
    for what, request in rows:
        print(f"{_median_us(lambda request=request: prove(request, now), count):6.2f} us  {what}")  # type: ignore[misc]
    print(f"{_stream_ms():6.2f} ms  64 MiB in signed chunks of 64 KiB, of which")
    print(f"{_hash_ms():6.2f} ms  hashing alone")


def _stream_ms() -> float:
    """Chunks as an SDK makes them, arriving in blocks of 256 KiB."""
    key = SigningKey.derive(SECRET, "20130524", "us-east-1", "s3")
    place = ("20130524T000000Z", "20130524/us-east-1/s3/aws4_request")
    chunk, number = bytes(65_536), 1_024
    digest, previous = sha256(chunk).hexdigest(), "seed"
    body = bytearray()
    nothing = sha256(b"").hexdigest()
    for size, part, part_digest in [(65_536, chunk, digest)] * number + [(0, b"", nothing)]:
        previous = key.sign(
            f"AWS4-HMAC-SHA256-PAYLOAD\n{place[0]}\n{place[1]}\n{previous}\n{nothing}\n{part_digest}"
        )
        body += b"%x;chunk-signature=%s\r\n" % (size, previous.encode()) + part + b"\r\n"
    blocks = [bytes(body[at : at + 262_144]) for at in range(0, len(body), 262_144)]
    rounds = []
    for _ in range(3):
        decoder = Decoder(65_536 * number, Signatures(key, *place, "seed"), None)
        began = time.perf_counter()
        for block in blocks:
            decoder.feed(block)
        decoder.finish()
        rounds.append((time.perf_counter() - began) * 1e3)
    return statistics.median(rounds)


def _hash_ms() -> float:
    data = bytes(65_536)
    began = time.perf_counter()
    for _ in range(1_024):
        sha256(data).hexdigest()
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

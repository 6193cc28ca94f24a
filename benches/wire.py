"""Microseconds of the wire: route, parse and answer of the operations that run hot.

python -m benches.wire [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ogi import wire
from ogi.errors import AwsError
from ogi.http import Request

ROUNDS = 7
"""The best of so many is taken: the machine is shared."""
SECONDS_PER_ROUND = 0.05

REQUEST_ID = "9a5a1ad7-3f6d-4c35-8c1e-7a0f5bb8f2a1"
QUEUE_URL = "http://127.0.0.1:4566/000000000000/orders"
TOPIC_ARN = "arn:aws:sns:us-east-1:000000000000:orders"
SIGNED = [
    ("host", "127.0.0.1:4566"),
    ("accept-encoding", "identity"),
    ("user-agent", "Boto3/1.44 md/Botocore#1.44 ua/2.1 os/linux lang/python#3.11"),
    ("x-amz-date", "20260131T100000Z"),
    ("authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260131/us-east-1/sqs/aws4_request, ..."),
    ("content-length", "1200"),
]
BODY = "x" * 1024


class QueueDoesNotExist(AwsError):
    """The specified queue does not exist."""


def _json(service: str, target: str, members: dict[str, Any]) -> Request:
    headers = [
        *SIGNED, ("x-amz-target", f"{target}"), ("content-type", "application/x-amz-json-1.0"),
        ("x-amzn-query-mode", "true"),
    ]  # fmt: skip
    return Request("POST", "/", "", headers, json.dumps(members).encode())


def _query(members: dict[str, str]) -> Request:
    headers = [*SIGNED, ("content-type", "application/x-www-form-urlencoded; charset=utf-8")]
    return Request("POST", "/", "", headers, urlencode(members).encode())


def _message(number: int) -> dict[str, Any]:
    return {
        "MessageId": REQUEST_ID,
        "ReceiptHandle": "A" * 180,
        "MD5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "Body": BODY,
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1769853600000"},
    }


def _entry(number: int) -> dict[str, Any]:
    return {"Id": str(number), "MessageBody": BODY}


def cases() -> list[tuple[str, str, Request, dict[str, Any]]]:
    """(name, signed service, request, result)"""
    sent = {"MessageId": REQUEST_ID, "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592"}
    batch = {"Successful": [{"Id": str(n), **sent} for n in range(10)], "Failed": []}
    deleted = [{"Id": str(n), "ReceiptHandle": "A" * 180} for n in range(10)]
    listed = {
        "Name": "bucket", "IsTruncated": False, "MaxKeys": 1000, "KeyCount": 1000,
        "Contents": [
            {"Key": f"photos/2026/{n:06d}.jpg", "LastModified": 1769853600.0 + n, "Size": n,
             "ETag": '"5d41402abc4b2a76b9719d911017c592"', "StorageClass": "STANDARD"}
            for n in range(1000)
        ],
    }  # fmt: skip
    s3 = [
        *SIGNED, ("content-type", "text/plain"), ("x-amz-meta-kind", "photo"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-crc32", "NhCmhg=="),
    ]  # fmt: skip
    return [
        ("sqs SendMessage json", "sqs",
         _json("sqs", "AmazonSQS.SendMessage", {"QueueUrl": QUEUE_URL, "MessageBody": BODY}), sent),
        ("sqs SendMessageBatch(10) json", "sqs",
         _json("sqs", "AmazonSQS.SendMessageBatch",
               {"QueueUrl": QUEUE_URL, "Entries": [_entry(n) for n in range(10)]}), batch),
        ("sqs ReceiveMessage(10) json", "sqs",
         _json("sqs", "AmazonSQS.ReceiveMessage",
               {"QueueUrl": QUEUE_URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20}),
         {"Messages": [_message(n) for n in range(10)]}),
        ("sqs DeleteMessageBatch(10) json", "sqs",
         _json("sqs", "AmazonSQS.DeleteMessageBatch", {"QueueUrl": QUEUE_URL, "Entries": deleted}),
         {"Successful": [{"Id": str(n)} for n in range(10)], "Failed": []}),
        ("sqs SendMessage query", "sqs",
         _query({"Action": "SendMessage", "Version": "2012-11-05", "QueueUrl": QUEUE_URL,
                 "MessageBody": BODY}), sent),
        ("sns Publish query", "sns",
         _query({"Action": "Publish", "Version": "2010-03-31", "TopicArn": TOPIC_ARN,
                 "Message": BODY}), {"MessageId": REQUEST_ID}),
        ("kms Decrypt json", "kms",
         _json("kms", "TrentService.Decrypt", {"CiphertextBlob": "QUJD" * 40}),
         {"KeyId": TOPIC_ARN, "Plaintext": b"k" * 32, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
        ("s3 PutObject", "s3", Request("PUT", "/bucket/photos/1.jpg", "", s3, b"x"),
         {"ETag": '"5d41402abc4b2a76b9719d911017c592"', "ServerSideEncryption": "AES256"}),
        ("s3 GetObject", "s3", Request("GET", "/bucket/photos/1.jpg", "", list(SIGNED), b""),
         {"Body": b"x", "ContentLength": 1, "ETag": '"5d"', "LastModified": 1769853600.0,
          "ContentType": "text/plain", "Metadata": {"kind": "photo"}}),
        ("s3 ListObjectsV2(1000)", "s3",
         Request("GET", "/bucket", "list-type=2&prefix=photos%2F", list(SIGNED), b""), listed),
        ("lambda Invoke", "lambda",
         Request("POST", "/2015-03-31/functions/orders/invocations", "", list(SIGNED), b"{}"),
         {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b"{}"}),
    ]  # fmt: skip


def microseconds(work: Callable[[], Any]) -> float:
    work()
    best = float("inf")
    for _ in range(ROUNDS):
        count, begin = 0, time.perf_counter()
        while (now := time.perf_counter()) - begin < SECONDS_PER_ROUND:
            for _ in range(20):
                work()
            count += 20
        best = min(best, (now - begin) / count * 1e6)
    return best


def measure() -> dict[str, dict[str, float]]:
    found = {}
    for name, service, request, result in cases():
        codec = wire.codec(service)
        parsed = codec.parse(wire.route(request, service).request)
        found[name] = {
            "route": microseconds(lambda s=service, r=request: wire.route(r, s)),
            "streams": microseconds(lambda c=codec, r=request: c.streams(r)),
            "parse": microseconds(lambda c=codec, r=request: c.parse(r)),
            "respond": microseconds(
                lambda c=codec, p=parsed, r=result: c.respond(p, r, REQUEST_ID)
            ),
        }
        if name == "sqs SendMessage json":
            found["sqs refusal json"] = {
                "refuse": microseconds(
                    lambda c=codec, p=parsed, r=request: c.refuse(
                        QueueDoesNotExist(), REQUEST_ID, r, p
                    )
                )
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    found = measure()
    for name, figures in found.items():
        shown = "  ".join(f"{part} {value:7.2f}" for part, value in figures.items())
        print(f"{name:34} {shown}")
    if arguments.json:
        machine = {"machine": platform.platform(), "python": platform.python_version()}
        told = {**machine, "command": "python -m benches.wire", "microseconds": found}
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

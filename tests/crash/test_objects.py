"""An acknowledged object reads back whole, an acknowledged delete stays, and the queue is told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.crash.child import ROUNDS, Child, drain, eventually, storms
from tests.crash.loads import Messages, Objects, Publishes, Stacks

pytestmark = pytest.mark.slow


def test_an_acknowledged_object_is_whole_and_was_announced(tmp_path: Path) -> None:
    load = Objects()
    announced: Counter[str] = Counter()

    def check(child: Child) -> None:
        s3, sqs = child.client("s3"), child.client("sqs")
        listed = _listed(s3, load.bucket)
        for name, last in load.attempted.items():
            # One writer, one request at a time: only the last may be unsure.
            possible = {load.acknowledged.get(name, 0), last}
            found = _version(s3, load, name, listed.get(name), possible)
            load.attempted[name] = load.acknowledged[name] = found

        def told() -> bool:
            for body in drain(sqs, load.url):
                for record in json.loads(body)["Records"]:
                    announced[unquote_plus(record["s3"]["object"]["key"])] += 1
            return all(announced[name] >= count for name, count in load.puts.items())

        assert eventually(told), {n: (announced[n], c) for n, c in load.puts.items()}

    storms(tmp_path, load, [Messages(1, 1, 1), Publishes(1, 0), Stacks(1)], check)
    assert sum(load.puts.values()) > 2 * ROUNDS, "too little was in flight to prove anything"


def _listed(s3: Any, bucket: str) -> dict[str, Any]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {entry["Key"]: entry for page in pages for entry in page.get("Contents", ())}


def _version(
    s3: Any, load: Objects, name: str, entry: dict[str, Any] | None, possible: set[int]
) -> int:
    """Which of the versions that may be there is there, whole."""
    gone = {version for version in possible if version % 2 == 0}
    if entry is None:
        assert gone, f"{name}: acknowledged, and lost"
        return max(gone)
    assert possible - gone, f"{name}: deleted, and back again"
    body = s3.get_object(Bucket=load.bucket, Key=name)["Body"].read()
    whole = {load.body(name, version): version for version in possible - gone}
    assert body in whole, f"{name}: {body[:40]!r} ({len(body)} bytes), not of {possible}"
    assert entry["Size"] == len(body)
    assert entry["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    return whole[body]

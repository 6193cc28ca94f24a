"""A boto3 from before SQS spoke JSON: the Query protocol, as it was and still is on AWS."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.scenarios.clients.environments import HERE, python_with
from tests.scenarios.conftest import Server

OLD = ("boto3==1.28.80", "botocore==1.31.80")
"""The last ones with Query; botocore 1.31.81 brought JSON."""


@pytest.mark.slow
def test_an_older_boto3_notices_nothing(server: Server, name: str) -> None:
    told = subprocess.run(
        [python_with(*OLD), HERE / "query_client.py", name], env=server.environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "protocol": "query",
        "bodies": ["eins & <zwei>", "second"],
        "number": {"DataType": "Number.int", "StringValue": "7"},
        "bytes": "00ff",
        "failed": ["bad InvalidMessageContents"],
        "count": "2",
        "empty": True,
        "tags": {"team": "blue"},
        "found": True,
        "refusals": [
            ["AWS.SimpleQueueService.NonExistentQueue", 400],
            ["InvalidMessageContents", 400],
            ["QueueAlreadyExists", 400],
            ["ReceiptHandleIsInvalid", 404],
            ["AWS.SimpleQueueService.PurgeQueueInProgress", 403],
            ["AWS.SimpleQueueService.EmptyBatchRequest", 400],
            ["ResourceNotFoundException", 404],
        ],
        "redrive": True,
        "shared": "SQS:SendMessage",
        "task": ["RUNNING", True, True],
        "rate": 1,
        "moved": True,
        "changed": ["a"],
        "sources": True,
        "page": [1, True],
        "untagged": {},
        "deleted": 200,
    }

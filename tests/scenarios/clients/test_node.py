"""Node: the AWS SDK for JavaScript and the sqs-consumer on top of it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.scenarios.clients.environments import HERE, node_with
from tests.scenarios.conftest import REGION, Server


@pytest.mark.slow
def test_sqs_consumer_drains_a_queue_and_sees_what_failed_again(server: Server, name: str) -> None:
    folder = node_with("@aws-sdk/client-sqs@3", "sqs-consumer@11")
    script = shutil.copy(HERE / "consumer.mjs", folder)
    told = subprocess.run(
        ["node", script, name], env={**server.environment, "AWS_REGION": REGION},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    seen = json.loads(told.stdout)
    assert seen == {
        "failed": ["InvalidMessageContents"],
        "refused": ["QueueDoesNotExist", 400],
        "kind": "greeting",
        "errors": ["Unexpected message handler failure: once"],
        "handled": ["failed second", "first é", "second", "third"],
        "left": ["0", "0"],
    }

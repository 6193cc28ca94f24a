"""AWS's extended client: bodies go by way of a bucket, and handles say where they lie."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.scenarios.clients.environments import HERE, python_with
from tests.scenarios.conftest import Server


@pytest.mark.slow
def test_bodies_of_two_megabytes_travel_by_way_of_a_bucket(server: Server, name: str) -> None:
    told = subprocess.run(
        [python_with("amazon-sqs-extended-client==1.0.1"), HERE / "extended_client.py", name],
        env=server.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "bodies": True, "stored": 1, "pointers": 1, "left": ["0", "0", 0],
    }  # fmt: skip

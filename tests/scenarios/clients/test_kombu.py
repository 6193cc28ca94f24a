"""kombu: its SQS transport makes a topic of a fanout exchange, and subscribes its queues."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.scenarios.clients.environments import HERE, python_with
from tests.scenarios.conftest import Server


@pytest.mark.slow
def test_a_fanout_exchange_reaches_all_its_queues_by_sns(server: Server, name: str) -> None:
    python = python_with("kombu[sqs]>=5.7")
    told = subprocess.run(
        [python, HERE / "fanout_exchange.py"], env={**server.environment, "NAME": name},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == [[[n, "news"] for n in range(5)]] * 3
    sns = server.client("sns")
    (topic,) = [t["TopicArn"] for t in sns.list_topics()["Topics"] if name in t["TopicArn"]]
    subscribed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert {one["Endpoint"].rpartition(":")[2] for one in subscribed} == {
        f"{name}-{n}" for n in range(3)
    }

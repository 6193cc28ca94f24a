"""Celery with SQS as its broker: a real worker runs real tasks, with ETA and retries."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.scenarios.clients.environments import HERE, python_with
from tests.scenarios.conftest import Server, eventually

EXPECTED = Counter(
    [f"{n} + 1 = {n + 1}" for n in range(20)] + ["on time", "try 0", "try 1", "try 2"]
)


@pytest.mark.slow
def test_a_worker_runs_tasks_with_eta_and_retries_and_leaves_nothing(
    server: Server, name: str, tmp_path: Path
) -> None:
    python = python_with("celery[sqs]")
    diary, log = tmp_path / "diary", tmp_path / "worker.log"
    environment = {**server.environment, "DIARY": str(diary), "QUEUE": name}
    with log.open("w") as lines:
        worker = subprocess.Popen(
            [python, "-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "2",
             "--loglevel", "INFO"],
            cwd=HERE, env=environment, stdout=lines, stderr=lines,
        )  # fmt: skip
        try:
            subprocess.run(
                [python, HERE / "celery_tasks.py"], env=environment, check=True, timeout=60
            )
            eventually(
                lambda: diary.exists() and len(diary.read_text().splitlines()) >= EXPECTED.total(),
                seconds=40,
            )
            assert Counter(diary.read_text().splitlines()) == EXPECTED, log.read_text()
        finally:
            worker.terminate()
            worker.wait(30)
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
    assert list(left.values()) == ["0", "0"]

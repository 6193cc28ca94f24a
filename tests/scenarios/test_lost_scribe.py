"""The process that writes the data folder is killed alone: the server ends loudly, and what it had
answered is there when it is started again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.scenarios.conftest import START_S_MAX, Server, start

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists() or os.cpu_count() == 1,
    reason="needs /proc, and a machine on which the data folder has a writer of its own",
)


def scribe_of(server: Server) -> int:
    """The child that writes."""
    tasks = Path(f"/proc/{server.process.pid}/task")
    children = " ".join((task / "children").read_text() for task in tasks.iterdir()).split()
    for child in children:
        if b"ogi.storage.process" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError(f"none of {children} writes the data folder")


@pytest.mark.slow
def test_a_server_whose_scribe_was_killed_ends_and_says_why(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path / "data"), "--credentials", "test:test")
    server = start(tmp_path, *options)
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="kept")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    os.kill(scribe_of(server), signal.SIGKILL)
    with server.process:
        # It is not asked for anything: it notices by itself.
        assert server.process.wait(START_S_MAX) == os.EX_SOFTWARE
    assert "nothing can be written any more" in server.log.read_text()
    sqs.close()
    again = start(tmp_path, *options)
    sqs = again.client("sqs")
    url = sqs.get_queue_url(QueueName="kept")["QueueUrl"]
    received = sqs.receive_message(QueueUrl=url)["Messages"]
    assert [message["Body"] for message in received] == ["kept"]
    assert again.stop() == 0

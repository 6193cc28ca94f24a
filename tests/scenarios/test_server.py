"""The server as its user meets it: it starts, says where it is, stops, and keeps its data."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.scenarios.conftest import Server, start


def ogi(*arguments: str, **rest: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ogi", *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, **rest},
    )  # fmt: skip


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(tmp_path, "--data", str(data), "--credentials", "test:test")
    url = server.client("sqs").create_queue(QueueName="kept")["QueueUrl"]
    server.client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    assert server.stop() == 0
    server = start(tmp_path, "--data", str(data))
    got = server.client("sqs").receive_message(QueueUrl=url)
    assert [m["Body"] for m in got["Messages"]] == ["hello"]
    assert server.stop() == 0


def test_the_exports_of_ogi_env_reach_the_server_with_generated_credentials(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(tmp_path, "--data", str(data))
    try:
        printed = ogi("env", "--data", str(data)).stdout
        exports = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
        assert exports["AWS_ENDPOINT_URL"] == server.endpoint
        assert exports["AWS_DEFAULT_REGION"] == "eu-west-1"
        sts = server.client(
            "sts",
            aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        )
        assert sts.get_caller_identity()["Arn"].endswith(":user/admin")
    finally:
        server.stop()


def test_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(tmp_path, "--data", str(data))
    server.stop()
    for name in ("connection.json", "root.key"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600


def test_a_second_server_on_the_same_data_is_refused_with_what_to_do(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(tmp_path, "--data", str(data))
    try:
        second = ogi("serve", "--port", "0", "--data", str(data))
        assert second.returncode == 1
        assert "in use by another Ogi" in second.stderr
        assert "Traceback" not in second.stderr
    finally:
        server.stop()


def test_known_credentials_are_refused_beyond_loopback() -> None:
    refused = ogi("serve", "--host", "0.0.0.0", "--ephemeral", "--credentials", "test:test")
    assert refused.returncode == 1
    assert "--force-weak-credentials" in refused.stderr


def test_a_taken_port_is_said_without_a_traceback(server: Server) -> None:
    port = server.endpoint.rsplit(":", 1)[1]
    refused = ogi("serve", "--ephemeral", "--port", port)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert f"listens on 127.0.0.1:{port} already" in refused.stderr


def test_health_answers_anybody(server: Server) -> None:
    with urllib.request.urlopen(f"{server.endpoint}/_ogi/health") as answer:
        assert json.load(answer)["status"] == "ok"


def test_status_says_what_runs(server: Server) -> None:
    said = ogi("status", "--endpoint", server.endpoint).stdout
    assert server.endpoint in said
    assert "sqs" in said


def test_status_of_nothing_says_what_to_do() -> None:
    said = ogi("status", "--endpoint", "http://127.0.0.1:9")
    assert said.returncode == 1
    assert "ogi serve" in said.stderr


def test_reset_empties_an_ephemeral_server(tmp_path: Path) -> None:
    server = start(tmp_path, "--ephemeral", "--credentials", "test:test")
    try:
        sqs = server.client("sqs")
        sqs.create_queue(QueueName="gone")
        request = urllib.request.Request(f"{server.endpoint}/_ogi/reset", method="POST")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        assert "QueueUrls" not in sqs.list_queues()
        sqs.create_queue(QueueName="gone")
    finally:
        assert server.stop() == 0


def test_a_server_that_keeps_its_data_is_not_reset(tmp_path: Path) -> None:
    server = start(tmp_path, "--data", str(tmp_path / "data"))
    try:
        request = urllib.request.Request(f"{server.endpoint}/_ogi/reset", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 403
        refused.value.close()
    finally:
        server.stop()


def test_several_accounts_come_from_a_seed_file(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(
        """
accounts:
  "111122223333":
    users:
      ada:
        keys: [{id: AKIAADAADAADAADAADA1, secret: ada-secret}]
        policies: [AmazonSQSFullAccess]
"""
    )
    server = start(tmp_path, "--ephemeral", "--credentials", "test:test", "--seed", str(seed))
    try:
        keys = {
            "aws_access_key_id": "AKIAADAADAADAADAADA1",
            "aws_secret_access_key": "ada-secret",
        }
        sqs = server.client("sqs", **keys)
        assert "/111122223333/" in sqs.create_queue(QueueName="hers")["QueueUrl"]
        sns = server.client("sns", **keys)
        with pytest.raises(sns.exceptions.AuthorizationErrorException) as refused:
            sns.create_topic(Name="not-hers")
        assert (
            "User: arn:aws:iam::111122223333:user/ada is not authorized to perform:"
            " SNS:CreateTopic on resource: arn:aws:sns:eu-west-1:111122223333:not-hers"
            " because no identity-based policy allows the SNS:CreateTopic action"
        ) in str(refused.value)
    finally:
        server.stop()

"""A real server on a real port, as a process of its own, for users' stories.

With OGI_SCENARIO_ENDPOINT=aws the same stories run against AWS with the environment's credentials.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

REGION = "eu-west-1"
START_S_MAX = 30.0


@dataclass
class Server:
    """A running `ogi serve`."""

    endpoint: str
    process: subprocess.Popen[str]
    log: Path
    key: str = "test"
    secret: str = "test"
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _opened: list[Any] = field(default_factory=list)

    def client(self, service: str, region: str = REGION, **given: str) -> Any:
        """A boto3 client as the administrator, or with the credentials that are given."""
        keys = given or {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret}
        kept = None if given else self._clients.get((service, region))
        if kept is None:
            kept = boto3.client(
                service, endpoint_url=self.endpoint, region_name=region,
                config=Config(retries={"max_attempts": 0}), **keys,
            )  # fmt: skip
            self._opened.append(kept)
            if not given:
                self._clients[service, region] = kept
        return kept

    @property
    def environment(self) -> dict[str, str]:
        """For the AWS CLI and other clients as subprocesses."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_PAGER": "",
        }

    def hops(self, trace: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.endpoint}/_ogi/traces?id={trace}") as answer:
            found: list[dict[str, Any]] = json.load(answer)["hops"]
            return found

    def stop(self) -> int:
        for client in self._opened:
            client.close()
        self.process.terminate()
        with self.process:
            return self.process.wait(START_S_MAX)


def start(folder: Path, *options: str) -> Server:
    """Start `ogi serve` and wait for its ready line."""
    log = folder / f"ogi-{uuid.uuid4().hex[:8]}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "ogi", "serve", "--port", "0", "--region", REGION, *options],
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    if "ready at" not in line:
        process.kill()
        with process:
            pytest.fail(log.read_text())
    return Server(line.split(" at ", 1)[1].split(" ")[0], process, log)


def proxy_of(server: Server) -> str:
    """The URL of the server's HTTPS proxy, which its standard error names."""
    (line,) = (n for n in server.log.read_text().splitlines() if n.startswith("HTTPS proxy"))
    return line.rsplit(" ", 1)[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all stories; each uses names of its own."""
    running = start(
        tmp_path_factory.mktemp("server"), "--ephemeral", "--credentials", "test:test",
        "--oidc-http",
    )  # fmt: skip
    yield running
    code = running.stop()
    assert code == 0, running.log.read_text()


@pytest.fixture
def name() -> str:
    """A name that no other story uses."""
    return f"story-{uuid.uuid4().hex[:12]}"


def eventually(look: Callable[[], Any], seconds: float = 20.0, every: float = 0.05) -> Any:
    """What `look` returns once it is true; fails if that takes too long."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            pytest.fail(f"it did not happen within {seconds} s; the last look saw {found!r}")
        time.sleep(every)

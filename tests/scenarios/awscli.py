"""The real AWS CLI as a subprocess: version 2 where there is one, else the venv's."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.conftest import Server

COMMAND_S_MAX = 120


@functools.cache
def found() -> tuple[str, int]:
    """The newest `aws` that runs here, and its major version."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), str(Path(sys.executable).parent)]
    versions: dict[int, str] = {}
    for folder in dict.fromkeys(folders):
        command = Path(folder) / "aws"
        if not os.access(command, os.X_OK):
            continue
        told = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
        if told.returncode == 0 and told.stdout.startswith("aws-cli/"):
            versions.setdefault(int(told.stdout[len("aws-cli/")]), str(command))
    if not versions:
        pytest.skip("no AWS CLI here: neither version 2 nor the package awscli")
    return versions[max(versions)], max(versions)


def aws(
    server: Server,
    *arguments: str | Path,
    fails: bool = False,
    text: str | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run `aws ARGUMENTS` as the administrator; exit 0 is promised unless it `fails`.

    Version 2 exits with 254 where a service refused, version 1 with 255.
    """
    command, version = found()
    # `aws sqs` of version 1 ignores AWS_ENDPOINT_URL: https://github.com/aws/aws-cli/issues/8737
    endpoint = ("--endpoint-url", server.endpoint) if version == 1 else ()
    done = subprocess.run(
        [command, *endpoint, *map(str, arguments)], capture_output=True, text=True, input=text,
        timeout=COMMAND_S_MAX, env={**server.environment, **variables}, check=False,
    )  # fmt: skip
    assert bool(done.returncode) == fails, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def answer(server: Server, *arguments: str | Path) -> Any:
    """What `aws ARGUMENTS` answers, read from its JSON."""
    return json.loads(aws(server, *arguments, "--output", "json").stdout)


def tail_exists() -> None:
    """Skip where `aws logs tail` is missing, as in version 1."""
    if found()[1] < 2:
        pytest.skip("`aws logs tail` is of version 2 of the AWS CLI, and this machine has only 1")

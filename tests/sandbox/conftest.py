"""A bench for functions: writes their code, runs them, keeps their log."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ogi.clock import SystemClock
from ogi.sandbox import Function, Invocation, LogLine, Outcome, Prepared, Sandbox, bubblewrap
from ogi.sandbox.local import LocalSandbox
from tests.sandbox.fake import FakeSandbox

ARN = "arn:aws:lambda:eu-west-1:111122223333:function:sample"


class Bench:
    """One sandbox and the functions of one test."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self._count = 0
        self.lines: list[LogLine] = []
        self.variables: dict[str, str] = {}
        self.expires = time.time() + 3600

    @property
    def log(self) -> str:
        return "\n".join(line.text for line in self.lines)

    def function(self, code: str, **changes: Any) -> Function:
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        (folder / "index.py").write_text(code)
        folder.chmod(0o755)
        settings: dict[str, Any] = {
            "arn": ARN, "name": "sample", "version": "$LATEST", "account": "111122223333",
            "region": "eu-west-1", "runtime": "python3.11", "handler": "index.handler",
            "memory_mb": 256, "timeout_s": 5, "ephemeral_mb": 512, "revision": str(folder),
        }  # fmt: skip
        return Function(**{**settings, **changes})

    async def run(
        self, function: Function | str, payload: bytes = b"{}", **changes: Any
    ) -> Outcome:
        if isinstance(function, str):
            function = self.function(function)
        settings = {"request_id": "8f507cfc-xmpl-4697-b07a-ac58fc914c95", "arn": function.arn}
        invocation = Invocation(payload=payload, **{**settings, **changes})
        return await self.sandbox.invoke(function, invocation, self._prepare)

    async def _prepare(self, function: Function) -> Prepared:
        return Prepared(
            code=Path(function.revision),
            variables={"AWS_ACCESS_KEY_ID": "ASIAX", **self.variables},
            log_group="/aws/lambda/sample",
            log_stream="2026/01/02/[$LATEST]0f0f",
            log=self.lines.extend,
            expires=self.expires,
        )


def make(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **rest: Any) -> Sandbox:
    if kind == "fake":
        return FakeSandbox(SystemClock())
    if kind == "process":
        monkeypatch.setattr(bubblewrap, "find", lambda: None)
    sandbox = LocalSandbox(folder, **rest)
    if kind == "bubblewrap" and sandbox.isolation != "bubblewrap":
        pytest.skip(sandbox.describe())
    return sandbox


@pytest.fixture(params=["bubblewrap", "process", "fake"])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """Each test of the contract runs on every kind of sandbox."""
    sandbox = make(request.param, tmp_path / "own", monkeypatch)
    yield Bench(sandbox, tmp_path)
    await sandbox.close()


@pytest.fixture
async def real_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Bench]]:
    """real_bench(kind, **options of LocalSandbox)"""
    made: list[Sandbox] = []

    def bench_of(kind: str = "bubblewrap", **rest: Any) -> Bench:
        sandbox = make(kind, tmp_path / "own", monkeypatch, **rest)
        made.append(sandbox)
        return Bench(sandbox, tmp_path)

    yield bench_of
    for sandbox in made:
        await sandbox.close()

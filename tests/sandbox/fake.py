"""A sandbox for tests of the services: runs handlers in the test's own process, on its clock.

It passes the same conformance tests as the real one (test_conformance.py). `hold` keeps invocations
open until the test sets it, or their timeout passes on the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ogi.clock import Clock
from ogi.sandbox import Function, Invocation, Isolation, Outcome, Prepare, Prepared, verdicts
from ogi.sandbox.inside import python_runtime as runtime
from ogi.sandbox.outputs import Output
from ogi.sandbox.verdicts import Verdict


class _Environment:
    def __init__(self, prepared: Prepared, clock: Clock) -> None:
        self.prepared = prepared
        self.output = Output(prepared.log, clock.now)
        self.modules: dict[str, Any] = {}


class FakeSandbox:
    isolation: Isolation = "process"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._idle: dict[tuple[str, str], list[_Environment]] = {}
        self.hold: asyncio.Event | None = None
        self.running = 0
        self.running_most = 0
        self.invocations: list[Invocation] = []

    def describe(self) -> str:
        return "Functions run inside of the tests."

    async def invoke(self, function: Function, invocation: Invocation, prepare: Prepare) -> Outcome:
        key = (function.arn, function.revision)
        idle = self._idle.setdefault(key, [])
        cold = not idle
        environment = idle.pop() if idle else _Environment(await prepare(function), self._clock)
        self.invocations.append(invocation)
        self.running += 1
        self.running_most = max(self.running_most, self.running)
        try:
            outcome = await self._run(function, invocation, environment, cold)
        finally:
            self.running -= 1
        if not outcome.error_type.startswith(("Runtime.", "Sandbox.")):
            idle.append(environment)
        return outcome

    async def retire(self, arn: str) -> None:
        for key in [key for key in self._idle if key[0] == arn]:
            del self._idle[key]

    async def reset(self) -> None:
        self._idle.clear()

    async def close(self) -> None:
        self._idle.clear()

    async def _run(
        self, function: Function, invocation: Invocation, environment: _Environment, cold: bool
    ) -> Outcome:
        started, output = self._clock.now(), environment.output
        if invocation.started is not None:
            invocation.started(started, cold)
        output.begin()
        output.say(f"START RequestId: {invocation.request_id} Version: {function.version}")
        verdict = await self._held(function, invocation)
        if verdict is None:
            with _inside(function, environment.prepared, output):
                verdict = _call(function, invocation, environment)
        output.flush()
        if verdict.line:
            output.say(verdict.line)
        duration_ms = (self._clock.now() - started) * 1000
        init_ms = 1.0 if cold else None
        report = verdicts.report(
            function, invocation.request_id, verdict, duration_ms, init_ms, function.memory_mb
        )
        output.say(f"END RequestId: {invocation.request_id}", report)
        return Outcome(
            payload=verdict.payload,
            error="Unhandled" if verdict.error_type else "",
            error_type=verdict.error_type,
            started=started,
            duration_ms=duration_ms,
            billed_ms=verdicts.billed_ms(duration_ms, init_ms),
            init_ms=init_ms,
            memory_used_mb=function.memory_mb,
            tail=output.tail(),
            log_group=environment.prepared.log_group,
            log_stream=environment.prepared.log_stream,
        )

    async def _held(self, function: Function, invocation: Invocation) -> Verdict | None:
        if self.hold is None:
            return None
        await self._clock.wait(self.hold, self._clock.now() + function.timeout_s)
        if self.hold.is_set():
            return None
        return verdicts.timeout(invocation.request_id, function.timeout_s)


@contextlib.contextmanager
def _inside(function: Function, prepared: Prepared, output: Output) -> Iterator[None]:
    """The handler's view: its variables, its prints."""
    before = dict(os.environ)
    os.environ.update(
        prepared.variables,
        AWS_LAMBDA_FUNCTION_NAME=function.name,
        AWS_LAMBDA_FUNCTION_VERSION=function.version,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE=str(function.memory_mb),
        AWS_LAMBDA_LOG_GROUP_NAME=prepared.log_group,
        AWS_LAMBDA_LOG_STREAM_NAME=prepared.log_stream,
        AWS_REGION=function.region,
    )
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        output.feed(printed.getvalue().encode())


def _call(function: Function, invocation: Invocation, environment: _Environment) -> Verdict:
    headers = {
        "lambda-runtime-aws-request-id": invocation.request_id,
        "lambda-runtime-invoked-function-arn": invocation.arn,
        "lambda-runtime-deadline-ms": "9999999999999",
        "lambda-runtime-client-context": invocation.client_context,
    }
    try:
        handler = _handler(function, environment)
    except Exception as error:
        return _failed(runtime.describe(error, ""))
    try:
        return verdicts.result(runtime.run(handler, headers, invocation.payload))
    except SystemExit as end:
        return verdicts.exited(invocation.request_id, int(end.code or 0))
    except Exception as error:
        return _failed(runtime.describe(error, invocation.request_id))


def _failed(said: Any) -> Verdict:
    runtime.log_error(said)
    return verdicts.failure(runtime.error_bytes(said), said["errorType"])


def _handler(function: Function, environment: _Environment) -> Callable[..., Any]:
    """As the runtime finds it, but without the module staying in this process."""
    name, _, attribute = function.handler.rpartition(".")
    module = environment.modules.get(name)
    if module is None:
        path = environment.prepared.code / (name + ".py")
        if not Path(path).exists():
            message = f"Unable to import module '{name}': No module named '{name}'"
            raise runtime.Fault("Runtime.ImportModuleError", message)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except SyntaxError as error:
            message = f"Syntax error in module '{name}': {error}"
            raise runtime.Fault("Runtime.UserCodeSyntaxError", message) from None
        environment.modules[name] = module
    try:
        found: Callable[..., Any] = getattr(module, attribute)
    except AttributeError:
        message = f"Handler '{attribute}' missing on module '{name}'"
        raise runtime.Fault("Runtime.HandlerNotFound", message) from None
    return found

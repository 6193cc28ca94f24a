"""The sandbox on this machine: a pool of environments, under bubblewrap where that works."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path

from ogi.sandbox import (
    CannotStart,
    Function,
    Invocation,
    Isolation,
    IsolationUnavailable,
    Outcome,
    Prepare,
    Prepared,
    RuntimeUnavailable,
    bubblewrap,
    memory,
)
from ogi.sandbox.environments import Environment, Plan
from ogi.sandbox.interpreters import Interpreter, interpreter_for, version_of
from ogi.sandbox.outputs import Output
from ogi.sandbox.relay import Serve

ENVIRONMENTS_MAX = 256
"""Processes at once; more invocations wait for one to end."""
STARTING_MAX = 4
"""Cold starts at once; more would only slow each other down."""
IDLE_S_MAX = 600.0
"""An environment that had nothing to do for so long is let go."""
SWEEP_S = 30.0
FINISHING_S_MAX = 0.1
"""How long to wait for an environment that has answered but not yet asked for the next event."""
API_PORT = 9001
ENDPOINT_PORT = 4566
"""On the loopback inside of a sandbox, which nothing else uses."""
LIBRARIES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What AWS's Python runtimes bring; bound from Ogi's own installation."""
ARGUMENT_BYTES_MAX = 60_000
"""What fits into a pipe that nobody reads yet."""

INSIDE = Path(__file__).parent / "inside"
Key = tuple[str, str]


class LocalSandbox:
    """Runs functions as processes of this machine. Made and closed on the event loop."""

    def __init__(
        self, folder: Path, *, endpoint: str = "", serve: Serve | None = None,
        network: bool = False, require_isolation: bool = False,
    ) -> None:  # fmt: skip
        """`folder` is for its own few files. `serve` answers as Ogi inside of the sandboxes;
        `endpoint` is Ogi's URL for functions that share the host's network."""
        program = bubblewrap.find()
        self._reason = bubblewrap.unavailable(program)
        if self._reason is not None and require_isolation:
            raise IsolationUnavailable(f"Functions cannot be isolated here: {self._reason}")
        self._program = program if self._reason is None else None
        self._shared_network = network or self._program is None
        self._endpoint, self._serve = endpoint, serve
        self._folder = folder.absolute()
        bubblewrap.write_files(self._folder / "etc")
        self._idle: dict[Key, list[Environment]] = {}
        self._finishing: dict[Key, list[Environment]] = {}
        self._all: set[Environment] = set()
        self._room = asyncio.Semaphore(ENVIRONMENTS_MAX)
        self._starting = asyncio.Semaphore(STARTING_MAX)
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    # -- the contract -----------------------------------------------------------------------

    @property
    def isolation(self) -> Isolation:
        return "process" if self._program is None else "bubblewrap"

    def describe(self) -> str:
        if self._program is None:
            return (
                "WARNING: functions run as plain processes with this user's rights, files and "
                f"network, because {self._reason}."
            )
        reach = "the host's network" if self._shared_network else "only this endpoint"
        return f"Functions are isolated by bubblewrap and reach {reach}."

    async def invoke(self, function: Function, invocation: Invocation, prepare: Prepare) -> Outcome:
        environment = await self._warm(function)
        if environment is None:
            environment = await self._cold(function, prepare)
        environment.busy = True
        try:
            return await environment.run(invocation)
        finally:
            environment.busy = False
            self._release(environment)

    async def retire(self, arn: str) -> None:
        for pool in (self._idle, self._finishing):
            for key in [key for key in pool if key[0] == arn]:
                for environment in pool.pop(key):
                    self._let_go(environment)
        for environment in self._all:
            if environment.function.arn == arn:
                environment.retired = True

    async def reset(self) -> None:
        await self.close()
        self._idle.clear()
        self._finishing.clear()

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for environment in list(self._all):
            environment.retired = True
            self._let_go(environment)
        while self._closing:
            await asyncio.wait(self._closing)

    # -- the pool ---------------------------------------------------------------------------

    async def _warm(self, function: Function) -> Environment | None:
        """An environment that waits for an event, or that is about to."""
        key = (function.arn, function.revision)
        now = time.time()
        idle = self._idle.get(key, [])
        while idle:
            environment = idle.pop()
            if environment.usable and environment.prepared.expires > now:
                return environment
            self._let_go(environment)
        finishing = self._finishing.get(key, [])
        while finishing:
            environment = finishing.pop()
            if not environment.usable or environment.prepared.expires <= now:
                self._let_go(environment)
                continue
            try:
                async with asyncio.timeout(FINISHING_S_MAX):
                    await environment.ready.wait()
            except TimeoutError:
                # It goes on after its answer (a thread of the handler): its next event waits.
                return environment
            if environment.usable:
                return environment
            self._let_go(environment)
        return None

    async def _cold(self, function: Function, prepare: Prepare) -> Environment:
        if self._room.locked():
            self._evict()
        await self._room.acquire()
        try:
            async with self._starting:
                prepared = await prepare(function)
                environment = await self._start(function, prepared)
        except BaseException:
            self._room.release()
            raise
        self._all.add(environment)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        return environment

    def _release(self, environment: Environment) -> None:
        if not environment.usable or environment.retired:
            self._let_go(environment)
            return
        environment.idle_since = time.monotonic()
        function = environment.function
        pool = self._idle if environment.ready.is_set() else self._finishing
        pool.setdefault((function.arn, function.revision), []).append(environment)

    def _let_go(self, environment: Environment) -> None:
        """End it, in the background."""
        if environment not in self._all:
            return
        self._all.discard(environment)
        environment.kill()
        task = asyncio.get_running_loop().create_task(environment.close())
        self._closing.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        self._room.release()

    def _evict(self) -> None:
        """Make room: the environment that has been idle for longest goes."""
        idle = [e for pool in (self._idle, self._finishing) for es in pool.values() for e in es]
        if idle:
            self._remove(min(idle, key=lambda e: e.idle_since))

    def _remove(self, environment: Environment) -> None:
        for pool in (self._idle, self._finishing):
            for key, environments in list(pool.items()):
                if environment in environments:
                    environments.remove(environment)
                if not environments:
                    del pool[key]
        self._let_go(environment)

    def _sweep(self) -> None:
        """Let idle environments go."""
        old = time.monotonic() - IDLE_S_MAX
        for environment in list(self._all):
            if not environment.busy and environment.idle_since and environment.idle_since < old:
                self._remove(environment)
        self._sweeper = None
        if self._all:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    # -- one environment --------------------------------------------------------------------

    async def _start(self, function: Function, prepared: Prepared) -> Environment:
        output = Output(prepared.log)
        environment = Environment(function, prepared, output)
        interpreter = await self._interpreter(function, output)
        runtime = {"launch.py": INSIDE / "launch.py"}
        if version_of(function.runtime) is not None:
            runtime["python_runtime.py"] = INSIDE / "python_runtime.py"
            runtime.update(self._libraries(interpreter, output))
        control, theirs = socket.socketpair()
        log_read, log_write = os.pipe()
        os.set_blocking(log_read, False)
        control.setblocking(False)
        plan_of = self._in_process if self._program is None else self._in_bubblewrap
        try:
            plan = await asyncio.to_thread(
                plan_of, function, prepared, interpreter, runtime, theirs.detach(), log_write
            )
        except BaseException:
            control.close()
            os.close(log_read)
            raise
        await environment.start(plan, control, log_read, self._inner_serve())
        return environment

    async def _interpreter(self, function: Function, output: Output) -> Interpreter:
        """Of a Python function its own, of any other the one that launches it."""
        wanted = function.runtime
        if version_of(wanted) is None:
            if not wanted.startswith("provided"):
                raise RuntimeUnavailable(f"Ogi does not run {wanted} yet")
            return await asyncio.to_thread(interpreter_for, "python3.11")
        interpreter = await asyncio.to_thread(interpreter_for, wanted)
        if not interpreter.exact:
            output.say(
                f"Ogi: {wanted} is not installed on this machine; "
                f"running on {interpreter.name} instead."
            )
        return interpreter

    def _libraries(self, interpreter: Interpreter, output: Output) -> Mapping[str, Path]:
        oldest = _oldest_of_botocore()
        if interpreter.version < oldest:
            output.say(
                f"Ogi: boto3 {metadata.version('boto3')} needs Python {oldest[0]}.{oldest[1]}; "
                f"there is none for {interpreter.name}."
            )
            return {}
        return _library_paths()

    def _inner_serve(self) -> Serve | None:
        return None if self._shared_network else self._serve

    def _plan_text(self, function: Function, control: int, guarded: bool, task: str) -> str:
        own_ports = not self._shared_network
        command = []
        if version_of(function.runtime) is None:
            command = [next((f"{f}/bootstrap" for f in (task, "/opt")), "")]
        return json.dumps(
            {
                "control": control,
                "api_port": API_PORT if own_ports else 0,
                "endpoint_port": ENDPOINT_PORT if self._inner_serve() is not None else None,
                "guarded": guarded,
                "data_bytes_max": function.memory_mb * 1_048_576 + memory.HEADROOM_BYTES,
                "command": command,
            }
        )

    def _in_bubblewrap(
        self, function: Function, prepared: Prepared, interpreter: Interpreter,
        runtime: Mapping[str, Path], control: int, log_write: int,
    ) -> Plan:  # fmt: skip
        assert self._program is not None
        inner = self._inner_serve() is not None
        endpoint = f"http://127.0.0.1:{ENDPOINT_PORT}" if inner else self._endpoint
        variables = variables_of(function, prepared, endpoint, "/var/task", "/var/runtime")
        variables["_OGI_PLAN"] = self._plan_text(function, control, False, "/var/task")
        confinement = bubblewrap.Confinement(
            prefix=interpreter.prefix,
            code=prepared.code,
            runtime=runtime,
            ephemeral_bytes=function.ephemeral_mb * 1_048_576,
            network=self._shared_network,
            files=self._folder / "etc",
            variables=variables,
        )
        arguments = "\0".join(bubblewrap.arguments(confinement)).encode()
        if len(arguments) > ARGUMENT_BYTES_MAX:
            raise CannotStart(f"{len(arguments)} bytes of arguments are too many")
        given, ours = os.pipe()
        os.write(ours, arguments)
        os.close(ours)
        command = [
            self._program, "--args", str(given), "--",
            interpreter.path, "-S", "-B", "/var/runtime/launch.py",
        ]  # fmt: skip
        return Plan(command, (log_write, control, given), {}, None, guarded=False)

    def _in_process(
        self, function: Function, prepared: Prepared, interpreter: Interpreter,
        runtime: Mapping[str, Path], control: int, log_write: int,
    ) -> Plan:  # fmt: skip
        folder = tempfile.mkdtemp(prefix="ogi-function-")
        inside = Path(folder) / "runtime"
        inside.mkdir()
        for name, path in runtime.items():
            if path.parent == INSIDE:
                # Python takes the folder of a script's real path for the first of sys.path.
                shutil.copyfile(path, inside / name)
            else:
                (inside / name).symlink_to(path)
        temporary = Path(folder) / "tmp"
        temporary.mkdir()
        task = str(prepared.code)
        variables = variables_of(function, prepared, self._endpoint, task, str(inside))
        variables["TMPDIR"] = str(temporary)
        variables["_OGI_PLAN"] = self._plan_text(function, control, True, task)
        command = [interpreter.path, "-S", "-B", str(inside / "launch.py")]
        return Plan(command, (log_write, control), variables, folder, guarded=True)


def variables_of(
    function: Function, prepared: Prepared, endpoint: str, task: str, runtime: str
) -> dict[str, str]:
    """The environment variables (Lambda guide, "Working with Lambda environment variables")."""
    variables = {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": prepared.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": prepared.log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "LAMBDA_TASK_ROOT": task,
        "LAMBDA_RUNTIME_DIR": runtime,
        "_HANDLER": function.handler,
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": f"{task}:{task}/lib:/opt/lib",
    }
    if endpoint:
        variables["AWS_ENDPOINT_URL"] = endpoint
    # AWS's own names are reserved, so what the function sets can only be the few that are not.
    return {**variables, **prepared.variables}


def _oldest_of_botocore() -> tuple[int, int]:
    """The oldest Python that the installed botocore supports."""
    required = metadata.metadata("botocore")["Requires-Python"] or ">=3.9"
    major, minor = required.split(">=", 1)[1].split(",")[0].strip().split(".")[:2]
    return int(major), int(minor)


def _library_paths() -> dict[str, Path]:
    found = {}
    for name in LIBRARIES:
        spec = util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            path = origin.parent if origin.name == "__init__.py" else origin
            found[path.name] = path
    return found

"""One environment: a process that runs one function, one event at a time, until it is let go.

Laws: it is killed whole, with all that it started; its descriptors and folders go with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Sequence

from ogi.sandbox import (
    INIT_S_MAX,
    CannotStart,
    Function,
    Invocation,
    Outcome,
    Prepared,
    memory,
    verdicts,
)
from ogi.sandbox.outputs import Output
from ogi.sandbox.relay import Closable, Serve
from ogi.sandbox.runtime_api import Event, RuntimeApi
from ogi.sandbox.verdicts import Verdict

READ_BYTES = 256 * 1024
START_S_MAX = 20.0
"""How long the process may take until its listeners are there."""
LISTENERS_MAX = 2


class Plan:
    """The process of an environment, before it runs."""

    def __init__(
        self, command: Sequence[str], descriptors: Sequence[int], variables: dict[str, str],
        folder: str | None, guarded: bool,
    ) -> None:  # fmt: skip
        self.command = command
        self.descriptors = descriptors
        """Inherited by the process, and closed here once it runs."""
        self.variables = variables
        self.folder = folder
        """Its temporary folder, removed at the end."""
        self.guarded = guarded
        """It is not in namespaces of its own, so its process group is what is killed."""


class Environment:
    """See the module. Made by `start`."""

    def __init__(self, function: Function, prepared: Prepared, output: Output) -> None:
        self.function = function
        self.prepared = prepared
        self.output = output
        self.busy = False
        self.dead = False
        self.retired = False
        """Not to be used again after its event."""
        self.idle_since = 0.0
        self.ready = asyncio.Event()
        """The runtime waits for an event, or never will."""
        self._asking: RuntimeApi | None = None
        self._invocation: Invocation | None = None
        self._handed: tuple[float, float] | None = None
        """When the event was handed over: seconds since the epoch, and by perf_counter."""
        self._cold = False
        self._verdict: asyncio.Future[Verdict] | None = None
        self._failure: Verdict | None = None
        self._exit_code: int | None = None
        self._init_ms: float | None = None
        self._peak_bytes = 0
        self._runtime_pid = 0
        self._connections: set[RuntimeApi] = set()
        self._servers: list[Closable] = []
        self._log_fd = -1
        self._control: socket.socket | None = None
        """A guard inside ends everything when this end of it is closed, as by Ogi's death."""
        self._plan: Plan | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._waiter: asyncio.Task[None] | None = None

    # -- starting ---------------------------------------------------------------------------

    async def start(
        self, plan: Plan, control: socket.socket, log_fd: int, serve: Serve | None
    ) -> None:
        """Start the process and wait until the code is imported (or has failed to be)."""
        loop = asyncio.get_running_loop()
        self._plan, self._log_fd, self._control = plan, log_fd, control
        begun = time.perf_counter()  # uvloop's own time has whole milliseconds only.
        try:
            await self._spawn(plan)
            loop.add_reader(log_fd, self._read_log)
            listeners = await self._receive(control)
            await self._listen(listeners, serve)
        except (OSError, EOFError, TimeoutError) as error:
            self._read_log()
            said = self.output.tail().decode(errors="replace").strip()
            await self.close()
            raise CannotStart(said or str(error) or type(error).__name__) from error
        except asyncio.CancelledError:
            await self.close()
            raise
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, begun + INIT_S_MAX - time.perf_counter())):
                await self.ready.wait()
        self._init_ms = (time.perf_counter() - begun) * 1000
        self._measure()

    async def _spawn(self, plan: Plan) -> None:
        log_write = plan.descriptors[0]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *plan.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log_write,
                stderr=log_write,
                env=plan.variables,
                pass_fds=plan.descriptors[1:],
                start_new_session=plan.guarded,
            )
        finally:
            for descriptor in plan.descriptors:
                os.close(descriptor)
        self._waiter = asyncio.create_task(self._wait(self._process))

    async def _receive(self, control: socket.socket) -> list[socket.socket]:
        """The listeners that the process made in its own network."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_reader(control.fileno(), arrived.set)
        try:
            async with asyncio.timeout(START_S_MAX):
                await arrived.wait()
        finally:
            loop.remove_reader(control.fileno())
        said, descriptors, _, _ = socket.recv_fds(control, 16, LISTENERS_MAX)
        if not said:
            raise EOFError("the process ended before it was ready")
        return [socket.socket(fileno=descriptor) for descriptor in descriptors]

    async def _listen(self, listeners: list[socket.socket], serve: Serve | None) -> None:
        loop = asyncio.get_running_loop()
        for listener in listeners:
            listener.setblocking(False)
        api, *endpoint = listeners
        server = await loop.create_server(lambda: RuntimeApi(self, self._connections), sock=api)
        self._servers.append(server)
        for listener in endpoint:
            assert serve is not None
            self._servers.append(await serve(listener))

    # -- one event --------------------------------------------------------------------------

    async def run(self, invocation: Invocation) -> Outcome:
        """Serve one event. The caller holds this environment alone."""
        init_ms, self._init_ms = self._init_ms, None
        if init_ms is None:
            self._read_log()
        self.output.begin()
        request_id, function = invocation.request_id, self.function
        self.output.say(f"START RequestId: {request_id} Version: {function.version}")
        verdict, started, duration_ms = await self._judge(invocation, init_ms is not None)
        self._read_log()
        self.output.flush()
        if verdict.line:
            self.output.say(verdict.line)
        self._measure()
        memory_mb = -(-self._peak_bytes // 1_048_576)
        memory_mb = min(memory_mb, function.memory_mb)
        if verdict.error_type == "Runtime.OutOfMemory":
            memory_mb = function.memory_mb
        self.output.say(
            f"END RequestId: {request_id}",
            verdicts.report(function, request_id, verdict, duration_ms, init_ms, memory_mb),
        )
        return Outcome(
            payload=verdict.payload,
            error="Unhandled" if verdict.error_type else "",
            error_type=verdict.error_type,
            started=started,
            duration_ms=duration_ms,
            billed_ms=verdicts.billed_ms(duration_ms, init_ms),
            init_ms=init_ms,
            memory_used_mb=memory_mb,
            tail=self.output.tail(),
            log_group=self.prepared.log_group,
            log_stream=self.prepared.log_stream,
        )

    async def _judge(self, invocation: Invocation, cold: bool) -> tuple[Verdict, float, float]:
        """Hand the event over and wait: (verdict, when it was handed over, milliseconds)."""
        loop = asyncio.get_running_loop()
        if self._failure is not None:
            return self._failure, time.time(), 0.0
        if self._exit_code is not None:
            return verdicts.exited(invocation.request_id, self._exit_code), time.time(), 0.0
        self._verdict = loop.create_future()
        self._invocation = invocation
        self._handed = None
        self._cold = cold
        begun = time.perf_counter()
        timer = loop.call_later(self.function.timeout_s, self._time_out)
        watch = asyncio.create_task(self._watch())
        try:
            if self._asking is not None:
                self._hand_over(self._asking)
            verdict = await self._verdict
        finally:
            ended = time.perf_counter()
            timer.cancel()
            watch.cancel()
            if not self._verdict.done():
                self.kill()
            self._invocation = self._verdict = None
        handed_at, handed = self._handed or (time.time(), begun)
        duration_ms = (ended - handed) * 1000
        if verdict.status == "timeout":
            duration_ms = self.function.timeout_s * 1000.0
        return verdict, handed_at, duration_ms

    def _hand_over(self, connection: RuntimeApi) -> None:
        invocation = self._invocation
        assert invocation is not None
        deadline_ms = int((time.time() + self.function.timeout_s) * 1000)
        headers = [
            ("Aws-Request-Id", invocation.request_id),
            ("Deadline-Ms", str(deadline_ms)),
            ("Invoked-Function-Arn", invocation.arn),
        ]
        if invocation.trace:
            headers.append(("Trace-Id", invocation.trace))
        if invocation.client_context:
            headers.append(("Client-Context", invocation.client_context))
        self._asking = None
        self.ready.clear()
        self._handed = (time.time(), time.perf_counter())
        connection.give(Event(tuple(headers), invocation.payload))
        if invocation.started is not None:
            invocation.started(self._handed[0], self._cold)

    def _settle(self, verdict: Verdict) -> None:
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_result(verdict)

    def _time_out(self) -> None:
        if self._invocation is not None:
            self._settle(verdicts.timeout(self._invocation.request_id, self.function.timeout_s))
            self.kill()

    async def _watch(self) -> None:
        """Kill the environment when it uses more memory than the function has."""
        bytes_max = self.function.memory_mb * 1_048_576
        while self._process is not None:
            await asyncio.sleep(memory.WATCH_S)
            used = memory.resident_bytes(memory.tree(self._process.pid))
            self._peak_bytes = max(self._peak_bytes, used)
            if used > bytes_max and self._invocation is not None:
                self._settle(verdicts.out_of_memory(self._invocation.request_id))
                self.kill()
                return

    def _measure(self) -> None:
        if self._process is None or self.dead:
            return
        if not self._runtime_pid and self._plan is not None:
            # bwrap, its init, the runtime; without bwrap: the guard, the runtime.
            at = 1 if self._plan.guarded else 2
            self._runtime_pid = ([*memory.tree(self._process.pid), 0, 0])[at]
        self._peak_bytes = max(self._peak_bytes, memory.peak_bytes(self._runtime_pid))

    # -- what the runtime says (Stage) ------------------------------------------------------

    def ask(self, connection: RuntimeApi) -> None:
        self._asking = connection
        if self._invocation is not None and self._verdict is not None and self._handed is None:
            self._hand_over(connection)
        else:
            self.ready.set()

    def respond(self, request_id: str, body: bytes) -> bool:
        return self._end(request_id, verdicts.result(body))

    def fail(self, request_id: str, body: bytes, kind: str) -> bool:
        verdict = verdicts.failure(body, kind)
        if request_id:
            return self._end(request_id, verdict)
        self._failure = verdict
        self.ready.set()
        self._settle(verdict)
        return True

    def overflow(self, request_id: str) -> bool:
        return self._end(request_id, verdicts.overflow())

    def _end(self, request_id: str, verdict: Verdict) -> bool:
        invocation = self._invocation
        if invocation is None or invocation.request_id != request_id or self._handed is None:
            return False
        self._settle(verdict)
        return True

    # -- the process ------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """It can serve another event, as far as is known."""
        return not self.dead and self._failure is None and self._exit_code is None

    def kill(self) -> None:
        """Kill all of it, at once."""
        self.dead = True
        self.ready.set()
        process, plan = self._process, self._plan
        if process is None or plan is None or process.returncode is not None:
            return
        # Not process.kill(): that polls, and takes the exit status away from who waits for it.
        with contextlib.suppress(ProcessLookupError):
            if plan.guarded:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                os.kill(process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """End it and give back what it held."""
        self.kill()
        if self._waiter is not None:
            await self._waiter
        self._read_log()
        if self._control is not None:
            self._control.close()
        for server in self._servers:
            server.close()
        self._servers.clear()
        for connection in list(self._connections):
            connection.close()
        if self._log_fd >= 0:
            asyncio.get_running_loop().remove_reader(self._log_fd)
            os.close(self._log_fd)
            self._log_fd = -1
        if self._plan is not None and self._plan.folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._plan.folder, True)

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._exit_code = code
        self._read_log()
        self.ready.set()
        if self._invocation is not None:
            self._settle(verdicts.exited(self._invocation.request_id, code))

    def _read_log(self) -> None:
        """Take what has been printed so far; never waits."""
        while self._log_fd >= 0:
            try:
                data = os.read(self._log_fd, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(self._log_fd)
                os.close(self._log_fd)
                self._log_fd = -1
                return
            self.output.feed(data)
            if len(data) < READ_BYTES:
                return

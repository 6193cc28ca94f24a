"""What functions cannot do: reach files, processes or networks of the host, or outlive Ogi."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ogi.sandbox import IsolationUnavailable, bubblewrap, interpreters, relay
from ogi.sandbox.local import LocalSandbox
from tests.sandbox.conftest import Bench

BenchOf = Callable[..., Bench]


async def _returned(bench: Bench, body: str, **changes: Any) -> Any:
    code = "import os, sys, socket, json\ndef handler(event, context):\n"
    code += "".join(f"    {line}\n" for line in body.splitlines())
    outcome = await bench.run(bench.function(code, **changes))
    assert outcome.error == "", outcome.payload
    return json.loads(outcome.payload)


async def test_the_files_of_the_host_are_not_there(real_bench: BenchOf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("data of Ogi")
    bench = real_bench()
    body = f"""
seen = []
secret = {str(secret)!r}
for path in ["/etc/shadow", "/home", secret, "/etc/ssl/private", "/proc/1/root" + secret]:
    try:
        os.stat(path); seen.append(path)
    except OSError: pass
return seen
"""
    assert await _returned(bench, body) == []


async def test_nothing_but_tmp_can_be_written(real_bench: BenchOf) -> None:
    body = """
written = []
for folder in ["/", "/etc", "/usr/bin", "/var/task", "/var/runtime", "/dev", "/tmp"]:
    try:
        open(folder + "/x", "w").close(); written.append(folder)
    except OSError: pass
for path in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_adj"]:
    try:
        open(path, "r+").close(); written.append(path)
    except OSError: pass
return written
"""
    assert await _returned(real_bench(), body) == ["/tmp"]


async def test_the_processes_of_the_host_are_not_there(real_bench: BenchOf) -> None:
    body = "return sorted(int(p) for p in os.listdir('/proc') if p.isdigit())"
    assert await _returned(real_bench(), body) == [1, 2]


async def test_a_function_has_no_capabilities_and_cannot_gain_any(real_bench: BenchOf) -> None:
    body = """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
return [status[n].strip() for n in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")] + [os.getuid()]
"""
    zero = "0" * 16
    assert await _returned(real_bench(), body) == [zero, zero, zero, "1", 993]


async def test_no_network_is_reachable(real_bench: BenchOf) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    body = f"""
failed = []
for address in [("127.0.0.1", {port}), ("192.0.2.1", 80)]:
    try:
        socket.create_connection(address, 0.2).close()
    except OSError: failed.append(address)
return [len(failed), sorted(name for _, name in socket.if_nameindex())]
"""
    with listener:
        assert await _returned(real_bench(), body) == [2, ["lo"]]


async def test_the_endpoint_is_reachable_through_the_relay(
    real_bench: BenchOf, tmp_path: Path
) -> None:
    """A megabyte each way, so that both directions have to wait for each other."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    path = tmp_path / "ogi.sock"
    server = await asyncio.start_unix_server(echo, path)
    bench = real_bench(serve=relay.to(path))
    body = """
import threading
host, _, port = os.environ["AWS_ENDPOINT_URL"][7:].partition(":")
link = socket.create_connection((host, int(port)), 5)
threading.Thread(target=lambda: (link.sendall(b"x" * 1000000), link.shutdown(1))).start()
size = 0
while True:
    data = link.recv(65536)
    if not data: return size
    size += len(data)
"""
    assert await _returned(bench, body) == 1_000_000
    server.close()


async def test_the_hosts_network_is_shared_only_when_asked_for(real_bench: BenchOf) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    bench = real_bench(network=True, endpoint=f"http://127.0.0.1:{port}")
    body = f"""
socket.create_connection(("127.0.0.1", {port}), 1).close()
return os.environ["AWS_ENDPOINT_URL"]
"""
    with listener:
        assert await _returned(bench, body) == f"http://127.0.0.1:{port}"


async def test_tmp_is_private_and_limited(real_bench: BenchOf) -> None:
    body = """
assert os.listdir("/tmp") == []
try:
    with open("/tmp/big", "wb") as f:
        for _ in range(20): f.write(b"x" * 1048576)
except OSError as error:
    return error.errno
"""
    import errno

    assert await _returned(real_bench(), body, ephemeral_mb=10) == errno.ENOSPC


async def test_the_variables_are_awss_and_no_others(
    real_bench: BenchOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    bench = real_bench()
    bench.variables = {"TABLE_NAME": "t"}
    found = await _returned(bench, "return dict(os.environ)", timeout_s=9)
    assert found.pop("PWD", "/var/task") == "/var/task"
    # Python itself sets it where LANG's locale is not installed.
    assert found.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"
    assert found == {
        "AWS_ACCESS_KEY_ID": "ASIAX",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": "sample",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/sample",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/02/[$LATEST]0f0f",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_REGION": "eu-west-1",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": "/var/task:/var/task/lib:/opt/lib",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "TABLE_NAME": "t",
        "TZ": ":UTC",
        "_HANDLER": "index.handler",
    }


async def test_the_arguments_of_the_process_hold_no_secrets(real_bench: BenchOf) -> None:
    bench = real_bench()
    bench.variables = {"PASSWORD": "do-not-show"}
    await _returned(bench, "return 1")
    assert _runs("launch.py") and not _runs("do-not-show")


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
async def test_boto3_can_be_imported(real_bench: BenchOf, kind: str) -> None:
    import boto3

    runtime = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    body = "import boto3\nboto3.client('sqs')\nreturn [boto3.__version__, sys.path[0]]"
    bench = real_bench(kind)
    bench.variables = {"AWS_SECRET_ACCESS_KEY": "s"}
    version, first = await _returned(bench, body, runtime=runtime, memory_mb=512)
    assert version == boto3.__version__
    assert first == ("/var/task" if kind == "bubblewrap" else str(next(iter(_tasks(bench)))))


def _tasks(bench: Bench) -> list[str]:
    return [str(e.prepared.code) for e in bench.sandbox._all]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
async def test_a_function_is_killed_at_its_timeout_with_all_that_it_started(
    real_bench: BenchOf, kind: str
) -> None:
    bench = real_bench(kind)
    nap = _nap(kind, 1)
    code = f"""
import subprocess, time
def handler(event, context):
    subprocess.Popen(["/bin/sleep", "{nap}"])
    time.sleep(60)
"""
    begun = time.monotonic()
    outcome = await bench.run(bench.function(code, timeout_s=1))
    assert 1.0 <= time.monotonic() - begun < 2.5
    said = json.loads(outcome.payload)
    assert said["errorType"] == "Sandbox.Timedout"
    assert said["errorMessage"].endswith(" Error: Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in bench.log
    assert bench.log.rstrip().endswith("Status: timeout")
    assert "Duration: 1000.00 ms" in bench.log
    await bench.sandbox.close()
    await _ended(f"sleep {nap}")


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
@pytest.mark.parametrize(
    "greedy",
    ["x = b'x' * (1 << 30)", "x = []\n    while 1: x.append(b'x' * 1000000); time.sleep(0.001)"],
)
async def test_a_function_that_needs_too_much_memory_is_killed(
    real_bench: BenchOf, kind: str, greedy: str
) -> None:
    bench = real_bench(kind)
    code = f"import time\ndef handler(event, context):\n    {greedy}\n    return len(x)"
    outcome = await bench.run(bench.function(code, memory_mb=128))
    said = json.loads(outcome.payload)
    assert said["errorType"] == "Runtime.OutOfMemory"
    assert said["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert "Max Memory Used: 128 MB" in bench.log
    assert "Status: error\tError Type: Runtime.OutOfMemory" in bench.log


async def test_a_result_over_six_megabytes_is_refused(real_bench: BenchOf) -> None:
    bench = real_bench()
    outcome = await bench.run("def handler(e, c): return 'x' * 6291556")
    assert json.loads(outcome.payload) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        "(6291556 bytes).",
    }
    function = bench.function("def handler(e, c): return 'x' * 6291554")
    assert len((await bench.run(function)).payload) == 6291556


async def test_an_exception_at_import_is_the_outcome_and_the_next_event_tries_anew(
    real_bench: BenchOf,
) -> None:
    bench = real_bench()
    function = bench.function("raise RuntimeError('no')")
    for _ in range(2):
        outcome = await bench.run(function)
        said = json.loads(outcome.payload)
        assert (said["errorType"], said["errorMessage"]) == ("RuntimeError", "no")
        assert outcome.cold


async def test_an_exit_at_import_is_the_outcome(real_bench: BenchOf) -> None:
    outcome = await real_bench().run("import sys; sys.exit(7)")
    said = json.loads(outcome.payload)
    assert said["errorType"] == "Runtime.ExitError"
    assert said["errorMessage"].endswith("exit status 7")


async def test_a_record_of_several_lines_is_one_event_of_the_log(real_bench: BenchOf) -> None:
    bench = real_bench()
    await bench.run(
        "import logging\ndef handler(e, c):\n logging.getLogger().warning('a\\nb')\n print('c')"
    )
    record = bench.lines[1].text
    assert record.startswith("[WARNING]\t")
    assert record.endswith("\t8f507cfc-xmpl-4697-b07a-ac58fc914c95\ta\nb")
    assert bench.lines[2].text == "c"


async def test_a_long_line_is_cut_and_a_flood_is_dropped(real_bench: BenchOf) -> None:
    bench = real_bench()
    code = "def handler(e, c):\n print('x' * 300000)\n for _ in range(20): print('y' * 999999)"
    await bench.run(code)
    sizes = [len(line.text) for line in bench.lines]
    assert max(sizes) == 256 * 1024 - 26
    assert sum(sizes) < 17 * 1024 * 1024
    assert any(line.text.startswith("Ogi drops what is printed") for line in bench.lines)


async def test_an_environment_with_expired_credentials_is_not_used_again(
    real_bench: BenchOf,
) -> None:
    bench = real_bench()
    bench.expires = time.time() - 1
    function = bench.function("def handler(e, c): pass")
    assert (await bench.run(function)).cold and (await bench.run(function)).cold


async def test_an_invocation_that_is_given_up_leaves_nothing_behind(real_bench: BenchOf) -> None:
    bench = real_bench()
    function = bench.function("import time\ndef handler(e, c): time.sleep(60)")
    handed = asyncio.Event()
    task = asyncio.create_task(bench.run(function, started=lambda at, cold: handed.set()))
    await handed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.sandbox.close()
    assert not bench.sandbox._all  # type: ignore[attr-defined]


async def test_descriptors_are_given_back(real_bench: BenchOf) -> None:
    bench = real_bench()
    function = bench.function("def handler(e, c): pass")
    await bench.run(function)
    await bench.sandbox.reset()
    before = _descriptors()
    for _ in range(3):
        await bench.run(function)
        await bench.sandbox.reset()
    await asyncio.sleep(0)
    assert _descriptors() <= before


async def test_isolation_can_be_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "find", lambda: None)
    with pytest.raises(IsolationUnavailable, match="no bwrap program was found"):
        LocalSandbox(tmp_path, require_isolation=True)
    assert LocalSandbox(tmp_path).describe().startswith("WARNING: functions run as plain processes")


async def test_a_runtime_that_is_absent_runs_on_the_nearest_and_says_so(
    real_bench: BenchOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = interpreters.installed()[sys.version_info[:2]]
    monkeypatch.setattr(interpreters, "installed", lambda: {mine.version: mine})
    bench = real_bench()
    function = bench.function(
        "import sys\ndef handler(e, c): return list(sys.version_info[:2])", runtime="python3.6"
    )
    outcome = await bench.run(function)
    assert json.loads(outcome.payload) == list(mine.version)
    assert bench.lines[0].text == (
        f"Ogi: python3.6 is not installed on this machine; running on {mine.name} instead."
    )
    chosen = interpreters.interpreter_for("python3.6")
    assert (chosen.version, chosen.exact) == (mine.version, False)


@pytest.mark.parametrize("version", sorted(interpreters.installed()))
async def test_each_interpreter_of_this_machine_runs_its_runtime(
    real_bench: BenchOf, version: tuple[int, int]
) -> None:
    body = "print('ü')\nreturn list(sys.version_info[:2])"
    bench = real_bench()
    runtime = f"python{version[0]}.{version[1]}"
    assert await _returned(bench, body, runtime=runtime) == list(version)
    assert "ü" in [line.text for line in bench.lines]


async def test_a_bootstrap_of_the_package_itself_runs(real_bench: BenchOf) -> None:
    bench = real_bench()
    function = bench.function("", runtime="provided.al2023", handler="whatever")
    bootstrap = Path(function.revision) / "bootstrap"
    bootstrap.write_text(
        """#!/usr/bin/python3
import http.client, os
link = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    link.request("GET", "/2018-06-01/runtime/invocation/next")
    event = link.getresponse()
    body, id = event.read(), event.headers["Lambda-Runtime-Aws-Request-Id"]
    link.request("POST", "/2018-06-01/runtime/invocation/%s/response" % id, body[::-1])
    link.getresponse().read()
"""
    )
    bootstrap.chmod(0o755)
    assert (await bench.run(function, b"abc")).payload == b"cba"
    assert (await bench.run(function, b"def")).payload == b"fed"


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
async def test_nothing_survives_the_death_of_ogi(tmp_path: Path, kind: str) -> None:
    """SIGKILL, so that nothing could be cleaned up."""
    nap = _nap(kind, 2)
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "index.py").write_text(
        "import time, subprocess\ndef handler(e, c):\n"
        " subprocess.Popen(['/bin/sleep', '"
        + nap
        + "'])\n print('in', flush=True)\n time.sleep(60)"
    )
    child = f"""
import asyncio, sys, time
from pathlib import Path
from ogi.sandbox import *
from ogi.sandbox import bubblewrap
from ogi.sandbox.local import LocalSandbox
if {kind!r} == "process": bubblewrap.find = lambda: None
function = Function("arn", "f", "1", "1", "r", "python3.11", "index.handler", 128, 60, 512, "1")
async def prepare(f):
    log = lambda lines: [print(l.text, flush=True) for l in lines]
    return Prepared(Path({str(folder)!r}), {{}}, "g", "s", log, time.time() + 99)
async def main():
    sandbox = LocalSandbox(Path({str(tmp_path / "own")!r}))
    await sandbox.invoke(function, Invocation("i", b"1", "a"), prepare)
asyncio.run(main())
"""
    ogi = _python(child)
    assert ogi.stdout is not None
    with ogi.stdout:
        assert any(line.strip() == "in" for line in iter(ogi.stdout.readline, ""))
        ogi.send_signal(signal.SIGKILL)
        ogi.wait()
    await _ended(str(folder), f"sleep {nap}")


async def _ended(*texts: str) -> None:
    """What was killed is gone: the kernel ends the other processes of a killed group or namespace
    a moment after the one that was waited for."""
    until = time.monotonic() + 5
    while any(_runs(text) for text in texts):
        assert time.monotonic() < until, "a process outlived its end"
        await asyncio.sleep(0.01)


def _nap(kind: str, test: int) -> str:
    """Seconds that only one test of one process asks for, so that `ps` can tell."""
    return f"9{len(kind)}{test}{os.getpid()}"


def _python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _runs(text: str) -> bool:
    shown = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, check=True, text=True)
    return any(text in line for line in shown.stdout.splitlines())

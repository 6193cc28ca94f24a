"""How invocations end, in Lambda's words: payloads, log lines and the REPORT line."""

from __future__ import annotations

import math
import signal
import time

import msgspec

from ogi.sandbox import Function
from ogi.sandbox.runtime_api import RESPONSE_BYTES_MAX

SIGNALS = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGTERM: "terminated",
    signal.SIGBUS: "bus error",
    signal.SIGILL: "illegal instruction",
    signal.SIGFPE: "floating point exception",
}


class Verdict(msgspec.Struct, frozen=True):
    """The end of one invocation."""

    payload: bytes
    error_type: str = ""
    status: str = ""
    """Of the REPORT line: '', `error` or `timeout`."""
    line: str = ""
    """What Lambda itself says about it in the log."""


def result(payload: bytes) -> Verdict:
    return Verdict(payload)


def failure(payload: bytes, kind: str) -> Verdict:
    """The runtime reported an error. Errors of the handler are not a status of the REPORT."""
    status = "error" if kind.startswith("Runtime.") else ""
    return Verdict(payload, kind or "Unhandled", status)


def overflow() -> Verdict:
    message = (
        f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
    )
    return _named("Function.ResponseSizeTooLarge", message)


def timeout(request_id: str, timeout_s: int) -> Verdict:
    said = f"Task timed out after {timeout_s:.2f} seconds"
    now = time.time()
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    named = _named("Sandbox.Timedout", f"RequestId: {request_id} Error: {said}")
    return msgspec.structs.replace(named, status="timeout", line=f"{at} {request_id} {said}\n")


def out_of_memory(request_id: str) -> Verdict:
    message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    return _exited("Runtime.OutOfMemory", message)


def exited(request_id: str, code: int) -> Verdict:
    """The runtime ended during the invocation; above 128 by a signal."""
    if code < 0:
        code = 128 - code
    if code == 128 + signal.SIGKILL:
        return out_of_memory(request_id)
    if code == 0:
        reason = "Runtime exited without providing a reason"
    elif code - 128 in SIGNALS:
        name = SIGNALS[signal.Signals(code - 128)]
        reason = f"Runtime exited with error: signal: {name}"
    else:
        reason = f"Runtime exited with error: exit status {code}"
    return _exited("Runtime.ExitError", f"RequestId: {request_id} Error: {reason}")


def report(
    function: Function, request_id: str, verdict: Verdict, duration_ms: float,
    init_ms: float | None, memory_mb: int,
) -> str:  # fmt: skip
    """The REPORT line (Lambda guide, "Working with Lambda function logs")."""
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {billed_ms(duration_ms, init_ms)} ms",
        f"Memory Size: {function.memory_mb} MB",
        f"Max Memory Used: {memory_mb} MB",
    ]
    if init_ms is not None:
        parts.append(f"Init Duration: {init_ms:.2f} ms")
    if verdict.status:
        parts.append(f"Status: {verdict.status}")
    if verdict.status == "error":
        parts.append(f"Error Type: {verdict.error_type}")
    return "\t".join(parts) + "\t"


def billed_ms(duration_ms: float, init_ms: float | None) -> int:
    """Whole milliseconds, initialisation included (since August 2025)."""
    return max(1, math.ceil(duration_ms + (init_ms or 0.0)))


def _exited(kind: str, message: str) -> Verdict:
    named = _named(kind, message)
    return msgspec.structs.replace(named, status="error", line=f"{message}\n{kind}\n")


def _named(kind: str, message: str) -> Verdict:
    payload = msgspec.json.encode({"errorType": kind, "errorMessage": message})
    return Verdict(payload, kind)

"""Where the code of functions runs: the contract, and the words that both sides share.

Laws: an environment serves one invocation at a time and is used again for the same revision of the
same function; whatever the code does, `invoke` returns an `Outcome` at most a moment after the
function's timeout, and nothing that the code started outlives its environment, nor Ogi.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
"""Of a request and of a response (Lambda's quotas page: 6 MB each)."""
INIT_S_MAX = 10.0
"""How long the code may take to be imported before that counts against the timeout."""
TAIL_BYTES = 4096
"""What `LogType: Tail` returns: the last 4 KB of the log."""

Isolation = Literal["bubblewrap", "process"]


class Function(msgspec.Struct, frozen=True):
    """What is to run. Environments are shared by invocations with equal `arn` and `revision`."""

    arn: str
    name: str
    version: str
    account: str
    region: str
    runtime: str
    handler: str
    memory_mb: int
    timeout_s: int
    ephemeral_mb: int
    revision: str
    """Changes with the code and with the configuration."""


class LogLine(msgspec.Struct, frozen=True):
    """One event of the function's log."""

    at_ms: int
    text: str


class Prepared(msgspec.Struct, frozen=True):
    """What a new environment is made of; asked for at a cold start only."""

    code: Path
    """The unpacked package, which becomes /var/task."""
    variables: Mapping[str, str]
    """The function's own variables, and its role's credentials."""
    log_group: str
    log_stream: str
    log: Callable[[Sequence[LogLine]], None]
    """Takes lines as they come; never blocks."""
    expires: float
    """Seconds since the epoch, when the credentials expire: the environment is not used after."""


Prepare = Callable[[Function], Awaitable[Prepared]]


class Invocation(msgspec.Struct, frozen=True):
    """One event for a function."""

    request_id: str
    payload: bytes
    arn: str
    """As it was invoked, with its qualifier if it had one."""
    trace: str = ""
    """`Root=...;Parent=...;Sampled=0`, or as the caller sent it; for _X_AMZN_TRACE_ID."""
    client_context: str = ""
    """JSON, for context.client_context."""
    started: Callable[[float, bool], None] | None = None
    """Told the time at which the event was handed to the code, and whether the start was cold."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of an invocation."""

    payload: bytes
    error: str
    """'' or `Unhandled`, the value of X-Amz-Function-Error."""
    error_type: str
    started: float
    """Seconds since the epoch when the event was handed to the code."""
    duration_ms: float
    billed_ms: int
    init_ms: float | None
    """None when the environment was warm."""
    memory_used_mb: int
    tail: bytes
    """The last TAIL_BYTES of this invocation's log."""
    log_group: str
    log_stream: str

    @property
    def cold(self) -> bool:
        return self.init_ms is not None


class Sandbox(Protocol):
    @property
    def isolation(self) -> Isolation: ...

    def describe(self) -> str:
        """One line for the start of the server: how functions are kept apart, loudly if not."""
        ...

    async def invoke(
        self, function: Function, invocation: Invocation, prepare: Prepare
    ) -> Outcome: ...

    async def retire(self, arn: str) -> None:
        """The function changed or went: its idle environments end, busy ones after their event."""
        ...

    async def reset(self) -> None:
        """End everything that runs, and go on."""
        ...

    async def close(self) -> None:
        """End everything that runs."""
        ...


class IsolationUnavailable(Exception):
    """The settings require isolation, and this machine has none; the message says why."""


class CannotStart(Exception):
    """An environment could not be made: a fault of this machine, not of the function."""


class RuntimeUnavailable(Exception):
    """This machine has nothing that could run the function's runtime; the message says what."""

"""Running functions: a place for each execution, an environment made as the role, its trace.

One `Runs` per store: what it keeps (who runs, where logs go) is only of this process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from ogi.access.sessions import CannotAssume
from ogi.entropy import uuid_of
from ogi.errors import AwsError
from ogi.sandbox import (
    CannotStart,
    Invocation,
    Outcome,
    Prepared,
    RuntimeUnavailable,
    Sandbox,
)
from ogi.sandbox import Function as Runnable
from ogi.service import Call, Ports, Principal, service_principal
from ogi.services.lambda_ import concurrency, functions, roles, variables
from ogi.services.lambda_.errors import (
    AccessDeniedException,
    InvalidParameterValueException,
    ServiceException,
    of_kms,
)
from ogi.services.lambda_.folders import Folders
from ogi.services.lambda_.names import Target
from ogi.services.lambda_.records import Function, Version
from ogi.shipping import Shipper
from ogi.storage import Reader

EXPIRY_MARGIN_S = 1000.0
"""Credentials are good for at least one whole invocation more."""
SHIPPERS_MAX = 1024


class Found(msgspec.Struct, frozen=True):
    """What is about to run."""

    target: Target
    function: Function
    version: Version
    reserved: dict[str, int]


def find(tx: Reader, target: Target) -> Found:
    function, version = functions.find_version(tx, target)
    return Found(target, function, version, concurrency.reservations(tx, target))


class Runs:
    """See the module."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._running = concurrency.Running()
        self._folders = Folders(ports)
        self._shippers: dict[str, Shipper] = {}
        """By log stream."""
        self.tasks: set[asyncio.Task[Any]] = set()
        """What goes on in the background; cancelled at the end."""

    @property
    def sandbox(self) -> Sandbox:
        sandbox = self._ports.sandbox
        if sandbox is None:
            raise ServiceException("This server has no sandbox for functions.")
        return sandbox

    async def run(
        self, call: Call, found: Found, payload: bytes, *, request_id: str,
        client_context: str = "", message_ids: Sequence[str] = (), traces: Sequence[str] = (),
    ) -> Outcome:  # fmt: skip
        """Run it once. Raises TooManyRequestsException, and what stands in a function's way."""
        function, version = found.function, found.version
        traces = traces or ((call.trace,) if call.trace else ())
        noted: dict[str, Any] = {
            "function": functions.version_arn(function, version), "request_id": request_id,
            "message_ids": list(message_ids),
        }  # fmt: skip

        def note(kind: str, at: float, **fields: Any) -> None:
            said = {"at": at, **noted, **fields}
            self._ports.traces.add([(trace, kind, said) for trace in traces])

        def started(at: float, cold: bool) -> None:
            note("lambda.start", at, cold=cold)

        invocation = Invocation(
            request_id=request_id,
            payload=payload,
            arn=found.target.qualified,
            trace=call.trace_header or _header(traces[0] if traces else "", call),
            client_context=client_context,
            started=started,
        )
        with self._running.one_more(found.target, found.reserved):
            try:
                outcome = await self.sandbox.invoke(
                    runnable(function, version), invocation, lambda _: self._prepare(call, found)
                )
            except CannotAssume as error:
                raise AccessDeniedException(
                    "The role defined for the function cannot be assumed by Lambda."
                ) from error
            except RuntimeUnavailable as error:
                raise InvalidParameterValueException(str(error)) from error
            except CannotStart as error:
                raise ServiceException(f"The function could not be started: {error}") from error
        note(
            "lambda.end", outcome.started + outcome.duration_ms / 1000,
            duration_ms=round(outcome.duration_ms, 3), error=outcome.error_type,
        )  # fmt: skip
        shipper = self._shippers.get(outcome.log_stream)
        if shipper is not None:
            shipper.hurry()
        return outcome

    async def attended(self, call: Call, found: Found, payload: bytes, **rest: Any) -> Outcome:
        """`run`, which goes on when the caller goes away, as on AWS."""
        task = asyncio.get_running_loop().create_task(self.run(call, found, payload, **rest))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return await asyncio.shield(task)

    async def _prepare(self, call: Call, found: Found) -> Prepared:
        """What a cold start needs: the code, the role's credentials, the variables, a log."""
        ports, function, version = self._ports, found.function, found.version
        lambda_ = background(ports, function.account, function.region)

        def body(tx: Reader) -> tuple[Any, Principal, dict[str, str]]:
            # A refusal is explained under the request for which the environment was to be made.
            running = lambda_.begin().but(request_id=call.request_id, trace=call.trace)
            credentials, principal = roles.session(
                tx, running, version.role, function.name, function.arn
            )
            as_role = running.as_principal(principal).via("lambda")
            try:
                own = variables.open(tx, as_role, function.arn, version.variables)
            except AwsError as error:
                raise of_kms(error) from error
            return credentials, principal, own

        credentials, principal, own = await ports.store.read(body)
        folder = await self._folders.of(version.blob, version.package_key)
        group = functions.log_group(function, version)
        day = time.strftime("%Y/%m/%d", time.gmtime(ports.clock.now()))
        stream = f"{day}/[{version.version}]{ports.random(16).hex()}"
        shipper = self._shipper(lambda_.as_principal(principal), group, stream)
        return Prepared(
            code=folder,
            variables={
                **own,
                "AWS_ACCESS_KEY_ID": credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
                "AWS_SESSION_TOKEN": credentials.session_token,
            },
            log_group=group,
            log_stream=stream,
            log=shipper.take if shipper is not None else _drop,
            expires=credentials.expires - EXPIRY_MARGIN_S,
        )

    def _shipper(self, call: Call, group: str, stream: str) -> Shipper | None:
        if "logs" not in self._ports.services:
            return None
        shipper = self._shippers[stream] = Shipper(call, group, stream, self.tasks)
        if len(self._shippers) > SHIPPERS_MAX:
            # The oldest belongs to an environment that is long gone, or only loses its hurry.
            del self._shippers[next(iter(self._shippers))]
        return shipper

    async def flush(self) -> None:
        """Ship all logs that there are."""
        for shipper in list(self._shippers.values()):
            await shipper.flushed()

    async def close(self) -> None:
        """Stop what goes on in the background."""
        for task in list(self.tasks):
            task.cancel()
        while self.tasks:
            await asyncio.wait(self.tasks)


def of(ports: Ports) -> Runs:
    """The runs of a server."""
    return ports.store.beside(Runs, ports)


def runnable(function: Function, version: Version) -> Runnable:
    return Runnable(
        arn=functions.version_arn(function, version),
        name=function.name,
        version=version.version,
        account=function.account,
        region=function.region,
        runtime=version.runtime,
        handler=version.handler,
        memory_mb=version.memory_mb,
        timeout_s=version.timeout_s,
        ephemeral_mb=version.ephemeral_mb,
        revision=version.revision,
    )


def background(ports: Ports, account: str, region: str, trace: str = "") -> Call:
    """A call of Lambda's own, outside of any request."""
    return Call(
        ports=ports,
        account=account,
        region=region,
        principal=service_principal(roles.PRINCIPAL),
        request_id=uuid_of(ports.random(16)),
        now=ports.clock.now(),
        seed=ports.random(32),
        trace=trace,
    )


def _header(trace: str, call: Call) -> str:
    """X-Ray's header, made of the trace's id, for a run whose caller sent none.

    One that was sent reaches the function as it is: PassThrough, the mode that there is here,
    "simply propagates the tracing context" (Lambda guide, services-xray; what functions saw on AWS:
    github.com/aws/aws-xray-sdk-java/pull/409, cases 1.a and 1.b).
    """
    return f"Root={trace};Parent={call.ports.random(8).hex()};Sampled=0" if trace else ""


def _drop(lines: Sequence[Any]) -> None:
    """There is no Logs to send them to."""

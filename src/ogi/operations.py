"""Operations: what a service can be asked, and how it is run.

A plain `def` operation runs inside one transaction, together with its authorisation; an `async def`
operation is the outside world and makes its transactions with `call.transact`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ogi.errors import AwsError, unsupported
from ogi.recording import record

if TYPE_CHECKING:
    import asyncio

    from ogi.calls import Call
    from ogi.runs import Run
    from ogi.service import Service
    from ogi.storage import Done, Home, Reader

Fields = dict[str, Any]
"""A request or a result by the model's member names: texts, numbers, bools, bytes, lists, dicts;
timestamps are seconds since the epoch; a streamed body is an async iterator of bytes."""


class Operation:
    """One operation or duty of a service. The names are AWS's; `function` does it."""

    __slots__ = (
        "actions", "ahead", "asynchronous", "function", "home", "keys", "name", "on", "open",
        "preauthorised", "reads", "service", "unsupported",
    )  # fmt: skip

    def __init__(
        self,
        *,
        service: Service,
        name: str,
        function: Callable[..., Any],
        asynchronous: bool,
        reads: bool,
        actions: tuple[str, ...],
        on: Callable[..., str | Sequence[str]] | None,
        keys: Callable[..., Mapping[str, Any]] | None,
        home: Callable[[Call, Fields], Home | tuple[Home, ...]] | None,
        unsupported: frozenset[str],
        open: bool,
        preauthorised: bool,
        ahead: Callable[[Call, Fields], asyncio.Future[None] | None] | None,
    ) -> None:
        self.service = service
        self.name = name
        self.function = function
        self.asynchronous = asynchronous
        self.reads = reads
        self.actions = actions
        self.on = on
        self.keys = keys
        self.home = home
        self.unsupported = unsupported
        self.open = open
        self.preauthorised = preauthorised
        self.ahead = ahead

    def authorise(self, tx: Reader, call: Call, request: Fields) -> None:
        """Refuse members that are not supported, then what the policies refuse."""
        if self.unsupported:
            for member in self.unsupported.intersection(request):
                raise unsupported(f"the member {member} of {self.service.name}:{self.name}")
        if self.open:
            return
        found = "*" if self.on is None else self.on(tx, call, request)
        resources = (found,) if isinstance(found, str) else tuple(found)
        context = call.context
        if self.keys is not None:
            context = {**context, **self.keys(tx, call, request)}
        call.ports.authorise(tx, call, self.service, self.actions, resources, context)

    def homes(self, call: Call, request: Fields) -> tuple[Home, ...]:
        if self.home is None:
            return (call.home,)
        homes = self.home(call, request)
        return homes if isinstance(homes, tuple) else (homes,)


async def ask(call: Call, operation: Operation, request: Fields) -> Fields:
    """`dispatch` a request of one service to another."""
    try:
        result = await dispatch(call, operation, request)
    except AwsError as error:
        record(call, operation, request, None, error)
        raise
    record(call, operation, request, result, None)
    return result


async def dispatch(call: Call, operation: Operation, request: Fields) -> Fields:
    """Authorise and run one operation; the result is durable when this returns."""
    if operation.asynchronous:
        return await _run(call, operation, request)
    body = _body(call, operation, request)
    store = call.ports.store
    if operation.reads:
        result, run = await store.read(body)
    else:
        result, run = await store.transact(body, *operation.homes(call, request))
    if run.notes:
        call.ports.traces.add(run.notes)
    return result


def submit(call: Call, operation: Operation, request: Fields, done: Done) -> None:
    """As `dispatch`, of a plain operation, without a task: `done` hears what comes of it."""
    body = _body(call, operation, request)
    store = call.ports.store

    def ended(outcome: tuple[Fields, Run] | None, failure: BaseException | None) -> None:
        if failure is not None:
            done(None, failure)
            return
        assert outcome is not None
        result, run = outcome
        if run.notes:
            call.ports.traces.add(run.notes)
        done(result, None)

    if not operation.reads:
        store.submit(body, ended, *operation.homes(call, request))
        return
    try:
        outcome = body(store.view())
    except Exception as error:
        done(None, error)
    else:
        ended(outcome, None)


def _body(call: Call, operation: Operation, request: Fields) -> Callable[[Any], tuple[Fields, Run]]:
    """A plain operation's transaction: authorise and operate see one state."""

    def body(tx: Any) -> tuple[Fields, Run]:
        running = call.begin()
        operation.authorise(tx, running, request)
        return operation.function(tx, running, request), running.run

    return body


async def _run(call: Call, operation: Operation, request: Fields) -> Fields:
    """An asynchronous operation, which makes its own transactions."""
    call = call.but(demand=(operation, request))
    if operation.preauthorised:
        operation.authorise(call.ports.store.view(), call, request)
    # Begun, so that ids may be drawn and hops noted outside of transactions too; each of those
    # draws from a seed of its own.
    outside = call.begin()
    try:
        running: Awaitable[Fields] = operation.function(outside, request)
        return await running
    finally:
        call.ports.traces.add(outside.run.notes)

"""Calls: a request as its operation sees it.

A plain `def` sees `tx` and its arguments: time is `call.now`, ids and random bytes come from
`call`, so that a re-run mints the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ogi import arn as arns
from ogi.entropy import uuid_of
from ogi.errors import AwsError
from ogi.operations import Fields, Operation, ask
from ogi.principals import THROUGH_A_SERVICE, Principal, service_principal
from ogi.recording import record
from ogi.runs import Run
from ogi.storage import control

if TYPE_CHECKING:
    from ogi.ports import Ports
    from ogi.storage import Home, Reader, Transaction

T = TypeVar("T")

NOTHING: Final[Mapping[str, Any]] = {}
"""No condition keys."""


class Call:
    """One request as its operation sees it. Not to be changed once made: `but` makes another."""

    __slots__ = (
        "account", "context", "demand", "now", "ports", "principal", "region", "request_id", "run",
        "seed", "trace", "trace_header",
    )  # fmt: skip

    def __init__(
        self,
        *,
        ports: Ports,
        account: str,
        region: str,
        principal: Principal,
        request_id: str,
        now: float,
        seed: bytes,
        trace: str = "",
        trace_header: str = "",
        context: Mapping[str, Any] = NOTHING,
        demand: tuple[Operation, Fields] | None = None,
        run: Run | None = None,
    ) -> None:
        self.ports = ports
        self.account = account
        """The account in which the operation acts: the caller's, or the delivery's."""
        self.region = region
        self.principal = principal
        self.request_id = request_id
        self.now = now
        """Seconds since the epoch, read once at the edge."""
        self.seed = seed
        """32 random bytes or more, from which all that the call draws is derived."""
        self.trace = trace
        """The id that joins what follows from one request; `Root` of X-Ray's header."""
        self.trace_header = trace_header
        """X-Ray's header as the caller sent it, for what follows; see ogi.trace_headers."""
        self.context = context
        """Condition keys that come with the caller: aws:SourceIp, aws:SourceArn, kms:ViaService...
        `ogi:InvokedBy` is the service that works as a role (for the audit)."""
        self.demand = demand
        """What was asked, so that each transaction of an async operation is authorised anew."""
        self.run = Run(b"") if run is None else run

    def but(
        self,
        *,
        request_id: str | None = None,
        principal: Principal | None = None,
        context: Mapping[str, Any] | None = None,
        account: str | None = None,
        region: str | None = None,
        trace: str | None = None,
        trace_header: str | None = None,
        now: float | None = None,
        seed: bytes | None = None,
        run: Run | None = None,
        demand: tuple[Operation, Fields] | None = None,
    ) -> Call:
        """The same call with these instead; what was asked is left behind if it is not given."""
        return Call(
            ports=self.ports,
            account=self.account if account is None else account,
            region=self.region if region is None else region,
            principal=self.principal if principal is None else principal,
            request_id=self.request_id if request_id is None else request_id,
            now=self.now if now is None else now,
            seed=self.seed if seed is None else seed,
            trace=self.trace if trace is None else trace,
            trace_header=self.trace_header if trace_header is None else trace_header,
            context=self.context if context is None else context,
            demand=demand,
            run=self.run if run is None else run,
        )

    # -- names and numbers ------------------------------------------------------------------

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this call's region and account."""
        return arns.make(service, self.region, self.account, resource)

    @property
    def home(self) -> Home:
        """The control home of this call's account and region."""
        return control(self.account, self.region)

    def entropy(self, size: int) -> bytes:
        """Unpredictable bytes, the same again when the body is run again."""
        return self.run.entropy(size)

    def new_id(self) -> str:
        """A random UUID, the same again when the body is run again."""
        return uuid_of(self.run.entropy(16))

    def note(self, kind: str, **fields: Any) -> None:
        """Add a hop to the trace; it is shown once the transaction is durable."""
        self.run.note(self.trace, kind, {"at": self.now, **fields})

    # -- as somebody else -------------------------------------------------------------------

    def as_service(self, name: str, arn: str, account: str, *, trace_header: str = "") -> Call:
        """The same call as a service acting for a resource; the trace header is its choice."""
        return self.but(
            principal=service_principal(name),
            trace_header=trace_header,
            context={"aws:SourceArn": arn, "aws:SourceAccount": account},
        )

    def as_principal(self, principal: Principal, **context: Any) -> Call:
        """The same call as another user or role session."""
        return self.but(principal=principal, context=context)

    def via(self, service: str, **context: Any) -> Call:
        """The same caller through a service (forward access): kms:ViaService, aws:CalledVia."""
        host = f"{service}.{self.region}.amazonaws.com"
        before = self.context.get("aws:CalledVia", ())
        return self.but(
            context={
                **self.context,
                "kms:ViaService": host,
                "aws:CalledVia": [*before, f"{service}.amazonaws.com"],
                **THROUGH_A_SERVICE,
                **context,
            }
        )

    def in_place(self, account: str, region: str) -> Call:
        """The same caller acting in another account or region (a resource that lies there)."""
        if account == self.account and region == self.region:
            return self
        return self.but(account=account, region=region, demand=self.demand)

    # -- reaching the neighbours ------------------------------------------------------------

    def invoke(self, tx: Transaction, service: str, operation: str, request: Fields) -> Fields:
        """Another service's plain operation, now, in this transaction, authorised as the caller."""
        target = self.ports.services[service].operation_named(operation)
        if target.asynchronous:
            raise TypeError(f"{service}:{operation} is async; use call.request outside")
        try:
            target.authorise(tx, self, request)
            result: Fields = target.function(tx, self, request)
        except AwsError as error:
            record(self, target, request, None, error)
            raise
        record(self, target, request, result, None)
        return result

    async def request(self, service: str, operation: str, request: Fields) -> Fields:
        """Another service's operation, now, in its own transactions, authorised as the caller."""
        ports = self.ports
        call = self.but(now=ports.clock.now(), seed=ports.random(32))
        return await ask(call, ports.services[service].operation_named(operation), request)

    async def transact(self, body: Callable[[Transaction, Call], T], home: Home, *also: Home) -> T:
        """A transaction of an async operation: authorised as the operation is, then `body`."""
        now, seed = self.ports.clock.now(), self.ports.random(32)
        call = self.but(now=now, seed=seed, demand=self.demand)

        def attempt(tx: Transaction) -> tuple[T, Run]:
            running = call.begin()
            if call.demand is not None:
                operation, request = call.demand
                operation.authorise(tx, running, request)
            return body(tx, running), running.run

        result, run = await self.ports.store.transact(attempt, home, *also)
        self.ports.traces.add(run.notes)
        return result

    async def read(self, body: Callable[[Reader], T]) -> T:
        return await self.ports.store.read(body)

    def begin(self) -> Call:
        """This call at the start of a run of its body."""
        return self.but(run=Run(self.seed), demand=self.demand)

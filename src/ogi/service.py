"""What a service is, and what a request is to it.

A plain `def` operation runs inside one transaction, together with its authorisation; an `async def`
operation is the outside world and makes its transactions with `call.transact`. A plain `def` sees
`tx` and its arguments: time is `call.now`, ids and random bytes come from `call`, so that a re-run
mints the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from ogi import arn as arns
from ogi.entropy import uuid_of
from ogi.errors import AwsError, unsupported
from ogi.http import Request, Response
from ogi.memo import Memo
from ogi.principals import ANONYMOUS as ANONYMOUS
from ogi.principals import THROUGH_A_SERVICE as THROUGH_A_SERVICE
from ogi.principals import Principal as Principal
from ogi.principals import service_principal as service_principal
from ogi.recording import Audit, record
from ogi.runs import Run as Run
from ogi.storage import BlobStore, Done, Home, Reader, Store, Transaction, control
from ogi.uses import KeyUses, Uses

if TYPE_CHECKING:
    import asyncio

    from ogi.clock import Clock
    from ogi.sandbox import Sandbox
    from ogi.settings import Settings
    from ogi.signing import Signing
    from ogi.traces import Traces
    from ogi.vault import Vault

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

DATA_KEYS_MAX = 4096
"""Plaintext data keys kept in memory."""

Fields = dict[str, Any]
"""A request or a result by the model's member names: texts, numbers, bools, bytes, lists, dicts;
timestamps are seconds since the epoch; a streamed body is an async iterator of bytes."""


class Authorise(Protocol):
    """Decides; raises the service's access-denied error. Runs inside the transaction."""

    def __call__(
        self,
        tx: Reader,
        call: Call,
        service: Service,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, Any],
    ) -> None: ...


@dataclass(frozen=True)
class Ports:
    """What the composition root joins: the outside world as operations may reach it."""

    settings: Settings
    clock: Clock
    store: Store
    blobs: BlobStore
    vault: Vault
    traces: Traces
    authorise: Authorise
    services: Mapping[str, Service]
    random: Callable[[int], bytes]
    validate: Callable[[str, str, Fields], None] = lambda service, operation, request: None
    """Refuses what a service's model refuses, of a request that came by no wire (a template's)."""
    sandbox: Sandbox | None = None
    audit: Audit | None = None
    reset: Callable[[], Awaitable[None]] | None = None
    """Empties everything; only where the data is ephemeral."""
    signing: Signing | None = None
    """Makes signatures ahead, in a process of its own; None: each is made where it is needed."""
    uses: Uses = field(default_factory=Uses)
    """Which credentials were used for what, until IAM writes it down."""
    key_uses: KeyUses = field(default_factory=KeyUses)
    """Which KMS keys were used for what, until KMS writes it down."""
    data_keys: Memo[Any, Any] = field(default_factory=lambda: Memo(DATA_KEYS_MAX))
    """Plaintext data keys in memory, for ogi.sealing."""


class Call(msgspec.Struct, frozen=True):
    """One request as its operation sees it."""

    ports: Ports
    account: str
    """The account in which the operation acts: the caller's, or the delivery's."""
    region: str
    principal: Principal
    request_id: str
    now: float
    """Seconds since the epoch, read once at the edge."""
    seed: bytes
    """32 random bytes or more, from which all that the call draws is derived."""
    trace: str = ""
    """The id that joins what follows from one request; `Root` of X-Ray's header."""
    trace_header: str = ""
    """X-Ray's header as the caller sent it, for what follows; see ogi.trace_headers."""
    context: Mapping[str, Any] = {}
    """Condition keys that come with the caller: aws:SourceIp, aws:SourceArn, kms:ViaService...
    `ogi:InvokedBy` is the service that works as a role (for the audit)."""
    demand: tuple[Operation, Fields] | None = None
    """What was asked, so that each transaction of an async operation is authorised anew."""
    run: Run = msgspec.field(default_factory=lambda: Run(b""))

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
        return msgspec.structs.replace(
            self,
            principal=service_principal(name),
            trace_header=trace_header,
            context={"aws:SourceArn": arn, "aws:SourceAccount": account},
            demand=None,
        )

    def as_principal(self, principal: Principal, **context: Any) -> Call:
        """The same call as another user or role session."""
        return msgspec.structs.replace(self, principal=principal, context=context, demand=None)

    def via(self, service: str, **context: Any) -> Call:
        """The same caller through a service (forward access): kms:ViaService, aws:CalledVia."""
        before = self.context.get("aws:CalledVia", ())
        return msgspec.structs.replace(
            self,
            context={
                **self.context,
                "kms:ViaService": f"{service}.{self.region}.amazonaws.com",
                "aws:CalledVia": [*before, f"{service}.amazonaws.com"],
                **THROUGH_A_SERVICE,
                **context,
            },
            demand=None,
        )

    def in_place(self, account: str, region: str) -> Call:
        """The same caller acting in another account or region (a resource that lies there)."""
        if account == self.account and region == self.region:
            return self
        return msgspec.structs.replace(self, account=account, region=region)

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
        now, seed = ports.clock.now(), ports.random(32)
        call = msgspec.structs.replace(self, now=now, seed=seed, demand=None)
        return await ask(call, ports.services[service].operation_named(operation), request)

    async def transact(self, body: Callable[[Transaction, Call], T], home: Home, *also: Home) -> T:
        """A transaction of an async operation: authorised as the operation is, then `body`."""
        call = msgspec.structs.replace(self, now=self.ports.clock.now(), seed=self.ports.random(32))

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
        return msgspec.structs.replace(self, run=Run(self.seed))


@dataclass(frozen=True)
class Operation:
    """One operation or duty of a service. The names are AWS's; `function` does it."""

    service: Service
    name: str
    function: Callable[..., Any]
    asynchronous: bool
    reads: bool
    actions: tuple[str, ...]
    on: Callable[..., str | Sequence[str]] | None
    keys: Callable[..., Mapping[str, Any]] | None
    home: Callable[[Call, Fields], Home | tuple[Home, ...]] | None
    unsupported: frozenset[str]
    open: bool
    preauthorised: bool
    ahead: Callable[[Call, Fields], asyncio.Future[None] | None] | None

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
        homes = call.home if self.home is None else self.home(call, request)
        return homes if isinstance(homes, tuple) else (homes,)


Page = Callable[[Ports, Request], Awaitable[Response]]


@dataclass(eq=False)
class Service:
    """A service: its operations (AWS's API), its duties (deliveries of its own), its workers."""

    name: str
    """botocore's name, and the prefix of its IAM actions."""
    principal: str
    """As whom it acts: `sns.amazonaws.com`."""
    denied: type[AwsError]
    """The error that refuses access in this service's words."""
    policy_of: Callable[[Reader, str], str | None] | None = None
    """The JSON of the resource policy of an ARN."""
    owner_of: Callable[[Reader, str], str | None] | None = None
    """The account of a resource whose ARN does not say it (buckets)."""
    fixed: Callable[[Reader, str], bool] | None = None
    """Whether the resource policy of an ARN is AWS's own, which nobody changes."""
    tags_of: Callable[[Reader, str], Mapping[str, str] | None] | None = None
    """The tags of an ARN, for aws:ResourceTag; only asked for if a policy asks for one."""
    workers: tuple[Callable[[Ports], Any], ...] = ()
    prepare: Callable[[Ports], Awaitable[None]] | None = None
    """Makes what must be there before the first request, at every start and after a reset."""
    rewrap: Callable[[Ports], Awaitable[int]] | None = None
    """Seals keys in records under the vault's newest generation; how many. See ogi.rewraps."""
    pages: dict[str, Page] = field(default_factory=dict)
    """Unsigned GET pages by the beginning of their path (a certificate, a link in an e-mail)."""
    operations: dict[str, Operation] = field(default_factory=dict)
    duties: dict[str, Operation] = field(default_factory=dict)

    def operation(
        self,
        *,
        on: Callable[..., str | Sequence[str]] | None = None,
        action: str | Sequence[str] | None = None,
        keys: Callable[..., Mapping[str, Any]] | None = None,
        home: Callable[[Call, Fields], Home | tuple[Home, ...]] | None = None,
        reads: bool = False,
        unsupported: Sequence[str] = (),
        open: bool = False,
        preauthorised: bool = True,
        ahead: Callable[[Call, Fields], asyncio.Future[None] | None] | None = None,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Register `snake_case(tx, call, request) -> Fields` as the operation `SnakeCase`.

        on(tx, call, request): the ARN (or ARNs) to authorise; None: `*`. action: the IAM action(s)
        if it is not the operation's name. keys: further condition keys. home: where it writes, the
        control home of the call if None. reads: it writes nothing, so it runs on a snapshot.
        unsupported: members of the request that are refused by name. open: needs no permission.
        ahead(call, request): of a plain operation, something that a client's request waits for
        before the transaction begins; it refuses nothing, and nobody is authorised yet.
        preauthorised=False: an async operation that touches nothing before its first `transact`.
        """

        def register(function: F) -> F:
            wire_name = name or _camel(function.__name__)
            self.operations[wire_name] = self._entry(
                wire_name, function, reads=reads, on=on, action=action, keys=keys, home=home,
                unsupported=unsupported, open=open, preauthorised=preauthorised, ahead=ahead,
            )  # fmt: skip
            return function

        return register

    def page(self, path: str) -> Callable[[Page], Page]:
        """Register `async def page(ports, request) -> Response` for paths that begin so."""

        def register(page: Page) -> Page:
            self.pages[path] = page
            return page

        return register

    def duty(self, *, home: Callable[[Call, Fields], Home | tuple[Home, ...]]) -> Callable[[F], F]:
        """Register what deliveries of this service's own ask for; unreachable from outside."""

        def register(function: F) -> F:
            self.duties[function.__name__] = self._entry(
                function.__name__, function, reads=False, on=None, action=None, keys=None,
                home=home, unsupported=(), open=True, preauthorised=False, ahead=None,
            )  # fmt: skip
            return function

        return register

    def _entry(
        self, name: str, function: Callable[..., Any], *, action: str | Sequence[str] | None,
        unsupported: Sequence[str], **rest: Any,
    ) -> Operation:  # fmt: skip
        names = (name,) if action is None else (action,) if isinstance(action, str) else action
        return Operation(
            service=self,
            name=name,
            function=function,
            asynchronous=inspect.iscoroutinefunction(function),
            actions=tuple(a if ":" in a else f"{self.name}:{a}" for a in names),
            unsupported=frozenset(unsupported),
            **rest,
        )

    def operation_named(self, name: str) -> Operation:
        found = self.operations.get(name) or self.duties.get(name)
        if found is None:
            raise unsupported(f"{self.name}:{name}")
        return found


def _camel(snake: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in snake.rstrip("_").split("_"))


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

    def ended(outcome: tuple[Fields, Run], failure: BaseException | None) -> None:
        if failure is not None:
            done(None, failure)
            return
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
    call = msgspec.structs.replace(call, demand=(operation, request))
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

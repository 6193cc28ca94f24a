"""What a service is: its operations, its duties, its workers, and how they are registered."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ogi.calls import Call as Call
from ogi.errors import AwsError, unsupported
from ogi.http import Request, Response
from ogi.operations import Fields as Fields
from ogi.operations import Operation as Operation
from ogi.operations import ask as ask
from ogi.operations import dispatch as dispatch
from ogi.operations import submit as submit
from ogi.ports import Authorise as Authorise
from ogi.ports import Ports as Ports
from ogi.principals import ANONYMOUS as ANONYMOUS
from ogi.principals import THROUGH_A_SERVICE as THROUGH_A_SERVICE
from ogi.principals import Principal as Principal
from ogi.principals import service_principal as service_principal
from ogi.runs import Run as Run
from ogi.storage import Home, Reader

if TYPE_CHECKING:
    import asyncio

F = TypeVar("F", bound=Callable[..., Any])

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

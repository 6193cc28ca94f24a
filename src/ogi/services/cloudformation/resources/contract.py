"""What a resource type is to the engine, and what the engine gives to its functions.

A type's functions are clients of a neighbour. They run again from the start after a crash: what
they ask for through `Hands.do` is done once and its result remembered, so they must ask for the
same things in the same order, deciding by nothing but their arguments and such results.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from ogi.errors import AwsError
from ogi.service import Fields
from ogi.services.cloudformation.schemas import Shape

Ask = tuple[str, str, Fields]
"""A neighbour's operation: service, operation, request."""


class Refusal(Exception):
    """A handler's own failure: AWS's sentence and the handler's error code."""

    def __init__(self, message: str, code: str, bare: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.bare = bare
        """The sentence stands by itself as the event's reason."""


class Made(msgspec.Struct, frozen=True):
    """A resource that exists: what Ref gives, and what Fn::GetAtt gives."""

    physical: str
    attributes: dict[str, Any] = {}
    remark: str = ""
    """What a reader of the stack's events should know."""


@dataclass(frozen=True)
class Present:
    """A resource as it is when it is updated or deleted."""

    physical: str
    properties: Fields
    attributes: Fields


class Hands(Protocol):
    """How a type's functions reach the neighbours, as the stack's principal."""

    account: str
    region: str
    name: str
    """The physical name that was decided for the resource."""
    since: float
    """When the step was started."""

    def arn(self, service: str, resource: str) -> str: ...

    def made(self, physical: str) -> None:
        """From here on the resource exists, though it is not complete."""

    async def look(self, service: str, operation: str, request: Fields) -> Fields:
        """Ask without changing anything; not remembered."""

    async def owned(self, kind: str, physical: str) -> bool:
        """Whether a stack has this resource."""

    async def do(
        self,
        service: str,
        operation: str,
        request: Fields,
        recognise: Callable[[], Awaitable[Fields | None]] | None = None,
        region: str = "",
    ) -> Fields:
        """Do something once. `recognise` finds what was done where that was not written down.
        region: the stack's own if ''; of plain operations only."""

    async def do_all(self, *asks: Ask) -> list[Fields]:
        """Do several things once, in one transaction where the neighbour allows it."""

    async def create(self, absent: Ask, create: Ask, kind: str, name: str) -> Fields:
        """Create what has a name, once, unless it is there already: `absent` must be refused as
        not found. The answer may be empty if the creation ended in a crash."""

    async def drop(self, service: str, operation: str, request: Fields, region: str = "") -> None:
        """Take something away, once; that it is gone already is as good."""


Create = Callable[[Any, Fields], Awaitable[Made]]
Update = Callable[[Any, Present, Fields], Awaitable[Made]]
Delete = Callable[[Any, Present], Awaitable[None]]


@dataclass(frozen=True)
class ResourceType:
    name: str
    properties: Shape
    create: Create
    update: Update
    delete: Delete
    attributes: frozenset[str] = frozenset()
    replaced_by: frozenset[str] = frozenset()
    """Properties whose change makes a new resource ("Update requires: Replacement")."""
    fixed: frozenset[str] = frozenset()
    """Properties whose change fails the update."""
    naming: Naming | None = None
    capability: str = ""
    """CAPABILITY_IAM if the type is one of IAM's."""
    asks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Properties that need an operation which a neighbour may not have."""
    check: Callable[[Fields], None] | None = None
    """Further rules on what the template says."""


@dataclass(frozen=True)
class Naming:
    """How a physical name comes about: the property that gives it, or stack-logical-RANDOM."""

    property: str = ""
    chars_max: int = 64
    lower: bool = False
    suffix: Callable[[Fields], str] | None = None
    """Of a generated name (`.fifo`)."""
    form: Callable[[str], str] | None = None
    """A generated name in the resource's own form (`/aws/...`)."""
    iam: bool = False
    """A name given by the template needs CAPABILITY_NAMED_IAM."""


_NOT_FOUND = ("NotFound", "NoSuch", "DoesNotExist", "NonExistent", "404")
_EXISTS = ("AlreadyExist", "AlreadyOwned", "ResourceConflict", "QueueNameExists")


def handler_code(error: AwsError) -> str:
    """The HandlerErrorCode that stands for a neighbour's error.

    https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
    """
    name = f"{error.code or ''} {error.shape}"
    if any(part in name for part in _NOT_FOUND):
        return "NotFound"
    if any(part in name for part in _EXISTS):
        return "AlreadyExists"
    if "AccessDenied" in name or "Authorization" in name or "Forbidden" in name:
        return "AccessDenied"
    if "Throttl" in name or "TooManyRequests" in name:
        return "Throttling"
    if "LimitExceeded" in name:
        return "ServiceLimitExceeded"
    if (error.status or 400) >= 500:
        return "GeneralServiceException"
    return "InvalidRequest"

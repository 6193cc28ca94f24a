"""Evidence: all that a decision rested on, by reference, so that it can be judged again later.

It is gathered where a request is refused and where somebody asks why; an allowed request leaves its
inputs only (`ogi.traces`). Statements are compiled once and never change, so keeping them is free,
and a refusal is explained by the policies as they were when it fell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from ogi.access.context import Asked
from ogi.access.grants import NOTHING, Grants, Source
from ogi.access.judgements import BOUNDARY, IDENTITY, SESSION, Against, Heard, judge
from ogi.access.policy import Rules
from ogi.service import Call, Run

VALUE_CHARS_MAX = 2048
"""Of one value of the context that is kept; what a client sends (a user agent) may be longer."""
VALUES_MAX = 64
"""Of one key of the context that is kept."""
KEYS_MAX = 128
KEY_CHARS_MAX = 512
"""Of what is kept: of a service's own keys there are about twenty, and fifty tags at most."""
CONTEXT_CHARS_MAX = 32 * 1024
"""Of a context that is kept as it is: above KMS's 8 KiB of encryption context and fifty tags."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One request for one action on one resource, and the policies that had a say."""

    call: Call
    """Who asked, where and when; without what was asked."""
    service: str
    """The service that decided, by botocore's name."""
    action: str
    resource: str
    context: Mapping[str, Any]
    owner: str
    """The account of the resource."""
    held: Grants
    session: tuple[Source, ...]
    limited: bool
    """Whether there is a session policy at all: one without a statement allows nothing."""
    rules: Rules | None
    """Of the resource's own policy; None: there is none."""
    closed: bool
    """The resource's own policy must name who asks: a key, a role."""
    takes_policies: bool = True
    """Whether resources of the service have policies of their own."""
    fixed: bool = False
    """AWS's own policy, which nobody changes: that of an AWS-managed key."""
    message: str = ""
    """What the caller was told; '' if the request was not refused."""

    @property
    def name(self) -> tuple[str, str, str, str]:
        """The same for a body that is run again."""
        return self.call.request_id, self.call.principal.arn, self.action, self.resource

    @property
    def asked(self) -> Asked:
        return Asked(self.call, self.context, self.owner, self.held)

    def with_(
        self,
        identity: Sequence[Source] = (),
        boundary: Sequence[Source] = (),
        session: Sequence[Source] = (),
        resource: Sequence[Source] = (),
    ) -> Evidence:
        """The same with further statements behind those that there are."""
        held = self.held
        limit = held.boundary
        if boundary:
            limit = Rules([*(limit.statements if limit else ()), *(s for _, s in boundary)])
        sources = (*held.sources, *identity)
        rules = self.rules
        if resource:
            rules = Rules([*(rules.statements if rules else ()), *(s for _, s in resource)])
        return msgspec.structs.replace(
            self,
            held=Grants(
                held.id, Rules([s for _, s in sources]), limit, held.tags, sources,
                held.boundary_arn,
            ),
            session=(*self.session, *session),
            rules=rules,
        )  # fmt: skip

    def denying(self, kind: str) -> str:
        """The ARN of the managed policy of a type that denies the request; '' if it has none."""
        boundary = self.held.boundary
        sources: Sequence[Source] = ()
        if kind == IDENTITY:
            sources = self.held.sources
        elif kind == SESSION:
            sources = self.session
        elif kind == BOUNDARY and boundary is not None:
            sources = [(self.held.boundary_arn, s) for s in boundary.statements]
        for at, s in sources:
            speaks = not s.allows and s.speaks_of_action(self.action.lower())
            if speaks and s.applies(self.resource, self.asked):
                return at if at.startswith("arn:") else ""
        return ""

    def judge(self) -> Against | None:
        """None if the request is allowed by this evidence."""
        session = Rules([s for _, s in self.session]) if self.limited else None
        boundary = self.held.boundary
        heard = Heard(
            self.held.identity.on(self.action),
            None if boundary is None else boundary.on(self.action),
            None if session is None else session.on(self.action),
            None if self.rules is None else self.rules.on(self.action),
        )
        return judge(self.asked, heard, self.action, self.resource, self.closed)


def of_trust(call: Call, rules: Rules, role: str, account: str, context: Mapping[str, Any],
             message: str) -> Evidence:  # fmt: skip
    """The evidence about a service that may not assume a role."""
    return Evidence(
        call=stripped(call), service="sts", action="sts:AssumeRole", resource=role,
        context=kept(context), owner=account, held=NOTHING, session=(), limited=False,
        rules=rules, closed=True, message=message,
    )  # fmt: skip


def stripped(call: Call) -> Call:
    """The call without what was asked: requests carry messages and files."""
    return call.but(seed=b"", context={}, run=Run(b""))


def is_small(context: Mapping[str, Any]) -> bool:
    """Whether a context may be kept as it is: tags and the like are as long as a client likes."""
    if len(context) > KEYS_MAX:
        return False
    left = CONTEXT_CHARS_MAX
    for key, value in context.items():
        left -= len(key)
        if isinstance(value, str):
            left -= len(value)
        elif isinstance(value, list | tuple):
            left -= sum(len(str(entry)) for entry in value[:VALUES_MAX])
            if len(value) > VALUES_MAX:
                return False
    return left >= 0


def kept(context: Mapping[str, Any]) -> dict[str, Any]:
    """The context with as many keys, and values as long, as are kept."""
    few = islice(context.items(), KEYS_MAX)
    return {key: _short(value) for key, value in few if len(key) <= KEY_CHARS_MAX}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:VALUE_CHARS_MAX]
    if isinstance(value, list | tuple):
        return [_short(entry) for entry in value[:VALUES_MAX]]
    return value

"""Explanations: why a request was allowed or refused, statement by statement, for `ogi explain`.

Pure: evidence in, an explanation out. A policy that is not there is said to be missing, since that
is mostly the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ogi.access import advice
from ogi.access.advice import Advice, Place
from ogi.access.evidence import Evidence
from ogi.access.judgements import BOUNDARY, IDENTITY, RESOURCE, SESSION, look
from ogi.access.principals import Named
from ogi.access.refusals import Look

LOOKS_MAX = 200
"""Statements told of one type of policy; AdministratorAccess has one, ReadOnlyAccess a few."""


class Section(msgspec.Struct, frozen=True):
    """The policies of one type that were looked at."""

    kind: str
    """`identity-based policy`, `permissions boundary`, `session policy`, `resource-based policy`"""
    place: str
    """In words: `queue policy of arn:aws:sqs:...`."""
    verdict: str
    """`allows`, `denies`, `no statement matches` or `there is none`. Grants are with the key's
    policy."""
    looks: tuple[Look, ...]


class Explanation(msgspec.Struct, frozen=True):
    """One decision. Times are seconds since the epoch."""

    request_id: str
    trace: str
    at: float
    allowed: bool
    principal: str
    principal_kind: str
    principal_account: str
    """'' for a service."""
    action: str
    resource: str
    owner: str
    """The account of the resource."""
    message: str
    """What the caller was told, in AWS's words; '' if the request was allowed."""
    reason: str
    """What decided, in one sentence."""
    context: dict[str, list[str]]
    """The condition keys that came with the request."""
    sections: tuple[Section, ...]
    advice: tuple[Advice, ...] = ()
    """What would allow it: all of these together, and none can be left out."""
    obstacle: str = ""
    """Why no statement would allow it."""
    allowed_now: bool | None = None
    """By the policies as they are now; None: these are they."""


def explain(evidence: Evidence, *, now: Evidence | None = None) -> Explanation:
    """`now`: the same request with the policies as they are now, if that is later."""
    call, principal = evidence.call, evidence.call.principal
    against = evidence.judge()
    sections = tuple(_sections(evidence))
    found: tuple[Advice, ...] = ()
    obstacle = ""
    if against is None:
        reason = _allowed_by(evidence, sections)
    else:
        word = "is denied by a" if against.explicit else "is allowed by no"
        reason = f"It {word} statement of the {_place(evidence, against.kind)}."
        found, obstacle = advice.smallest(evidence)
    asked = evidence.asked
    return Explanation(
        request_id=call.request_id,
        trace=call.trace,
        at=call.now,
        allowed=against is None,
        principal=principal.arn if principal.kind != "anonymous" else "anonymous",
        principal_kind=principal.kind,
        principal_account=principal.account,
        action=evidence.action,
        resource=evidence.resource,
        owner=evidence.owner,
        message=evidence.message,
        reason=reason,
        context={key: asked.values(key.lower()) or [] for key in sorted(evidence.context)},
        sections=sections,
        advice=found,
        obstacle=obstacle,
        allowed_now=None if now is None else now.judge() is None,
    )


def _sections(evidence: Evidence) -> Iterator[Section]:
    principal = evidence.call.principal
    if principal.account:
        yield _section(evidence, IDENTITY, evidence.held.sources, there=bool(evidence.held.sources))
        boundary = evidence.held.boundary
        if boundary is not None:
            at = evidence.held.boundary_arn
            yield _section(evidence, BOUNDARY, [(at, s) for s in boundary.statements], there=True)
        if evidence.limited:
            yield _section(evidence, SESSION, evidence.session, there=True)
    if evidence.rules is not None or evidence.takes_policies:
        statements = () if evidence.rules is None else evidence.rules.statements
        at = evidence.resource
        yield _section(
            evidence, RESOURCE, [(at, s) for s in statements], there=evidence.rules is not None
        )


def _section(evidence: Evidence, kind: str, sources: object, *, there: bool) -> Section:
    asked, action, resource = evidence.asked, evidence.action, evidence.resource
    looks = [look(kind, at, s, action, resource, asked) for at, s in sources]  # type: ignore[attr-defined]
    # Denies first, as AWS looks at them; and no more than people read.
    looks.sort(key=lambda each: each.effect == "Allow")
    applied = {each.effect for each in looks if not each.failed}
    verdict = "no statement matches" if there else "there is none"
    if "Deny" in applied:
        verdict = "denies"
    elif "Allow" in applied:
        verdict = "allows"
    return Section(kind, _place(evidence, kind), verdict, tuple(looks[:LOOKS_MAX]))


def _allowed_by(evidence: Evidence, sections: tuple[Section, ...]) -> str:
    allowing = [section.place for section in sections if section.verdict == "allows"]
    rules = evidence.rules
    if rules is not None and evidence.owner == evidence.call.principal.account:
        asked = evidence.asked
        direct = any(
            s.principals.names(asked.principal, asked.call.region) is Named.DIRECTLY
            for s in rules.on(evidence.action).allows
            if s.principals is not None and s.applies(evidence.resource, asked)
        )
        if direct:
            return f"The {_place(evidence, RESOURCE)} names who asks, which is enough."
    return f"It is allowed by the {' and the '.join(allowing)}, and nothing denies it."


def _place(evidence: Evidence, kind: str) -> str:
    return Place.of(evidence, kind).words

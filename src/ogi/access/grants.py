"""Grants: what the policies of one principal say, compiled and kept per version of its account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ogi.access import managed, policy
from ogi.access.identities import (
    GROUPS,
    POLICIES,
    ROLES,
    USERS,
    Group,
    Role,
    User,
    account_in,
    find,
    name_in,
    version,
)
from ogi.access.policy import Rules, Statement
from ogi.service import Principal
from ogi.storage import Reader

CACHED_MAX: Final = 10_000
"""Principals, and sets of session policies, whose rules are kept; emptied when full."""

_ALL: Final = policy.compile(
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
).rules
_NONE: Final = Rules(())

Source = tuple[str, Statement]
"""Where a statement stands (`inline policy NAME of role ROLE`, a policy's ARN), and itself."""


class Grants:
    """The rules of a user or a role."""

    __slots__ = ("boundary", "boundary_arn", "id", "identity", "sources", "tags")

    def __init__(
        self,
        id: str,
        identity: Rules,
        boundary: Rules | None = None,
        tags: Mapping[str, str] | None = None,
        sources: tuple[Source, ...] = (),
        boundary_arn: str = "",
    ) -> None:
        self.id = id
        self.identity = identity
        self.boundary = boundary
        """Of the permissions boundary; None: there is none."""
        self.tags = tags or {}
        self.sources = sources
        self.boundary_arn = boundary_arn


NOTHING: Final = Grants("", _NONE)
EVERYTHING: Final = Grants(
    "", _ALL, sources=tuple(("the account's root user", s) for s in _ALL.statements)
)

_grants: Final[dict[str, tuple[bytes, Grants]]] = {}
_sessions: Final[dict[tuple[str, tuple[str, ...]], tuple[bytes, Rules]]] = {}


def of(tx: Reader, principal: Principal) -> Grants:
    """The grants of a principal as they are in this transaction."""
    if principal.kind == "root":
        return EVERYTHING
    account = principal.account
    if not account:
        return NOTHING
    grants = of_owner(tx, principal.role_arn or principal.arn, account)
    # A session does not survive its role: one that was made anew has another id.
    if principal.kind != "federated" and not principal.id.startswith(grants.id):
        return NOTHING
    return grants


def of_owner(tx: Reader, owner: str, account: str | None = None) -> Grants:
    """The grants of the user or role with this ARN; NOTHING if there is none."""
    now = version(tx, account_in(owner) if account is None else account)
    kept = _grants.get(owner)
    if kept is not None and kept[0] == now:
        return kept[1]
    grants = _load(tx, owner)
    if len(_grants) >= CACHED_MAX:
        _grants.clear()
    _grants[owner] = (now, grants)
    return grants


def of_session(tx: Reader, principal: Principal) -> Rules | None:
    """The rules of a session's own policies; None: it has none and is not limited."""
    texts = principal.session_policies
    if not texts:
        return None
    now = version(tx, principal.account)
    at = (principal.account, texts)
    kept = _sessions.get(at)
    if kept is not None and kept[0] == now:
        return kept[1]
    rules = Rules([s for _, s in session_sources(tx, principal)])
    if len(_sessions) >= CACHED_MAX:
        _sessions.clear()
    _sessions[at] = (now, rules)
    return rules


def session_sources(tx: Reader, principal: Principal) -> list[Source]:
    """The statements of a session's own policies: documents, or ARNs of managed policies."""
    found: list[Source] = []
    for text in principal.session_policies:
        if text.startswith("arn:"):
            found.extend(_managed(tx, text))
        else:
            found.extend(("the session policy", s) for s in policy.compile(text).statements)
    return found


def document_of(tx: Reader, arn: str) -> str | None:
    """The default version of a managed policy, AWS's or a customer's."""
    if arn.startswith(managed.PREFIX):
        found = managed.policies().get(arn)
    else:
        found = find(tx, POLICIES, account_in(arn), name_in(arn))
        if found is not None and found.arn != arn:
            return None
    return None if found is None else found.document


def _load(tx: Reader, owner: str) -> Grants:
    account, name = account_in(owner), name_in(owner)
    if owner.endswith(":root"):
        return EVERYTHING
    entity: User | Role | None
    if ":role/" in owner:
        entity = find(tx, ROLES, account, name)
    else:
        entity = find(tx, USERS, account, name)
    if entity is None or entity.arn != owner:
        return NOTHING
    sources = list(sources_of(tx, entity))
    if isinstance(entity, User):
        for group in entity.groups:
            row = find(tx, GROUPS, account, group)
            if row is not None:
                sources.extend(sources_of(tx, row))
    boundary = None
    if entity.boundary:
        boundary = Rules([s for _, s in _managed(tx, entity.boundary)])
    return Grants(
        entity.id,
        Rules([s for _, s in sources]),
        boundary,
        {key.lower(): value for key, value in entity.tags.items()},
        tuple(sources),
        entity.boundary,
    )


def sources_of(tx: Reader, entity: User | Role | Group) -> Iterator[Source]:
    for name, text in entity.inline.items():
        at = f"inline policy {name} of {entity.arn}"
        yield from ((at, s) for s in policy.compile(text).statements)
    for arn in entity.attached:
        yield from _managed(tx, arn)


def _managed(tx: Reader, arn: str) -> Iterator[Source]:
    text = document_of(tx, arn)
    if text is not None:
        yield from ((arn, s) for s in policy.compile(text).statements)

"""The judgement: what policies that are all at hand say together about one request. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ogi.access.context import Asked
from ogi.access.policy import Found, Statement
from ogi.access.principals import Named
from ogi.access.refusals import Look

IDENTITY: Final = "identity-based policy"
RESOURCE: Final = "resource-based policy"
BOUNDARY: Final = "permissions boundary"
SESSION: Final = "session policy"

_ROOT_KEEPS: Final = frozenset(
    {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}
)
"""What a bucket's policy cannot deny to the root user of its owner, so that nobody is locked out.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""


class Heard(NamedTuple):
    """What each type of policy says about the action; None: there is no such policy."""

    identity: Found
    boundary: Found | None
    session: Found | None
    resource: Found | None


class Against(NamedTuple):
    """The type of policy that decides against the request, and whether by a deny."""

    kind: str
    explicit: bool = False


def judge(asked: Asked, heard: Heard, action: str, resource: str, closed: bool) -> Against | None:
    """None if the request is allowed. `closed`: the resource's own policy must name who asks."""
    principal = asked.principal
    if not principal.account:
        return _judge_stranger(asked, heard.resource, resource)
    at_home = asked.owner == principal.account
    denied = _denied(asked, heard, action, resource, at_home)
    if denied is not None:
        return Against(denied, explicit=True)
    lacking = _lacking(heard.identity, heard, resource, asked)
    if lacking is None and at_home and not closed:
        return None
    by = Named.NOT
    if heard.resource is not None:
        by = named(heard.resource, resource, asked)
    if not by:
        # Of what is missing AWS names one: at home the identity's policy, abroad the resource's.
        return Against(lacking if lacking is not None and at_home else RESOURCE)
    if at_home and by is Named.DIRECTLY:
        return None
    if at_home and by is Named.ROLE:
        # What limits the role limits what is given to it, but it needs nothing else.
        lacking = _lacking(None, heard, resource, asked)
    return None if lacking is None else Against(lacking)


def _judge_stranger(asked: Asked, said: Found | None, resource: str) -> Against | None:
    """A service or nobody: only the resource's own policy can let them in."""
    if said is None:
        return Against(RESOURCE)
    if said.denies and _denied_by_resource(said, resource, asked):
        return Against(RESOURCE, explicit=True)
    return None if named(said, resource, asked) else Against(RESOURCE)


def is_closed(resource: str) -> bool:
    """Keys and roles are open only to whom their own policy names, or whose account it names.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
    """
    return resource.startswith(("arn:aws:kms:", "arn:aws:iam:"))


def _denied(asked: Asked, heard: Heard, action: str, resource: str, at_home: bool) -> str | None:
    """The type of policy that denies."""
    for kind, found in _of_identity(heard.identity, heard):
        if found is not None and found.denies and found.denied(resource, asked):
            return kind
    said = heard.resource
    if said is None or not said.denies or not _denied_by_resource(said, resource, asked):
        return None
    kept = asked.principal.kind == "root" and at_home and action in _ROOT_KEEPS
    return None if kept else RESOURCE


def _lacking(identity: Found | None, heard: Heard, resource: str, asked: Asked) -> str | None:
    """The first type of policy that would have to allow the request and does not."""
    for kind, found in _of_identity(identity, heard):
        if found is not None and not found.always and not found.allowed(resource, asked):
            return kind
    return None


def _of_identity(identity: Found | None, heard: Heard) -> tuple[tuple[str, Found | None], ...]:
    return (IDENTITY, identity), (BOUNDARY, heard.boundary), (SESSION, heard.session)


def _denied_by_resource(said: Found, resource: str, asked: Asked) -> Statement | None:
    """A deny that names the account denies everybody in it."""
    region = asked.call.region
    for statement in said.denies:
        principals = statement.principals
        if principals is None or not principals.names(asked.principal, region):
            continue
        if statement.applies(resource, asked):
            return statement
    return None


def named(said: Found, resource: str, asked: Asked) -> Named:
    """The closest way in which an allowing statement names the principal."""
    best = Named.NOT
    region = asked.call.region
    for statement in said.allows:
        if statement.principals is None:
            continue
        how = statement.principals.names(asked.principal, region)
        if how > best and statement.applies(resource, asked):
            best = how
            if best is Named.DIRECTLY:
                break
    return best


def look(
    kind: str, at: str, statement: Statement, action: str, resource: str, asked: Asked
) -> Look:
    """What became of one statement: the first element that did not match, and what it saw."""
    effect = "Allow" if statement.allows else "Deny"

    def failed(element: str, wanted: Iterable[str], seen: Iterable[str] | None) -> Look:
        values = None if seen is None else tuple(seen)
        return Look(kind, at, statement.name, effect, element, tuple(wanted), values)

    if not statement.speaks_of_action(action.lower()):
        name = "NotAction" if statement.not_action else "Action"
        return failed(name, statement.action_texts, (action,))
    if not statement.speaks_of_resource(resource, asked):
        name = "NotResource" if statement.not_resource else "Resource"
        return failed(name, statement.resource_texts, (resource,))
    principals = statement.principals
    if principals is not None and not principals.names(asked.principal, asked.call.region):
        name = "NotPrincipal" if principals.negated else "Principal"
        seen = (asked.principal.role_arn or asked.principal.arn,)
        return failed(name, (value for _, value in principals.entries), seen)
    for condition in statement.conditions:
        if not condition.holds(asked):
            element = f"Condition {condition.operator} {condition.name}"
            return failed(element, condition.values, asked.values(condition.key))
    return Look(kind, at, statement.name, effect)

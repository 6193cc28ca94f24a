"""The decision: may this principal do this to that resource? Inside the request's transaction.

Law: nothing is allowed that no policy allows, and an explicit deny anywhere wins.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ogi.access import grants, policy
from ogi.access.context import Asked
from ogi.access.policy import Found, Rules, Statement
from ogi.access.principals import Named
from ogi.access.refusals import Decision, Look, Refusal, sentence
from ogi.service import Call, Service
from ogi.storage import Reader

_IDENTITY = "identity-based policy"
_RESOURCE = "resource-based policy"
_BOUNDARY = "permissions boundary"
_SESSION = "session policy"

_ROOT_KEEPS = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
"""What a bucket's policy cannot deny to the root user of its owner, so that nobody is locked out.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""


def authorise(
    tx: Reader,
    call: Call,
    service: Service,
    actions: Sequence[str],
    resources: Sequence[str],
    context: Mapping[str, Any],
) -> None:
    """Raise the service's access-denied error unless all actions on all resources are allowed."""
    for resource in resources:
        for action in actions:
            decision = decide(tx, call, service, action, resource, context)
            if decision is not None:
                explained = explain(tx, call, service, action, resource, context)
                raise service.denied(sentence(service, call, decision)) from Refusal(explained)


def decide(
    tx: Reader,
    call: Call,
    service: Service,
    action: str,
    resource: str,
    context: Mapping[str, Any],
) -> Decision | None:
    """None if the request is allowed, else why it is not."""
    principal = call.principal
    held = grants.of(tx, principal)
    parts = resource.split(":", 5)
    owner = _owner(call, parts, context)
    rules = _resource_rules(tx, service, resource, parts)
    identity = held.identity.on(action)
    limited = held.boundary is not None or bool(principal.session_policies)
    at_home = owner == principal.account
    if rules is None and identity.always and at_home and not limited:
        return None  # The common case: nobody but the identity's own policies has a say.

    asked = Asked(call, context, owner, held)
    said = None if rules is None else rules.on(action)
    boundary = None if held.boundary is None else held.boundary.on(action)
    session_rules = grants.of_session(tx, principal)
    session = None if session_rules is None else session_rules.on(action)

    denied = _explicit(identity, boundary, session, resource, asked)
    if denied is None and said is not None and said.denies:
        statement = _denied_by_resource(said, resource, asked)
        if statement is not None and not (
            principal.kind == "root" and at_home and action in _ROOT_KEEPS
        ):
            denied = (_RESOURCE, statement)
    if denied is not None:
        return Decision(action, resource, owner, denied[0], explicit=True)

    named = Named.NOT if said is None else _named_by_resource(said, resource, asked)
    if not principal.account:  # A service or nobody: only the resource can let them in.
        return None if named else Decision(action, resource, owner, _RESOURCE)
    if at_home and named is Named.DIRECTLY:
        return None
    if not named and (not at_home or (rules is not None and _must_be_named(resource))):
        return Decision(action, resource, owner, _missing(identity, resource, asked, at_home))
    # Delegated to the account, or to the role: what limits the identity limits the request.
    if not (at_home and named is Named.ROLE) and identity.allowed(resource, asked) is None:
        return Decision(action, resource, owner, _IDENTITY)
    if boundary is not None and boundary.allowed(resource, asked) is None:
        return Decision(action, resource, owner, _BOUNDARY)
    if session is not None and session.allowed(resource, asked) is None:
        return Decision(action, resource, owner, _SESSION)
    return None


def _owner(call: Call, parts: list[str], context: Mapping[str, Any]) -> str:
    """The account of the resource. A bucket's ARN has none: its service tells it."""
    if len(parts) == 6 and parts[4]:
        return parts[4]
    return context.get("aws:ResourceAccount") or call.account


def _resource_rules(tx: Reader, service: Service, resource: str, parts: list[str]) -> Rules | None:
    """The resource's own policy. A role's is its trust policy, which only STS asks for."""
    if service.policy_of is None or len(parts) != 6:
        return None
    if parts[2] != service.name and (service.name, parts[2]) != ("sts", "iam"):
        return None
    text = service.policy_of(tx, resource)
    return None if text is None else policy.compile(text).rules


def _must_be_named(resource: str) -> bool:
    """Keys and roles are open only to whom their own policy names, or whose account it names.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
    """
    return resource.startswith(("arn:aws:kms:", "arn:aws:iam:"))


def _explicit(
    identity: Found, boundary: Found | None, session: Found | None, resource: str, asked: Asked
) -> tuple[str, Statement] | None:
    for kind, found in ((_IDENTITY, identity), (_BOUNDARY, boundary), (_SESSION, session)):
        if found is not None and found.denies:
            statement = found.denied(resource, asked)
            if statement is not None:
                return kind, statement
    return None


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


def _named_by_resource(said: Found, resource: str, asked: Asked) -> Named:
    """The closest way in which an allowing statement names the principal."""
    best = Named.NOT
    region = asked.call.region
    for statement in said.allows:
        if statement.principals is None:
            continue
        named = statement.principals.names(asked.principal, region)
        if named > best and statement.applies(resource, asked):
            best = named
            if best is Named.DIRECTLY:
                break
    return best


def _missing(identity: Found, resource: str, asked: Asked, at_home: bool) -> str:
    """Of what is missing, AWS names one: the identity's policy first, abroad the resource's."""
    if at_home and identity.allowed(resource, asked) is None:
        return _IDENTITY
    return _RESOURCE


def authorise_pass_role(tx: Reader, call: Call, service: Service, role: str, to: str) -> None:
    """Raise `service`'s refusal unless the caller may hand `role` to the service `to`.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    context = {**call.context, "iam:PassedToService": to}
    call.ports.authorise(tx, call, service, ("iam:PassRole",), (role,), context)


# -- explanations ---------------------------------------------------------------------------------


def explain(
    tx: Reader,
    call: Call,
    service: Service,
    action: str,
    resource: str,
    context: Mapping[str, Any],
) -> Decision:
    """The decision with all statements that were looked at, in order, and what became of each."""
    parts = resource.split(":", 5)
    owner = _owner(call, parts, context)
    held = grants.of(tx, call.principal)
    asked = Asked(call, context, owner, held)
    looks = [_look(_IDENTITY, at, s, action, resource, asked) for at, s in held.sources]
    if held.boundary is not None:
        looks += [
            _look(_BOUNDARY, _BOUNDARY, s, action, resource, asked)
            for s in held.boundary.statements
        ]
    looks += [
        _look(_SESSION, at, s, action, resource, asked)
        for at, s in grants.session_sources(tx, call.principal)
    ]
    rules = _resource_rules(tx, service, resource, parts)
    if rules is not None:
        looks += [_look(_RESOURCE, resource, s, action, resource, asked) for s in rules.statements]
    decision = decide(tx, call, service, action, resource, context)
    if decision is None:
        return Decision(action, resource, owner, "", allowed=True, trail=tuple(looks))
    return Decision(action, resource, owner, decision.kind, decision.explicit, trail=tuple(looks))


def _look(
    kind: str, at: str, statement: Statement, action: str, resource: str, asked: Asked
) -> Look:
    failed = ""
    if not statement.speaks_of_action(action.lower()):
        failed = "action"
    elif not statement.speaks_of_resource(resource, asked):
        failed = "resource"
    elif statement.principals is not None and not statement.principals.names(
        asked.principal, asked.call.region
    ):
        failed = "principal"
    else:
        for condition in statement.conditions:
            if not condition.holds(asked):
                failed = f"condition {condition.operator} {condition.key}"
                break
    return Look(kind, at, statement.name, "Allow" if statement.allows else "Deny", failed)

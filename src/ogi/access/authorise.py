"""The decision: may this principal do this to that resource? Inside the request's transaction.

Law: nothing is allowed that no policy allows, and an explicit deny anywhere wins.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
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

_NOBODY = Rules(())

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
    owner = _owner(tx, call, service, resource)
    rules = _resource_rules(tx, service, resource)
    at_home = owner == principal.account
    must_be_named = rules is not None and _must_be_named(resource)
    identity = held.identity.on(action)
    said = None if rules is None else rules.on(action)
    limited = held.boundary is not None or bool(principal.session_policies)
    unopposed = not limited and not must_be_named and (said is None or not said.denies)
    if unopposed and at_home and identity.always:
        return None  # The common case: nobody but the identity's own policies has a say.

    asked = Asked(call, context, owner, held)
    boundary = None if held.boundary is None else held.boundary.on(action)
    session_rules = grants.of_session(tx, principal)
    session = None if session_rules is None else session_rules.on(action)

    denied = _explicit(identity, boundary, session, resource, asked)
    if denied is None and said is not None and said.denies:
        statement = _denied_by_resource(said, resource, asked)
        if statement is not None and not (
            principal.kind == "root" and at_home and action in _ROOT_KEEPS
        ):
            denied = _RESOURCE
    if denied is not None:
        return Decision(action, resource, owner, denied, explicit=True)

    lacking = _lacking(identity, boundary, session, resource, asked)
    if lacking is None and at_home and not must_be_named:
        return None
    named = Named.NOT if said is None else _named_by_resource(said, resource, asked)
    if not principal.account:  # A service or nobody: only the resource can let them in.
        return None if named else Decision(action, resource, owner, _RESOURCE)
    if not named:
        # Of what is missing AWS names one: at home the identity's policy, abroad the resource's.
        missing = lacking if lacking is not None and at_home else _RESOURCE
        return Decision(action, resource, owner, missing)
    if at_home and named is Named.DIRECTLY:
        return None
    if at_home and named is Named.ROLE:
        # What limits the role limits what is given to it, but it needs nothing else.
        lacking = _lacking(None, boundary, session, resource, asked)
    return None if lacking is None else Decision(action, resource, owner, lacking)


def _owner(tx: Reader, call: Call, service: Service, resource: str) -> str:
    """The account of the resource; what is nobody's yet is the caller's."""
    parts = resource.split(":", 5)
    if len(parts) != 6:
        return call.account
    if parts[4] and parts[4] != "aws":  # AWS's own managed policies are everybody's.
        return parts[4]
    owner = None if service.owner_of is None else service.owner_of(tx, resource)
    return owner or call.account


def _resource_rules(tx: Reader, service: Service, resource: str) -> Rules | None:
    """The resource's own policy. A role's is its trust policy, which only STS asks for."""
    if service.policy_of is None or not resource.startswith(_prefix(service.name)):
        return None
    text = service.policy_of(tx, resource)
    if text is None:
        return None
    try:
        return policy.compile(text).rules
    except policy.PolicySyntax:
        return _NOBODY  # A policy that says nothing understandable lets nobody in.


@cache
def _prefix(service: str) -> str:
    return f"arn:aws:{'iam' if service == 'sts' else service}:"


def _must_be_named(resource: str) -> bool:
    """Keys and roles are open only to whom their own policy names, or whose account it names.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
    """
    return resource.startswith(("arn:aws:kms:", "arn:aws:iam:"))


def _explicit(
    identity: Found, boundary: Found | None, session: Found | None, resource: str, asked: Asked
) -> str | None:
    """The type of policy among the identity's that denies."""
    for kind, found in ((_IDENTITY, identity), (_BOUNDARY, boundary), (_SESSION, session)):
        if found is not None and found.denies and found.denied(resource, asked):
            return kind
    return None


def _lacking(
    identity: Found | None,
    boundary: Found | None,
    session: Found | None,
    resource: str,
    asked: Asked,
) -> str | None:
    """The first type of policy that would have to allow the request and does not."""
    for kind, found in ((_IDENTITY, identity), (_BOUNDARY, boundary), (_SESSION, session)):
        if found is not None and not found.always and not found.allowed(resource, asked):
            return kind
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
    owner = _owner(tx, call, service, resource)
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
    rules = _resource_rules(tx, service, resource)
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

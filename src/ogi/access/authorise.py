"""The decision: may this principal do this to that resource? Inside the request's transaction.

Law: nothing is allowed that no policy allows, and an explicit deny anywhere wins.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from msgspec.structs import replace

from ogi.access import grants, policy
from ogi.access.context import Asked, tag_keys
from ogi.access.evidence import Evidence, is_small, kept, stripped
from ogi.access.judgements import Heard, is_closed, judge, named
from ogi.access.policy import Rules
from ogi.access.refusals import Decision, Refusal, sentence
from ogi.service import Call, Service
from ogi.storage import Reader

RESOURCES_MAX: Final = 16_384
"""Resources whose account is kept, taken out of the ARN."""
RESOURCE_CHARS_MAX: Final = 2048
"""Of those that are kept: anybody may ask for a resource of any name."""
SETTLED_MAX: Final = 1_024
"""Sources that a policy remembers to allow a service's action."""
_NOBODY: Final = Rules(())


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
                found = gather(tx, call, service, action, resource, context)
                if decision.explicit:
                    decision = replace(decision, policy=found.denying(decision.kind))
                refusal = service.denied(sentence(service, call, decision))
                found = replace(found, message=refusal.message)
                if len(resource) <= RESOURCE_CHARS_MAX:
                    # At once, for the transaction of a refused request never commits.
                    call.ports.traces.refuse(found.name, found)
                # Set, not `raise from`, which compiled code (ogi.compiling) leaves out.
                refusal.__cause__ = Refusal(decision, found)
                raise refusal
    # What `ogi explain` judges again if somebody asks: references only, this is every request. What
    # a service of ours asks on the way is short; a client's may be as long as its body.
    own = context is call.context or call.demand is None
    if len(resources) == 1 and (own or is_small(context)) and len(resource) <= RESOURCE_CHARS_MAX:
        call.ports.traces.decided.append(
            (call.request_id, call.trace, call.now, call.principal, call.account, call.region,
             service, actions, resources, context)
        )  # fmt: skip


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
    rules = _resource_rules(tx, service, resource)
    settled: tuple[str, ...] | None = None
    if principal.kind == "service" and rules is not None and not is_closed(resource):
        # A fan-out asks the same of each queue with each message.
        speaking = rules.on(action)
        if speaking.steady:
            settled = _source(call, resource, context)
            if settled in speaking.settled:
                return None
    held = grants.of(tx, principal)
    owner = _owner(tx, call, service, resource)
    at_home = owner == principal.account
    closed = rules is not None and is_closed(resource)
    identity = held.identity.on(action)
    said = None if rules is None else rules.on(action)
    limited = held.boundary is not None or bool(principal.session_policies)
    unopposed = not limited and (said is None or not said.denies)
    granted = unopposed and at_home and identity.always
    if granted and not closed:
        return None  # The common case: nobody but the identity's own policies has a say.

    asked = Asked(call, context, owner, held, tx, resource)
    if granted and said is not None and named(said, resource, asked):
        return None  # A key whose policy names who asks, or the account that lets them do it.
    session = grants.of_session(tx, principal)
    heard = Heard(
        identity,
        None if held.boundary is None else held.boundary.on(action),
        None if session is None else session.on(action),
        said,
    )
    verdict = judge(asked, heard, action, resource, closed)
    if verdict is None:
        if settled is not None:
            if len(speaking.settled) >= SETTLED_MAX:
                speaking.settled.clear()
            speaking.settled.add(settled)
        return None
    return Decision(action, resource, owner, verdict.kind, verdict.explicit)


def _source(call: Call, resource: str, context: Mapping[str, Any]) -> tuple[str, ...] | None:
    """All that a steady policy can ask of a service's request; None where that is more."""
    arn, account = context.get("aws:SourceArn"), context.get("aws:SourceAccount")
    if not isinstance(arn, str) or not isinstance(account, str) or not _names_account(resource):
        return None
    return (call.principal.arn, call.account, call.region, resource, arn, account)


def _names_account(resource: str) -> bool:
    return len(resource) <= RESOURCE_CHARS_MAX and bool(_account_in(resource))


def _owner(tx: Reader, call: Call, service: Service, resource: str) -> str:
    """The account of the resource; what is nobody's yet is the caller's."""
    # What is too long to be kept is an object's key, or made up.
    short = len(resource) <= RESOURCE_CHARS_MAX
    named = _account_in(resource) if short else _account_in.__wrapped__(resource)
    if named is None:
        return call.account
    if named:
        return named
    owner = None if service.owner_of is None else service.owner_of(tx, resource)
    return owner or call.account


@lru_cache(maxsize=RESOURCES_MAX)
def _account_in(resource: str) -> str | None:
    """The account that an ARN names, '' if it names none; None if it is no ARN."""
    parts = resource.split(":", 5)
    if len(parts) != 6:
        return None
    return "" if parts[4] == "aws" else parts[4]  # AWS's own managed policies are everybody's.


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


def authorise_pass_role(
    tx: Reader, call: Call, service: Service, role: str, to: str, resource: str
) -> None:
    """Raise `service`'s refusal unless the caller may hand `role` to the service `to`, for
    `resource`.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    context = {**call.context, "iam:PassedToService": to, "iam:AssociatedResourceArn": resource}
    call.ports.authorise(tx, call, service, ("iam:PassRole",), (role,), context)


# -- evidence -------------------------------------------------------------------------------------


def gather(
    tx: Reader,
    call: Call,
    service: Service,
    action: str,
    resource: str,
    context: Mapping[str, Any],
) -> Evidence:
    """What `decide` decides by, to be explained."""
    rules = _resource_rules(tx, service, resource)
    return Evidence(
        call=stripped(call),
        service=service.name,
        action=action,
        resource=resource,
        context=kept({**tag_keys(tx, call, resource), **context}),
        owner=_owner(tx, call, service, resource),
        held=grants.of(tx, call.principal),
        session=tuple(grants.session_sources(tx, call.principal)),
        limited=bool(call.principal.session_policies),
        rules=rules,
        closed=rules is not None and is_closed(resource),
        takes_policies=service.policy_of is not None,
        fixed=service.fixed is not None and service.fixed(tx, resource),
    )

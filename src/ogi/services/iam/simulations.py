"""The policy simulator: what would be decided, with policies and context of the asker's choice.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ogi.access import grants, identities
from ogi.access import policy as compiler
from ogi.access.context import Asked
from ogi.access.credentials import of_user, root
from ogi.access.grants import Grants, Source
from ogi.access.identities import GROUPS, ROLES, USERS
from ogi.access.judgements import BOUNDARY, IDENTITY, RESOURCE, Heard, judge, look
from ogi.access.policy import Policy, Rules
from ogi.access.sessions import principal_of
from ogi.service import Call, Fields, Principal
from ogi.services.iam import pages, positions
from ogi.services.iam.errors import InvalidInputException, NoSuchEntityException
from ogi.services.iam.service import SERVICE
from ogi.storage import Reader

RESULTS_MAX = 10_000
"""Actions times resources of one simulation."""
_VARIABLE = re.compile(r"\$\{([^},*?$]+)")
_INLINE = re.compile(r"inline policy (\S+) of .*")
_UNSUPPORTED = ("OrderedOrganizationPolicyInputList", "ResourceHandlingOption")


def _on_source(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["PolicySourceArn"]
    return arn


@SERVICE.operation(
    on=_on_source, reads=True, unsupported=("ResourceHandlingOption", "PolicyExclusionList")
)
def simulate_principal_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    source: str = request["PolicySourceArn"]
    sources, boundary = _held(tx, call, source)
    for n, text in enumerate(request.get("PolicyInputList", [])):
        sources.extend(_input(f"PolicyInputList.{n + 1}", text))
    boundaries = request.get("PermissionsBoundaryPolicyInputList", [])
    if boundaries:
        boundary = _boundary(boundaries)
    caller_arn: str = request.get("CallerArn", source)
    caller = _caller(tx, call, caller_arn)
    return _simulate(call, request, caller, sources, boundary)


@SERVICE.operation(reads=True, unsupported=_UNSUPPORTED)
def simulate_custom_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    sources: list[Source] = []
    for n, text in enumerate(request["PolicyInputList"]):
        sources.extend(_input(f"PolicyInputList.{n + 1}", text))
    boundary = _boundary(request.get("PermissionsBoundaryPolicyInputList", []))
    caller = root(call.account)
    if "CallerArn" in request:
        caller = _caller(tx, call, request["CallerArn"])
    return _simulate(call, request, caller, sources, boundary)


@SERVICE.operation(reads=True)
def get_context_keys_for_custom_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    return {"ContextKeyNames": _keys(_compiled(text) for text in request["PolicyInputList"])}


@SERVICE.operation(on=_on_source, reads=True)
def get_context_keys_for_principal_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    sources, _ = _held(tx, call, request["PolicySourceArn"])
    texts = [_compiled(text) for text in request.get("PolicyInputList", [])]
    return {"ContextKeyNames": _keys([*texts, Rules([s for _, s in sources])])}


# -- who, and with which policies -----------------------------------------------------------------


def _held(tx: Reader, call: Call, arn: str) -> tuple[list[Source], Rules | None]:
    """The policies of a user, a group or a role."""
    name, account = identities.name_in(arn), identities.account_in(arn)
    if ":group/" in arn and account == call.account:
        group = identities.find(tx, GROUPS, account, name)
        if group is not None and group.arn == arn:
            return list(grants.sources_of(tx, group)), None
    elif account == call.account:
        held = grants.of_owner(tx, arn)
        if held is not grants.NOTHING:
            return list(held.sources), held.boundary
    raise NoSuchEntityException(f"The entity {arn} cannot be found.")


def _caller(tx: Reader, call: Call, arn: str) -> Principal:
    """The principal that policies with variables and principals would see."""
    name, account = identities.name_in(arn), identities.account_in(arn)
    if ":user/" in arn:
        user = identities.find(tx, USERS, account, name)
        if user is not None:
            return of_user(user)
    if ":role/" in arn:
        role = identities.find(tx, ROLES, account, name)
        if role is not None:
            return principal_of(role, "simulation")
    if ":group/" in arn or arn.endswith(":root"):
        return root(call.account)
    raise InvalidInputException(f"Invalid Entity Arn: {arn} does not clearly define entity type "
                                "and name.")  # fmt: skip


def _input(at: str, text: str) -> list[Source]:
    return [(at, statement) for statement in _compiled(text).statements]


def _boundary(texts: Sequence[str]) -> Rules | None:
    return None if not texts else Rules([s for t in texts for s in _compiled(t).statements])


def _compiled(text: str) -> Policy:
    try:
        return compiler.compile(text)
    except compiler.PolicySyntax as error:
        raise InvalidInputException(str(error)) from None


# -- results --------------------------------------------------------------------------------------


def _simulate(
    call: Call, request: Fields, caller: Principal, sources: list[Source], boundary: Rules | None
) -> Fields:
    resources = request.get("ResourceArns") or ["*"]
    asked = [(action, arn) for action in request["ActionNames"] for arn in resources]
    if len(asked) > RESULTS_MAX:
        raise InvalidInputException(f"More than {RESULTS_MAX} results were asked for.")
    context = {
        entry["ContextKeyName"]: entry.get("ContextKeyValues", [])
        for entry in request.get("ContextEntries", [])
        if "ContextKeyName" in entry
    }
    resource_policy = None
    if "ResourcePolicy" in request:
        resource_policy = _compiled(request["ResourcePolicy"]).rules
    held = Grants("", Rules([s for _, s in sources]), boundary, sources=tuple(sources))
    owner: str = request.get("ResourceOwner", call.account)
    owner = identities.account_in(owner) or owner  # An account, or the ARN of its root user.
    as_caller = call.but(principal=caller)
    page, answer = pages.of_list(asked, request, "EvaluationResults")
    answer["EvaluationResults"] = [
        _result(
            Asked(as_caller, context, identities.account_in(arn) or owner, held),
            action, arn, resource_policy,
        )
        for action, arn in page
    ]  # fmt: skip
    return answer


def _result(asked: Asked, action: str, resource: str, resource_policy: Rules | None) -> Fields:
    held = asked.grants
    heard = Heard(
        held.identity.on(action),
        None if held.boundary is None else held.boundary.on(action),
        None,
        None if resource_policy is None else resource_policy.on(action),
    )
    against = judge(asked, heard, action, resource, closed=False)
    decision = "allowed"
    if against is not None:
        decision = "explicitDeny" if against.explicit else "implicitDeny"
    result: Fields = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": decision,
        "MatchedStatements": _matched(asked, action, resource, resource_policy, decision),
        "MissingContextValues": [
            key for key in _keys([held.identity]) if asked.values(key.lower()) is None
        ],
    }
    if held.boundary is not None:
        allowed = heard.boundary is not None and (
            heard.boundary.denied(resource, asked) is None
            and heard.boundary.allowed(resource, asked) is not None
        )
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    return result


def _matched(
    asked: Asked, action: str, resource: str, resource_policy: Rules | None, decision: str
) -> list[Any]:
    """The statements that decided; of a deny, only the denying ones."""
    candidates = [(IDENTITY, at, s) for at, s in asked.grants.sources]
    if asked.grants.boundary is not None:
        candidates += [(BOUNDARY, "boundary", s) for s in asked.grants.boundary.statements]
    if resource_policy is not None:
        candidates += [(RESOURCE, "ResourcePolicy", s) for s in resource_policy.statements]
    wanted = {"allowed": "Allow", "explicitDeny": "Deny"}.get(decision)
    matched = []
    for kind, at, statement in candidates:
        seen = look(kind, at, statement, action, resource, asked)
        if not seen.failed and seen.effect == wanted and (kind != BOUNDARY or wanted == "Deny"):
            start, end = positions.of_statements(statement.text)[statement.index]
            matched.append({
                "SourcePolicyId": _name(at), "SourcePolicyType": _type(kind, at),
                "StartPosition": start, "EndPosition": end,
            })  # fmt: skip
    return matched


def _name(at: str) -> str:
    """The policy's name, as in the AWS CLI's example of simulate-principal-policy."""
    if at.startswith("arn:"):
        return at.rpartition("/")[2]
    inline = _INLINE.fullmatch(at)
    return inline[1] if inline else at


def _type(kind: str, at: str) -> str:
    """`aws-managed`, `user-managed`, `user`, `group`, `role`, `resource` or `none`."""
    if kind == RESOURCE:
        return "resource"
    if at.startswith("arn:aws:iam::aws:"):
        return "aws-managed"
    if at.startswith("arn:"):
        return "user-managed"
    for noun in ("user", "group", "role"):
        if f":{noun}/" in at:
            return noun
    return "none"


def _keys(policies: Iterable[Policy | Rules]) -> list[str]:
    """The condition keys and variables that policies speak of."""
    names: dict[str, None] = {}
    for policy in policies:
        for statement in policy.statements:
            for condition in statement.conditions:
                names[condition.name] = None
                for text in condition.values:
                    names.update((found, None) for found in _VARIABLE.findall(text))
            for text in statement.resource_texts:
                names.update((found, None) for found in _VARIABLE.findall(text))
    return list(names)

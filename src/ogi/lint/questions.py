"""Questions to Ogi's evaluator about resources that exist on paper only: would it be allowed?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from ogi.access import managed, policy
from ogi.access.evidence import Evidence
from ogi.access.grants import NOTHING, Grants
from ogi.access.judgements import Against
from ogi.access.policy import PolicySyntax, Rules, Statement
from ogi.lint.paper import Paper, Path, Resource, listed
from ogi.service import Call, Principal, service_principal

Placed = tuple[Path, Statement]
"""A statement and its place in the template."""


def asks(
    paper: Paper, principal: Principal, action: str, resource: str,
    statements: Sequence[Placed] | None, context: Mapping[str, Any], held: Grants = NOTHING,
) -> Against | None:  # fmt: skip
    """None if it would be allowed. `statements`: of the resource's policy; None: it has none."""
    call = Call(
        ports=cast(Any, None), account=paper.account, region=paper.region, principal=principal,
        request_id="", now=0.0, seed=b"",
    )  # fmt: skip
    service = action.partition(":")[0]
    rules = None if statements is None else Rules([s for _, s in statements])
    return Evidence(
        call=call, service=service, action=action, resource=resource, context=context,
        owner=paper.account, held=held, session=(), limited=False, rules=rules,
        closed=service == "kms" and rules is not None,
    ).judge()  # fmt: skip


def service_may(
    paper: Paper, service: str, source: Resource | str, action: str, resource: str,
    statements: Sequence[Placed], **context: str,
) -> bool:  # fmt: skip
    """Whether a service acting for `source` would be allowed."""
    arn = source if isinstance(source, str) else source.arn
    given = {"aws:SourceArn": arn, "aws:SourceAccount": paper.account, **context}
    principal = service_principal(f"{service}.amazonaws.com")
    return asks(paper, principal, action, resource, statements, given) is None


# -- policies -------------------------------------------------------------------------------------


def of_key(paper: Paper, key: Resource) -> list[Placed]:
    return statements_of(key.properties.get("KeyPolicy"), key.path("KeyPolicy"))


def of_topic(paper: Paper, topic: Resource) -> list[Placed]:
    return _attached(paper, topic, ("AWS::SNS::TopicPolicy", "Topics"),
                     ("AWS::SNS::TopicInlinePolicy", "TopicArn"))  # fmt: skip


def of_queue(paper: Paper, queue: Resource) -> list[Placed]:
    return _attached(paper, queue, ("AWS::SQS::QueuePolicy", "Queues"),
                     ("AWS::SQS::QueueInlinePolicy", "Queue"))  # fmt: skip


def _attached(paper: Paper, to: Resource, *kinds: tuple[str, str]) -> list[Placed]:
    found: list[Placed] = []
    for type, member in kinds:
        for resource in paper.of_type(type):
            targets = listed(resource.properties.get(member))
            if any(paper.at(target) is to for target in targets):
                document = resource.properties.get("PolicyDocument")
                found += statements_of(document, resource.path("PolicyDocument"))
    return found


def of_function(paper: Paper, function: Resource) -> list[Placed]:
    """The permissions of a function, each as the statement that AddPermission makes of it."""
    found: list[Placed] = []
    for resource in paper.of_type("AWS::Lambda::Permission"):
        properties = resource.properties
        if str(properties.get("FunctionName", "")) not in (function.name, function.arn):
            continue
        principal = str(properties.get("Principal", ""))
        kind = "Service" if principal.endswith(".amazonaws.com") else "AWS"
        conditions: dict[str, Any] = {}
        if "SourceArn" in properties:
            conditions["ArnLike"] = {"aws:SourceArn": properties["SourceArn"]}
        if "SourceAccount" in properties:
            conditions["StringEquals"] = {"aws:SourceAccount": properties["SourceAccount"]}
        statement = {
            "Effect": "Allow", "Principal": "*" if principal == "*" else {kind: principal},
            "Action": properties.get("Action", ""), "Resource": "*", "Condition": conditions,
        }  # fmt: skip
        found += statements_of({"Statement": [statement]}, resource.path("FunctionName"))
    return [(path[:4], statement) for path, statement in found]


def statements_of(document: object, path: Path) -> list[Placed]:
    """The statements that can be understood; what is malformed is for other rules."""
    if not isinstance(document, dict):
        return []
    found: list[Placed] = []
    for number, body in enumerate(listed(document.get("Statement"))):
        whole = {"Version": document.get("Version", "2012-10-17"), "Statement": [body]}
        try:
            compiled = policy.compile(json.dumps(whole, default=str))
        except PolicySyntax:
            continue
        found += [([*path, "Statement", number], statement) for statement in compiled.statements]
    return found


# -- roles ----------------------------------------------------------------------------------------


def of_role(paper: Paper, role: Resource) -> tuple[Principal, Grants] | None:
    """The role's session and its grants; None if a policy of it is not to be seen here."""
    statements = [s for _, s in _inline(role)]
    for arn in listed(role.properties.get("ManagedPolicyArns")):
        own = paper.at(arn)
        if own is not None:
            statements += [s for _, s in _document(own)]
            continue
        known = managed.policies().get(str(arn))
        if known is None:
            return None
        statements += policy.compile(known.document).statements
    for resource in paper.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy",
                                  "AWS::IAM::RolePolicy"):  # fmt: skip
        properties = resource.properties
        named = [*listed(properties.get("Roles")), properties.get("RoleName")]
        if role.name in named:
            statements += [s for _, s in _document(resource)]
    principal = Principal(
        kind="role", account=paper.account, id="AROA:lint", role_arn=role.arn,
        arn=f"arn:aws:sts::{paper.account}:assumed-role/{role.name}/lint",
    )  # fmt: skip
    return principal, Grants("AROA", Rules(statements))


def _inline(role: Resource) -> Iterator[Placed]:
    for number, each in enumerate(listed(role.properties.get("Policies"))):
        if isinstance(each, dict):
            path = role.path("Policies", number, "PolicyDocument")
            yield from statements_of(each.get("PolicyDocument"), path)


def _document(resource: Resource) -> list[Placed]:
    return statements_of(resource.properties.get("PolicyDocument"), resource.path("PolicyDocument"))

"""Sessions of roles: who a principal becomes by assuming one, and services that do so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ogi.access import policy
from ogi.access.context import Asked
from ogi.access.credentials import Credentials, mint_session
from ogi.access.evidence import of_trust
from ogi.access.identities import ROLES, Role, account_in, find, name_in
from ogi.access.principals import Named
from ogi.errors import AwsError
from ogi.service import Call, Principal, service_principal
from ogi.storage import Reader


class CannotAssume(AwsError):
    """A service may not assume a role that is not there or does not trust it."""

    code = "AccessDenied"
    status = 403


def role_at(tx: Reader, arn: str) -> Role | None:
    """The role with exactly this ARN, path included."""
    role = find(tx, ROLES, account_in(arn), name_in(arn))
    return role if role is not None and role.arn == arn else None


def principal_of(
    role: Role,
    session_name: str,
    policies: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
) -> Principal:
    """The principal of a role's session."""
    return Principal(
        kind="role",
        account=role.account,
        arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session_name}",
        id=f"{role.id}:{session_name}",
        role_arn=role.arn,
        session_policies=tuple(policies),
        tags=tuple((tags or {}).items()),
    )


def trusts(call: Call, role: Role, service: str, context: Mapping[str, Any]) -> bool:
    """Whether the role's trust policy lets a service (`lambda.amazonaws.com`) assume it."""
    found = policy.compile(role.trust_bound).rules.on("sts:AssumeRole")
    as_service = call.as_principal(service_principal(service))
    asked = Asked(as_service, context, role.account)

    def speaks(statement: policy.Statement) -> bool:
        principals = statement.principals
        return (
            principals is not None
            and principals.names(asked.principal, call.region) is not Named.NOT
            and statement.applies(role.arn, asked)
        )

    return not any(map(speaks, found.denies)) and any(map(speaks, found.allows))


def note_distrust(
    call: Call, role: Role, service: str, context: Mapping[str, Any], message: str
) -> None:
    """Leave what `ogi explain` tells of a service that may not assume a role."""
    rules = policy.compile(role.trust_bound).rules
    as_service = call.as_principal(service_principal(service))
    found = of_trust(as_service, rules, role.arn, role.account, context, message)
    call.ports.traces.refuse(found.name, found)


def role_session(
    tx: Reader,
    call: Call,
    role_arn: str,
    session_name: str,
    duration_s: float,
    service: str,
    context: Mapping[str, Any] | None = None,
) -> tuple[Credentials, Principal]:
    """Credentials of a role for a service that works as it, e.g. `lambda.amazonaws.com`.

    context: aws:SourceArn, aws:SourceAccount of the resource for which the service acts. Raises
    CannotAssume if the role is not there or does not trust the service.
    """
    role = role_at(tx, role_arn)
    if role is None or not trusts(call, role, service, context or {}):
        message = (
            f"User: {service} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        )
        if role is not None:
            note_distrust(call, role, service, context or {}, message)
        raise CannotAssume(message)
    principal = principal_of(role, session_name)
    minted = mint_session(call.ports.vault, call.entropy, principal, call.now, duration_s)
    return minted, principal

"""The operations of STS. https://docs.aws.amazon.com/STS/latest/APIReference/"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from ogi.access import grants, identities, policy, sessions
from ogi.access.credentials import mint_session
from ogi.access.grammar import check_identity
from ogi.access.identities import Role
from ogi.service import Call, Fields, Principal
from ogi.services.sts.errors import (
    AccessDenied,
    MalformedPolicyDocumentException,
    PackedPolicyTooLargeException,
    ValidationError,
)
from ogi.services.sts.service import SERVICE
from ogi.storage import CONTROL, Reader

ROLE_S_DEFAULT = 3600
CHAINED_S_MAX = 3600
"""Of a role that was assumed by a role."""
USER_S_DEFAULT = 43_200
ROOT_S_MAX = 3600
POLICY_CHARACTERS_MAX = 2048
"""Of all session policies and ARNs together, as their plain text (quotas page of IAM)."""
TAGS_MAX = 50
TRANSITIVE = "ogi:TransitiveTags"
"""The tag keys of a session that are handed on when it assumes a further role."""


@SERVICE.operation(open=True, reads=True)
def get_caller_identity(tx: Reader, call: Call, request: Fields) -> Fields:
    """ "No permissions are required to perform this operation." """
    caller = call.principal
    return {"UserId": caller.id, "Account": caller.account, "Arn": caller.arn}


# -- roles ----------------------------------------------------------------------------------------


def _on_role(tx: Reader, call: Call, request: Fields) -> str:
    arn: str = request["RoleArn"]
    return arn


def _assume_keys(tx: Reader, call: Call, request: Fields) -> Mapping[str, Any]:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html"""
    keys: dict[str, Any] = {"sts:RoleSessionName": request["RoleSessionName"]}
    if "ExternalId" in request:
        keys["sts:ExternalId"] = request["ExternalId"]
    source = _source_identity(call, request)
    if source:
        keys["sts:SourceIdentity"] = source
    tags = _tags(request)
    if tags:
        keys["aws:TagKeys"] = list(tags)
        keys.update((f"aws:RequestTag/{key}", value) for key, value in tags.items())
    if "TransitiveTagKeys" in request:
        keys["sts:TransitiveTagKeys"] = request["TransitiveTagKeys"]
    return keys


def _source_identity(call: Call, request: Fields) -> str:
    found: str = request.get("SourceIdentity") or call.context.get("aws:SourceIdentity", "")
    return found


@SERVICE.operation(
    on=_on_role,
    keys=_assume_keys,
    reads=True,
    unsupported=("SerialNumber", "TokenCode", "ProvidedContexts", "MinimumSessionTokenSize"),
)
def assume_role(tx: Reader, call: Call, request: Fields) -> Fields:
    arn, name = request["RoleArn"], request["RoleSessionName"]
    if call.principal.kind == "root":
        raise AccessDenied("Roles may not be assumed by root accounts.")
    role = sessions.role_at(tx, arn)
    if role is None:
        # Who may assume roles does not learn which ones exist.
        raise AccessDenied(
            f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole "
            f"on resource: {arn}"
        )
    chained = call.principal.kind == "role"
    duration_s = _role_duration_s(request, role, chained)
    tags, transitive = _session_tags(call, request, role)
    _may_set(tx, call, role, request, tags)
    policies = _session_policies(tx, role.account, request)
    principal = sessions.principal_of(role, name, policies, tags)
    context: dict[str, Any] = {}
    source = _source_identity(call, request)
    if source:
        context["aws:SourceIdentity"] = source
    if transitive:
        context[TRANSITIVE] = transitive
    minted = mint_session(call.ports.vault, call.entropy, principal, call.now, duration_s, context)
    answer: Fields = {
        "Credentials": minted.fields,
        "AssumedRoleUser": {"AssumedRoleId": principal.id, "Arn": principal.arn},
    }
    if source:
        answer["SourceIdentity"] = source
    return _with_packed(answer, policies, tags)


def _role_duration_s(request: Fields, role: Role, chained: bool) -> int:
    asked: int | None = request.get("DurationSeconds")
    if asked is None:
        return ROLE_S_DEFAULT
    if chained and asked > CHAINED_S_MAX:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
            "by role chaining"
        )
    if asked > role.max_session_s:
        raise ValidationError(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return asked


def _session_tags(call: Call, request: Fields, role: Role) -> tuple[dict[str, str], list[str]]:
    """The session's tags: those of the chain that are transitive, then the request's."""
    tags = _tags(request)
    transitive = list(request.get("TransitiveTagKeys", []))
    inherited = list(call.context.get(TRANSITIVE, []))
    held = dict(call.principal.tags)
    for key in inherited:
        if key.lower() in {own.lower() for own in tags}:
            raise ValidationError(
                "One of the specified transitive tag keys can't be set because it conflicts with "
                "a transitive tag key from the calling session."
            )
        if key in held:
            tags[key] = held[key]
    return tags, list(dict.fromkeys([*inherited, *transitive]))


def _may_set(tx: Reader, call: Call, role: Role, request: Fields, tags: dict[str, str]) -> None:
    """Tags need sts:TagSession, a source identity sts:SetSourceIdentity, from both policies."""
    actions = []
    if request.get("Tags"):
        actions.append("sts:TagSession")
    if "SourceIdentity" in request:
        actions.append("sts:SetSourceIdentity")
    if actions:
        context = {**call.context, **_assume_keys(tx, call, request)}
        call.ports.authorise(tx, call, SERVICE, actions, (role.arn,), context)


# -- users ----------------------------------------------------------------------------------------


@SERVICE.operation(
    open=True, reads=True, unsupported=("SerialNumber", "TokenCode", "MinimumSessionTokenSize")
)
def get_session_token(tx: Reader, call: Call, request: Fields) -> Fields:
    """ "No permissions are required for users to perform this operation." """
    caller = _long_term(call, "GetSessionToken")
    duration_s = request.get("DurationSeconds", _user_duration_s(caller))
    if caller.kind == "root":
        duration_s = min(duration_s, ROOT_S_MAX)
    minted = mint_session(call.ports.vault, call.entropy, caller, call.now, duration_s)
    return {"Credentials": minted.fields}


def _on_federated(tx: Reader, call: Call, request: Fields) -> str:
    return f"arn:aws:sts::{call.account}:federated-user/{request['Name']}"


@SERVICE.operation(on=_on_federated, reads=True, unsupported=("MinimumSessionTokenSize",))
def get_federation_token(tx: Reader, call: Call, request: Fields) -> Fields:
    caller = _long_term(call, "GetFederationToken")
    duration_s = request.get("DurationSeconds", _user_duration_s(caller))
    if caller.kind == "root":
        duration_s = min(duration_s, ROOT_S_MAX)
    policies = _session_policies(tx, caller.account, request)
    tags = _tags(request)
    arn = _on_federated(tx, call, request)
    principal = Principal(
        kind="federated",
        account=caller.account,
        arn=arn,
        id=f"{caller.account}:{request['Name']}",
        role_arn=caller.arn,
        # "If you do not pass a policy, the resulting federated user session has no permissions."
        session_policies=policies or (_NO_PERMISSIONS,),
        tags=tuple(tags.items()),
    )
    minted = mint_session(call.ports.vault, call.entropy, principal, call.now, duration_s)
    answer = {
        "Credentials": minted.fields,
        "FederatedUser": {"FederatedUserId": principal.id, "Arn": arn},
    }
    return _with_packed(answer, policies, tags)


_NO_PERMISSIONS = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"*","Resource":"*"}}'
)


def _long_term(call: Call, operation: str) -> Principal:
    caller = call.principal
    if caller.kind not in ("user", "root") or "aws:TokenIssueTime" in call.context:
        raise AccessDenied(f"Cannot call {operation} with session credentials")
    return caller


def _user_duration_s(caller: Principal) -> int:
    return ROOT_S_MAX if caller.kind == "root" else USER_S_DEFAULT


# -- what sessions are limited and marked by ------------------------------------------------------


def _session_policies(tx: Reader, account: str, request: Fields) -> tuple[str, ...]:
    """Documents and ARNs, checked."""
    found: list[str] = []
    if "Policy" in request:
        try:
            check_identity(policy.compile(request["Policy"]))
        except policy.PolicySyntax as error:
            raise MalformedPolicyDocumentException(str(error)) from None
        found.append(request["Policy"])
    for entry in request.get("PolicyArns", []):
        arn = entry.get("arn", "")
        if grants.document_of(tx, arn) is None or identities.account_in(arn) not in (
            "aws", account,
        ):  # fmt: skip
            raise ValidationError(f"Policy {arn} does not exist or is not attachable.")
        found.append(arn)
    if sum(map(len, found)) > POLICY_CHARACTERS_MAX:
        raise PackedPolicyTooLargeException(
            "The total packed size of session policies and session tags combined was too large."
        )
    return tuple(found)


def _tags(request: Fields) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in request.get("Tags", []):
        if tag["Key"].lower() in {key.lower() for key in tags}:
            raise ValidationError("Duplicate session tag keys found.")
        tags[tag["Key"]] = tag["Value"]
    return tags


def _with_packed(answer: Fields, policies: tuple[str, ...], tags: dict[str, str]) -> Fields:
    """PackedPolicySize: percent of what policies and tags may take."""
    if policies or tags:
        size = sum(map(len, policies)) + sum(len(k) + len(v) for k, v in tags.items())
        answer["PackedPolicySize"] = max(1, min(100, size * 100 // POLICY_CHARACTERS_MAX))
    return answer


# -- keys -----------------------------------------------------------------------------------------


@SERVICE.operation(reads=True)
def get_access_key_info(tx: Reader, call: Call, request: Fields) -> Fields:
    """The account that a key belongs to, whether or not it is active."""
    key_id = request["AccessKeyId"]
    row = identities.KEYS.get(tx, CONTROL, key_id)
    if row is not None:
        return {"Account": row.account}
    try:
        return {"Account": identities.account_of_key(key_id)}
    except (binascii.Error, ValueError):
        raise ValidationError(f"Invalid access key id: {key_id}") from None

"""The operations of STS. https://docs.aws.amazon.com/STS/latest/APIReference/"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from ogi.access import identities, sessions
from ogi.access.credentials import mint_session
from ogi.access.identities import Role
from ogi.service import Call, Fields, Principal
from ogi.services.sts.errors import AccessDenied, ValidationError
from ogi.services.sts.limits import (
    TRANSITIVE,
    role_duration_s,
    session_policies,
    tags_of,
    with_packed,
)
from ogi.services.sts.service import SERVICE
from ogi.storage import CONTROL, Reader

USER_S_DEFAULT = 43_200
ROOT_S_MAX = 3600


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
    tags = tags_of(request)
    if tags:
        keys["aws:TagKeys"] = list(tags)
        keys.update((f"aws:RequestTag/{key}", value) for key, value in tags.items())
    if "TransitiveTagKeys" in request:
        keys["sts:TransitiveTagKeys"] = request["TransitiveTagKeys"]
    return keys


def _source_identity(call: Call, request: Fields) -> str:
    """ "The value that is set cannot be changed during the role session", nor along a chain.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
    """
    held: str = call.context.get("aws:SourceIdentity", "")
    asked: str = request.get("SourceIdentity", held)
    if held and asked != held:
        raise AccessDenied(
            "The source identity of the calling session cannot be changed by the request."
        )
    return asked


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
    # "You cannot call any STS operations except GetCallerIdentity" (API_GetFederationToken.html)
    if role is None or call.principal.kind == "federated":
        # Who may assume roles does not learn which ones exist.
        raise AccessDenied(
            f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole "
            f"on resource: {arn}"
        )
    chained = call.principal.kind == "role"
    duration_s = role_duration_s(request, role, chained)
    tags, transitive = _session_tags(call, request, role)
    _may_set(tx, call, role, request, tags)
    policies = session_policies(tx, role.account, request)
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
    return with_packed(answer, policies, tags)


def _session_tags(call: Call, request: Fields, role: Role) -> tuple[dict[str, str], list[str]]:
    """The session's tags: those of the chain that are transitive, then the request's."""
    tags = tags_of(request)
    transitive = list(request.get("TransitiveTagKeys", []))
    if not {key.lower() for key in transitive} <= {key.lower() for key in tags}:
        raise ValidationError(
            "The specified transitive tag key must be included in the requested tags."
        )
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
    """Tags need sts:TagSession, a source identity sts:SetSourceIdentity, from both policies;
    those that come with the chain do, too."""
    actions = []
    if tags:
        actions.append("sts:TagSession")
    if _source_identity(call, request):
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
    policies = session_policies(tx, caller.account, request)
    tags = tags_of(request)
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
    return with_packed(answer, policies, tags)


_NO_PERMISSIONS = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"*","Resource":"*"}}'
)


def _long_term(call: Call, operation: str) -> Principal:
    caller = call.principal
    if caller.kind not in ("user", "root") or "aws:TokenIssueTime" in call.context:
        raise AccessDenied(f"Cannot call {operation} with session credentials")
    return caller


def check_session(call: Call, operation: str) -> None:
    """Sessions of users call "any STS API except AssumeRole or GetCallerIdentity" in vain.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
    """
    limited = call.principal.kind in ("user", "root") and "aws:TokenIssueTime" in call.context
    if limited or call.principal.kind == "federated":
        raise AccessDenied(f"Cannot call {operation} with session credentials")


def _user_duration_s(caller: Principal) -> int:
    return ROOT_S_MAX if caller.kind == "root" else USER_S_DEFAULT


# -- keys -----------------------------------------------------------------------------------------


@SERVICE.operation(reads=True)
def get_access_key_info(tx: Reader, call: Call, request: Fields) -> Fields:
    """The account that a key belongs to, whether or not it is active."""
    check_session(call, "GetAccessKeyInfo")
    key_id = request["AccessKeyId"]
    row = identities.KEYS.get(tx, CONTROL, key_id)
    if row is not None:
        return {"Account": row.account}
    try:
        return {"Account": identities.account_of_key(key_id)}
    except (binascii.Error, ValueError):
        raise ValidationError(f"Invalid access key id: {key_id}") from None

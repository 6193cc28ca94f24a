"""AssumeRoleWithWebIdentity: who holds a token of an issuer that a role trusts becomes the role.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html
"""

from __future__ import annotations

from typing import Any

from ogi.access import identities, providers, sessions
from ogi.access.credentials import mint_session
from ogi.access.providers import Provider
from ogi.service import Call, Fields, Principal
from ogi.services.sts import issuers, web_tokens
from ogi.services.sts.errors import AccessDenied, InvalidIdentityTokenException
from ogi.services.sts.limits import (
    TRANSITIVE,
    check_tags,
    role_duration_s,
    session_policies,
    with_packed,
)
from ogi.services.sts.service import SERVICE
from ogi.services.sts.web_tokens import Subject
from ogi.storage import Reader

ACTION = "sts:AssumeRoleWithWebIdentity"


@SERVICE.operation(open=True, unsupported=("ProviderId", "MinimumSessionTokenSize"))
async def assume_role_with_web_identity(call: Call, request: Fields) -> Fields:
    """The caller's own credentials, if it has any, do not matter: the token says who asks."""
    arn = request["RoleArn"]
    token = web_tokens.read(request["WebIdentityToken"])
    account = identities.account_in(arn)
    provider = await call.read(lambda tx: _provider(tx, account, token.issuer))
    web_tokens.check_times(token, call.now)
    subject = web_tokens.subject_of(token, provider)
    keys = await issuers.of(call.ports.store).keys(call, provider, token.key_id)
    token.prove(keys)
    return await call.read(lambda tx: _assume(tx, call, request, provider, subject))


def _provider(tx: Reader, account: str, issuer: str) -> Provider:
    found = providers.find(tx, account, providers.without_scheme(issuer))
    if found is None or found.issuer != issuer:
        raise InvalidIdentityTokenException(
            f"No OpenIDConnect provider found in your account for {issuer}"
        )
    return found


def _assume(
    tx: Reader, call: Call, request: Fields, provider: Provider, subject: Subject
) -> Fields:
    name = request["RoleSessionName"]
    role = sessions.role_at(tx, request["RoleArn"])
    check_tags(subject.tags)
    keys = _keys(provider, subject)
    caller = Principal(kind="web-identity", account="", arn=provider.arn)
    actions = [ACTION]
    if subject.tags:
        actions.append("sts:TagSession")
    if subject.source_identity:
        actions.append("sts:SetSourceIdentity")
    if role is None:
        raise AccessDenied(f"Not authorized to perform {ACTION}")
    context = {**call.context, **keys, **_asked(name, subject)}
    for action in actions:
        try:
            call.ports.authorise(
                tx, call.as_principal(caller), SERVICE, [action], [role.arn], context
            )
        except AccessDenied as refusal:
            # Nobody learns which roles there are, nor why one does not trust him.
            raise AccessDenied(f"Not authorized to perform {action}") from refusal.__cause__
    duration_s = role_duration_s(request, role, chained=False)
    policies = session_policies(tx, role.account, request)
    principal = sessions.principal_of(role, name, policies, subject.tags)
    kept: dict[str, Any] = {**keys, "aws:FederatedProvider": provider.arn}
    if subject.source_identity:
        kept["aws:SourceIdentity"] = subject.source_identity
    if subject.transitive:
        kept[TRANSITIVE] = list(subject.transitive)
    minted = mint_session(call.ports.vault, call.entropy, principal, call.now, duration_s, kept)
    answer: Fields = {
        "Credentials": minted.fields,
        "SubjectFromWebIdentityToken": subject.subject,
        "AssumedRoleUser": {"AssumedRoleId": principal.id, "Arn": principal.arn},
        "Provider": provider.issuer,
        "Audience": subject.audience,
    }
    if subject.source_identity:
        answer["SourceIdentity"] = subject.source_identity
    return with_packed(answer, policies, subject.tags)


def _keys(provider: Provider, subject: Subject) -> dict[str, Any]:
    """The provider's condition keys: `server.example.org:sub`; the session keeps them.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
    """
    keys: dict[str, Any] = {
        f"{provider.url}:aud": subject.audience,
        f"{provider.url}:sub": subject.subject,
    }
    if subject.original_audience is not None:
        keys[f"{provider.url}:oaud"] = subject.original_audience
    if subject.methods:
        keys[f"{provider.url}:amr"] = list(subject.methods)
    return keys


def _asked(name: str, subject: Subject) -> dict[str, Any]:
    """What the session will be, for the trust policy."""
    keys: dict[str, Any] = {"sts:RoleSessionName": name}
    if subject.source_identity:
        keys["sts:SourceIdentity"] = subject.source_identity
    if subject.tags:
        keys["aws:TagKeys"] = list(subject.tags)
        keys.update((f"aws:RequestTag/{key}", value) for key, value in subject.tags.items())
    if subject.transitive:
        keys["sts:TransitiveTagKeys"] = list(subject.transitive)
    return keys

"""Who asked, as CloudTrail's `userIdentity`.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.service import Principal

INTERNAL = "AWS Internal"
"""Address and agent of what a service does and no client asked for (KMS's examples)."""

Identity = dict[str, Any]


def of(principal: Principal, context: Mapping[str, Any], access_key: str, via: str) -> Identity:
    """access_key: the id that signed, or ''. via: the service that asks as the principal, or ''."""
    if principal.kind == "service":
        return {"type": "AWSService", "invokedBy": principal.arn}
    if principal.kind == "anonymous":
        return {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    identity: Identity = {
        "type": _TYPES[principal.kind],
        "principalId": principal.id or principal.account,
        "arn": principal.arn,
        "accountId": principal.account,
    }
    if access_key:
        identity["accessKeyId"] = access_key
    if principal.kind == "user":
        identity["userName"] = _last(principal.arn)
    session = _session(principal, context)
    if session:
        identity["sessionContext"] = session
    if via:
        identity["invokedBy"] = via
    return identity


def of_web(result: Mapping[str, Any]) -> tuple[Identity, str]:
    """Who became a role by AssumeRoleWithWebIdentity, and the role's account.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html#stscloudtrailexample-assumerolewithwebidentity
    """
    account = result["AssumedRoleUser"]["Arn"].split(":")[4]
    issuer = result["Provider"].partition("://")[2]
    provider = f"arn:aws:iam::{account}:oidc-provider/{issuer}"
    subject = result["SubjectFromWebIdentityToken"]
    identity = {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:{result['Audience']}:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }
    return identity, account


def unknown(access_key: str) -> Identity:
    """Of a request whose signature proves nothing."""
    return {"type": "Unknown", "accessKeyId": access_key} if access_key else {"type": "Unknown"}


def service_of(account: str) -> Identity:
    """Of an event that a service made by itself (KMS's example of RotateKey)."""
    return {"accountId": account, "invokedBy": INTERNAL}


_TYPES = {"user": "IAMUser", "root": "Root", "role": "AssumedRole", "federated": "FederatedUser"}


def _session(principal: Principal, context: Mapping[str, Any]) -> dict[str, Any]:
    """`sessionContext` of temporary credentials; {} of long-term ones."""
    issued = context.get("aws:TokenIssueTime")
    session: dict[str, Any] = {}
    if principal.kind == "role":
        session["sessionIssuer"] = {
            "type": "Role",
            "principalId": principal.id.partition(":")[0],
            "arn": principal.role_arn,
            "accountId": principal.account,
            "userName": _last(principal.role_arn),
        }
    elif principal.kind == "federated":
        session["sessionIssuer"] = _issuer(principal)
    if issued is not None:
        session["attributes"] = {"creationDate": issued, "mfaAuthenticated": "false"}
    provider = context.get("aws:FederatedProvider")
    if provider:
        session["webIdFederationData"] = {"federatedProvider": provider, "attributes": {}}
    source = context.get("aws:SourceIdentity")
    if source:
        session["sourceIdentity"] = source
    return session


def _issuer(principal: Principal) -> dict[str, str]:
    """Who called GetFederationToken: a user, or the account itself."""
    root = principal.role_arn.endswith(":root")
    issuer = {
        "type": "Root" if root else "IAMUser",
        "arn": principal.role_arn,
        "accountId": principal.account,
    }
    return issuer if root else {**issuer, "userName": _last(principal.role_arn)}


def _last(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]

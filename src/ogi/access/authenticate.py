"""Who asks: the identity behind a signed request, proved before anything of it is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ogi.access import credentials, sigv2, sigv4
from ogi.entropy import uuid_of
from ogi.http import Body, Request
from ogi.service import Call, Ports, Principal
from ogi.uses import Use

__all__ = ["Claim", "Proved", "call", "prove", "read"]

Claim = sigv4.Claim | sigv2.Claim


class Proved:
    """Who asks, once it is proved."""

    __slots__ = ("body", "context", "principal")

    def __init__(self, principal: Principal, context: Mapping[str, Any], body: Body) -> None:
        self.principal = principal
        self.context = context
        """Condition keys of the session, e.g. aws:TokenIssueTime."""
        self.body = body
        """Checked as it is read."""


def read(
    request: Request, now: float, region: str, path_of: Callable[[Request], str]
) -> Claim | None:
    """The claim of a signed request, None of an anonymous one; raises if it is malformed.

    path_of: the path with the bucket in it, also where the host names the bucket.
    """
    if request.query and sigv2.is_meant(request):
        return sigv2.read(request, now, region, path_of)
    return sigv4.read(request, now, region)


def prove(ports: Ports, claim: Claim, body: Body, now: float) -> Proved:
    """Raises in the words of the service's protocol if the claim does not hold."""
    token = claim.token or None
    try:
        identity = credentials.find(ports.store.view(), ports.vault, claim.access_key, token, now)
    except credentials.UnknownKey:
        raise claim.family.unknown_key(claim.access_key) from None
    except credentials.ExpiredToken:
        raise claim.family.expired_token() from None
    except credentials.BadCredentials:
        raise claim.family.invalid_token() from None
    claim.verify(identity.secret)
    if token is not None and claim.service == "iam" and identity.principal.kind != "role":
        # IAM takes the sessions of users (GetSessionToken) only with MFA, which does not exist
        # here, and those of federated users never (API references of the two).
        raise claim.family.invalid_token()
    if not ports.uses.are_known(claim.access_key, claim.service, claim.region, now):
        _note(ports, claim, identity.principal, now)
    return Proved(identity.principal, identity.context, claim.body(identity.secret, body))


def _note(ports: Ports, claim: Claim, principal: Principal, now: float) -> None:
    """Attempts count, also those that are refused next: what is proved is who made them."""
    owner = principal.role_arn or principal.arn
    owner_id = principal.id.partition(":")[0]
    if principal.kind == "federated":
        return  # Neither its key nor itself is anything that IAM keeps.
    ports.uses.note(
        Use(claim.access_key, owner, owner_id, principal.account, claim.service, claim.region, now)
    )


def call(ports: Ports, request: Request, claim: Claim, proved: Proved, now: float) -> Call:
    """The call of a signed request to one of Ogi's own pages."""
    return Call(
        ports=ports,
        account=proved.principal.account,
        region=claim.region,
        principal=proved.principal,
        request_id=uuid_of(ports.random(16)),
        now=now,
        seed=ports.random(32),
        context={
            **proved.context,
            "aws:SourceIp": request.peer,
            "aws:SecureTransport": "true" if request.secure else "false",
        },
    )

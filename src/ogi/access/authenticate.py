"""Who asks: the identity behind a signed request, proved before anything of it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ogi.access import credentials
from ogi.access.sigv4 import Claim, read
from ogi.http import Body
from ogi.service import Ports, Principal

__all__ = ["Claim", "Proved", "prove", "read"]


class Proved(NamedTuple):
    principal: Principal
    context: Mapping[str, Any]
    """Condition keys of the session, e.g. aws:TokenIssueTime."""
    body: Body
    """Checked as it is read."""


async def prove(ports: Ports, claim: Claim, body: Body, now: float) -> Proved:
    """Raises in the words of the service's protocol if the claim does not hold."""
    vault, token = ports.vault, claim.token or None
    try:
        identity = await ports.store.read(
            lambda tx: credentials.find(tx, vault, claim.access_key, token, now)
        )
    except credentials.UnknownKey:
        raise claim.family.unknown_key(claim.access_key) from None
    except credentials.ExpiredToken:
        raise claim.family.expired_token() from None
    except credentials.BadCredentials:
        raise claim.family.invalid_token() from None
    claim.verify(identity.secret)
    return Proved(identity.principal, identity.context, claim.body(identity.secret, body))

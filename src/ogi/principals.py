"""Principals: who asks, as policies and audits name it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """Who asks. `arn` is what policies and CloudTrail would name."""

    kind: str
    """`user`, `role` (an assumed role's session), `root`, `service`, `federated`, `anonymous`,
    `web-identity` (the holder of an OIDC provider's token)."""
    account: str
    """Twelve digits; '' for a service, for web identities and for anonymous."""
    arn: str
    """A service's is its principal name: `sns.amazonaws.com`; a web identity's its provider's."""
    id: str = ""
    """aws:userid: `AIDA...`, `AROA...:session`, the account for root."""
    role_arn: str = ""
    """Of an assumed role: the role's own ARN."""
    session_policies: tuple[str, ...] = ()
    """JSON documents or managed policy ARNs that limit a session further."""
    tags: tuple[tuple[str, str], ...] = ()


THROUGH_A_SERVICE: Mapping[str, str] = {
    "aws:ViaAWSService": "true",
    "aws:SecureTransport": "true",
    "aws:SourceIp": "AWS Internal",
}
"""Condition keys of what a service asks for a caller. "The target service sees the IP address of
the calling service rather than the IP address of the originating user": IAM's guide, condition
operators. As CloudTrail tells it, it is in no network."""

ANONYMOUS = Principal(kind="anonymous", account="", arn="*")


def service_principal(name: str) -> Principal:
    """`name` as in `sns.amazonaws.com`."""
    return Principal(kind="service", account="", arn=name)

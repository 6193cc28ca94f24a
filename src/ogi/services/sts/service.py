"""The service STS. What it hands out is sealed in tokens, so it writes nothing."""

from __future__ import annotations

from ogi.access import sessions
from ogi.service import Service
from ogi.services.sts.errors import AccessDenied
from ogi.storage import Reader


def _trust_of(tx: Reader, arn: str) -> str | None:
    """A role's trust policy is its resource policy."""
    role = sessions.role_at(tx, arn)
    return None if role is None else role.trust_bound


SERVICE = Service("sts", "sts.amazonaws.com", denied=AccessDenied, policy_of=_trust_of)

"""The service itself, for the modules that register its operations and duties."""

from __future__ import annotations

from ogi.service import Service
from ogi.services.sns import certificates, topics
from ogi.services.sns.errors import AuthorizationErrorException

REMARK = """\
Mails go out by an SMTP server that `--smtp-host` names; without one they are kept in the outbox,
which `ogi outbox` shows (docs/operating.md)."""
"""For the coverage page."""

SERVICE = Service(
    "sns",
    principal="sns.amazonaws.com",
    denied=AuthorizationErrorException,
    policy_of=topics.policy_of,
    tags_of=topics.tags_of,
    prepare=certificates.prepare,
    rewrap=certificates.rewrap,
)

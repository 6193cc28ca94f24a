"""The service itself, for the modules that register its operations and duties."""

from __future__ import annotations

from ogi.service import Service
from ogi.services.sns import certificates, topics
from ogi.services.sns.errors import AuthorizationErrorException

SERVICE = Service(
    "sns",
    principal="sns.amazonaws.com",
    denied=AuthorizationErrorException,
    policy_of=topics.policy_of,
    tags_of=topics.tags_of,
    prepare=certificates.prepare,
)

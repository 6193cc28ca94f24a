"""The service itself, for the modules that register its operations and duties."""

from __future__ import annotations

from ogi.service import Service
from ogi.services.sqs import queues
from ogi.services.sqs.errors import AccessDenied

SERVICE = Service(
    "sqs",
    principal="sqs.amazonaws.com",
    denied=AccessDenied,
    policy_of=queues.policy_of,
    tags_of=queues.tags_of,
)

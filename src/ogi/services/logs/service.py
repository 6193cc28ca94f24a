"""CloudWatch Logs as a service: its name, its principal, its refusal."""

from __future__ import annotations

from ogi.service import Service
from ogi.services.logs.errors import AccessDeniedException

SERVICE = Service(
    name="logs",
    principal="logs.amazonaws.com",
    denied=AccessDeniedException,
)

"""The service IAM. It has no region: its records live in the global control home."""

from __future__ import annotations

from ogi.access import credentials
from ogi.service import Call, Fields, Service
from ogi.services.iam import entities
from ogi.services.iam.errors import AccessDenied
from ogi.services.iam.uses import recorder
from ogi.storage import CONTROL, Home

SERVICE = Service(
    "iam",
    "iam.amazonaws.com",
    denied=AccessDenied,
    tags_of=entities.tags_at,
    workers=(recorder,),
    rewrap=credentials.rewrap,
)


def home(call: Call, request: Fields) -> Home:
    """Where every writing operation of IAM writes."""
    return CONTROL

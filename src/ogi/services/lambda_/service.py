"""Lambda as a service: its name, principal, refusal, and the resource policy of a function."""

from __future__ import annotations

from ogi.service import Service
from ogi.services.lambda_ import functions
from ogi.services.lambda_.errors import AccessDeniedException
from ogi.services.lambda_.permissions import policy_of

SERVICE = Service(
    name="lambda",
    principal="lambda.amazonaws.com",
    denied=AccessDeniedException,
    policy_of=policy_of,
    tags_of=functions.tags_of,
)

"""The CloudFormation service object, which operations and duties register with."""

from __future__ import annotations

from ogi.service import Service
from ogi.services.cloudformation.errors import AccessDenied

SERVICE = Service("cloudformation", "cloudformation.amazonaws.com", AccessDenied)

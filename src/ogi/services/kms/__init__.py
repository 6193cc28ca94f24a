"""Key Management Service: keys that encrypt what the other services keep, and say who may."""

from __future__ import annotations

from ogi.services.kms import api as api
from ogi.services.kms.service import SERVICE

__all__ = ["SERVICE"]

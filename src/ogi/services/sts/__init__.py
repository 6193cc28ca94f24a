"""Security Token Service: temporary credentials."""

from __future__ import annotations

from ogi.services.sts import api as api
from ogi.services.sts import decoding as decoding
from ogi.services.sts import federation as federation
from ogi.services.sts.service import SERVICE

__all__ = ["SERVICE"]

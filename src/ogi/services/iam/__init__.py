"""Identity and Access Management: users, groups, roles and their policies."""

from __future__ import annotations

from ogi.services.iam import api as api
from ogi.services.iam.service import SERVICE

__all__ = ["SERVICE"]

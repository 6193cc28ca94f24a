"""CloudWatch Logs: groups of streams of lines, kept in order of time, read, filtered, followed."""

from __future__ import annotations

from ogi.services.logs import api as api
from ogi.services.logs.service import SERVICE

__all__ = ["SERVICE"]

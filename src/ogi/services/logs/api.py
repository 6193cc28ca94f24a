"""CloudWatch Logs' operations, in AWS's words; importing this registers them all."""

from __future__ import annotations

from ogi.services.logs import api_events, api_groups, api_streams, vended

__all__ = ["api_events", "api_groups", "api_streams", "vended"]

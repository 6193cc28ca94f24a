"""Policies of a FIFO topic's archive, and of its replay to a subscription. Pure.

docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-topic-owner.html and
docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-subscriber.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from ogi.services.sns.errors import InvalidParameterException

DAYS_MIN, DAYS_MAX = 1, 365
PENDING, RUNNING, COMPLETED, FAILED = "Pending", "In progress", "Completed", "Failed"
"""The statuses of a replay, as GetSubscriptionAttributes names them."""


class Archive(msgspec.Struct, frozen=True):
    """A topic that keeps what is published."""

    days: int
    since: float = 0.0
    """When it began to keep."""
    number: str = ""
    """Of this incarnation: an archive that is begun anew has nothing of the last one."""
    series: int = 0
    """Which series of sweeps is the current one."""

    def begins(self, now: float) -> float:
        """From when on there is something to replay: seconds since the epoch."""
        return max(self.since, now - self.days * 86_400)

    def shown(self) -> str:
        return json.dumps({"MessageRetentionPeriod": str(self.days)})


class Replay(msgspec.Struct, frozen=True):
    """A subscription's last replay."""

    policy: str
    start_ms: int
    end_ms: int = 0
    """0: to the present and on."""
    number: str = ""
    """Of this replay: one that is begun anew stops it."""
    status: str = PENDING
    held: bool = True
    """The subscription gets nothing of what is published now."""


def archive(before: Archive | None, text: str) -> Archive | None:
    """The archive that a topic has by this policy; None: none."""
    if text.strip() in ("", "{}"):
        return None
    policy = _object("ArchivePolicy", text)
    if set(policy) != {"MessageRetentionPeriod"}:
        raise _refusal("ArchivePolicy", "must have MessageRetentionPeriod only")
    given = policy["MessageRetentionPeriod"]
    days = int(given) if isinstance(given, str) and given.isdecimal() else given
    if not isinstance(days, int) or isinstance(days, bool) or not DAYS_MIN <= days <= DAYS_MAX:
        raise _refusal("ArchivePolicy", "MessageRetentionPeriod value is invalid")
    return Archive(days) if before is None else msgspec.structs.replace(before, days=days)


def replay(before: Replay | None, text: str) -> Replay | None:
    """The replay that a subscription has by this policy: the one that it has, if it says so."""
    if text.strip() in ("", "{}"):
        return None
    if before is not None and before.policy == text:
        return before
    policy = _object("ReplayPolicy", text)
    for name in policy:
        if name not in ("PointType", "StartingPoint", "EndingPoint"):
            raise _refusal("ReplayPolicy", f"Unexpected JSON member: {name}")
    if policy.get("PointType") != "Timestamp":
        raise _refusal("ReplayPolicy", "PointType must be Timestamp")
    start_ms = _moment_ms("StartingPoint", policy.get("StartingPoint"))
    end_ms = _moment_ms("EndingPoint", policy["EndingPoint"]) if "EndingPoint" in policy else 0
    if "EndingPoint" in policy and end_ms <= start_ms:
        raise _refusal("ReplayPolicy", "EndingPoint must be later than StartingPoint")
    return Replay(text, start_ms, end_ms)


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise _refusal(name, "failed to parse JSON.") from None
    if not isinstance(parsed, dict):
        raise _refusal(name, "must be a JSON object")
    return parsed


def _moment_ms(name: str, value: Any) -> int:
    """2023-10-01T10:00:00.000Z"""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _refusal("ReplayPolicy", f"{name} must be an ISO 8601 timestamp") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    ms = round(moment.timestamp() * 1000)
    if ms < 0:
        raise _refusal("ReplayPolicy", f"{name} must be an ISO 8601 timestamp")
    return ms


def _refusal(name: str, reason: str) -> InvalidParameterException:
    """As real deployments were told of a retention period (cdk-preflight)."""
    return InvalidParameterException.of(f"{name}: {reason}")

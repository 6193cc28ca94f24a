"""Retention: events that have passed their group's days are removed, in pieces, for ever on."""

from __future__ import annotations

from ogi import deliveries
from ogi.service import Call, Fields
from ogi.services.logs import events, groups
from ogi.services.logs.errors import InvalidParameterException
from ogi.services.logs.records import GROUPS, LANES, SEGMENT_SPAN_MS, SEGMENTS, Group
from ogi.services.logs.service import SERVICE
from ogi.storage import Home, Transaction
from ogi.storage.keys import number

DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip
"""docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
SWEPT_MAX = 100
"""Segments removed in one transaction."""
SWEEP_S = 3600.0
"""Time between sweeps. Readers are not shown what has expired, swept or not."""


def set_days(tx: Transaction, call: Call, group: Group, days: int | None) -> None:
    if days is not None and days not in DAYS:
        raise InvalidParameterException(
            f"Retention in days must be one of {', '.join(map(str, DAYS))}."
        )
    group = groups.changed(tx, call, group, retention_days=days, sweep=group.sweep + 1)
    if days is not None:
        deliveries.post(
            tx, call.as_service(SERVICE.principal, group.arn, call.account), call.home, "logs",
            "sweep", {"Arn": group.arn, "Name": group.name, "Series": group.sweep},
        )  # fmt: skip


@SERVICE.duty(home=lambda call, request: Home(request["Arn"]))
def sweep(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Remove a piece of what has expired; post the next sweep, at once if there is more."""
    group = GROUPS.get(tx, call.home, request["Name"])
    if group is None or group.sweep != request["Series"]:
        return {}
    table = SEGMENTS.key(group.home, group.number)
    # A segment's last event is at most its span behind its first.
    until = max(0, events.expiry_ms(call, group) - SEGMENT_SPAN_MS)
    expired = tx.scan(table, table + until.to_bytes(8, "big"), SWEPT_MAX)
    for key, _ in expired:
        first_ms, sequence = number(key, len(table)), number(key, len(table) + 8)
        stream = number(key, len(table) + 16)
        tx.delete(key)
        LANES.delete(tx, group.home, group.number, stream, first_ms, sequence)
    due = call.now if len(expired) == SWEPT_MAX else call.now + SWEEP_S
    deliveries.post(tx, call, group.home, "logs", "sweep", request, due=due)
    return {}

"""The same sends, and the same chain, with every event recorded: data events too, in the file and
in a log group.

Run: python -m benches.audited [--quick]
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from benches import chain, places, send
from benches.places import Effort, Place, Row, Unable, main


async def measure(place: Place, effort: Effort) -> AsyncIterator[Row]:
    if place.process is None:
        raise Unable("the audit is an option of a server that the bench starts")
    with places.started(_command, place.target.region) as audited:
        for script in (send.measure, chain.measure):
            async for row in script(audited, effort):
                yield replace(row, promise=f"all audited: {row.promise}", goal=_goal(row))


def _goal(row: Row) -> float | None:
    """The chain's promise holds with everything on; the rate of sends is that of the default."""
    return row.goal if row.less else None


def _command(port: int, folder: Path) -> list[str]:
    return [*places.ogi(port, folder), "--audit", "all", "--audit-log-group", "audit"]


if __name__ == "__main__":
    main(measure, __doc__)

"""`ogi logs FUNCTION`: the log of a function, as it grows."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ogi.cli.servers import client, data_option, endpoint_option

POLL_S = 0.3
FIRST_S = 600.0
"""How far back the first look goes."""


@click.command()
@click.argument("function")
@click.option("--follow", "-f", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@click.option("--since", type=float, default=FIRST_S, show_default=True, metavar="SECONDS",
              help="How far to look back.")  # fmt: skip
@endpoint_option
@data_option
def logs(function: str, follow: bool, since: float, endpoint: str, data: Path) -> None:
    """Print the log lines of FUNCTION (or of a log group, if there is a slash in it)."""
    group = function if "/" in function else f"/aws/lambda/{function}"
    watcher = client("logs", endpoint, data)
    start_ms = int((time.time() - since) * 1000)
    seen: set[str] = set()
    while True:
        for event in _events(watcher, group, start_ms, follow):
            if event["eventId"] in seen:
                continue
            seen.add(event["eventId"])
            start_ms = max(start_ms, event["timestamp"])
            at = datetime.fromtimestamp(event["timestamp"] / 1000)
            click.echo(f"{click.style(at.strftime('%H:%M:%S.%f')[:-3], dim=True)} "
                       f"{event['message'].rstrip()}")  # fmt: skip
        if not follow:
            return
        time.sleep(POLL_S)


def _events(watcher: Any, group: str, start_ms: int, follow: bool) -> list[dict[str, Any]]:
    pages = watcher.get_paginator("filter_log_events")
    try:
        return [
            event
            for page in pages.paginate(logGroupName=group, startTime=start_ms)
            for event in page["events"]
        ]
    except watcher.exceptions.ResourceNotFoundException as error:
        if follow:
            return []  # The function has not written yet.
        raise click.ClickException(
            f"There is no log group {group}: the function has not run yet, or its role may not"
            " write logs."
        ) from error

"""`ogi outbox`: SMS, mobile push, and mails without an SMTP server, as they would have arrived."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from ogi.cli.servers import ask_signed, data_option, endpoint_option

POLL_S = 0.5
PATH = "/_ogi/outbox"
MOST = 1_000
"""What the server tells at once, and all that it keeps."""


@click.group(invoke_without_command=True)
@click.option("--follow", "-f", is_flag=True, help="Go on as messages come, until Ctrl-C.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, MOST),
              help="So many of the latest.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@endpoint_option
@data_option
@click.pass_context
def outbox(
    context: click.Context, follow: bool, limit: int, as_json: bool, endpoint: str, data: Path
) -> None:
    """Show what SNS has for phones, devices and (without --smtp-host) mailboxes.

    There is no carrier here: these messages are kept, the latest 1,000 of an account and region,
    for a week. The account is that of the credentials.
    """
    context.obj = (endpoint, data)
    if context.invoked_subcommand is not None:
        return
    after = 0
    while True:
        query = urlencode({"limit": MOST if after else limit, "after": after})
        for message in ask_signed(endpoint, data, "GET", f"{PATH}?{query}")["messages"]:
            after = message["number"]
            click.echo(json.dumps(message) if as_json else _shown(message))
        if not follow:
            return
        time.sleep(POLL_S)


@outbox.command()
@click.argument("number")
@click.argument("text")
@click.pass_obj
def reply(server: tuple[str, Path], number: str, text: str) -> None:
    """Answer an SMS as the holder of NUMBER would: with STOP, the number is opted out."""
    query = urlencode({"from": number, "text": text})
    answer = ask_signed(*server, "POST", f"{PATH}?{query}")
    told = "is opted out now" if answer["opted_out"] else "keeps getting messages"
    click.echo(f"{number} {told}.")


def _shown(message: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(message["at"]).strftime("%H:%M:%S")
    head = click.style(f"{at} {message['kind']} to {message['to']}", bold=True)
    if message["refused"]:
        head += click.style(f" (not delivered: {message['refused']})", fg="red")
    lines = [head]
    if message["subject"]:
        lines.append(f"Subject: {message['subject']}")
    return "\n".join([*lines, message["text"].rstrip(), ""])

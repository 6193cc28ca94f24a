"""Explanations as people read them: one screen, colours only where they are seen."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime
from typing import Any

import click

WIDTH = 100
VALUES_MAX = 3
"""Values of an element that are written out."""
STATEMENTS_MAX = 6
"""Statements of one policy that are written out; the nearest to matching first."""

LINES_MAX = 8
"""Decisions of one trace that are listed; refusals are listed in any case."""
FULL_MAX = 3
"""Refusals that are explained in full."""

_ORDER = ("Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal")
"""How far a statement came: those that failed at a condition came closest."""

Told = dict[str, Any]


def show_list(told: list[Told]) -> None:
    if not told:
        click.echo("Nothing was refused since the server started.")
    for one in told:
        at = _time(one["at"])
        click.echo(f"{at}  {one['request_id']}  ", nl=False)
        click.secho(one["action"], fg="red", nl=False)
        click.echo(f" on {one['resource']}\n    by {one['principal']}")
    if told:
        click.echo("\nogi explain REQUEST_ID tells why.")


def show(told: list[Told]) -> None:
    """One line for each decision if there are several, and those that matter in full."""
    refused = [one for one in told if not one["allowed"]]
    if len(told) > 1:
        _show_overview(told)
    full = refused[:FULL_MAX] or told[-1:]
    for number, one in enumerate(full):
        if number:
            click.echo()
        _show_one(one)
    if len(refused) > FULL_MAX:
        click.echo(f"\n{len(refused) - FULL_MAX} more refusals: --json has them.")


def _show_overview(told: list[Told]) -> None:
    """All refusals, and of what was allowed no more than fits on the screen."""
    room = LINES_MAX - sum(not one["allowed"] for one in told)
    left_out = 0
    for one in told:
        if one["allowed"] and room <= 0:
            left_out += 1
            continue
        room -= one["allowed"]
        word, colour = ("allowed", "green") if one["allowed"] else ("REFUSED", "red")
        click.secho(word, fg=colour, bold=not one["allowed"], nl=False)
        click.echo(f"  {one['action']} on {one['resource']}\n           by {one['principal']}")
    if left_out:
        click.echo(f"         and {left_out} more that were allowed: --json has them")
    click.echo()


def _show_one(one: Told) -> None:
    if one["allowed"]:
        click.secho("ALLOWED", fg="green", bold=True, nl=False)
    else:
        click.secho("REFUSED", fg="red", bold=True, nl=False)
    click.echo(f"  {one['action']} on {one['resource']}")
    kind = one["principal_kind"]
    click.echo(f"  by       {one['principal']}" + ("" if kind == "anonymous" else f" ({kind})"))
    for word, key in (("for", "aws:SourceArn"), ("through", "kms:ViaService")):
        if one["context"].get(key):
            click.echo(f"  {word:<8} {one['context'][key][0]}")
    if one["trace"]:
        click.echo(f"  request  {one['request_id']} at {_time(one['at'])}, trace {one['trace']}")
    if one["message"]:
        _say("  told     ", one["message"])
    _say("  because  ", one["reason"])
    click.echo("\nLooked at, in this order (a deny anywhere wins):")
    for number, section in enumerate(one["sections"], 1):
        _show_section(number, section)
    if not one["sections"]:
        click.echo("  nothing: no policy speaks of it")
    if one["advice"] or one["obstacle"]:
        _show_advice(one)


def _show_section(number: int, section: Told) -> None:
    verdict = section["verdict"]
    colour = {"allows": "green", "denies": "red"}.get(verdict, "yellow")
    click.echo(f"  {number}. {section['place']}: ", nl=False)
    click.secho(verdict, fg=colour)
    telling = [each for each in section["looks"] if each["failed"] not in ("Action", "NotAction")]
    telling.sort(key=_distance)
    for each in telling[:STATEMENTS_MAX]:
        _show_look(each, section["kind"])
    rest = len(section["looks"]) - len(telling[:STATEMENTS_MAX])
    if rest:
        speak = "speaks" if rest == 1 else "speak"
        others = "statement" if rest == 1 else "statements"
        more = "" if len(telling) <= STATEMENTS_MAX else " or of other resources"
        click.echo(f"       {rest} {others} {speak} of other actions{more}")


def _distance(each: Told) -> int:
    failed = each["failed"]
    if not failed:
        return -2
    return -1 if failed not in _ORDER else len(_ORDER) - _ORDER.index(failed)


def _show_look(each: Told, kind: str) -> None:
    name = f"{each['effect']} {each['statement']!r}"
    if kind == "identity-based policy":
        name += f" of {each['source'].partition(' of ')[0]}"
    if not each["failed"]:
        click.secho(f"       {name}: matches", fg="green" if each["effect"] == "Allow" else "red")
        return
    click.echo(f"       {name}: {each['failed']} does not match")
    wanted = each["wanted"]
    texts = ", ".join(wanted[:VALUES_MAX])
    if len(wanted) > VALUES_MAX:
        texts += f" and {len(wanted) - VALUES_MAX} more"
    seen = each["seen"]
    saw = "nothing, the request has no such key" if seen is None else ", ".join(seen[:VALUES_MAX])
    _say("         it says   ", texts)
    _say("         it saw    ", saw or "an empty value")


def _show_advice(one: Told) -> None:
    click.echo()
    if one["obstacle"]:
        _say("What to do: ", one["obstacle"])
    for number, each in enumerate(one["advice"]):
        click.secho("and add" if number else "To allow it, add", bold=True, nl=False)
        click.echo(f" to the {each['place']}" + (f" ({each['how']})" if each["how"] else ""))
        click.echo(textwrap.indent(json.dumps(each["statement"], indent=2), "  "))
        if each["command"]:
            click.echo(f"  by: {each['command']}")
    if one["allowed_now"]:
        click.secho("By the policies as they are now it is allowed.", fg="green")


def _say(head: str, text: str) -> None:
    """A paragraph that hangs under its head; ARNs are not broken."""
    lines = textwrap.wrap(
        text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False
    ) or [""]  # fmt: skip
    click.echo(head + ("\n" + " " * len(head)).join(lines))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

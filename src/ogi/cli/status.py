"""`ogi status`: is it there, and what is it?"""

from __future__ import annotations

import click

from ogi.cli.servers import ask, endpoint_option


@click.command()
@endpoint_option
def status(endpoint: str) -> None:
    """Say what runs at the endpoint; exit with 1 if nothing does."""
    found = ask(endpoint, "/_ogi/status")
    kind = ", compiled" if found["compiled"] else ""
    click.echo(f"Ogi {found['version']}{kind} at {found['endpoint']}")
    kind = "ephemeral data" if found["ephemeral"] else "data"
    click.echo(f"  {kind} in {found['data']}")
    click.echo(f"  account {found['account']}, region {found['region']} unless a client says other")
    click.echo(f"  functions run under: {found['isolation']}")
    names = ", ".join(f"{name} ({count})" for name, count in found["services"].items())
    click.echo(f"  services (operations): {names}")

"""`ogi env`: the exports that point the AWS CLI and the SDKs at the server."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ogi import connection_file
from ogi.cli.servers import data_option


@click.command()
@data_option
def env(data: Path) -> None:
    """Print the exports for a shell: eval "$(ogi env)".

    The credentials are those of the IAM user `admin`, which the server makes at its first start.
    """
    found = connection_file.read(data)
    if found is None:
        raise click.ClickException(
            f"{data} has no credentials yet: they are made when `ogi serve` starts for the first"
            " time. Start it, or name its folder with --data."
        )
    values = {
        "AWS_ENDPOINT_URL": found.endpoint,
        "AWS_ACCESS_KEY_ID": found.access_key_id,
        "AWS_SECRET_ACCESS_KEY": found.secret_access_key,
        "AWS_DEFAULT_REGION": found.region,
    }
    if found.authority:
        values["AWS_CA_BUNDLE"] = found.authority
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")

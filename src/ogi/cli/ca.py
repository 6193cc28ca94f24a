"""`ogi ca`: the certificate of the server's own authority, for clients that are to trust it."""

from __future__ import annotations

from pathlib import Path

import click

from ogi.cli.servers import data_option

NAME = "ca.pem"


@click.command()
@click.option("--path", "only_path", is_flag=True, help="Print where the file is instead.")
@data_option
def ca(data: Path, only_path: bool) -> None:
    """Print the certificate of the server's own authority, in PEM.

    The authority is made when `ogi serve` first starts with --tls-generated or --proxy-port. It can
    sign for AWS's names, this machine, private addresses and the endpoint's host alone.

    \b
      export NODE_EXTRA_CA_CERTS="$(ogi ca --path)"     Node
      export REQUESTS_CA_BUNDLE="$(ogi ca --path)"      Python's requests
      export SSL_CERT_FILE="$(ogi ca --path)"           Python's urllib, Go, curl
    """
    path = (data / NAME).resolve()
    if not path.exists():
        raise click.ClickException(
            f"{data} has no authority yet: start `ogi serve` with --tls-generated or --proxy-port,"
            " or name its folder with --data."
        )
    click.echo(str(path) if only_path else path.read_text(), nl=only_path)

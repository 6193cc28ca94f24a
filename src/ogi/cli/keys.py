"""`ogi keys`: the root key of a running server, renewed or moved to another place."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import click

from ogi import roots
from ogi.cli.servers import data_option

SOCKET = "keys.sock"
ANSWER_BYTES_MAX = 64 * 1024
ANSWER_S_MAX = 600.0
"""All keys in records are sealed anew before the answer."""
NEW_PASSPHRASE = "OGI_NEW_PASSPHRASE"
NEW_KEY = "OGI_NEW_ROOT_KEY"
SIZE = f"{roots.PASSPHRASE_CHARACTERS[0]} characters at least"


@click.group()
def keys() -> None:
    """The root key, under which all keys of the data folder are sealed.

    The server must run, and this must be run by its user: the way leads through the data folder.
    """


@keys.command()
@data_option
def status(data: Path) -> None:
    """Say where the root key comes from and how often it was renewed."""
    found = _ask(data, do="status")
    click.echo(f"The root key comes from: {found['kind']}")
    click.echo(f"It was renewed {found.get('generation', 0)} times.")


@keys.command("rotate-root")
@data_option
def rotate_root(data: Path) -> None:
    """Make a new root key, of the same kind, and seal all keys under it.

    \b
    file        a new file replaces the old one
    kms         the KMS makes a new data key
    passphrase  the new one is asked for, or read from OGI_NEW_PASSPHRASE
    env         the new key is read from OGI_NEW_ROOT_KEY

    The server goes on working. Until this command says that it is done, keep the old key and the
    new: if the server dies meanwhile, either may be the one that opens the folder.
    """
    kind = _ask(data, do="status")["kind"]
    _done(_ask(data, do="rotate", secret=_secret(roots.Source(kind))), kind)


@keys.command("move-root")
@click.argument("to", metavar="TO")
@click.option("--kms-endpoint", metavar="URL", default="", help="URL of the KMS; empty: AWS's.")
@click.option("--kms-region", default="", help="Region of the KMS.")
@data_option
def move_root(to: str, kms_endpoint: str, kms_region: str, data: Path) -> None:
    """Make a new root key at another place, TO, and seal all keys under it.

    TO is what `ogi serve --root-key` takes from then on: `file`, `file:PATH`, `env`, `env:NAME`,
    `passphrase`, `passphrase:PATH` or `kms:KEY`. A new passphrase is asked for, or read from
    OGI_NEW_PASSPHRASE; a new key for the environment is read from OGI_NEW_ROOT_KEY.
    """
    try:
        source = roots.parse(to, kms_endpoint, kms_region)
    except roots.RootError as error:
        raise click.ClickException(str(error)) from error
    if source.kind in ("file", "passphrase") and source.where:
        # The server's working folder may be another.
        to = f"{source.kind}:{Path(source.where).resolve()}"
    found = _ask(
        data, do="move", to=to, endpoint=kms_endpoint, region=kms_region, secret=_secret(source)
    )
    _done(found, to)


def _done(found: dict[str, Any], to: str) -> None:
    count = found.get("rewrapped", 0)
    click.echo(f"Done: a new root key, and {count} records with keys sealed anew.")
    if found["kind"] != "file" or ":" in to:
        click.echo(f"Start the server with `--root-key {to}` and the new key from now on.")


def _secret(source: roots.Source) -> str | None:
    """What its owner must say of a new root key of this kind."""
    if source.kind == "env":
        key = os.environ.get(NEW_KEY)
        if not key:
            raise click.ClickException(
                f"Put the new key into {NEW_KEY}: 32 bytes in base64 or hexadecimal"
                " (`openssl rand -base64 32`)."
            )
        return key
    if source.kind != "passphrase":
        return None
    if source.where:
        try:
            return Path(source.where).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise click.ClickException(f"{source.where} cannot be read: {error}") from error
    given = os.environ.get(NEW_PASSPHRASE)
    if given:
        return given
    asked: str = click.prompt(
        f"New passphrase ({SIZE})", hide_input=True, confirmation_prompt=True, err=True
    )
    return asked


def _ask(data: Path, **asked: Any) -> dict[str, Any]:
    """One request to the server of a data folder; a ClickException says why there is no answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_S_MAX)
            connection.connect(str(data / SOCKET))
            connection.sendall(json.dumps(asked).encode() + b"\n")
            raw = b""
            while not raw.endswith(b"\n") and len(raw) <= ANSWER_BYTES_MAX:
                piece = connection.recv(ANSWER_BYTES_MAX)
                if not piece:
                    break
                raw += piece
    except OSError as error:
        raise click.ClickException(
            f"No server works on {data} ({error}). Start it with `ogi serve`, or name its folder"
            " with --data."
        ) from error
    try:
        found: dict[str, Any] = json.loads(raw)
    except ValueError as error:
        raise click.ClickException(
            "The server went away before it answered. Keep the old root key and the new: start it"
            " with either."
        ) from error
    if found.get("error"):
        raise click.ClickException(found["error"])
    return found

"""A running server as the other commands see it: where it is, and with what to sign."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click

from ogi import connection_file

DEFAULT_ENDPOINT = "http://127.0.0.1:4566"
TIMEOUT_S = 10.0


def endpoint_option(command: Any) -> Any:
    return click.option(
        "--endpoint", envvar="AWS_ENDPOINT_URL", default=DEFAULT_ENDPOINT, show_default=True,
        help="Where the server is.",
    )(command)  # fmt: skip


def data_option(command: Any) -> Any:
    return click.option(
        "--data", default=Path(".ogi"), show_default=True, type=click.Path(path_type=Path),
        help="The server's data folder, which holds the administrator's credentials.",
    )(command)  # fmt: skip


def ask(endpoint: str, path: str) -> Any:
    """The JSON of one of the server's own pages; a ClickException says why there is none."""
    try:
        url = f"{endpoint.rstrip('/')}{path}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S, context=_trust()) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{endpoint}{path} answers {error.code}.") from error
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"No Ogi answers at {endpoint}. Start one with `ogi serve`, or name it with --endpoint."
        ) from error


def _trust() -> ssl.SSLContext:
    """The authorities that AWS's own clients trust: the AWS CLI's variable counts here, too."""
    try:
        return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
    except OSError as error:
        raise click.ClickException(f"AWS_CA_BUNDLE cannot be read: {error}") from error


def client(service: str, endpoint: str, data: Path) -> Any:
    """A boto3 client with the environment's credentials, else the data folder's."""
    import boto3

    given: dict[str, str] = {}
    if "AWS_ACCESS_KEY_ID" not in os.environ:
        found = connection_file.read(data)
        if found is None:
            raise click.ClickException(
                f"There are no credentials in {data} and none in the environment. Name the server's"
                ' folder with --data, or run eval "$(ogi env)" first.'
            )
        given = {
            "aws_access_key_id": found.access_key_id,
            "aws_secret_access_key": found.secret_access_key,
        }
    region = os.environ.get("AWS_DEFAULT_REGION") or ask(endpoint, "/_ogi/status")["region"]
    return boto3.client(service, endpoint_url=endpoint, region_name=region, **given)

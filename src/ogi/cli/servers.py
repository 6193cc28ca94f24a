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
    return _answer(endpoint, urllib.request.Request(f"{endpoint.rstrip('/')}{path}"))


def ask_signed(endpoint: str, data: Path, method: str, path: str, body: bytes | None = None) -> Any:
    """The JSON of one of the server's pages that want to know who asks."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    headers = {} if body is None else {"content-type": "application/json"}
    url = f"{endpoint.rstrip('/')}{path}"
    signed = AWSRequest(method, url, headers, body or b"")
    SigV4Auth(_credentials(data), "ogi", _region(endpoint)).add_auth(signed)
    request = urllib.request.Request(url, body, dict(signed.headers), method=method)
    return _answer(endpoint, request)


def _answer(endpoint: str, request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=_trust()) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read()
        try:
            told = json.loads(said)["message"]
        except (KeyError, TypeError, ValueError):
            told = f"{request.full_url} answers {error.code}."
        raise click.ClickException(told) from error
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

    found = _credentials(data)
    return boto3.client(
        service, endpoint_url=endpoint, region_name=_region(endpoint),
        aws_access_key_id=found.access_key, aws_secret_access_key=found.secret_key,
        aws_session_token=found.token,
    )  # fmt: skip


def _credentials(data: Path) -> Any:
    """The environment's, else those of the data folder."""
    from botocore.credentials import Credentials

    key = os.environ.get("AWS_ACCESS_KEY_ID")
    if key is not None:
        secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
        return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
    found = connection_file.read(data)
    if found is None:
        raise click.ClickException(
            f"There are no credentials in {data} and none in the environment. Name the server's"
            ' folder with --data, or run eval "$(ogi env)" first.'
        )
    return Credentials(found.access_key_id, found.secret_access_key)


def _region(endpoint: str) -> str:
    region: str | None = os.environ.get("AWS_DEFAULT_REGION")
    return region or ask(endpoint, "/_ogi/status")["region"]

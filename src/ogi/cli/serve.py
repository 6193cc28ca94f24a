"""`ogi serve`: run the server until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import uvloop

from ogi import roots
from ogi.cli.lines import Lines
from ogi.mail import SECURITIES
from ogi.settings import Settings

SWITCH_S = 0.0005
"""How long a thread keeps the interpreter's lock: the commit thread must not wait for 5 ms."""

GC_THRESHOLDS = (50_000, 20, 50)
"""Requests make few cycles; the default of 700 objects would look after every few of them."""

KEYRING = "keyring.json"

_HELP = {field.name: field.metadata["help"] for field in fields(Settings)}


def _path(**rest: Any) -> click.Path:
    return click.Path(path_type=Path, **rest)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help=_HELP["host"])
@click.option("--port", default=4566, show_default=True, help=_HELP["port"])
@click.option("--data", default=Path(".ogi"), show_default=True, type=_path(), help=_HELP["data"])
@click.option("--ephemeral", is_flag=True, help=_HELP["ephemeral"])
@click.option("--account", default="000000000000", show_default=True, help=_HELP["account"])
@click.option("--region", default="us-east-1", show_default=True, help=_HELP["region"])
@click.option("--credentials", metavar="KEY:SECRET", default="", help=_HELP["credentials"])
@click.option("--force-weak-credentials", is_flag=True, help=_HELP["force_weak_credentials"])
@click.option("--seed", type=_path(exists=True, dir_okay=False), help=_HELP["seed"])
@click.option("--root-key", metavar="FROM", default="file", show_default=True,
              help=_HELP["root_key"])  # fmt: skip
@click.option("--root-kms-endpoint", metavar="URL", default="", help=_HELP["root_kms_endpoint"])
@click.option("--root-kms-region", metavar="REGION", default="", help=_HELP["root_kms_region"])
@click.option("--tls-certificate", type=_path(exists=True), help=_HELP["tls_certificate"])
@click.option("--tls-key", type=_path(exists=True), help=_HELP["tls_key"])
@click.option("--tls-generated", is_flag=True, help=_HELP["tls_generated"])
@click.option("--proxy-port", type=int, help=_HELP["proxy_port"])
@click.option("--require-isolation", is_flag=True, help=_HELP["require_isolation"])
@click.option(
    "--function-network", type=click.Choice(["ogi", "host"]), default="ogi", show_default=True,
    help=_HELP["function_network"],
)  # fmt: skip
@click.option("--endpoint", metavar="URL", default="", help=_HELP["endpoint"])
@click.option("--oidc-http", is_flag=True, help=_HELP["oidc_http"])
@click.option("--oidc-networks", metavar="CIDR,...", default="", help=_HELP["oidc_networks"])
@click.option("--sns-url", metavar="URL", default="", help=_HELP["sns_url"])
@click.option("--sns-networks", metavar="CIDR,...", default="", help=_HELP["sns_networks"])
@click.option("--sns-quotas", metavar="NAME=NUMBER,...", default="", help=_HELP["sns_quotas"])
@click.option("--sqs-quotas", metavar="aws,NAME=NUMBER,...", default="", help=_HELP["sqs_quotas"])
@click.option("--sqs-pause-s", type=click.IntRange(min=0), default=60, show_default=True,
              help=_HELP["sqs_pause_s"])  # fmt: skip
@click.option(
    "--audit", type=click.Choice(["off", "management", "all"]), default="management",
    show_default=True, help=_HELP["audit"],
)  # fmt: skip
@click.option("--audit-exclude", metavar="SOURCES", default="", help=_HELP["audit_exclude"])
@click.option("--audit-log-group", metavar="NAME", default="", help=_HELP["audit_log_group"])
@click.option("--audit-bytes-max", type=click.IntRange(min=4096), default=64 * 1024 * 1024,
              show_default=True, help=_HELP["audit_bytes_max"])  # fmt: skip
@click.option("--audit-files-max", type=click.IntRange(min=1), default=8, show_default=True,
              help=_HELP["audit_files_max"])  # fmt: skip
@click.option("--smtp-host", metavar="HOST", default="", help=_HELP["smtp_host"])
@click.option("--smtp-port", default=587, show_default=True, help=_HELP["smtp_port"])
@click.option(
    "--smtp-security", type=click.Choice(SECURITIES), default="starttls", show_default=True,
    help=_HELP["smtp_security"],
)  # fmt: skip
@click.option("--smtp-user", metavar="NAME", default="", help=_HELP["smtp_user"])
@click.option("--smtp-password-file", type=_path(exists=True, dir_okay=False),
              help=_HELP["smtp_password_file"])  # fmt: skip
@click.option("--smtp-from", metavar="ADDRESS", default="", help=_HELP["smtp_from"])
@click.option("--smtp-ca", type=_path(exists=True, dir_okay=False), help=_HELP["smtp_ca"])
@click.option("--links", metavar="URL", default="", help=_HELP["links"])
@click.option("--sms-sandbox", is_flag=True, help=_HELP["sms_sandbox"])
@click.option("--sns-authorities", type=_path(exists=True, dir_okay=False),
              help=_HELP["sns_authorities"])  # fmt: skip
@click.option("--log-level", default="WARNING", show_default=True,
              type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))  # fmt: skip
def serve(log_level: str, **options: Any) -> None:
    """Start the server.

    Prints one line with the endpoint when it is ready. SIGTERM lets requests in progress end and
    exits with 0. What was acknowledged is on disk, so that even SIGKILL loses nothing.
    """
    events = logging.StreamHandler()
    events.setFormatter(Lines())
    logging.basicConfig(level=log_level, handlers=[events])
    if options["credentials"] and ":" not in options["credentials"]:
        raise click.BadParameter("give KEY:SECRET, e.g. test:test", param_hint="--credentials")
    # Taken out of the environment, which the processes that run functions may inherit.
    options["smtp_password"] = os.environ.pop("OGI_SMTP_PASSWORD", "")
    if options["root_key"] == "passphrase":
        _ask_passphrase(options["data"])
    sys.setswitchinterval(SWITCH_S)
    code = uvloop.run(_run(Settings(**options)))
    raise SystemExit(code)


def _ask_passphrase(data: Path) -> None:
    """On a terminal, ask for the passphrase of the root key; twice where it is a new one."""
    if roots.PASSPHRASE_VARIABLE in os.environ or not sys.stdin.isatty():
        return
    os.environ[roots.PASSPHRASE_VARIABLE] = click.prompt(
        "Passphrase of the root key", hide_input=True, err=True,
        confirmation_prompt=not (data / KEYRING).exists(),
    )  # fmt: skip


async def _run(settings: Settings) -> int:
    from ogi.app import Ogi, StartError
    from ogi.storage.sqlite import DataFolderError

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        ogi = await Ogi.start(settings)
    except (StartError, DataFolderError) as error:
        click.echo(f"ogi: {error}", err=True)
        return 1
    sandbox = ogi.ports.sandbox
    if sandbox is not None:
        alarming = sandbox.isolation == "process"
        click.secho(sandbox.describe(), err=True, fg="red" if alarming else None, bold=alarming)
    if ogi.proxy_port:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        click.echo(f"HTTPS proxy for AWS's names at http://{host}:{ogi.proxy_port}", err=True)
    fate = ", removed at the end" if settings.ephemeral else ""
    click.echo(f"Ogi is ready at {ogi.endpoint} (data in {ogi.settings.data}{fate})")
    # What is here now stays: let the collector look at it no more, and at the rest less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    stopped = asyncio.create_task(stop.wait())
    lost = asyncio.create_task(ogi.ports.store.lost())
    await asyncio.wait({stopped, lost}, return_when=asyncio.FIRST_COMPLETED)
    if lost.done():
        click.echo(
            f"ogi: nothing can be written any more: {lost.result()}. What was answered is kept:"
            " start Ogi again.",
            err=True,
        )
        await ogi.stop(drain_s=0)
        return os.EX_SOFTWARE
    lost.cancel()
    click.echo("Stopping: requests in progress may end.", err=True)
    await ogi.stop()
    return 0

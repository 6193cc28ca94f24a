"""The `ogi` command. A subcommand is imported when it is asked for, since `ogi serve` must not wait
for what the others need (click.palletsprojects.com, "Lazily Loading Subcommands").
"""

from __future__ import annotations

from importlib import import_module

import click

from ogi import __version__

__all__ = ["main"]

COMMANDS = (
    "serve", "env", "ca", "demo", "keys", "logs", "explain", "outbox", "lint", "status",
)  # fmt: skip
"""Each is a module of this package with a command of its own name."""


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"ogi.cli.{name}"), name)
        return command


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="ogi")
def main() -> None:
    """Ogi: the event fan-out S3 -> SNS -> SQS -> Lambda as software that you own.

    Speaks AWS's wire protocols, so that the AWS CLI, boto3 and every SDK work unmodified:

    \b
      ogi serve                 start the server (data in ./.ogi)
      eval "$(ogi env)"         point the AWS CLI and the SDKs at it
      aws s3 mb s3://hello      use it
      ogi lint template.yaml    what would go wrong on the way?
      ogi explain --last        why was it refused, and what would allow it?
      ogi demo                  see the whole chain run, with a server of its own
    """

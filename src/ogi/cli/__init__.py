"""The `ogi` command."""

from __future__ import annotations

import click

from ogi import __version__
from ogi.cli.ca import ca
from ogi.cli.demo import demo
from ogi.cli.env import env
from ogi.cli.explain import explain
from ogi.cli.keys import keys
from ogi.cli.lint import lint
from ogi.cli.logs import logs
from ogi.cli.outbox import outbox
from ogi.cli.serve import serve
from ogi.cli.status import status

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


main.add_command(serve)
main.add_command(env)
main.add_command(ca)
main.add_command(demo)
main.add_command(keys)
main.add_command(logs)
main.add_command(explain)
main.add_command(outbox)
main.add_command(lint)
main.add_command(status)

"""`ogi explain`: why a request or a hop was allowed or refused, and what would allow it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from ogi.cli import verdicts
from ogi.cli.servers import ask_signed, data_option, endpoint_option

LISTED = 10
REFUSED_EXIT = 2


@click.command(epilog="Needs permission for the action ogi:Explain, which administrators have.")
@click.argument("request_id", required=False, metavar="[REQUEST_ID]")
@click.option("--last", is_flag=True, help="The latest refusal, whoever's it was.")
@click.option("--principal", metavar="ARN", help="Who would ask: the ARN of a user, a role, a"
              " session; a service like sns.amazonaws.com; or anonymous.")  # fmt: skip
@click.option("--action", metavar="SERVICE:ACTION", help="What would be asked: sqs:SendMessage.")
@click.option("--resource", metavar="ARN", default="*", show_default=True,
              help="On what it would be asked.")  # fmt: skip
@click.option("--context", "pairs", metavar="KEY=VALUE", multiple=True,
              help="A condition key, e.g. aws:SourceArn=arn:aws:sns:...; again for a further key or"
              " a further value.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Everything that is known, as JSON.")
@click.option("--exit-code", is_flag=True, help=f"Exit with {REFUSED_EXIT} if it is refused.")
@endpoint_option
@data_option
def explain(
    request_id: str | None, last: bool, principal: str | None, action: str | None, resource: str,
    pairs: tuple[str, ...], as_json: bool, exit_code: bool, endpoint: str, data: Path,
) -> None:  # fmt: skip
    """Say why a request or a hop was allowed or refused, and what would allow it.

    \b
      ogi explain                    the latest refusals, one line each
      ogi explain --last             the latest one in full
      ogi explain REQUEST_ID         what was decided about a request (the id of the answer, or
                                     of a trace), and about the hops that followed from it
      ogi explain --principal sns.amazonaws.com --action sqs:SendMessage \\
          --resource arn:aws:sqs:eu-west-1:000000000000:orders \\
          --context aws:SourceArn=arn:aws:sns:eu-west-1:000000000000:news
                                     what would be decided, without asking for it

    Tells the policies that were looked at, which statements matched, and of the others the element
    that did not: the action, the resource, the principal, or a condition with the value that it
    saw. Then the smallest statement that would allow it, and where to put it; it was tried before
    it is shown. A refusal is explained by the policies as they were when it fell.

    Hops are requests, too: S3 that publishes, SNS that sends, a service or a role that uses a key.
    They appear under the request from which they followed. The latest thousand refusals and two
    thousand allowed requests are remembered, until the server ends.
    """
    supposed = principal is not None or action is not None
    if sum((request_id is not None, last, supposed)) > 1:
        raise click.UsageError("Give a REQUEST_ID, or --last, or --principal and --action.")
    if supposed and (principal is None or action is None):
        raise click.UsageError("A hypothetical request needs both --principal and --action.")
    if supposed:
        asked = {
            "principal": principal, "action": action, "resource": resource,
            "context": _context(pairs),
        }  # fmt: skip
        found = ask_signed(endpoint, data, "POST", "/_ogi/explain", json.dumps(asked).encode())
    elif request_id is not None:
        found = ask_signed(endpoint, data, "GET", f"/_ogi/explain?id={quote(request_id, safe='')}")
    else:
        found = ask_signed(endpoint, data, "GET", f"/_ogi/explain?last={1 if last else LISTED}")
    told: list[dict[str, Any]] = found["explanations"]
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    elif request_id is None and not last and not supposed:
        verdicts.show_list(told)
    elif not told:
        raise click.ClickException(
            "Nothing was refused since the server started." if last else
            f"Nothing is remembered about {request_id}: the server remembers its latest requests,"
            " and no decision is made about a request whose signature is refused."
        )  # fmt: skip
    else:
        verdicts.show(told)
    if exit_code and any(not one["allowed"] for one in told):
        raise SystemExit(REFUSED_EXIT)


def _context(pairs: tuple[str, ...]) -> dict[str, list[str]]:
    context: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair} is not KEY=VALUE", param_hint="--context")
        context.setdefault(key, []).append(value)
    return context

"""`ogi lint`: the pitfalls of a template, before it is deployed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from ogi.cli.servers import client, data_option, endpoint_option

WARNINGS_EXIT, ERRORS_EXIT, UNCHECKED_EXIT = 1, 2, 3
FORMATS = ("text", "json", "parseable", "junit", "sarif")
_EPILOG = (
    f"Exits with 0 if there are no errors, with {WARNINGS_EXIT} if there are warnings and --strict"
    f" is given, with {ERRORS_EXIT} if there are errors, with {UNCHECKED_EXIT} if nothing could be"
    " checked."
)


class Unchecked(click.ClickException):
    exit_code = UNCHECKED_EXIT


@click.command(epilog=_EPILOG)
@click.argument("what", metavar="STACK|TEMPLATE", required=False)
@click.option("--parameter", "pairs", metavar="NAME=VALUE", multiple=True,
              help="A parameter's value, instead of its default; again for more.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@click.option("--ignore", metavar="ID", multiple=True, help="Leave a rule out, e.g. W9013.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True,
              help="text says how to mend it; json has the same as data; the others are cfn-lint's"
              " own.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--rules", "list_rules", is_flag=True, help="List what is looked for, and stop.")
@endpoint_option
@data_option
def lint(
    what: str | None, pairs: tuple[str, ...], strict: bool, ignore: tuple[str, ...], form: str,
    as_json: bool, list_rules: bool, endpoint: str, data: Path,
) -> None:  # fmt: skip
    """Find what would go wrong on the way S3 -> SNS -> SQS -> Lambda, before it is deployed.

    \b
      ogi lint template.yaml         a file (YAML or JSON; - reads standard input), offline
      ogi lint my-stack              a stack that is deployed, with its parameters' values
      ogi lint --rules               what is looked for

    The template is deployed on paper, and the evaluator that decides on every request of the
    server is asked whether each hop would be let through: by the topic's and the queue's policy,
    by the keys that encrypt them, by the function's role. Timeouts, tries, retention and
    concurrency are compared with what AWS advises, and policies are looked at for doors that stand
    open. Each finding has its line, the reason with AWS's page, and the fix.

    The rules are cfn-lint's in form: templates suppress them as usual (Metadata: cfn-lint: config:
    ignore_checks: [W9013]), and `cfn-lint -a ogi.lint.rules template.yaml` runs them along with
    cfn-lint's own. Needs cfn-lint, which is left out for its size: pip install cfn-lint.
    """
    from ogi.lint.catalogue import ALL

    if list_rules:
        for rule in ALL.values():
            click.echo(f"{rule.id}  {rule.title}\n       {rule.page}")
        return
    if what is None:
        raise click.UsageError("Name a template or a stack.")
    unknown = set(ignore) - set(ALL)
    if unknown:
        raise click.BadParameter(f"There is no rule {', '.join(sorted(unknown))}; --rules lists"
                                 " them.", param_hint="--ignore")  # fmt: skip
    engine = _engine()
    given = _pairs(pairs)
    text, name, known = _template(what, endpoint, data)
    if len(text.encode()) > engine.TEMPLATE_BYTES_MAX:
        raise Unchecked(f"{name} is larger than {engine.TEMPLATE_BYTES_MAX} bytes.")
    known["given"] = {**known.get("given", {}), **given}
    try:
        found = [one for one in engine.run(text, name, **known) if one.rule.id not in ignore]
    except engine.NoTemplate as error:
        raise Unchecked(str(error)) from error
    _show("json" if as_json else form, found, name)
    if any(one.rule.id.startswith("E") for one in found):
        raise SystemExit(ERRORS_EXIT)
    if strict and found:
        raise SystemExit(WARNINGS_EXIT)


def _engine() -> Any:
    try:
        from ogi.lint import engine
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("cfnlint"):
            raise
        raise Unchecked(
            "ogi lint needs cfn-lint, which is left out for its size: pip install cfn-lint"
        ) from error
    return engine


def _pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair} is not NAME=VALUE", param_hint="--parameter")
        given[name] = value
    return given


def _template(what: str, endpoint: str, data: Path) -> tuple[str, str, dict[str, Any]]:
    """The text, how to call it, and what is known of where it is deployed."""
    if what == "-":
        return sys.stdin.read(), "<stdin>", {}
    path = Path(what)
    if path.is_file():
        try:
            return path.read_text("utf-8"), what, {}
        except (OSError, UnicodeDecodeError) as error:
            raise Unchecked(f"{what} cannot be read: {error}") from error
    if not re.fullmatch(r"[A-Za-z][-A-Za-z0-9]*|arn:[-:/A-Za-z0-9]+", what):
        raise Unchecked(f"There is no file {what}, and no stack can be called so.")
    return _deployed(what, endpoint, data)


def _deployed(name: str, endpoint: str, data: Path) -> tuple[str, str, dict[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    stacks = client("cloudformation", endpoint, data)
    try:
        body = stacks.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        said = error.response["Error"]["Message"]
        raise Unchecked(f"There is no file {name}, and as to the stack: {said}") from error
    except BotoCoreError as error:
        raise Unchecked(f"The stack {name} cannot be read: {error}") from error
    _, _, _, region, account, _ = stack["StackId"].split(":", 5)
    given = {
        each["ParameterKey"]: each["ParameterValue"]
        for each in stack.get("Parameters", ())
        if each["ParameterValue"] != "****"  # NoEcho: nobody is told.
    }
    text = body if isinstance(body, str) else json.dumps(body, indent=2)
    return text, f"stack {name}", {"account": account, "region": region, "given": given}


# -- output ---------------------------------------------------------------------------------------


def _show(form: str, found: list[Any], name: str) -> None:
    if form == "json":
        click.echo(json.dumps([_data(one, name) for one in found], indent=2))
    elif form == "text":
        _show_text(found, name)
    else:
        click.echo(_formatted(form, found, name))


def _show_text(found: list[Any], name: str) -> None:
    for one in found:
        error = one.rule.id.startswith("E")
        click.secho(f"{name}:{one.linenumber}:{one.columnnumber}", bold=True, nl=False)
        click.secho(f" {one.rule.severity}", fg="red" if error else "yellow", nl=False)
        click.echo(f" {one.rule.id}: {one.message}")
        fix = getattr(one, "fix", "")
        for number, line in enumerate(fix.splitlines()):
            click.echo(("    fix: " if number == 0 else "         ") + line)
        if one.rule.source_url:
            click.secho(f"    {one.rule.source_url}", dim=True)
    errors = sum(one.rule.id.startswith("E") for one in found)
    if found:
        click.echo(f"\n{_count(errors, 'error')}, {_count(len(found) - errors, 'warning')}")
    else:
        click.secho(f"{name}: no pitfalls found", fg="green")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _data(one: Any, name: str) -> dict[str, Any]:
    path = [] if one.rule.id == "W9020" else list(getattr(one, "path", ()))
    return {
        "id": one.rule.id,
        "level": one.rule.severity,
        "file": name,
        "line": one.linenumber,
        "column": one.columnnumber,
        "path": path,
        "message": one.message,
        "fix": getattr(one, "fix", ""),
        "page": one.rule.source_url,
    }


def _formatted(form: str, found: list[Any], name: str) -> str:
    from dataclasses import replace

    from cfnlint import formatters
    from cfnlint.config import ConfigMixIn

    makers = {
        "parseable": "ParseableFormatter", "junit": "JUnitFormatter", "sarif": "SARIFFormatter",
    }  # fmt: skip
    from ogi.lint.rules import as_collection

    matches = [replace(one, filename=name, rulematch_obj=None) for one in found]
    # All rules were looked at, and what cfn-lint itself says of a template that it cannot read.
    rules = as_collection()
    for one in found:
        if one.rule.id not in rules:
            rules[one.rule.id] = one.rule
    rules.used_rules.update(rules.items())
    try:
        text = getattr(formatters, makers[form])().print_matches(matches, rules, ConfigMixIn([]))
    except ImportError as error:
        raise Unchecked(f"--format {form} needs pip install 'cfn-lint[{form}]'") from error
    return str(text or "")

"""Outputs and exports: what a stack tells, and what other stacks may import by name.

An export's name is unique in its account and region, and stays while another stack imports it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

from __future__ import annotations

from collections.abc import Iterable

from ogi.service import Call
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.functions import Scope, evaluate
from ogi.services.cloudformation.goals import Goal
from ogi.services.cloudformation.records import (
    EXPORTS,
    IMPORTS,
    Export,
    Import,
    Stack,
    StackOutput,
)
from ogi.services.cloudformation.values import is_known, text_of
from ogi.storage import Home, Reader, Transaction
from ogi.storage.keys import texts

IMPORTERS_MAX = 1000


def value_of(tx: Reader, home: Home, name: str) -> str | None:
    export = EXPORTS.get(tx, home, name)
    return None if export is None else export.value


def importers(tx: Reader, home: Home, name: str) -> list[str]:
    """Names of the stacks that import it."""
    rows = IMPORTS.scan(tx, home, name, limit=IMPORTERS_MAX)
    return sorted({row.stack_name for _, row in rows})


def outputs(goal: Goal, scope: Scope) -> tuple[StackOutput, ...]:
    """The outputs' values, once all resources are there."""
    found = []
    for output in goal.outputs:
        value = evaluate(output.value, scope)
        if not is_known(value) or isinstance(value, (dict, list)):
            raise ValidationError(
                f"Template format error: Output {output.key} is malformed. The Value field of every"
                " Outputs member must evaluate to a String."
            )
        name = "" if output.export is None else evaluate(output.export, scope)
        if not isinstance(name, str):
            raise ValidationError(f"Output {output.key}: Export Name must be a String.")
        found.append(StackOutput(output.key, text_of(value), output.description, name))
    return tuple(found)


def publish(
    tx: Transaction, call: Call, stack: Stack, goal: Goal, told: tuple[StackOutput, ...]
) -> None:
    """Make the stack's exports and imports what its new version says."""
    home = call.home
    wanted = {output.export: output.value for output in told if output.export}
    for name in wanted:
        taken = EXPORTS.get(tx, home, name)
        if taken is not None and taken.stack != stack.uuid:
            other = taken.stack_arn.split("/")[1]
            raise ValidationError(f"Export with name {name} is already exported by stack {other}.")
    gone = [o.export for o in stack.outputs if o.export and o.export not in wanted]
    check_unused(tx, home, gone, "deleted")
    moved = [o.export for o in stack.outputs if o.export in wanted and wanted[o.export] != o.value]
    check_unused(tx, home, moved, "updated")
    for name in gone:
        EXPORTS.delete(tx, home, name)
    for name, value in wanted.items():
        EXPORTS.put(tx, Export(stack.uuid, stack.arn, value), home, name)
    follow(tx, call, stack, goal.imports)


def follow(tx: Transaction, call: Call, stack: Stack, names: Iterable[str]) -> None:
    """Remember that the stack imports `names`, and nothing else."""
    prefix_rows = IMPORTS.scan(tx, call.home, limit=IMPORTERS_MAX)
    wanted = set(names)
    for rest, _ in prefix_rows:
        name, uuid = texts(rest)
        if uuid == stack.uuid and name not in wanted:
            IMPORTS.delete(tx, call.home, name, uuid)
    for name in wanted:
        IMPORTS.put(tx, Import(stack.name), call.home, name, stack.uuid)


def check_unused(tx: Reader, home: Home, names: Iterable[str], verb: str) -> None:
    reason = in_use(tx, home, names, verb)
    if reason:
        raise ValidationError(reason)


def in_use(tx: Reader, home: Home, names: Iterable[str], verb: str) -> str:
    """Why exports cannot be deleted or updated; '' if they can."""
    for name in names:
        *others, last = importers(tx, home, name) or [""]
        if last:
            users = f"{', '.join(others)} and {last}" if others else last
            return f"Export {name} cannot be {verb} as it is in use by {users}"
    return ""


def withdraw(tx: Transaction, call: Call, stack: Stack) -> None:
    """A stack that goes takes its exports and imports with it."""
    for output in stack.outputs:
        if output.export:
            EXPORTS.delete(tx, call.home, output.export)
    follow(tx, call, stack, ())

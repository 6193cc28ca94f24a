"""The page that says which operations of AWS Ogi has: the models beside what services registered.

Whoever calls this brings the services as plain data; the wire knows no service.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from ogi.wire import quirks
from ogi.wire.models import Model, load
from ogi.wire.routing import SERVICES

Registered = Mapping[str, Collection[str]]
"""Operations by name, with the members of their input that they refuse."""

_HEAD = """\
# What Ogi does of AWS

Made by `make coverage` from AWS's service models (as botocore {version} ships them) and from what
the services registered; a test fails when this page is old. An operation that is not here yet is
answered `NotImplemented` with its name, and so is a member that is listed as refused: nothing is
accepted and then ignored.
"""


class CoverageError(Exception):
    """A service registered what its model does not have."""


class _Row(msgspec.Struct, frozen=True):
    name: str
    supported: bool
    refused: tuple[str, ...]
    deprecated: bool


def page(
    services: Mapping[str, Registered], version: str, remarks: Mapping[str, str] | None = None
) -> str:
    """The page in Markdown. services: by botocore's names; those that are absent have nothing.

    remarks: by the same names, what is said of a service above its table.
    """
    names = [service.name for service in SERVICES]
    for unknown in sorted(set(services) - set(names)):
        raise CoverageError(f"{unknown} is not in ogi.wire.routing.SERVICES")
    tables = {name: _rows(load(name), services.get(name, {})) for name in names}
    parts = [_HEAD.format(version=version), _totals(tables)]
    told = remarks or {}
    parts += (_table(load(name), rows, told.get(name, "")) for name, rows in tables.items())
    return "\n".join(parts)


def _rows(model: Model, registered: Registered) -> list[_Row]:
    unknown = sorted(set(registered) - set(model.operations()))
    if unknown:
        raise CoverageError(f"{model.service} has no operation {', '.join(unknown)}")
    anywhere = _members(model)
    rows = []
    for name in sorted(model.operations()):
        operation = model.operation(name)
        assert operation is not None
        if quirks.is_hidden(operation):
            continue
        members = operation.input.members if operation.input is not None else {}
        refused = []
        for member in sorted(registered.get(name, ())):
            top = member.partition(".")[0]
            if top in members:
                refused.append(member)
            elif top not in anywhere:
                raise CoverageError(f"{model.service}:{name} has no member {member}")
        rows.append(_Row(name, name in registered, tuple(refused), operation.deprecated))
    return rows


def _members(model: Model) -> set[str]:
    """Of all operations: kindred ones may share a list of members that they refuse."""
    operations = (model.operation(name) for name in model.operations())
    inputs = (each.input for each in operations if each is not None)
    return {name for shape in inputs if shape is not None for name in shape.members}


def _totals(tables: Mapping[str, list[_Row]]) -> str:
    lines = [
        "| service | operations | supported | of these without any refused member |",
        "|---|---:|---:|---:|",
    ]
    sums = [0, 0, 0]
    for name, rows in tables.items():
        counts = (len(rows), *_counts(rows))
        sums = [before + count for before, count in zip(sums, counts, strict=True)]
        lines.append(f"| [{name}](#{name}) | {counts[0]} | {counts[1]} | {counts[2]} |")
    lines.append(f"| **all** | **{sums[0]}** | **{sums[1]}** | **{sums[2]}** |")
    return "\n".join(lines) + "\n"


def _counts(rows: list[_Row]) -> tuple[int, int]:
    supported = [row for row in rows if row.supported]
    return len(supported), sum(not row.refused for row in supported)


def _table(model: Model, rows: list[_Row], remark: str) -> str:
    supported, _ = _counts(rows)
    lines = [
        f"## {model.service}",
        "",
        f"{model.metadata.service_full_name}: {supported} of {len(rows)} operations, over "
        f"{_spoken(model)}.",
        "",
        *([remark, ""] if remark else []),
        "| operation | supported | members refused |",
        "|---|:---:|---|",
    ]
    for row in rows:
        name = f"{row.name} (deprecated)" if row.deprecated else row.name
        refused = ", ".join(f"`{member}`" for member in row.refused)
        lines.append(f"| {name} | {'yes' if row.supported else '-'} | {refused} |")
    return "\n".join(lines) + "\n"


def _spoken(model: Model) -> str:
    names = list(model.protocols)
    if model.query_compatible and "query" not in names:
        names.append("query")
    return " and ".join(names) if len(names) < 3 else ", ".join(names)

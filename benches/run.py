"""All promises of speed in one table; `make bench`. JSON is kept in benches/results.

Run: python -m benches.run [--quick] [--only send,fanout] [--backlog N] [--beside moto,ministack]

Each script is measured on a server of its own with a fresh folder; with --endpoint on that one.
--beside measures what else people run, as whole programs from the package index in a virtual
environment that is thrown away; what they cannot do is said so.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop
from botocore.exceptions import BotoCoreError, ClientError

from benches import (
    audited,
    authorise,
    backlog,
    batches,
    chain,
    fanout,
    fifo,
    filtered,
    groups,
    notify,
    objects,
    places,
    receive,
    send,
    start,
    tenants,
    waits,
)
from benches.places import Effort, Measure, Place, Row, Unable
from ogi import compiled

RESULTS = Path(__file__).parent / "results"
SCRIPTS: dict[str, Measure] = {
    "start": start.measure,
    "send": send.measure,
    "batches": batches.measure,
    "receive": receive.measure,
    "fanout": fanout.measure,
    "filtered": filtered.measure,
    "notify": notify.measure,
    "objects": objects.measure,
    "chain": chain.measure,
    "audited": audited.measure,
    "decisions": authorise.measure,
    "fifo": fifo.measure,
    "groups": groups.measure,
    "waits": waits.measure,
    "tenants": tenants.measure,
    "backlog": backlog.measure,
}
OWN = frozenset({"audited", "decisions"})
"""What is measured of Ogi alone."""
Command = Callable[[int, Path], list[str]]


@dataclass(frozen=True)
class Other:
    """Another program that answers AWS's requests."""

    package: str
    program: str
    arguments: Callable[[int], list[str]]
    environment: Callable[[int], dict[str, str]] = lambda port: {}


OTHERS = {
    "moto": Other("moto[server]", "moto_server", lambda port: ["-p", str(port)]),
    "ministack": Other(
        "ministack", "ministack", lambda port: [],
        lambda port: {"GATEWAY_PORT": str(port)},
    ),
}  # fmt: skip


def main() -> None:
    given = places.arguments(__doc__)
    given.add_argument("--only", default=",".join(SCRIPTS), help="scripts, with commas between")
    given.add_argument("--beside", default="", help="moto, ministack, or both with a comma")
    options = given.parse_args()
    scripts = {name: SCRIPTS[name] for name in options.only.split(",")}
    effort = places.effort_of(options)
    machine = _machine()
    for line in machine.items():
        print("{:10} {}".format(*line))
    found: dict[str, list[Row]] = {}
    with _commands([name for name in options.beside.split(",") if name]) as commands:
        for name, measure in scripts.items():
            for who, command in commands.items():
                if name in OWN and who != "ogi":
                    continue
                found.setdefault(who, []).extend(
                    _measure(name, measure, who, command, options, effort)
                )
    _print(found)
    _keep(machine, found)


def _measure(
    name: str, measure: Measure, who: str, command: Command, options: Any, effort: Effort
) -> list[Row]:
    """The rows of one script at one place; none if it cannot be done there."""
    print(f"  {who}: {name} ...", file=sys.stderr, flush=True)
    rows: list[Row] = []

    async def run(place: Place) -> None:
        async with asyncio.timeout(effort.script_s_max):
            async for row in measure(place, effort):
                rows.append(row)

    own = options.endpoint is None
    place_of = places.started(command, options.region) if own else places.place_of(options)
    try:
        with place_of as place:
            uvloop.run(run(place))
    except TimeoutError:
        print(f"  {who}: {name} takes over {effort.script_s_max:.0f} s", file=sys.stderr)
    except (Unable, ClientError, BotoCoreError, OSError, KeyError, ValueError) as error:
        print(f"  {who} cannot do {name}: {str(error)[:200]}", file=sys.stderr)
    return rows


@contextmanager
def _commands(others: Sequence[str]) -> Iterator[dict[str, Command]]:
    """How each is started; the others live in an environment that goes when we are done."""
    commands: dict[str, Command] = {"ogi": places.ogi}
    if not others:
        yield commands
        return
    with tempfile.TemporaryDirectory(prefix="ogi-beside-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        packages = [OTHERS[name].package for name in others]
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        for name in others:
            commands[name] = _beside(OTHERS[name], python.parent)
        yield commands


def _beside(other: Other, programs: Path) -> Command:
    def command(port: int, folder: Path) -> list[str]:
        settings = [f"{key}={value}" for key, value in other.environment(port).items()]
        return ["env", *settings, str(programs / other.program), *other.arguments(port)]

    return command


def _machine() -> dict[str, str]:
    model = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [n for n in cpus.read_text().splitlines() if n.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "machine": f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "python": platform.python_version() + (", compiled" if compiled.active() else ""),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "command": shlex.join([Path(sys.executable).name, "-m", "benches.run", *sys.argv[1:]]),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _print(found: dict[str, list[Row]]) -> None:
    ours = found["ogi"]
    others = {
        who: {row.promise: row for row in rows} for who, rows in found.items() if who != "ogi"
    }
    width = max((len(row.promise) for row in ours), default=0)
    titles = "".join(f"{who:>12}" for who in others)
    print(f"\n{'':{width}}{'measured':>12} {'':10}{'goal':>10}  {'met':5}{titles}")
    for row in ours:
        goal = "" if row.goal is None else f"{'<=' if row.less else '>='} {_figure(row.goal)}"
        met = {None: "", True: "yes", False: "NO"}[row.met]
        beside = "".join(
            f"{_figure(rows[row.promise].measured) if row.promise in rows else '-':>12}"
            for rows in others.values()
        )
        print(
            f"{row.promise:{width}}{_figure(row.measured):>12} {row.unit:10}{goal:>10}"
            f"  {met:5}{beside}  {row.remark}".rstrip()
        )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _keep(machine: dict[str, str], found: dict[str, list[Row]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    rows = {
        who: [
            {"promise": r.promise, "measured": r.measured, "unit": r.unit, "goal": r.goal,
             "met": r.met, "remark": r.remark}
            for r in each
        ]
        for who, each in found.items()
    }  # fmt: skip
    path = RESULTS / f"{time.strftime('%Y%m%dT%H%M%S')}.json"
    after = " ".join(f"{load:.2f}" for load in os.getloadavg())
    path.write_text(json.dumps({**machine, "load_after": after, "rows": rows}, indent=1) + "\n")
    print(f"\nKept in {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    main()

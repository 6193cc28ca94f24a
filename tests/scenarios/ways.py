"""The ways of things through a server, read from its traces."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.scenarios.conftest import Server

Hop = dict[str, Any]


def all_ways(server: Server) -> list[list[Hop]]:
    """All traces that the server remembers, newest first."""
    with urllib.request.urlopen(f"{server.endpoint}/_ogi/traces") as told:
        return [trace["hops"] for trace in json.load(told)["traces"]]


def way_with(server: Server, kind: str, **fields: Any) -> list[Hop]:
    """The newest trace with a hop of that kind and those fields; empty if there is none."""
    for hops in all_ways(server):
        if any(is_like(hop, kind, fields) for hop in hops):
            return hops
    return []


def only(hops: list[Hop], kind: str, **fields: Any) -> list[Hop]:
    return [hop for hop in hops if is_like(hop, kind, fields)]


def is_like(hop: Hop, kind: str, fields: dict[str, Any]) -> bool:
    return hop["kind"] == kind and all(hop.get(name) == value for name, value in fields.items())

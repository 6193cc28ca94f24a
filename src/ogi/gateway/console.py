"""Ogi's own pages under /_ogi/: health, status, traces, and reset where the data is ephemeral.

They listen where the API listens, which is loopback by default. Health answers anyone; the others
tell names of resources, so they want a request from this machine. What was decided and why is told
to who signs his request and is allowed to know (`explaining`).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import msgspec

from ogi import __version__, compiled
from ogi.errors import AwsError
from ogi.gateway import explaining
from ogi.http import Request, Response
from ogi.service import Page, Ports

TRACES_MAX = 100
"""Traces in one answer."""


async def answer(ports: Ports, request: Request) -> Response:
    page = _PAGES.get((request.method, request.path))
    if page is None and (served := _of_service(ports, request.path)) is not None:
        return await served(ports, request)
    if page is None:
        return _json(404, {"message": f"There is no {request.method} {request.path} here."})
    if page not in (_health, _explain) and (
        not _is_local(request.peer) or request.header("origin")
    ):
        # A browser's page of another origin on this machine is not this machine's user.
        return _json(403, {"message": "Ask from the machine that Ogi runs on."})
    return await page(ports, request)


def _of_service(ports: Ports, path: str) -> Page | None:
    """A page of a service that stands beside ours; it decides itself whom it answers."""
    for service in ports.services.values():
        if path in service.pages:
            return service.pages[path]
    return None


async def _health(ports: Ports, request: Request) -> Response:
    """200 if the store answers."""
    await ports.store.read(lambda tx: tx.get(b"health"))
    return _json(200, {"status": "ok", "version": __version__})


async def _status(ports: Ports, request: Request) -> Response:
    sandbox: Any = ports.sandbox
    return _json(
        200,
        {
            "version": __version__,
            "compiled": compiled.active(),
            "endpoint": ports.settings.endpoint,
            "data": str(ports.settings.data),
            "ephemeral": ports.settings.ephemeral,
            "account": ports.settings.account,
            "region": ports.settings.region,
            "isolation": None if sandbox is None else sandbox.isolation,
            "services": {
                name: len(service.operations) for name, service in sorted(ports.services.items())
            },
        },
    )


async def _traces(ports: Ports, request: Request) -> Response:
    """?id=ROOT: one trace; else the latest. A hop's `at` is in seconds since the epoch."""
    query = dict(request.parameters())
    if "id" in query:
        return _json(200, {"id": query["id"], "hops": ports.traces.get(query["id"])})
    latest = ports.traces.latest(TRACES_MAX)
    return _json(200, {"traces": [{"id": id, "hops": hops} for id, hops in latest]})


async def _explain(ports: Ports, request: Request) -> Response:
    try:
        return _json(200, await explaining.answer(ports, request))
    except AwsError as error:
        code = error.code or error.shape
        return _json(error.status or 400, {"code": code, "message": error.message})


async def _reset(ports: Ports, request: Request) -> Response:
    if ports.reset is None:
        return _json(403, {"message": "Only a server started with --ephemeral can be reset."})
    await ports.reset()
    return _json(200, {"status": "empty"})


def _is_local(peer: str) -> bool:
    """A request over the unix socket has no peer; functions have no access to these pages."""
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False


def _json(status: int, body: Any) -> Response:
    return Response(
        status, [("content-type", "application/json")], msgspec.json.encode(body) + b"\n"
    )


_PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/_ogi/health"): _health,
    ("GET", "/_ogi/status"): _status,
    ("GET", "/_ogi/traces"): _traces,
    ("GET", "/_ogi/explain"): _explain,
    ("POST", "/_ogi/explain"): _explain,
    ("POST", "/_ogi/reset"): _reset,
}

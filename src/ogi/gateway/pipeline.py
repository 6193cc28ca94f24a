"""The way of a request: route, authenticate, parse, dispatch, serialize; one screen.

Authentication stands before parsing, so unsigned bytes never reach a parser, except where the
service's operation is open to anonymous callers and then decides by policy.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from ogi import wire
from ogi.access import authenticate
from ogi.errors import AwsError, InternalFailure
from ogi.gateway import console
from ogi.gateway.bodies import collect
from ogi.http import Request, Response
from ogi.service import ANONYMOUS, Call, Ports, Principal, dispatch

BODY_BYTES_MAX = 72 * 1024 * 1024
"""A body that is not streamed: above the largest that AWS takes (a function's zip, base64)."""

log = logging.getLogger("ogi.requests")


class RequestEntityTooLarge(AwsError):
    """Request must be smaller than 72 MiB"""

    code = "RequestEntityTooLargeException"
    status = 413


class Pipeline:
    """Answers every request of the gateway."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._pages = {
            path: page for service in ports.services.values() for path, page in service.pages.items()
        }

    async def __call__(self, request: Request) -> Response:
        if request.path.startswith("/_ogi/"):
            return await console.answer(self._ports, request)
        if request.method == "GET" and self._pages:
            for path, page in self._pages.items():
                if request.path.startswith(path):
                    return await page(self._ports, request)
        return await self._api(request)

    async def _api(self, request: Request) -> Response:
        ports = self._ports
        request_id = _uuid()
        codec: wire.Codec | None = None
        parsed: wire.Parsed | None = None
        try:
            now = ports.clock.now()
            claim = authenticate.read(request, now, ports.settings.region)
            route = wire.route(request, claim.service if claim is not None else None)
            codec = wire.codec(route.service)
            principal, account, region = ANONYMOUS, ports.settings.account, ports.settings.region
            body = request.body
            if claim is not None:
                principal, body = await authenticate.verify(ports, claim, request, now)
                account, region = principal.account, claim.region
            inner = route.request
            inner.body = body if codec.streams(inner) else await collect(
                body, BODY_BYTES_MAX, RequestEntityTooLarge
            )
            parsed = codec.parse(inner)
            operation = ports.services[route.service].operation_named(parsed.operation)
            call = self._call(request, request_id, principal, account, region, now)
            result = await dispatch(call, operation, parsed.params)
            return codec.respond(parsed, result, request_id)
        except AwsError as error:
            refusal: AwsError = error
        except Exception:
            log.exception("request failed", extra={"request_id": request_id})
            refusal = InternalFailure()
        if codec is None:
            codec = wire.codec(wire.route(request, None).service)
        return codec.refuse(refusal, request_id, request, parsed)

    def _call(
        self,
        request: Request,
        request_id: str,
        principal: Principal,
        account: str,
        region: str,
        now: float,
    ) -> Call:
        context: dict[str, Any] = {
            "aws:SourceIp": request.peer,
            "aws:SecureTransport": "true" if request.secure else "false",
        }
        agent = request.header("user-agent")
        if agent:
            context["aws:UserAgent"] = agent
        return Call(
            ports=self._ports,
            account=account,
            region=region,
            principal=principal,
            request_id=request_id,
            now=now,
            seed=self._ports.random(32),
            trace=_trace(request),
            context=context,
        )


def _uuid() -> str:
    raw = os.urandom(16).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


def _trace(request: Request) -> str:
    """X-Ray's root: the client's (docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html)."""
    header = request.header("x-amzn-trace-id")
    if header:
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == "Root" and 0 < len(value) <= 64:
                return value
    raw = os.urandom(12).hex()
    return f"1-{int(time.time()):08x}-{raw}"

"""The way of a request: route, authenticate, parse, dispatch, serialize; one screen.

Authentication stands before parsing, so unsigned bytes never reach a parser, except of services
that hear strangers (`strangers`), where the resource's policy then decides.
"""

from __future__ import annotations

import logging
from typing import Any

from ogi import wire
from ogi.access import authenticate, messages, payloads, scopes
from ogi.access.authenticate import Claim, Proved
from ogi.entropy import entropy, uuid_of
from ogi.errors import AwsError, InternalFailure, unsupported
from ogi.gateway import console, strangers
from ogi.gateway.bodies import Disconnected, collect
from ogi.http import Body, Request, Response
from ogi.service import ANONYMOUS, Call, Ports, Service, dispatch

BODY_BYTES_MAX = 72 * 1024 * 1024
"""A body that is not streamed: above the largest that AWS takes (a function's zip, base64)."""

log = logging.getLogger("ogi.requests")


class RequestEntityTooLargeException(AwsError):
    """Request must be smaller than 72 MiB"""

    status = 413


class Pipeline:
    """Answers every request of the gateway."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._pages = {
            path: page
            for service in ports.services.values()
            for path, page in service.pages.items()
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
        request_id = uuid_of(entropy(16))
        parsed: wire.Parsed | None = None
        codec: wire.Codec | None = None
        claim: Claim | None = None
        proved: Proved | None = None
        try:
            now = ports.clock.now()
            claim = authenticate.read(request, now, ports.settings.region, _path)
            signed = None if claim is None else claim.service
            route = wire.route(request, signed)
            codec = wire.codec(route.service)
            if not route.needs_body:
                service = self._heard(route, claim)
            streamed = codec.streams(route.request)
            if not streamed or (claim is not None and claim.covers_body):
                request.body = await _whole(request.body)
            if claim is None:
                proved = Proved(ANONYMOUS, {}, payloads.anonymous(request))
            else:
                proved = await authenticate.prove(ports, claim, request.body, now)
            body = proved.body
            if not streamed and type(body) is not bytes:
                body = await _whole(body)
            if route.needs_body:
                request.body = body
                route = wire.route(request, signed)
                codec = wire.codec(route.service)
                service = self._heard(route, claim)
            route.request.body = body
            parsed = codec.parse(route.request)
            operation = service.operation_named(parsed.operation)
            if claim is None:
                strangers.check_operation(operation, request)
            region = ports.settings.region if claim is None else claim.region
            call = self._call(request, request_id, proved, region, now)
            result = await dispatch(call, operation, parsed.params)
            if ports.audit is not None:
                ports.audit.answered(request, claim, call, operation, parsed.params, result)
            return codec.respond(parsed, result, request_id)
        except AwsError as error:
            refusal: AwsError = error
            if parsed is not None and claim is None:
                refusal = strangers.refusal(service, request, error)
        except Disconnected:
            raise
        except Exception:
            log.exception("request failed", extra={"request_id": request_id})
            refusal = InternalFailure()
        if codec is None:
            # The claim is worth nothing, but who made it speaks that service's protocol.
            route = wire.route(request, scopes.claimed_service(request))
            codec = wire.codec(route.service)
        if ports.audit is not None:
            name, params = (parsed.operation, parsed.params) if parsed is not None else ("", {})
            ports.audit.refused(
                request, request_id, claim, proved, route.service, name, params, refusal
            )
        return messages.attached(ports, refusal, codec.refuse(refusal, request_id, request, parsed))

    def _heard(self, route: wire.Route, claim: Claim | None) -> Service:
        """The service that is asked; raises if it is not here, or does not hear strangers."""
        service = self._ports.services.get(route.service)
        if service is None:
            known = route.service != wire.UNKNOWN
            name = route.service if known else claim.service if claim else "that is asked for"
            raise unsupported(f"the service {name}")
        if claim is None:
            strangers.check_service(service, route.request)
        return service

    def _call(
        self, request: Request, request_id: str, proved: Proved, region: str, now: float
    ) -> Call:
        context: dict[str, Any] = {
            **proved.context,
            "aws:SourceIp": request.peer,
            "aws:SecureTransport": "true" if request.secure else "false",
        }
        traced = ""
        for name, value in request.headers:
            if name == "user-agent" and value:
                context.setdefault("aws:UserAgent", value)
            elif name == "referer":
                context["aws:Referer"] = value
            elif name == "x-amzn-trace-id" and not traced:
                traced = value
        ports = self._ports
        return Call(
            ports=ports,
            account=proved.principal.account or ports.settings.account,
            region=region,
            principal=proved.principal,
            request_id=request_id,
            now=now,
            seed=ports.random(32),
            trace=_trace(traced, now),
            context=context,
        )


async def _whole(body: Body) -> bytes:
    return await collect(body, BODY_BYTES_MAX, RequestEntityTooLargeException)


def _path(request: Request) -> str:
    return wire.path_style(request).path


def _trace(header: str, now: float) -> str:
    """X-Ray's root: the client's (docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html)."""
    if header:
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == "Root" and 0 < len(value) <= 64:
                return value
    raw = entropy(12).hex()
    return f"1-{int(now):08x}-{raw}"

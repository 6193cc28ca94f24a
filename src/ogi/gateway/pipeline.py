"""The way of a request: route, authenticate, parse, dispatch, serialize.

Authentication stands before parsing, so unsigned bytes never reach a parser, except of services
that hear strangers (`strangers`), where the resource's policy then decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

from ogi import trace_headers, wire
from ogi.access import authenticate, messages, payloads, s3_signing, scopes
from ogi.access.authenticate import Claim, Proved
from ogi.entropy import entropy, uuid_of
from ogi.errors import AwsError, InternalFailure, unsupported
from ogi.gateway import console, strangers
from ogi.gateway.bodies import Disconnected, collect
from ogi.http import Body, Request, Response
from ogi.service import ANONYMOUS, Call, Operation, Ports, Service, dispatch, submit

BODY_BYTES_MAX = 72 * 1024 * 1024
"""A body that is not streamed: above the largest that AWS takes (a function's zip, base64)."""

log = logging.getLogger("ogi.requests")


SEED_BYTES: Final = 32 + 64
"""Of a request: most operations draw no more than 64 bytes, which need not be derived then."""


class RequestEntityTooLargeException(AwsError):
    """Request must be smaller than 72 MiB"""

    status = 413


class Asker(Protocol):
    """Where an answer goes: one of these is called, once."""

    def answer(self, response: Response) -> None: ...

    def run(self, rest: Rest) -> None:
        """Answer with what `rest` returns, in a task."""
        ...


Rest = Callable[[], Awaitable[Response]]


class Pipeline:
    """Answers every request of the gateway.

    The requests that came in one turn of the loop go the way together, step by step: a step that
    is done ten times in a row finds its code and data in the processor's caches nine times.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._loop = asyncio.get_running_loop()
        self._arrived: list[Exchange] = []
        self._pages = {
            path: page
            for service in ports.services.values()
            for path, page in service.pages.items()
        }

    def __call__(self, request: Request, asker: Asker) -> None:
        if request.path.startswith("/_ogi/"):
            asker.run(partial(console.answer, self._ports, request))
            return
        if request.method == "GET" and self._pages:
            for path, page in self._pages.items():
                if request.path.startswith(path):
                    asker.run(partial(page, self._ports, request))
                    return
        if not self._arrived:
            self._loop.call_soon(self._go)
        self._arrived.append(Exchange(self._ports, request, asker))

    def _go(self) -> None:
        exchanges, self._arrived = self._arrived, []
        for step in (Exchange.read, Exchange.prove, Exchange.parse, Exchange.operate):
            for exchange in exchanges:
                if exchange.goes_on:
                    exchange.take(step)


class Exchange:
    """One request of a service on its way."""

    __slots__ = (
        "_asker", "_body", "_call", "_claim", "_codec", "_now", "_operation", "_parsed", "_ports",
        "_proved", "_request", "_route", "_service", "_streamed", "goes_on", "id",
    )  # fmt: skip

    _body: Body
    _call: Call
    _now: float
    _operation: Operation
    _route: wire.Route
    _service: Service
    _streamed: bool

    def __init__(self, ports: Ports, request: Request, asker: Asker) -> None:
        self._ports = ports
        self._request = request
        self._asker = asker
        self._codec: wire.Codec | None = None
        self._parsed: wire.Parsed | None = None
        self._claim: Claim | None = None
        self._proved: Proved | None = None
        self.goes_on = True
        """It is on its way without a task."""
        self.id = uuid_of(entropy(16))

    def take(self, step: Callable[[Exchange], None]) -> None:
        """One step of the way; a refusal ends it."""
        try:
            step(self)
        except Exception as error:
            self.goes_on = False
            self._asker.answer(self._refusal(error))

    # -- the steps ------------------------------------------------------------------------------

    def read(self) -> None:
        """Whose request it claims to be, and which service it asks."""
        request, ports = self._request, self._ports
        self._now = now = ports.clock.now()
        self._claim = claim = authenticate.read(request, now, ports.settings.region, _path)
        self._route = route = wire.route(request, None if claim is None else claim.service)
        self._codec = codec = wire.codec(route.service)
        if not route.needs_body:
            self._service = self._heard(route)
        self._streamed = codec.streams(route.request)
        if type(request.body) is not bytes:
            self._turn_off(self._with_body)

    def prove(self) -> None:
        """The claim is true, and the body its own; a stream is proved as it is read."""
        claim, request = self._claim, self._request
        if claim is None:
            proved = Proved(ANONYMOUS, {}, payloads.anonymous(request))
        else:
            proved = authenticate.prove(self._ports, claim, request.body, self._now)
        self._proved = proved
        self._body = body = proved.body
        if self._streamed or type(body) is not bytes:
            self._turn_off(self._with_proof)

    def parse(self) -> None:
        """What is asked, and by whom."""
        route, claim, request, codec = self._route, self._claim, self._request, self._codec
        assert codec is not None
        if route.needs_body:
            request.body = self._body
            self._route = route = wire.route(request, None if claim is None else claim.service)
            self._codec = codec = wire.codec(route.service)
            self._service = self._heard(route)
        route.request.body = self._body
        self._parsed = parsed = codec.parse(route.request)
        self._operation = operation = self._service.operation_named(parsed.operation)
        if claim is None:
            strangers.check_operation(operation, request)
        self._call = self._called()
        if operation.asynchronous:
            self._turn_off(self._dispatched)
        elif self.goes_on and operation.ahead is not None:
            first = operation.ahead(self._call, parsed.params)
            if first is not None:
                self.goes_on = False
                first.add_done_callback(self._go_on)

    def _go_on(self, first: asyncio.Future[None]) -> None:
        """What was to be done ahead is done, or will not be."""
        self.goes_on = True
        self.take(Exchange.operate)

    def operate(self) -> None:
        assert self._parsed is not None
        submit(self._call, self._operation, self._parsed.params, self._done)

    def _done(self, result: Any, failure: BaseException | None) -> None:
        if failure is None:
            try:
                response = self._respond(result)
            except Exception as error:
                response = self._refusal(error)
        else:
            response = self._refusal(failure)
        self._asker.answer(response)

    def _respond(self, result: Any) -> Response:
        codec, parsed, audit = self._codec, self._parsed, self._ports.audit
        assert codec is not None and parsed is not None
        if audit is not None:
            audit.answered(
                self._request, self._claim, self._call, self._operation, parsed.params, result
            )
        return codec.respond(parsed, result, self.id)

    # -- the rest of the way in a task ------------------------------------------------------------

    def _turn_off(self, rest: Callable[[], Awaitable[Response]]) -> None:
        """Go on in a task: something has to be waited for that is not the disk."""
        if self.goes_on:
            self.goes_on = False
            self._asker.run(partial(self._refusing, rest))

    async def _refusing(self, rest: Callable[[], Awaitable[Response]]) -> Response:
        try:
            return await rest()
        except Disconnected:
            raise
        except Exception as error:
            return self._refusal(error)

    async def _with_body(self) -> Response:
        """The body is still arriving."""
        claim, request = self._claim, self._request
        if not self._streamed or (claim is not None and claim.covers_body):
            request.body = await _whole(request.body)
        self.prove()
        return await self._with_proof()

    async def _with_proof(self) -> Response:
        """The operation reads the body, or it is proved as it is read."""
        if not self._streamed and type(self._body) is not bytes:
            self._body = await _whole(self._body)
        self.parse()
        return await self._dispatched()

    async def _dispatched(self) -> Response:
        assert self._parsed is not None
        return self._respond(await dispatch(self._call, self._operation, self._parsed.params))

    # -------------------------------------------------------------------------------------------

    def _heard(self, route: wire.Route) -> Service:
        """The service that is asked; raises if it is not here, or does not hear strangers."""
        claim = self._claim
        service = self._ports.services.get(route.service)
        if service is None:
            known = route.service != wire.UNKNOWN
            name = route.service if known else claim.service if claim else "that is asked for"
            raise unsupported(f"the service {name}")
        if claim is None:
            strangers.check_service(service, route.request)
        return service

    def _called(self) -> Call:
        request, ports, proved, claim = self._request, self._ports, self._proved, self._claim
        assert proved is not None
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
        now = self._now
        if self._service.name == "s3":
            context.update(s3_signing.keys(request, claim, now))
        return Call(
            ports=ports,
            account=proved.principal.account or ports.settings.account,
            region=ports.settings.region if claim is None else claim.region,
            principal=proved.principal,
            request_id=self.id,
            now=now,
            seed=ports.random(SEED_BYTES),
            trace=_trace(traced, now),
            trace_header=trace_headers.passed_on(traced) if traced else "",
            context=context,
        )

    def _refusal(self, error: BaseException) -> Response:
        """Any error in the words of the service that was asked; what is ours is logged."""
        request, codec, parsed, audit = (
            self._request, self._codec, self._parsed, self._ports.audit,
        )  # fmt: skip
        if isinstance(error, AwsError):
            refusal = error
            if parsed is not None and self._claim is None:
                refusal = strangers.refusal(self._service, request, error)
        else:
            log.error("request failed", extra={"request_id": self.id}, exc_info=error)
            refusal = InternalFailure()
        if codec is None:
            # The claim is worth nothing, but who made it speaks that service's protocol.
            codec = wire.codec(wire.route(request, scopes.claimed_service(request)).service)
        if audit is not None:
            name, params = ("", {}) if parsed is None else (parsed.operation, parsed.params)
            audit.refused(
                request, self.id, self._claim, self._proved, codec.service, name, params, refusal
            )
        answer = codec.refuse(refusal, self.id, request, parsed)
        return messages.attached(self._ports, refusal, answer)


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

"""The trail: takes one record of each request, and brings them to the file and to Logs.

A record is made where the request is answered and written a moment later, many with one write. A
process that is killed loses the records of its last LINGER_S seconds; a power cut those that the
system had not written yet. They are no messages: nobody was promised them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ogi.access.authenticate import Claim, Proved
from ogi.audit import identities, names, records
from ogi.audit.files import RotatingFile
from ogi.audit.records import Record, Requester
from ogi.clock import Clock
from ogi.entropy import uuid_of
from ogi.errors import AwsError
from ogi.http import Request
from ogi.service import Call, Fields, Operation, Ports, Principal, Service
from ogi.settings import Settings
from ogi.shipping import Shipper

LINGER_S = 0.05
"""How long a record waits for others."""
PENDING_BYTES_MAX = 16 * 1024 * 1024
"""Records in memory; what does not fit is dropped and counted in the log."""
STRANGERS_PER_S_MAX = 20
"""Records a second of requests that prove nothing: a stranger must not push out what others did."""
BATCH_BYTES_MAX = 64 * 1024
"""Of records that go to Logs in one transaction: a few milliseconds in which nobody else is served.
"""
STREAMS_MAX = 64
"""Log streams, one per account and region; further ones share the first."""
IDENTITIES_MAX = 1024
KINDS = ("off", "management", "all")

log = logging.getLogger("ogi.audit")


class Line:
    """One record as Logs takes it."""

    __slots__ = ("at_ms", "text")

    def __init__(self, at_ms: int, text: str) -> None:
        self.at_ms, self.text = at_ms, text


class Trail:
    """The audit of one server, and the worker that writes it down."""

    name = "audit"

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        services: Mapping[str, Service],
        random: Callable[[int], bytes],
    ) -> None:
        self.wanted = _wanted(settings, services)
        """(service, operation) of the requests that leave a record."""
        self._settings, self._clock, self._random = settings, clock, random
        self._file = RotatingFile(
            settings.data / "audit", settings.audit_bytes_max, settings.audit_files_max
        )
        self._pending: list[tuple[bytes, float, str, str]] = []
        """Line, time, account, region."""
        self._bytes = self._lost = 0
        self._there = asyncio.Event()
        self._identities: dict[str, tuple[Principal, identities.Identity]] = {}
        """By access key."""
        self._second = self._strangers = 0
        self._ports: Ports | None = None
        self._streams: dict[str, Shipper] = {}
        self._shipping: set[asyncio.Task[None]] = set()
        self._writing: asyncio.Task[bool] | None = None

    def attach(self, ports: Ports) -> None:
        """Where Logs is; what goes there leaves no record itself."""
        self._ports = dataclasses.replace(ports, audit=None)

    # -- what has happened ------------------------------------------------------------------

    def answered(
        self, request: Request, claim: Claim | None, call: Call, operation: Operation,
        asked: Fields, result: Fields,
    ) -> None:  # fmt: skip
        """A client's request was done."""
        service = operation.service.name
        if (service, operation.name) in self.wanted:
            identity = self._identity(call.principal, call.context, claim)
            if claim is None and operation.name == "AssumeRoleWithWebIdentity":
                identity, account = identities.of_web(result)
                call = call.in_place(account, call.region)
            who = records.client(request, claim, identity, service)
            self._take(who, call, service, operation.name, asked, result, None)

    def refused(
        self, request: Request, request_id: str, claim: Claim | None, proved: Proved | None,
        service: str, operation: str, asked: Fields, error: AwsError,
    ) -> None:  # fmt: skip
        """A client's request was refused; operation: '' if it was not even understood."""
        if operation and (service, operation) not in self.wanted:
            return
        if not self.wanted or ((claim is None or proved is None) and self._crowded()):
            return
        account, region = self._settings.account, self._settings.region
        if claim is not None:
            region = claim.region
        if proved is None:
            identity = identities.unknown("" if claim is None else claim.access_key)
        else:
            identity = self._identity(proved.principal, proved.context, claim)
            account = proved.principal.account or account
        who = records.client(request, claim, identity, service)
        self._note(who, service, operation, region, account, request_id, asked, None, error)

    def hop(
        self, call: Call, operation: Operation, asked: Fields, result: Fields | None,
        error: AwsError | None,
    ) -> None:  # fmt: skip
        """A service asked another; the caller has looked into `wanted`."""
        who = records.neighbour(call)
        self._take(who, call, operation.service.name, operation.name, asked, result, error)

    def happened(self, call: Call, service: str, event: str, arn: str) -> None:
        """A service did something to a resource by itself."""
        if self.wanted:
            at = self._clock.now()
            self._add(records.happened(self._id(), at, call, service, event, arn), at)

    def _take(
        self, who: Requester, call: Call, service: str, operation: str, asked: Fields,
        result: Fields | None, error: AwsError | None,
    ) -> None:  # fmt: skip
        self._note(
            who,
            service,
            operation,
            call.region,
            call.account,
            call.request_id,
            asked,
            result,
            error,
        )

    def _note(
        self, who: Requester, service: str, operation: str, region: str, account: str,
        request_id: str, asked: Fields, result: Fields | None, error: AwsError | None,
    ) -> None:  # fmt: skip
        at = self._clock.now()
        try:
            self._add(
                records.of(
                    who, self._id(), at, service=service, operation=operation, region=region,
                    account=account, request_id=request_id, asked=asked, result=result, error=error,
                ),
                at,
            )  # fmt: skip
        except Exception:
            # The request itself was done; its answer must not be lost because of its record.
            log.exception("no record of a request", extra={"request_id": request_id})

    def _add(self, record: Record, at: float) -> None:
        line = records.line(record)
        if self._bytes + len(line) > PENDING_BYTES_MAX:
            self._lost += 1
            return
        self._pending.append((line, at, record["recipientAccountId"], record["awsRegion"]))
        self._bytes += len(line)
        self._there.set()

    def _identity(
        self, principal: Principal, context: Mapping[str, Any], claim: Claim | None
    ) -> identities.Identity:
        """The same for all requests of a key, as long as it stands for the same principal."""
        access_key = "" if claim is None else claim.access_key
        kept = self._identities.get(access_key)
        if kept is not None and kept[0] is principal:
            return kept[1]
        if len(self._identities) >= IDENTITIES_MAX:
            self._identities.clear()
        made = identities.of(principal, context, access_key, "")
        self._identities[access_key] = (principal, made)
        return made

    def _crowded(self) -> bool:
        """Whether strangers have had their share of this second."""
        second = int(self._clock.now())
        if second != self._second:
            if self._strangers > STRANGERS_PER_S_MAX:
                unrecorded = self._strangers - STRANGERS_PER_S_MAX
                log.warning("requests that prove nothing", extra={"unrecorded": unrecorded})
            self._second, self._strangers = second, 0
        self._strangers += 1
        return self._strangers > STRANGERS_PER_S_MAX

    def _id(self) -> str:
        return uuid_of(self._random(16))

    # -- writing it down --------------------------------------------------------------------

    async def work(self) -> bool:
        # A write that has begun ends, also when the worker is stopped meanwhile.
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await asyncio.shield(self._writing)

    async def _write(self) -> bool:
        self._there.clear()
        if self._lost:
            lost, self._lost = self._lost, 0
            log.error("records dropped: they come faster than they are written", extra={"n": lost})
        if not self._pending:
            return False
        batch = self._pending[:]
        lines = [line for line, *_ in batch]
        written = await asyncio.to_thread(self._file.append, lines)
        self._ship(batch[:written])
        del self._pending[:written]
        self._bytes -= sum(map(len, lines[:written]))
        return bool(self._pending)

    async def wait(self) -> None:
        await self._there.wait()
        await asyncio.sleep(LINGER_S)

    async def close(self) -> None:
        """Write down what there is; may be called again. What cannot be written is given up, so
        that the server stops nevertheless."""
        try:
            while await self.work():
                pass
        except OSError:
            log.exception("records not written", extra={"n": len(self._pending)})
        for shipper in self._streams.values():
            await shipper.flushed()
        self._file.close()

    def clear(self) -> None:
        """Forget everything; only between `close` and the next `work`."""
        self._streams.clear()
        self._file.clear()

    def _ship(self, batch: list[tuple[bytes, float, str, str]]) -> None:
        """To Logs, where each account and region has a stream, as CloudTrail's trails have.

        https://docs.aws.amazon.com/awscloudtrail/latest/userguide/send-cloudtrail-events-to-cloudwatch-logs.html
        """
        if not self._settings.audit_log_group or self._ports is None:
            return
        of_stream: dict[str, list[Line]] = {}
        for line, at, account, region in batch:
            stream = f"{account}_CloudTrail_{region}"
            if stream not in self._streams and len(self._streams) >= STREAMS_MAX:
                stream = next(iter(self._streams))
            of_stream.setdefault(stream, []).append(Line(int(at * 1000), line.decode()))
            if stream not in self._streams:
                self._streams[stream] = self._shipper(stream)
        for stream, lines in of_stream.items():
            self._streams[stream].take(lines)

    def _shipper(self, stream: str) -> Shipper:
        assert self._ports is not None
        settings = self._settings
        root = Principal(
            kind="root", account=settings.account, arn=f"arn:aws:iam::{settings.account}:root",
            id=settings.account,
        )  # fmt: skip
        call = Call(
            ports=self._ports, account=settings.account, region=settings.region, principal=root,
            request_id=self._id(), now=self._clock.now(), seed=self._random(32),
        )  # fmt: skip
        return Shipper(
            call, settings.audit_log_group, stream, self._shipping, bytes_max=BATCH_BYTES_MAX
        )


def _wanted(settings: Settings, services: Mapping[str, Service]) -> frozenset[tuple[str, str]]:
    if settings.audit == "off":
        return frozenset()
    excluded = {source.strip() for source in settings.audit_exclude.split(",")}
    return frozenset(
        (service.name, operation)
        for service in services.values()
        if names.source(service.name) not in excluded
        for operation in service.operations
        if settings.audit == "all" or not names.is_data(service.name, operation)
    )

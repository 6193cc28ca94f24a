"""The courier: makes the deliveries that are due, and those that a process that died was making."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import ClassVar

import msgspec
from cryptography.exceptions import InvalidTag

from ogi import owed
from ogi.deliveries import BELL, tell
from ogi.entropy import uuid_of
from ogi.errors import AwsError
from ogi.owed import Delivery
from ogi.recording import record
from ogi.service import Call, Operation, Ports, Run, ask
from ogi.storage import Home, Transaction
from ogi.storage.keys import AGENDA, LEASES, after, number, u64
from ogi.vault import NONCE_BYTES

BATCH_MAX = 256
"""Deliveries looked at in one go."""
IN_FLIGHT_MAX = 512
LEASE_S = 960.0
"""How long an async target may take before its delivery is made again: above Lambda's 900 s."""
BACKOFF_S = (0.1, 0.5, 2.0, 10.0, 60.0, 300.0)
"""Waits after faults of ours, by attempt."""
UNREADABLE_S = 3600.0
"""When a record that cannot be read is looked at again."""
IDLE_S = 5.0
"""A bell is a hint: look at the agenda at least this often."""

log = logging.getLogger("ogi.deliveries")


def _home(key: bytes) -> Home:
    return Home(key[len(AGENDA) + 8 : -13].decode())


def _move(key: bytes, later: bytes, raw: bytes, tx: Transaction) -> None:
    if tx.get(key) is not None:
        tx.delete(key)
        tx.set(later, raw)


def _moved(key: bytes, due: float) -> bytes:
    return AGENDA + u64(int(due * 1000)) + key[len(AGENDA) + 8 :]


def _mark(leased: bytes) -> bytes:
    return LEASES + leased[len(AGENDA) :]


def _forget(tx: Transaction, key: bytes) -> None:
    tx.delete(key)
    tx.delete(_mark(key))


class Courier:
    """Makes the deliveries that are due. One per store."""

    name: ClassVar[str] = "courier"

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._flights: dict[bytes, asyncio.Task[None]] = {}
        self._fault: BaseException | None = None
        self._recovered = False

    async def work(self) -> bool:
        """Start what is due; True if there may be more now.

        A delivery whose fate could not even be recorded raises here: the supervisor backs off.
        """
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        due = await self._due()
        fresh = [entry for entry in due if entry[0] not in self._flights]
        room = IN_FLIGHT_MAX - len(self._flights)
        for key, raw in fresh[:room]:
            task = asyncio.create_task(self._open_and_make(key, raw))
            self._flights[key] = task
            task.add_done_callback(partial(self._landed, key))
        if not fresh or room <= 0:
            return False
        await asyncio.sleep(0)
        return len(due) == BATCH_MAX

    def _landed(self, key: bytes, task: asyncio.Task[None]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = fault

    async def wait(self) -> None:
        """Return when something was posted, has become due, or a flight has landed."""
        with self._ports.store.listen(BELL) as bell:
            if [k for k, _ in await self._due() if k not in self._flights]:
                if len(self._flights) < IN_FLIGHT_MAX:
                    return
                await asyncio.wait(self._flights.values(), return_when=asyncio.FIRST_COMPLETED)
                return
            now = self._ports.clock.now()
            later = await self._ports.store.read(
                lambda tx: tx.scan(AGENDA + u64(int(now * 1000) + 1), AGENDA + b"\xff" * 9, 1)
            )
            until = now + IDLE_S
            if later:
                until = min(until, number(later[0][0], len(AGENDA)) / 1000)
            await self._ports.clock.wait(bell.event, until)

    async def close(self) -> None:
        """Stop: what is in flight is cancelled and made again at the next start."""
        for task in list(self._flights.values()):
            task.cancel()
        for task in list(self._flights.values()):
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def drain(self) -> None:
        """Make all that is due now, and what follows from it at once (tests)."""
        while await self._due():
            await self.work()
            if self._flights:
                await asyncio.wait(self._flights.values())

    async def _recover(self) -> None:
        """Make again at once what a process that died was making: its leases hold nobody back."""
        store = self._ports.store
        while marks := await store.read(lambda tx: tx.scan(LEASES, after(LEASES), BATCH_MAX)):
            for mark, _ in marks:
                await self._release(AGENDA + mark[len(LEASES) :])

    async def _release(self, leased: bytes) -> None:
        now = self._ports.clock.now()

        def body(tx: Transaction) -> None:
            raw = tx.get(leased)
            _forget(tx, leased)
            if raw is not None:
                tx.set(_moved(leased, now), raw)

        await self._ports.store.transact(body, _home(leased))

    async def _due(self) -> list[tuple[bytes, bytes]]:
        if not self._recovered:
            await self._recover()
            self._recovered = True
        end = AGENDA + u64(int(self._ports.clock.now() * 1000) + 1)
        return await self._ports.store.read(
            lambda tx: tx.scan(AGENDA, end, BATCH_MAX + len(self._flights))
        )

    async def _open_and_make(self, key: bytes, raw: bytes) -> None:
        try:
            delivery = owed.open_(self._ports, raw)
        except (InvalidTag, ValueError, msgspec.DecodeError) as fault:
            # Kept, since it was promised, but out of the way of all that can be made.
            later = _moved(key, self._ports.clock.now() + UNREADABLE_S)
            log.error("delivery cannot be read", exc_info=fault, extra={"retry_s": UNREADABLE_S})
            await self._ports.store.transact(partial(_move, key, later, raw), _home(key))
            return
        await self._make(key, delivery)

    async def _make(self, key: bytes, delivery: Delivery) -> None:
        ports = self._ports
        call = Call(
            ports=ports,
            account=delivery.account,
            region=delivery.region,
            principal=delivery.principal,
            request_id=uuid_of(ports.random(16)),
            now=ports.clock.now(),
            seed=ports.random(32),
            trace=delivery.trace,
            trace_header=delivery.trace_header,
            context=delivery.context,
        )
        try:
            target = ports.services[delivery.service].operation_named(delivery.operation)
            if target.asynchronous:
                await self._make_outside(key, delivery, target, call)
            else:
                await self._make_inside(key, delivery, target, call)
        except AwsError as error:
            await self._refuse(key, delivery, call, error)
        except Exception as fault:
            await self._postpone(key, delivery, fault)

    async def _make_inside(
        self, key: bytes, delivery: Delivery, target: Operation, call: Call
    ) -> None:
        """Forget the delivery and run its target in one transaction."""

        def body(tx: Transaction) -> Run | None:
            if tx.get(key) is None:
                return None
            running = call.begin()
            tx.delete(key)
            target.authorise(tx, running, delivery.request)
            target.function(tx, running, delivery.request)
            return running.run

        homes = target.homes(call, delivery.request)
        try:
            run = await self._ports.store.transact(body, _home(key), *homes)
        except AwsError as error:
            record(call, target, delivery.request, None, error)
            raise
        if run is not None:
            self._ports.traces.add(run.notes)
            record(call, target, delivery.request, {}, None)

    async def _make_outside(
        self, key: bytes, delivery: Delivery, target: Operation, call: Call
    ) -> None:
        """Move the delivery out of reach, run its target, then forget the delivery."""
        store, home = self._ports.store, _home(key)
        leased = _moved(key, call.now + LEASE_S)

        def lease(tx: Transaction) -> bool:
            raw = tx.get(key)
            if raw is None:
                return False
            tx.delete(key)
            tx.set(leased, raw)
            tx.set(_mark(leased), b"")
            return True

        if not await store.transact(lease, home):
            return
        try:
            await ask(call, target, delivery.request)
        except AwsError as error:
            await self._refuse(leased, delivery, call, error)
        except Exception as fault:
            await self._postpone(leased, delivery, fault)
        else:
            await store.transact(lambda tx: _forget(tx, leased), home)

    async def _refuse(self, key: bytes, delivery: Delivery, call: Call, error: AwsError) -> None:
        """The target said no: tell the sender, which may post again, and forget the delivery."""

        def body(tx: Transaction) -> Run | None:
            if tx.get(key) is None:
                return None
            running = call.begin()
            _forget(tx, key)
            tell(tx, running, delivery, error)
            return running.run

        run = await self._ports.store.transact(body, _home(key))
        if run is not None:
            self._ports.traces.add(run.notes)

    async def _postpone(self, key: bytes, delivery: Delivery, fault: Exception) -> None:
        """A fault of ours: try again later, so that what was promised stays promised."""
        wait = BACKOFF_S[min(delivery.attempt, len(BACKOFF_S) - 1)]
        log.error(
            "delivery failed",
            exc_info=fault,
            extra={"service": delivery.service, "operation": delivery.operation, "retry_s": wait},
        )
        later = _moved(key, self._ports.clock.now() + wait)
        again = msgspec.structs.replace(delivery, attempt=delivery.attempt + 1)

        nonce = self._ports.random(NONCE_BYTES)

        def body(tx: Transaction) -> None:
            if tx.get(key) is not None:
                _forget(tx, key)
                tx.set(later, owed.seal(self._ports, again, nonce))

        await self._ports.store.transact(body, _home(key))

"""How a resource type's functions reach the neighbours: each thing is done once.

Law: a neighbour's plain operation and the entry in the step's journal are one transaction. An async
operation is marked as begun before and entered after; if the process dies between, the next run
finds the mark and looks whether the thing is there before it does it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ogi.errors import AwsError
from ogi.service import Call, Fields, Operation
from ogi.services.cloudformation.records import RESOURCES, STEPS, Stack, Step
from ogi.services.cloudformation.resources.contract import Ask, Refusal, handler_code
from ogi.storage import Transaction

PAGE_ROWS = 500


class Superseded(Exception):
    """The step is no longer to be done: its operation ended, or another run has gone further."""


class StepHands:
    """The hands of one run of one step; see `resources.contract.Hands`."""

    def __init__(self, call: Call, actor: Call, stack: Stack, step: Step) -> None:
        self._call = call
        self._actor = actor
        self._stack = stack
        self._step = step
        self._at = 0
        self.account = call.account
        self.region = call.region
        self.name = step.name
        self.since = step.started
        self.physical = ""

    def arn(self, service: str, resource: str) -> str:
        return self._call.arn(service, resource)

    def made(self, physical: str) -> None:
        self.physical = physical

    async def look(self, service: str, operation: str, request: Fields) -> Fields:
        return await self._actor.request(service, operation, request)

    async def owned(self, kind: str, physical: str) -> bool:
        start: bytes | None = None
        while True:
            begin = start
            rows = await self._call.read(
                lambda tx, begin=begin: RESOURCES.scan(  # type: ignore[misc]
                    tx, self._call, limit=PAGE_ROWS, start=begin
                )
            )
            if any(row.type == kind and row.physical == physical for _, row in rows):
                return True
            if len(rows) < PAGE_ROWS:
                return False
            start = rows[-1][0] + b"\x00"

    async def do(
        self,
        service: str,
        operation: str,
        request: Fields,
        recognise: Callable[[], Awaitable[Fields | None]] | None = None,
        region: str = "",
    ) -> Fields:
        ask = (service, operation, request)
        if not self._operation(ask).asynchronous:
            return (await self.do_all(ask, region=region))[0]
        if self._at < len(self._step.journal):
            return self._recalled()
        found = await recognise() if self._step.begun and recognise is not None else None
        if found is None:
            self._call.ports.validate(*ask)
            await self._mark(begun=True)
            there = self._actor.in_place(self._actor.account, region or self._actor.region)
            found = await there.request(service, operation, request)
        await self._mark(begun=False, result=_storable(found))
        return self._recalled()

    async def do_all(self, *asks: Ask, region: str = "") -> list[Fields]:
        if self._at < len(self._step.journal):
            return self._recalled_list()
        if any(self._operation(ask).asynchronous for ask in asks):
            raise TypeError(f"{[ask[:2] for ask in asks]} are not all plain operations")

        for ask in asks:
            self._call.ports.validate(*ask)

        def body(tx: Transaction, call: Call) -> list[Fields]:
            there = call.in_place(call.account, region or call.region)
            return [there.invoke(tx, *ask) for ask in asks]

        await self._together(body, asks, region)
        return self._recalled_list()

    async def create(self, absent: Ask, create: Ask, kind: str, name: str) -> Fields:
        if self._operation(create).asynchronous or self._operation(absent).asynchronous:
            return await self._create_outside(absent, create, kind, name)
        if self._at < len(self._step.journal):
            return self._recalled_list()[0]

        self._call.ports.validate(*create)

        def body(tx: Transaction, call: Call) -> list[Fields]:
            try:
                call.invoke(tx, *absent)
            except AwsError as error:
                if handler_code(error) != "NotFound":
                    raise
            else:
                raise _exists(kind, name)
            return [call.invoke(tx, *create)]

        await self._together(body, (absent, create))
        return self._recalled_list()[0]

    async def _create_outside(self, absent: Ask, create: Ask, kind: str, name: str) -> Fields:
        """The first run found nothing there, so what a later run finds is what the first made."""
        if self._at < len(self._step.journal):
            return self._recalled()
        present = True
        try:
            await self._actor.request(*absent)
        except AwsError as error:
            if handler_code(error) != "NotFound":
                raise
            present = False
        if present and not self._step.begun:
            raise _exists(kind, name)
        found: Fields = {}
        if not present:
            self._call.ports.validate(*create)
            await self._mark(begun=True)
            found = await self._actor.request(*create)
        await self._mark(begun=False, result=_storable(found))
        return self._recalled()

    async def drop(self, service: str, operation: str, request: Fields, region: str = "") -> None:
        try:
            await self.do(service, operation, request, region=region)
        except AwsError as error:
            if handler_code(error) != "NotFound":
                raise
            await self._mark(begun=False, result=[{}])
            self._at += 1

    # -- the journal ----------------------------------------------------------------------------

    def _operation(self, ask: Ask) -> Operation:
        service, operation, _ = ask
        return self._call.ports.services[service].operation_named(operation)

    def _recalled(self) -> Fields:
        result: Fields = self._step.journal[self._at]
        self._at += 1
        return result

    def _recalled_list(self) -> list[Fields]:
        results: list[Fields] = self._step.journal[self._at]
        self._at += 1
        return results

    async def _together(
        self,
        body: Callable[[Transaction, Call], list[Fields]],
        asks: tuple[Ask, ...],
        region: str = "",
    ) -> None:
        there = self._actor.in_place(self._actor.account, region or self._actor.region)
        homes = [home for ask in asks for home in self._operation(ask).homes(there, ask[2])]

        def entered(tx: Transaction, call: Call) -> Step:
            step = self._still(tx)
            results = [_storable(result) for result in body(tx, call)]
            step = msgspec.structs.replace(step, journal=(*step.journal, results))
            STEPS.put(tx, step, self._call, self._stack.uuid, step.slot)
            return step

        self._step = await self._actor.transact(entered, self._call.home, *homes)

    async def _mark(self, begun: bool, result: Any = None) -> None:
        def marked(tx: Transaction, call: Call) -> Step:
            step = self._still(tx)
            journal = step.journal if result is None else (*step.journal, result)
            step = msgspec.structs.replace(step, begun=begun, journal=journal)
            STEPS.put(tx, step, self._call, self._stack.uuid, step.slot)
            return step

        self._step = await self._actor.transact(marked, self._call.home)

    def _still(self, tx: Transaction) -> Step:
        step = STEPS.get(tx, self._call, self._stack.uuid, self._step.slot)
        if (
            step is None
            or step.state != "running"
            or step.token != self._step.token
            or len(step.journal) != len(self._step.journal)
        ):
            raise Superseded
        return step


def _exists(kind: str, name: str) -> Refusal:
    return Refusal(
        f"Resource of type '{kind}' with identifier '{name}' already exists.", "AlreadyExists"
    )


def _storable(result: Fields) -> Fields:
    """A result without what cannot be a record (streamed bodies)."""
    kept = (str, int, float, bool, bytes, list, dict)
    return {name: value for name, value in result.items() if isinstance(value, kept)}

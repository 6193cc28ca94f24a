"""A feed: the pollers of one event source mapping, from its queue to its function.

Laws: a message is deleted only when the function has succeeded with it; nothing in memory matters,
for what was received and not deleted returns when its visibility timeout has passed.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html: five batches at a time; as
long as messages are left up to 300 more per minute, 1,000 at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from ogi.errors import AwsError
from ogi.recording import record
from ogi.sandbox import Outcome
from ogi.service import Call, Fields, Ports
from ogi.services.lambda_ import batches, filters, mappings, roles, runs
from ogi.services.lambda_.batches import Batch
from ogi.services.lambda_.errors import TooManyRequestsException
from ogi.services.lambda_.mappings import Mapping
from ogi.services.lambda_.runs import Found
from ogi.storage import Reader

RECEIVE_MAX = 10
POLL_S = 20
START = 5
"""Batches at a time when the queue becomes active."""
GROWTH_PER_S = 300 / 60
BATCHES_MAX = 1000
BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Waits after refusals in a row, for polls and for throttled invocations."""
DELETE_MAX = 10
GATHERED_BYTES_MAX = batches.EVENT_BYTES_MAX

log = logging.getLogger("ogi.lambda")


class Feed:
    """See the module. `run` until it is stopped or cancelled."""

    def __init__(self, ports: Ports, mapping: Mapping) -> None:
        self._ports = ports
        self._clock = ports.clock
        self.mapping = mapping
        self._limit = float(START)
        self._saturated_since: float | None = None
        self._in_flight = 0
        self._reserved: int | None = None
        self._moved = asyncio.Event()
        """Something changed for the loop: a batch ended, the mapping is another."""
        self._polling: asyncio.Task[None] | None = None
        self._stopped = False
        self._result = ""
        self._refusals = 0

    async def run(self) -> None:
        """Poll until stopped; then let the batches in progress end."""
        self._result = await self._shown()
        if self._stopped:
            return
        async with asyncio.TaskGroup() as tasks:
            self._polling = tasks.create_task(self._poll(tasks))

    def change(self, mapping: Mapping) -> None:
        """The mapping, its function or its concurrency has changed."""
        self.mapping = mapping
        self._refusals = 0
        self._moved.set()

    def stop(self) -> None:
        """No more polls; batches in progress go on."""
        self._stopped = True
        if self._polling is not None:
            self._polling.cancel()

    # -- polling ----------------------------------------------------------------------------

    async def _poll(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._moved.clear()
            try:
                call, found = await self._as_role()
                self._reserved = found.reserved.get(found.target.name)
                if self._in_flight >= self._room():
                    await self._clock.wait(self._moved, self._clock.now() + 1.0)
                    continue
                received = await self._gather(call)
                wanted = await self._filtered(call, received)
                await self._show("")
                self._refusals = 0
            except AwsError as error:
                await self._refused(error)
                continue
            except Exception:
                log.exception("poll failed", extra={"mapping": self.mapping.id})
                await self._back_off()
                continue
            if not received:
                self._limit, self._saturated_since = float(START), None
            m = self.mapping
            for batch in batches.split(wanted, m.source, m.region, m.batch_size):
                self._in_flight += 1
                tasks.create_task(self._serve(call, batch, self._clock.now()))

    def _room(self) -> int:
        """How many batches may be in progress."""
        now = self._clock.now()
        if self._in_flight >= int(self._limit):
            if self._saturated_since is None:
                self._saturated_since = now
            self._limit += GROWTH_PER_S * (now - self._saturated_since)
            self._saturated_since = now
        else:
            self._saturated_since = None
        room = min(int(self._limit), BATCHES_MAX)
        if self.mapping.concurrency_max:
            room = min(room, self.mapping.concurrency_max)
        if self._reserved is not None:
            room = min(room, self._reserved)
        return room

    async def _as_role(self) -> tuple[Call, Found]:
        """The function as it is now, and a call as its role."""
        mapping = self.mapping
        lambda_ = runs.background(self._ports, mapping.account, mapping.region)

        def body(tx: Reader) -> tuple[Call, Found]:
            found = runs.find(tx, mapping.target)
            name = f"awslambda_0_{mapping.id.replace('-', '')}"
            principal = roles.assume(tx, lambda_, found.version.role, name, found.function.arn)
            invoker = {"ogi:InvokedBy": lambda_.principal.arn}
            return lambda_.as_principal(principal, **invoker), found

        return await self._ports.store.read(body)

    async def _gather(self, call: Call) -> list[Fields]:
        """One batch's messages: what the first poll brings, or more within the window."""
        mapping = self.mapping
        found = await self._receive(call, mapping.batch_size, POLL_S)
        if not found or not mapping.window_s:
            return found
        until = self._clock.now() + mapping.window_s
        size = sum(len(m["Body"]) for m in found)
        while len(found) < mapping.batch_size and size < GATHERED_BYTES_MAX:
            left_s = int(until - self._clock.now())
            more = await self._receive(
                call, mapping.batch_size - len(found), max(0, min(POLL_S, left_s))
            )
            found += more
            size += sum(len(m["Body"]) for m in more)
            if left_s < 1 and not more:
                break
        return found

    async def _receive(self, call: Call, wanted: int, wait_s: int) -> list[Fields]:
        asked = {
            "QueueUrl": self.mapping.queue_url,
            "MaxNumberOfMessages": min(wanted, RECEIVE_MAX),
            "WaitTimeSeconds": wait_s,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        found = await call.request("sqs", "ReceiveMessage", asked)
        messages: list[Fields] = found.get("Messages") or []
        return messages

    async def _filtered(self, call: Call, received: list[Fields]) -> list[Fields]:
        """What the filters let through; the others are gone from the queue, as on AWS."""
        if not self.mapping.filters:
            return received
        wanted = filters.passing(self.mapping.filters, received)
        kept = {message["MessageId"] for message in wanted}
        await self._delete(call, [m for m in received if m["MessageId"] not in kept])
        return wanted

    async def _refused(self, error: AwsError) -> None:
        """Say it where users look, and try again later or when something changes."""
        if error.shape in ("ResourceNotFoundException", "CannotAssume"):
            result = f"PROBLEM: {error.message}"
        else:
            result = f"PROBLEM: {mappings.sqs_refusal('ReceiveMessage', error)}"
        await self._show(result)
        await self._back_off()

    async def _back_off(self) -> None:
        wait_s = BACKOFF_S[min(self._refusals, len(BACKOFF_S) - 1)]
        self._refusals += 1
        await self._clock.wait(self._moved, self._clock.now() + wait_s)

    async def _shown(self) -> str:
        mapping = self.mapping
        status = await self._ports.store.read(
            lambda tx: mappings.STATUSES.get(tx, mapping.home, mapping.id)
        )
        return "" if status is None else status.result

    async def _show(self, result: str) -> None:
        """LastProcessingResult, a hop in a trace of the mapping's own, and a line in Ogi's log."""
        if result == self._result:
            return
        self._result, mapping = result, self.mapping
        if result:
            log.warning(
                "event source mapping cannot poll",
                extra={"mapping": mapping.id, "queue": mapping.source, "reason": result},
            )
            at = self._clock.now()
            said = {"at": at, "mapping": mapping.id, "queue": mapping.source, "reason": result}
            self._ports.traces.add([(trace_of(mapping), "lambda.poll_refused", said)])
        await self._ports.store.transact(
            lambda tx: mappings.set_result(tx, mapping, result), mapping.home
        )

    # -- one batch --------------------------------------------------------------------------

    async def _serve(self, call: Call, batch: Batch, received: float) -> None:
        try:
            await self._process(call, batch, received)
        except AwsError as error:
            await self._show(f"PROBLEM: {error.message}")
            self._shrink()
        except Exception:
            log.exception("batch failed", extra={"mapping": self.mapping.id})
            self._shrink()
        finally:
            self._in_flight -= 1
            self._moved.set()

    async def _process(self, call: Call, batch: Batch, received: float) -> None:
        mapping = self.mapping
        outcome = await self._run(batch, received)
        if outcome is None:
            return
        if outcome.error:
            self._shrink()
            return
        failed = batches.failed(batch, outcome.payload) if mapping.partial else set()
        done = [message for message in batch.messages if message["MessageId"] not in failed]
        await self._delete(call, done)

    async def _run(self, batch: Batch, received: float) -> Outcome | None:
        """Run the function; while it is throttled again and again, until the messages are back.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: Lambda retries
        a throttled batch, with fewer at a time, until the visibility timeout has passed.
        """
        mapping, tries = self.mapping, 0
        traces = batch.traces or [new_trace(self._ports)]
        call = runs.background(self._ports, mapping.account, mapping.region, traces[0])
        request_id = call.begin().new_id()
        visible: float | None = None
        while True:
            found = await call.read(lambda tx: runs.find(tx, mapping.target))
            try:
                outcome = await runs.of(self._ports).run(
                    call, found, batch.payload, request_id=request_id, message_ids=batch.ids,
                    traces=traces,
                )  # fmt: skip
                # "All Lambda functions are executed using the Lambda Invoke API", also by event
                # source mappings: AWS's blog on management, "Gain Visibility into the Execution of
                # Your AWS Lambda functions with AWS CloudTrail".
                invoke = self._ports.services["lambda"].operation_named("Invoke")
                record(call, invoke, {"FunctionName": found.function.arn}, {}, None)
                return outcome
            except TooManyRequestsException:
                self._shrink()
            if visible is None:
                visible = received + await self._visibility_s()
            until = self._clock.now() + BACKOFF_S[min(tries, len(BACKOFF_S) - 1)]
            tries += 1
            if until >= visible:
                return None
            await self._clock.wait(asyncio.Event(), until)

    async def _visibility_s(self) -> int:
        call, _ = await self._as_role()
        asked = {"QueueUrl": self.mapping.queue_url, "AttributeNames": ["VisibilityTimeout"]}
        found = await call.request("sqs", "GetQueueAttributes", asked)
        return int(found["Attributes"]["VisibilityTimeout"])

    def _shrink(self) -> None:
        """Fewer at a time, after errors and throttling."""
        self._limit = max(1.0, self._limit / 2)
        self._saturated_since = None

    async def _delete(self, call: Call, messages: Sequence[Fields]) -> None:
        for at in range(0, len(messages), DELETE_MAX):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages[at : at + DELETE_MAX])
            ]
            asked = {"QueueUrl": self.mapping.queue_url, "Entries": entries}
            try:
                await call.request("sqs", "DeleteMessageBatch", asked)
            except AwsError as error:
                await self._show(f"PROBLEM: {mappings.sqs_refusal('DeleteMessage', error)}")
                return


def trace_of(mapping: Mapping) -> str:
    """The trace of a mapping itself: what no message can be blamed for."""
    digits = mapping.id.replace("-", "")
    return f"1-{digits[:8]}-{digits[8:32]}"


def new_trace(ports: Ports) -> str:
    return f"1-{int(ports.clock.now()):08x}-{ports.random(12).hex()}"

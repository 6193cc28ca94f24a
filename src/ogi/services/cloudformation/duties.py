"""What CloudFormation owes itself: performing steps, running out of time, forgetting stacks."""

from __future__ import annotations

import logging

import msgspec

from ogi.deliveries import post
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.cloudformation import engine, sessions, steps
from ogi.services.cloudformation.hands import StepHands, Superseded
from ogi.services.cloudformation.records import (
    CHANGE_SETS,
    EVENTS,
    PLANS,
    RESOURCES,
    STACKS,
    STEPS,
    Stack,
    Step,
    plan_of,
)
from ogi.services.cloudformation.resources import TYPES
from ogi.services.cloudformation.resources.contract import (
    Made,
    Present,
    Refusal,
    ResourceType,
    handler_code,
)
from ogi.services.cloudformation.service import SERVICE
from ogi.storage import Home, Reader, Transaction
from ogi.storage.keys import after

FAULTS_MAX = 3
"""How often a step is tried again after a fault of ours; then it fails as Internal Failure."""
ROWS_MAX = 200
"""Rows that are forgotten in one transaction."""

log = logging.getLogger("ogi.cloudformation")


def _home(call: Call, request: Fields) -> Home:
    return call.home


@SERVICE.duty(home=_home)
async def perform(call: Call, request: Fields) -> Fields:
    """Do one step, and settle it."""
    uuid, slot, token = request["Stack"], request["Slot"], request["Token"]

    def current(tx: Reader) -> tuple[Stack | None, Step | None]:
        return STACKS.get(tx, call.home, uuid), STEPS.get(tx, call, uuid, slot)

    stack, step = await call.read(current)
    if stack is None or step is None or step.state != "running" or step.token != token:
        return {}
    hands: StepHands | None = None
    made: Made | None = None
    reason = ""
    try:
        hands = StepHands(call, await sessions.actor(call, stack.role_arn), stack, step)
        made = await _act(_kind(step), hands, step)
    except Superseded:
        return {}
    except Refusal as refusal:
        reason = refusal.message if refusal.bare else _told(refusal.message, refusal.code, token)
    except AwsError as error:
        reason = _reason(error, step)
    except Exception:
        if step.faults >= FAULTS_MAX:
            log.exception("a step failed", extra={"stack": uuid, "slot": slot})
            reason = "Internal Failure"
        else:
            await call.transact(lambda tx, running: _faulted(tx, running, uuid, step), call.home)
            raise
    physical = hands.physical if hands is not None else ""
    await call.transact(
        lambda tx, running: _settle(tx, running, uuid, step, made, reason, physical), call.home
    )
    return {}


def _kind(step: Step) -> ResourceType:
    if step.action in ("create", "replace"):
        # A replacement may be of another type than what it replaces.
        return TYPES[step.kind]
    assert step.target is not None
    return TYPES[step.target.type]


async def _act(kind: ResourceType, hands: StepHands, step: Step) -> Made | None:
    if step.action in ("create", "replace"):
        return await kind.create(hands, step.properties)
    assert step.target is not None
    target = step.target
    present = Present(target.physical, target.properties, target.attributes)
    if step.action == "delete":
        await kind.delete(hands, present)
        return None
    return await kind.update(hands, present, step.properties)


def _settle(
    tx: Transaction, call: Call, uuid: str, ran: Step, made: Made | None, reason: str,
    physical: str,
) -> None:  # fmt: skip
    stack = STACKS.get(tx, call.home, uuid)
    step = STEPS.get(tx, call, uuid, ran.slot)
    if stack is None or step is None or step.state != "running" or step.token != ran.token:
        return
    if reason:
        failed = steps.save(tx, call, stack, steps.fail(tx, call, stack, step, reason, physical))
        stack = engine.stop(tx, call, stack, failed)
    else:
        plan = plan_of(tx, call, uuid)
        steps.save(tx, call, stack, steps.succeed(tx, call, stack, plan, step, made))
    engine.advance(tx, call, stack)


def _faulted(tx: Transaction, call: Call, uuid: str, ran: Step) -> None:
    step = STEPS.get(tx, call, uuid, ran.slot)
    if step is not None and step.token == ran.token:
        step = msgspec.structs.replace(step, faults=step.faults + 1)
        STEPS.put(tx, step, call, uuid, step.slot)


_SERVICES = {
    "sqs": "Sqs", "sns": "Sns", "kms": "Kms", "iam": "Iam", "s3": "S3", "lambda": "Lambda",
    "logs": "CloudWatchLogs",
}  # fmt: skip
"""As the AWS SDK that the handlers are written with names the services."""


def _reason(error: AwsError, step: Step) -> str:
    """A neighbour's refusal as CloudFormation tells it."""
    kind = step.kind or (step.target.type if step.target is not None else "")
    service = kind.split("::")[1].lower() if kind else ""
    where = f"Service: {_SERVICES.get(service, service)}, Status Code: {error.status or 400}"
    if kind == "AWS::Lambda::EventSourceMapping" and handler_code(error) == "InvalidRequest":
        # The form of this type's handler, as the article shows it.
        return (
            f"Invalid request provided: {error.message}"
            f" ({where}, Request ID: {step.token}, Extended Request ID: null)"
        )
    message = f"{error.message} ({where}, Request ID: {step.token})"
    return _told(message, handler_code(error), step.token)


def _told(message: str, code: str, token: str) -> str:
    return (
        f'Resource handler returned message: "{message}"'
        f" (RequestToken: {token}, HandlerErrorCode: {code})"
    )


@SERVICE.duty(home=_home)
def expire(tx: Transaction, call: Call, request: Fields) -> Fields:
    """The time that CreateStack was given has passed."""
    stack = STACKS.get(tx, call.home, request["Stack"])
    if stack is None or stack.operation is None or stack.operation.id != request["Operation"]:
        return {}
    if stack.operation.phase == "create" and not stack.operation.stopping:
        engine.interrupt(tx, call, stack, "Stack creation time exceeded the specified timeout")
    return {}


@SERVICE.duty(home=_home)
def forget(tx: Transaction, call: Call, request: Fields) -> Fields:
    """A stack that was deleted long ago is forgotten, page by page."""
    uuid = request["Stack"]
    room = ROWS_MAX
    for table in (EVENTS, RESOURCES, STEPS, CHANGE_SETS, PLANS):
        prefix = table.key(call.home, uuid)
        for key, _ in tx.scan(prefix, after(prefix), room):
            tx.delete(key)
            room -= 1
    if room > 0:
        STACKS.delete(tx, call.home, uuid)
        return {}
    post(tx, call, call.home, "cloudformation", "forget", {"Stack": uuid})
    return {}

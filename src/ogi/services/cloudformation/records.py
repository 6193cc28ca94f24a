"""What CloudFormation remembers: stacks, their resources, plans, steps and events.

All of it lies in the control home of the stack's account and region; what may hold values of
parameters, secret ones too, is sealed. A stack's rows are found by
its UUID; a name is taken by at most one stack that is not deleted.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.sealed_tables import SealedTable
from ogi.service import Call
from ogi.services.cloudformation.goals import Goal
from ogi.services.cloudformation.templates import RESOURCES_MAX
from ogi.storage import Reader, Transaction
from ogi.storage.keys import number
from ogi.storage.tables import Table

STEPS_MAX = 2 * RESOURCES_MAX
"""Each resource of a stack, and one predecessor of it that is still to be deleted."""


class StackOutput(msgspec.Struct, frozen=True):
    key: str
    value: str
    description: str = ""
    export: str = ""


class Operation(msgspec.Struct, frozen=True):
    """What is being done to a stack, and how far it is."""

    id: str
    kind: str
    """`create`, `update`, `delete`, `rollback`: what was asked for."""
    phase: str
    """`create`, `rollback`, `update`, `cleanup`, `update_rollback`, `rollback_cleanup`,
    `delete`."""
    token: str = ""
    """ClientRequestToken."""
    stopping: str = ""
    """Why no further step starts: the phase ends once its running steps have."""
    failed: tuple[str, ...] = ()
    """Logical ids whose step failed or was cancelled, in that order."""
    then_delete: bool = False
    """DeleteStack came while the stack was being created."""
    skipped: tuple[str, ...] = ()
    """Logical ids left as they are (RetainResources, ResourcesToSkip)."""
    force: bool = False
    """FORCE_DELETE_STACK: what cannot be deleted is let go of."""
    keep_failures: bool = False
    """DisableRollback of this operation."""


class Stack(msgspec.Struct, frozen=True):
    uuid: str
    name: str
    arn: str
    status: str
    created: float
    reason: str = ""
    updated: float | None = None
    deleted: float | None = None
    role_arn: str = ""
    timeout_minutes: int = 0
    on_failure: str = "ROLLBACK"
    disable_rollback: bool = False
    protected: bool = False
    retain_except_on_create: bool = False
    """A rollback deletes what it undoes, though its DeletionPolicy is Retain."""
    outputs: tuple[StackOutput, ...] = ()
    operation: Operation | None = None
    last_token: str = ""
    last_kind: str = ""
    change_set: str = ""
    """ARN of the change set that was executed last."""


class Plan(msgspec.Struct, frozen=True):
    """One version of a stack: its template as it came, and what it means."""

    text: str
    processed: str
    """JSON of the template after its transforms; '' if it has none."""
    goal: Goal
    tags: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    notification_arns: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()


class Resource(msgspec.Struct, frozen=True):
    logical: str
    type: str
    status: str
    updated: float
    physical: str = ""
    reason: str = ""
    properties: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    needs: tuple[str, ...] = ()
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    metadata: str = ""
    description: str = ""


class Before(msgspec.Struct, frozen=True):
    """A resource as it was before the update in progress; None: it was not there."""

    resource: Resource | None


class Step(msgspec.Struct, frozen=True):
    """One thing to do to one resource. It is found by its slot: the logical id, or for a
    replaced predecessor the logical id and `/old`."""

    slot: str
    logical: str
    action: str
    """`change` (not decided yet), `create`, `replace`, `update`, `revert`, `delete`."""
    operation: str
    needs: tuple[str, ...] = ()
    """Slots that must be done before."""
    state: str = "waiting"
    """`waiting`, `running`, `done`, `failed`."""
    token: str = ""
    """The handler's RequestToken."""
    started: float = 0
    kind: str = ""
    """The type of what is created."""
    name: str = ""
    """The physical name, decided before anything is created."""
    properties: dict[str, Any] = {}
    """What the resource shall be."""
    target: Resource | None = None
    """The resource as it is: what is updated or deleted."""
    journal: tuple[Any, ...] = ()
    """Results of what this step has done, in order: a step that runs again repeats none."""
    begun: bool = False
    """A further thing was begun whose result is not in the journal."""
    faults: int = 0
    """How often our own handler broke."""


class Event(msgspec.Struct, frozen=True):
    id: str
    logical: str
    physical: str
    type: str
    status: str
    at: float
    reason: str = ""
    properties: str = ""
    token: str = ""


class ChangeSet(msgspec.Struct, frozen=True):
    id: str
    name: str
    arn: str
    kind: str
    """`CREATE` or `UPDATE`."""
    status: str
    reason: str
    execution: str
    created: float
    description: str
    changes: tuple[dict[str, Any], ...]
    plan: Plan
    role_arn: str = ""
    on_failure: str = ""
    token: str = ""


class Export(msgspec.Struct, frozen=True):
    stack: str
    stack_arn: str
    value: str


class Name(msgspec.Struct, frozen=True):
    uuid: str


class Import(msgspec.Struct, frozen=True):
    stack_name: str


STACKS = Table("cloudformation.stack", Stack)
NAMES = Table("cloudformation.name", Name)
PLANS = SealedTable("cloudformation.plan", Plan)
RESOURCES = SealedTable("cloudformation.resource", Resource)
BEFORES = SealedTable("cloudformation.before", Before)
LEFTOVERS = SealedTable("cloudformation.leftover", Resource)
STEPS = SealedTable("cloudformation.step", Step)
EVENTS = SealedTable("cloudformation.event", Event)
CHANGE_SETS = SealedTable("cloudformation.changeset", ChangeSet)
EXPORTS = Table("cloudformation.export", Export)
IMPORTS = Table("cloudformation.import", Import)

CURRENT, NEXT = "current", "next"
"""The two plans of a stack: what it is, and what an update makes of it."""


def bell(uuid: str) -> bytes:
    """Rings when an operation on the stack ends."""
    return b"cloudformation/" + uuid.encode()


def plan_of(tx: Reader, call: Call, uuid: str) -> Plan | None:
    """The plan that is in force: an update's own while it goes on."""
    return PLANS.get(tx, call, uuid, NEXT) or PLANS.get(tx, call, uuid, CURRENT)


def resources_of(tx: Reader, call: Call, uuid: str) -> dict[str, Resource]:
    rows = RESOURCES.scan(tx, call, uuid, limit=STEPS_MAX)
    return {resource.logical: resource for _, resource in rows}


def steps_of(tx: Reader, call: Call, uuid: str) -> dict[str, Step]:
    rows = STEPS.scan(tx, call, uuid, limit=STEPS_MAX)
    return {step.slot: step for _, step in rows}


def put_step(tx: Transaction, call: Call, uuid: str, step: Step) -> None:
    STEPS.put(tx, step, call, uuid, step.slot)


def put_resource(tx: Transaction, call: Call, uuid: str, resource: Resource) -> None:
    RESOURCES.put(tx, resource, call, uuid, resource.logical)


def put_stack(tx: Transaction, call: Call, stack: Stack) -> Stack:
    STACKS.put(tx, stack, call.home, stack.uuid)
    return stack


def next_event(tx: Reader, call: Call, uuid: str) -> int:
    last = EVENTS.scan(tx, call, uuid, limit=1, reverse=True)
    return number(last[0][0]) + 1 if last else 0

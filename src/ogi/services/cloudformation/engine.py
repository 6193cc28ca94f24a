"""The engine: phases of a stack operation, each a set of steps that go on as their needs are met.

Nothing here waits. Every transition is made in the transaction that caused it: a phase begins with
its steps as records, each settled step starts what became due, and the last one begins the next
phase or ends the operation. A process that dies leaves records and owed deliveries, and so goes on.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ogi.deliveries import post
from ogi.errors import AwsError
from ogi.service import Call
from ogi.services.cloudformation import exports, graphs, steps
from ogi.services.cloudformation.events import stack_is, tell
from ogi.services.cloudformation.records import (
    BEFORES,
    CURRENT,
    LEFTOVERS,
    NAMES,
    NEXT,
    PLANS,
    RESOURCES,
    STEPS,
    STEPS_MAX,
    Operation,
    Plan,
    Resource,
    Stack,
    Step,
    bell,
    plan_of,
    put_resource,
    put_stack,
    resources_of,
    steps_of,
)
from ogi.services.cloudformation.steps import OLD
from ogi.storage import Transaction

USER = "User Initiated"
KEPT_S = 90 * 86_400
"""How long a deleted stack can still be described (API reference, ListStacks)."""


# -- beginnings -----------------------------------------------------------------------------------


def begin_create(
    tx: Transaction, call: Call, stack: Stack, plan: Plan, token: str, fault: str = ""
) -> Stack:
    """fault: why nothing of it can be made; it fails with that reason at once."""
    PLANS.put(tx, plan, call, stack.uuid, CURRENT)
    stack = _operate(stack, call, "create", "create", token)
    stack = stack_is(tx, call, stack, "CREATE_IN_PROGRESS", USER)
    if stack.timeout_minutes and stack.operation is not None:
        post(
            tx, call, call.home, "cloudformation", "expire",
            {"Stack": stack.uuid, "Operation": stack.operation.id},
            due=call.now + 60 * stack.timeout_minutes,
        )  # fmt: skip
    _plan_changes(tx, call, stack, plan)
    if fault and stack.operation is not None:
        operation = msgspec.structs.replace(stack.operation, stopping=fault)
        stack = put_stack(tx, call, msgspec.structs.replace(stack, operation=operation))
    return advance(tx, call, stack)


def begin_update(
    tx: Transaction, call: Call, stack: Stack, plan: Plan, token: str, keep_failures: bool
) -> Stack:
    PLANS.put(tx, plan, call, stack.uuid, NEXT)
    stack = _operate(stack, call, "update", "update", token, keep_failures=keep_failures)
    stack = msgspec.structs.replace(stack, updated=call.now)
    stack = stack_is(tx, call, stack, "UPDATE_IN_PROGRESS", USER)
    _plan_changes(tx, call, stack, plan)
    return advance(tx, call, stack)


def begin_delete(
    tx: Transaction, call: Call, stack: Stack, token: str,
    skipped: tuple[str, ...] = (), force: bool = False, reason: str = USER,
) -> Stack:  # fmt: skip
    stack = _operate(stack, call, "delete", "delete", token, skipped=skipped, force=force)
    return _delete_all(tx, call, stack, "DELETE_IN_PROGRESS", reason)


def begin_rollback(tx: Transaction, call: Call, stack: Stack, token: str) -> Stack:
    """RollbackStack: undo what a failed operation left as it was."""
    if stack.status == "CREATE_FAILED":
        stack = _operate(stack, call, "rollback", "rollback", token)
        return _delete_all(tx, call, stack, "ROLLBACK_IN_PROGRESS", USER)
    stack = _operate(stack, call, "rollback", "update_rollback", token)
    return _roll_update_back(tx, call, stack, USER)


def continue_rollback(
    tx: Transaction, call: Call, stack: Stack, token: str, skipped: tuple[str, ...]
) -> Stack:
    stack = _operate(stack, call, "rollback", "update_rollback", token, skipped=skipped)
    return _roll_update_back(tx, call, stack, USER)


def _operate(
    stack: Stack, call: Call, kind: str, phase: str, token: str,
    skipped: tuple[str, ...] = (), force: bool = False, keep_failures: bool = False,
) -> Stack:  # fmt: skip
    operation = Operation(
        id=call.new_id(), kind=kind, phase=phase, token=token, skipped=skipped, force=force,
        keep_failures=keep_failures,
    )  # fmt: skip
    return msgspec.structs.replace(stack, operation=operation, last_token=token, last_kind=kind)


def _enter(stack: Stack, phase: str) -> Stack:
    assert stack.operation is not None
    operation = msgspec.structs.replace(stack.operation, phase=phase, stopping="", failed=())
    return msgspec.structs.replace(stack, operation=operation)


# -- the steps of a phase -------------------------------------------------------------------------


def _write_steps(tx: Transaction, call: Call, stack: Stack, fresh: Iterable[Step]) -> None:
    for slot in steps_of(tx, call, stack.uuid):
        STEPS.delete(tx, call.home, stack.uuid, slot)
    for step in fresh:
        STEPS.put(tx, step, call, stack.uuid, step.slot)


def _plan_changes(tx: Transaction, call: Call, stack: Stack, plan: Plan) -> None:
    assert stack.operation is not None
    operation = stack.operation.id
    resources = plan.goal.resources
    _write_steps(
        tx, call, stack,
        [
            Step(logical, logical, "change", operation, needs=resources[logical].needs)
            for logical in resources
        ],
    )  # fmt: skip


def _plan_deletions(
    tx: Transaction, call: Call, stack: Stack, targets: dict[str, Resource]
) -> None:
    """`targets` by slot: each goes after those that need it."""
    assert stack.operation is not None
    needs: dict[str, list[str]] = {}
    for slot, target in targets.items():
        # What was replaced was needed by what was there before; its own needs are as they were.
        needs[slot] = [
            other for name in target.needs for other in (name, name + OLD) if other in targets
        ]
    waits = graphs.reversed_needs(needs)
    _write_steps(
        tx, call, stack,
        [
            Step(
                slot, target.logical, "delete", stack.operation.id, needs=waits[slot],
                target=target,
            )
            for slot, target in targets.items()
        ],
    )  # fmt: skip


def advance(tx: Transaction, call: Call, stack: Stack) -> Stack:
    """Start what is due; when nothing runs any more, the phase ends."""
    while stack.operation is not None:
        found = steps_of(tx, call, stack.uuid)
        running = any(step.state == "running" for step in found.values())
        if stack.operation.stopping:
            return stack if running else _stopped(tx, call, stack)
        done = {slot for slot, step in found.items() if step.state == "done"}
        due = [
            step
            for step in found.values()
            if step.state == "waiting" and all(n in done or n not in found for n in step.needs)
        ]
        if not due:
            if running:
                return stack
            return _ended(tx, call, stack, found)
        plan = plan_of(tx, call, stack.uuid)
        for step in due:
            started = steps.save(tx, call, stack, steps.start(tx, call, stack, plan, step))
            if started.state == "failed":
                stack = stop(tx, call, stack, started)
                break
    return stack


def stop(tx: Transaction, call: Call, stack: Stack, failed: Step) -> Stack:
    """A step failed: what runs beside it is cancelled, nothing further starts.

    Deletions beside each other go on: as much as can go, goes.
    """
    operation = stack.operation
    assert operation is not None
    if failed.action == "delete":
        if failed.slot not in operation.failed:
            operation = msgspec.structs.replace(operation, failed=(*operation.failed, failed.slot))
        return put_stack(tx, call, msgspec.structs.replace(stack, operation=operation))
    names = [failed.slot]
    if not operation.stopping:
        for step in steps_of(tx, call, stack.uuid).values():
            if step.state == "running" and step.slot not in (failed.slot, *operation.failed):
                steps.cancel(tx, call, stack, step)
                names.append(step.slot)
    verb = "create" if failed.action == "create" else "update"
    operation = msgspec.structs.replace(
        operation,
        stopping=operation.stopping or verb,
        failed=tuple(dict.fromkeys((*operation.failed, *names))),
    )
    return put_stack(tx, call, msgspec.structs.replace(stack, operation=operation))


def interrupt(tx: Transaction, call: Call, stack: Stack, why: str) -> Stack:
    """Stop the operation from outside: cancelled by its user, timed out, or to be deleted."""
    operation = stack.operation
    assert operation is not None
    names = list(operation.failed)
    for step in steps_of(tx, call, stack.uuid).values():
        if step.state == "running" and step.slot not in names:
            steps.cancel(tx, call, stack, step)
            names.append(step.slot)
    operation = msgspec.structs.replace(operation, stopping=why, failed=tuple(names))
    stack = put_stack(tx, call, msgspec.structs.replace(stack, operation=operation))
    return advance(tx, call, stack)


# -- ends -----------------------------------------------------------------------------------------


def _stopped(tx: Transaction, call: Call, stack: Stack) -> Stack:
    """The phase ended early."""
    operation = stack.operation
    assert operation is not None
    if operation.then_delete:
        return _delete_all(tx, call, _enter(stack, "delete"), "DELETE_IN_PROGRESS", USER)
    reason = _reason(operation)
    if operation.phase == "create":
        if stack.disable_rollback or operation.keep_failures or stack.on_failure == "DO_NOTHING":
            return _finish(tx, call, stack, "CREATE_FAILED", reason)
        if stack.on_failure == "DELETE":
            reason = f"{reason}Delete requested by user."
            return _delete_all(tx, call, _enter(stack, "delete"), "DELETE_IN_PROGRESS", reason)
        reason = f"{reason}Rollback requested by user."
        return _delete_all(tx, call, _enter(stack, "rollback"), "ROLLBACK_IN_PROGRESS", reason)
    if operation.phase == "update":
        if stack.disable_rollback or operation.keep_failures:
            return _finish(tx, call, stack, "UPDATE_FAILED", reason)
        return _roll_update_back(tx, call, _enter(stack, "update_rollback"), reason)
    return _finish(tx, call, stack, "UPDATE_ROLLBACK_FAILED", reason)


def _reason(operation: Operation) -> str:
    if operation.stopping in ("create", "update"):
        names = ", ".join(slot.removesuffix(OLD) for slot in operation.failed)
        return f"The following resource(s) failed to {operation.stopping}: [{names}]. "
    return f"{operation.stopping}. " if operation.stopping else ""


def _ended(tx: Transaction, call: Call, stack: Stack, found: dict[str, Step]) -> Stack:
    """All steps that could be taken were taken."""
    operation = stack.operation
    assert operation is not None
    left = [step for step in found.values() if step.state != "done"]
    match operation.phase:
        case "create":
            return _complete(tx, call, stack, "CREATE_COMPLETE")
        case "update":
            return _complete(tx, call, stack, "")
        case "cleanup":
            # What cannot be deleted is left behind: the update itself is complete.
            return _finish(tx, call, stack, "UPDATE_COMPLETE")
        case "update_rollback":
            return _clean_rollback(tx, call, stack)
        case "rollback_cleanup":
            return _finish(tx, call, stack, "UPDATE_ROLLBACK_COMPLETE")
    if left and not operation.force:
        names = ", ".join(step.logical for step in left if step.state == "failed")
        reason = f"The following resource(s) failed to delete: [{names}]. "
        status = "ROLLBACK_FAILED" if operation.phase == "rollback" else "DELETE_FAILED"
        return _finish(tx, call, stack, status, reason)
    for step in left:
        RESOURCES.delete(tx, call.home, stack.uuid, step.logical)
        if step.target is not None:
            tell(tx, call, stack, step.target, "DELETE_SKIPPED")
    if operation.phase == "rollback":
        return _finish(tx, call, stack, "ROLLBACK_COMPLETE")
    return _gone(tx, call, stack)


def _complete(tx: Transaction, call: Call, stack: Stack, status: str) -> Stack:
    """All resources are there: the outputs are told; an update cleans up after itself."""
    plan = plan_of(tx, call, stack.uuid)
    assert plan is not None
    try:
        told = exports.outputs(plan.goal, steps.scope_of(tx, call, stack, plan.goal))
        exports.publish(tx, call, stack, plan.goal, told)
    except AwsError as error:
        assert stack.operation is not None
        operation = msgspec.structs.replace(stack.operation, stopping=error.message.rstrip("."))
        return _stopped(tx, call, msgspec.structs.replace(stack, operation=operation))
    stack = msgspec.structs.replace(stack, outputs=told)
    if status:
        return _finish(tx, call, stack, status)
    PLANS.put(tx, plan, call, stack.uuid, CURRENT)
    PLANS.delete(tx, call.home, stack.uuid, NEXT)
    _clear_befores(tx, call, stack)
    stack = stack_is(tx, call, _enter(stack, "cleanup"), "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    rows = resources_of(tx, call, stack.uuid)
    removed = {name: row for name, row in rows.items() if name not in plan.goal.resources}
    _plan_deletions(tx, call, stack, {**removed, **_leftovers(tx, call, stack)})
    return advance(tx, call, stack)


def _leftovers(tx: Transaction, call: Call, stack: Stack) -> dict[str, Resource]:
    rows = LEFTOVERS.scan(tx, call, stack.uuid, limit=STEPS_MAX)
    return {row.logical + OLD: row for _, row in rows}


def _clear_befores(tx: Transaction, call: Call, stack: Stack) -> None:
    prefix = BEFORES.key(call.home, stack.uuid)
    for rest, _ in BEFORES.scan(tx, call, stack.uuid, limit=STEPS_MAX):
        tx.delete(prefix + rest)


def _roll_update_back(tx: Transaction, call: Call, stack: Stack, reason: str) -> Stack:
    """Give every resource that the update touched what it had; what it made goes afterwards."""
    operation = stack.operation
    assert operation is not None
    stack = stack_is(tx, call, stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
    PLANS.delete(tx, call.home, stack.uuid, NEXT)
    rows = resources_of(tx, call, stack.uuid)
    reverts: list[Step] = []
    prefix = BEFORES.key(call.home, stack.uuid)
    for rest, saved in BEFORES.scan(tx, call, stack.uuid, limit=STEPS_MAX):
        before = saved.resource
        if before is None:
            continue
        now = rows.get(before.logical)
        if before.logical in operation.skipped:
            put_resource(tx, call, stack.uuid, before)
            tx.delete(prefix + rest)
        elif now is not None and now.physical == before.physical:
            reverts.append(
                Step(
                    before.logical, before.logical, "revert", operation.id,
                    needs=before.needs, properties=before.properties, target=before,
                )
            )  # fmt: skip
        else:
            # The old one still exists, as nothing is deleted before the update is complete.
            put_resource(tx, call, stack.uuid, before)
            if now is not None and now.physical:
                LEFTOVERS.put(tx, now, call, stack.uuid, before.logical)
            else:
                LEFTOVERS.delete(tx, call.home, stack.uuid, before.logical)
    _write_steps(tx, call, stack, reverts)
    return advance(tx, call, stack)


def _clean_rollback(tx: Transaction, call: Call, stack: Stack) -> Stack:
    stack = stack_is(
        tx, call, _enter(stack, "rollback_cleanup"), "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    )
    plan = PLANS.get(tx, call, stack.uuid, CURRENT)
    assert plan is not None
    rows = resources_of(tx, call, stack.uuid)
    made = {name: row for name, row in rows.items() if name not in plan.goal.resources}
    _clear_befores(tx, call, stack)
    _plan_deletions(tx, call, stack, {**made, **_leftovers(tx, call, stack)})
    return advance(tx, call, stack)


def _delete_all(tx: Transaction, call: Call, stack: Stack, status: str, reason: str) -> Stack:
    stack = stack_is(tx, call, stack, status, reason)
    rows = resources_of(tx, call, stack.uuid)
    _plan_deletions(tx, call, stack, {**rows, **_leftovers(tx, call, stack)})
    return advance(tx, call, stack)


def _finish(tx: Transaction, call: Call, stack: Stack, status: str, reason: str = "") -> Stack:
    kept = status in ("UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED", "CREATE_FAILED")
    if not kept:
        _clear_befores(tx, call, stack)
    _write_steps(tx, call, stack, ())
    stack = stack_is(tx, call, stack, status, reason)
    tx.ring(bell(stack.uuid))
    return put_stack(tx, call, msgspec.structs.replace(stack, operation=None))


def _gone(tx: Transaction, call: Call, stack: Stack) -> Stack:
    exports.withdraw(tx, call, stack)
    stack = msgspec.structs.replace(stack, deleted=call.now)
    stack = _finish(tx, call, stack, "DELETE_COMPLETE")
    NAMES.delete(tx, call.home, stack.name)
    post(
        tx, call, call.home, "cloudformation", "forget", {"Stack": stack.uuid},
        due=call.now + KEPT_S,
    )  # fmt: skip
    return stack

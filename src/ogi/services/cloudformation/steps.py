"""Steps: what is done to one resource, from being due to its event at the end.

A step is started in a transaction that decides all there is to decide (what shall be, under which
name) and posts the delivery that does it; `perform` does it as often as it takes, and what came
of it is settled in one transaction with what that makes due.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.deliveries import post
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.cloudformation import exports, naming
from ogi.services.cloudformation.errors import ValidationError
from ogi.services.cloudformation.events import resource_is, tell
from ogi.services.cloudformation.functions import Scope, evaluate
from ogi.services.cloudformation.goals import Definition, Goal
from ogi.services.cloudformation.records import (
    BEFORES,
    LEFTOVERS,
    RESOURCES,
    Before,
    Plan,
    Resource,
    Stack,
    Step,
    put_resource,
    put_step,
)
from ogi.services.cloudformation.resources import TYPES
from ogi.services.cloudformation.resources.contract import Made, ResourceType
from ogi.services.cloudformation.values import is_known
from ogi.storage import Reader, Transaction

INITIATED = "Resource creation Initiated"
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
OLD = "/old"


def scope_of(tx: Reader, call: Call, stack: Stack, goal: Goal) -> Scope:
    """What the goal's names mean while its resources come to be."""

    def row(logical: str) -> Resource | None:
        found = RESOURCES.get(tx, call, stack.uuid, logical)
        return found if found is not None and found.physical else None

    def ref(logical: str) -> Any:
        found = row(logical)
        return None if found is None else found.physical

    def attribute(logical: str, name: str) -> Any:
        found = row(logical)
        return None if found is None else found.attributes.get(name)

    return Scope(
        parameters=goal.pseudo,
        resources=frozenset(goal.resources),
        ref=ref,
        attribute=attribute,
        imported=lambda name: exports.value_of(tx, call.home, name),
    )


def properties_of(kind: ResourceType, node: Fields, scope: Scope, tags: dict[str, str]) -> Fields:
    """A resource's properties as its type wants them, the stack's tags among its own."""
    properties: Fields = kind.properties.convert(evaluate(node, scope), "")
    if tags and "Tags" in kind.properties.members:
        own = properties.get("Tags", [])
        if isinstance(own, list):
            named = {tag["Key"] for tag in own}
            rest = [{"Key": k, "Value": v} for k, v in tags.items() if k not in named]
            properties = {**properties, "Tags": [*own, *rest]}
        elif isinstance(own, dict):
            properties = {**properties, "Tags": {**tags, **own}}
    return properties


def start(tx: Transaction, call: Call, stack: Stack, plan: Plan | None, step: Step) -> Step:
    """Begin a step whose needs are met; it may be done, or failed, at once."""
    if step.action == "change":
        assert plan is not None
        return _start_change(tx, call, stack, plan, step)
    assert step.target is not None
    if step.action == "revert":
        current = RESOURCES.get(tx, call, stack.uuid, step.logical) or step.target
        resource_is(tx, call, stack, current, "UPDATE_IN_PROGRESS")
        return _run(tx, call, stack, step, current)
    return _start_delete(tx, call, stack, step)


def _start_change(tx: Transaction, call: Call, stack: Stack, plan: Plan, step: Step) -> Step:
    definition = plan.goal.resources[step.logical]
    kind = TYPES[definition.type]
    current = RESOURCES.get(tx, call, stack.uuid, step.logical)
    scope = scope_of(tx, call, stack, plan.goal)
    try:
        wanted = properties_of(kind, definition.properties, scope, plan.tags)
        if not is_known(wanted):
            raise ValidationError(f"A value that {step.logical} refers to does not exist.")
    except AwsError as error:
        bare = current or _new(step, definition, {})
        verb = "UPDATE" if current is not None else "CREATE"
        resource_is(tx, call, stack, bare, f"{verb}_FAILED", error.message)
        return msgspec.structs.replace(step, state="failed", action=verb.lower())
    if current is None or not current.physical:
        return _start_create(tx, call, stack, step, definition, kind, wanted)
    described = _described(current, definition)
    settled = current.status.endswith("_COMPLETE")
    if settled and current.type == kind.name and current.properties == wanted:
        if described != current:
            put_resource(tx, call, stack.uuid, described)
        return msgspec.structs.replace(step, state="done", action="update")
    return _start_update(tx, call, stack, step, described, kind, wanted)


def _start_create(
    tx: Transaction, call: Call, stack: Stack, step: Step, definition: Definition,
    kind: ResourceType, wanted: Fields,
) -> Step:  # fmt: skip
    name = naming.decide(call, kind, stack.name, step.logical, wanted)
    if BEFORES.get(tx, call, stack.uuid, step.logical) is None:
        BEFORES.put(tx, Before(None), call, stack.uuid, step.logical)
    resource_is(tx, call, stack, _new(step, definition, wanted), "CREATE_IN_PROGRESS")
    step = msgspec.structs.replace(
        step, action="create", kind=kind.name, name=name, properties=wanted
    )
    return _run(tx, call, stack, step, None)


def _start_update(
    tx: Transaction, call: Call, stack: Stack, step: Step, current: Resource,
    kind: ResourceType, wanted: Fields,
) -> Step:  # fmt: skip
    old = current.properties
    changed = {name for name in old.keys() | wanted.keys() if old.get(name) != wanted.get(name)}
    step = msgspec.structs.replace(step, action="update", properties=wanted)
    fixed = sorted(changed & kind.fixed)
    if fixed:
        reason = f"Updates to the properties {', '.join(fixed)} are not supported by {kind.name}."
        resource_is(tx, call, stack, current, "UPDATE_FAILED", reason)
        return msgspec.structs.replace(step, state="failed")
    replacing = current.type != kind.name or bool(changed & kind.replaced_by)
    if replacing:
        naming_property = kind.naming.property if kind.naming is not None else ""
        given = wanted.get(naming_property)
        if given and current.type == kind.name and old.get(naming_property) == given:
            reason = (
                "CloudFormation cannot update a stack when a custom-named resource requires"
                f" replacing. Rename {given} and update the stack again."
            )
            resource_is(tx, call, stack, current, "UPDATE_FAILED", reason)
            return msgspec.structs.replace(step, state="failed")
        name = naming.decide(call, kind, stack.name, step.logical, wanted)
        step = msgspec.structs.replace(step, action="replace", kind=kind.name, name=name)
    if BEFORES.get(tx, call, stack.uuid, step.logical) is None:
        BEFORES.put(tx, Before(current), call, stack.uuid, step.logical)
    resource_is(tx, call, stack, current, "UPDATE_IN_PROGRESS", REPLACING if replacing else "")
    return _run(tx, call, stack, step, current)


def _start_delete(tx: Transaction, call: Call, stack: Stack, step: Step) -> Step:
    assert step.target is not None
    target = step.target
    replaced = step.slot.endswith(OLD)
    policy = target.replace_policy if replaced else target.deletion_policy
    undoing = stack.operation is not None and stack.operation.phase in (
        "rollback", "rollback_cleanup",
    )  # fmt: skip
    spares_new = policy == "RetainExceptOnCreate" or stack.retain_except_on_create
    retained = policy != "Delete" and not (undoing and spares_new)
    kept = stack.operation is not None and step.logical in stack.operation.skipped
    if retained or kept:
        _forget(tx, call, stack, step)
        tell(tx, call, stack, target, "DELETE_SKIPPED")
        return msgspec.structs.replace(step, state="done")
    if replaced:
        tell(tx, call, stack, target, "DELETE_IN_PROGRESS")
    else:
        target = resource_is(tx, call, stack, target, "DELETE_IN_PROGRESS")
    if not target.physical:
        _forget(tx, call, stack, step)
        tell(tx, call, stack, target, "DELETE_COMPLETE")
        return msgspec.structs.replace(step, state="done")
    return _run(tx, call, stack, step, target)


def _run(tx: Transaction, call: Call, stack: Stack, step: Step, target: Resource | None) -> Step:
    assert stack.operation is not None
    step = msgspec.structs.replace(
        step, state="running", token=call.new_id(), started=call.now, target=target
    )
    post(
        tx, call, call.home, "cloudformation", "perform",
        {"Stack": stack.uuid, "Slot": step.slot, "Token": step.token},
    )  # fmt: skip
    return step


def _new(step: Step, definition: Definition, properties: Fields) -> Resource:
    return Resource(
        logical=step.logical,
        type=definition.type,
        status="",
        updated=0,
        properties=properties,
        needs=definition.needs,
        deletion_policy=definition.deletion_policy,
        replace_policy=definition.replace_policy,
        metadata=definition.metadata,
        description=definition.description,
    )


def _described(current: Resource, definition: Definition) -> Resource:
    """What a template may change about a resource without touching it."""
    return msgspec.structs.replace(
        current,
        needs=definition.needs,
        deletion_policy=definition.deletion_policy,
        replace_policy=definition.replace_policy,
        metadata=definition.metadata,
        description=definition.description,
    )


# -- what came of it ------------------------------------------------------------------------------


def succeed(
    tx: Transaction, call: Call, stack: Stack, plan: Plan | None, step: Step, made: Made | None
) -> Step:
    """The step did what it should; cancelled meanwhile, it is told as that."""
    if step.action == "delete":
        assert step.target is not None
        _forget(tx, call, stack, step)
        tell(tx, call, stack, step.target, "DELETE_COMPLETE")
        return msgspec.structs.replace(step, state="done")
    assert made is not None
    current = RESOURCES.get(tx, call, stack.uuid, step.logical)
    assert current is not None
    if step.action == "replace":
        assert plan is not None and step.target is not None
        LEFTOVERS.put(tx, step.target, call, stack.uuid, step.logical)
        definition = plan.goal.resources[step.logical]
        current = msgspec.structs.replace(
            _described(current, definition), type=definition.type, physical=""
        )
    if step.action == "revert":
        saved = BEFORES.get(tx, call, stack.uuid, step.logical)
        current = saved.resource if saved is not None and saved.resource is not None else current
    current = msgspec.structs.replace(
        current,
        physical=made.physical,
        attributes=made.attributes,
        properties=step.properties,
    )
    verb = "CREATE" if step.action == "create" else "UPDATE"
    if stack.operation is not None and step.slot in stack.operation.failed:
        # Its cancellation was told when a sibling failed; what it made is remembered to be undone.
        put_resource(tx, call, stack.uuid, current)
        return msgspec.structs.replace(step, state="failed")
    if step.action in ("create", "replace"):
        resource_is(tx, call, stack, current, f"{verb}_IN_PROGRESS", INITIATED)
    resource_is(tx, call, stack, current, f"{verb}_COMPLETE", made.remark)
    return msgspec.structs.replace(step, state="done")


def fail(tx: Transaction, call: Call, stack: Stack, step: Step, reason: str, physical: str) -> Step:
    """The step was refused; `physical` is what exists nevertheless."""
    step = msgspec.structs.replace(step, state="failed")
    current = RESOURCES.get(tx, call, stack.uuid, step.logical)
    if step.action == "delete":
        assert step.target is not None
        if step.slot.endswith(OLD):
            tell(tx, call, stack, step.target, "DELETE_FAILED", reason)
        else:
            resource_is(tx, call, stack, step.target, "DELETE_FAILED", reason)
        return step
    assert current is not None
    cancelled = stack.operation is not None and step.slot in stack.operation.failed
    if step.action == "replace" and physical:
        # The new one is not the resource yet: it is taken away with what else is left over.
        half = msgspec.structs.replace(
            current, type=step.kind, physical=physical, properties=step.properties
        )
        LEFTOVERS.put(tx, half, call, stack.uuid, step.logical)
    if step.action == "create":
        current = msgspec.structs.replace(current, physical=physical)
        put_resource(tx, call, stack.uuid, current)
        if physical and not cancelled:
            tell(tx, call, stack, current, "CREATE_IN_PROGRESS", INITIATED)
    if step.action in ("update", "revert"):
        # Some of it may have been done: what undoes it starts from there.
        current = msgspec.structs.replace(current, properties=step.properties)
        put_resource(tx, call, stack.uuid, current)
    if not cancelled:
        verb = "CREATE" if step.action == "create" else "UPDATE"
        resource_is(tx, call, stack, current, f"{verb}_FAILED", reason)
    return step


def cancel(tx: Transaction, call: Call, stack: Stack, step: Step) -> None:
    """A sibling failed: the step that runs will not count."""
    current = RESOURCES.get(tx, call, stack.uuid, step.logical)
    if current is None or step.action == "delete":
        return
    if step.action == "create":
        resource_is(tx, call, stack, current, "CREATE_FAILED", "Resource creation cancelled")
    else:
        resource_is(tx, call, stack, current, "UPDATE_FAILED", "Resource update cancelled")


def _forget(tx: Transaction, call: Call, stack: Stack, step: Step) -> None:
    if step.slot.endswith(OLD):
        LEFTOVERS.delete(tx, call.home, stack.uuid, step.logical)
    else:
        RESOURCES.delete(tx, call.home, stack.uuid, step.logical)


def save(tx: Transaction, call: Call, stack: Stack, step: Step) -> Step:
    put_step(tx, call, stack.uuid, step)
    return step

"""What an update would change: for change sets, and to know that there is nothing to do."""

from __future__ import annotations

from typing import Any

from ogi.service import Call, Fields
from ogi.services.cloudformation import exports, graphs, steps
from ogi.services.cloudformation.functions import Scope
from ogi.services.cloudformation.records import CURRENT, PLANS, Plan, Resource, Stack, resources_of
from ogi.services.cloudformation.resources import TYPES
from ogi.services.cloudformation.values import is_known
from ogi.storage import Reader


def changes(tx: Reader, call: Call, stack: Stack, plan: Plan) -> list[Fields]:
    """`Changes` of DescribeChangeSet: from what the stack has to what `plan` says."""
    rows = resources_of(tx, call, stack.uuid)
    goal = plan.goal
    moved: set[str] = set()
    """What will be another resource, so that what refers to it is not known yet."""

    def row(logical: str) -> Resource | None:
        return None if logical in moved else rows.get(logical)

    def ref(logical: str) -> Any:
        found = row(logical)
        return None if found is None or not found.physical else found.physical

    def attribute(logical: str, name: str) -> Any:
        found = row(logical)
        return None if found is None else found.attributes.get(name)

    scope = Scope(
        parameters=goal.pseudo,
        resources=frozenset(goal.resources),
        ref=ref,
        attribute=attribute,
        imported=lambda name: exports.value_of(tx, call.home, name),
    )
    found: list[Fields] = []
    needs = {logical: each.needs for logical, each in goal.resources.items()}
    for logical in graphs.order(needs):
        definition = goal.resources[logical]
        kind = TYPES[definition.type]
        current = rows.get(logical)
        if current is None or not current.physical:
            found.append(_change("Add", logical, definition.type))
            continue
        wanted = steps.properties_of(kind, definition.properties, scope, plan.tags)
        change = _modification(current, wanted, definition.type)
        settled = current.status.endswith("_COMPLETE")
        if change is None and settled and definition.metadata == current.metadata:
            continue
        if change is None:
            change = _change("Modify", logical, definition.type, current)
            change["ResourceChange"].update(Replacement="False", Scope=["Metadata"], Details=[])
        if change["ResourceChange"]["Replacement"] != "False":
            moved.add(logical)
        found.append(change)
    found += [
        _change("Remove", logical, current.type, current)
        for logical, current in rows.items()
        if logical not in goal.resources
    ]
    return sorted(found, key=lambda change: str(change["ResourceChange"]["LogicalResourceId"]))


def is_empty(tx: Reader, call: Call, stack: Stack, plan: Plan, found: list[Fields]) -> bool:
    """Whether an update to `plan` would do nothing at all."""
    if found:
        return False
    current = PLANS.get(tx, call, stack.uuid, CURRENT)
    if current is None:
        return False

    def beside(version: Plan) -> tuple[Any, ...]:
        outputs = [(o.key, o.value, o.description, o.export) for o in version.goal.outputs]
        policies = [
            (name, each.deletion_policy, each.replace_policy)
            for name, each in version.goal.resources.items()
        ]
        return outputs, sorted(policies), version.tags, version.notification_arns

    return beside(current) == beside(plan)


def _change(action: str, logical: str, kind: str, current: Resource | None = None) -> Fields:
    change: Fields = {
        "Action": action,
        "LogicalResourceId": logical,
        "ResourceType": kind,
        "Scope": [],
        "Details": [],
    }
    if current is not None:
        change["PhysicalResourceId"] = current.physical
        if action == "Remove" and current.deletion_policy != "Delete":
            change["PolicyAction"] = "Retain"
        elif action == "Remove":
            change["PolicyAction"] = "Delete"
    return {"Type": "Resource", "ResourceChange": change}


def _modification(current: Resource, wanted: Fields, type_name: str) -> Fields | None:
    kind = TYPES[type_name]
    old = current.properties
    details: list[Fields] = []
    for name in sorted(old.keys() | wanted.keys()):
        before, after = old.get(name), wanted.get(name)
        known = is_known(after)
        if known and before == after:
            continue
        replaced = name in kind.replaced_by
        recreation = "Never" if not replaced else "Always" if known else "Conditionally"
        tags = name == "Tags"
        target: Fields = {
            "Attribute": "Tags" if tags else "Properties", "RequiresRecreation": recreation,
        }  # fmt: skip
        if not tags:
            target["Name"] = name
        details.append(
            {
                "Target": target,
                "Evaluation": "Static" if known else "Dynamic",
                "ChangeSource": "DirectModification" if known else "ResourceReference",
            }
        )
    if not details and current.type == type_name:
        return None
    recreations = {detail["Target"]["RequiresRecreation"] for detail in details}
    replacement = "False"
    if "Always" in recreations or current.type != type_name:
        replacement = "True"
    elif "Conditionally" in recreations:
        replacement = "Conditional"
    change = _change("Modify", current.logical, type_name, current)
    scope = sorted({detail["Target"]["Attribute"] for detail in details})
    change["ResourceChange"].update(Replacement=replacement, Scope=scope, Details=details)
    return change

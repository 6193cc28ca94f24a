"""Capabilities: what a caller has to acknowledge before a template may do it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
"""

from __future__ import annotations

from collections.abc import Sequence

from ogi.services.cloudformation.errors import InsufficientCapabilitiesException
from ogi.services.cloudformation.resources import TYPES
from ogi.services.cloudformation.templates import Template

IAM, NAMED_IAM, AUTO_EXPAND = "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"


def required(template: Template) -> tuple[list[str], str]:
    """What the template's resources need, and why."""
    needing: dict[str, list[str]] = {IAM: [], NAMED_IAM: []}
    for resource in template.resources.values():
        kind = TYPES.get(resource["Type"])
        if kind is None or not kind.capability:
            continue
        naming = kind.naming
        named = naming is not None and naming.iam and naming.property
        given = resource.get("Properties", {})
        needing[NAMED_IAM if named and naming and naming.property in given else IAM].append(
            kind.name
        )
    for capability in (NAMED_IAM, IAM):
        if needing[capability]:
            names = ", ".join(dict.fromkeys(needing[capability]))
            reason = f"The following resource(s) require capabilities: [{names}]"
            return [capability], reason
    return [], ""


def check(template: Template, given: Sequence[str], *, expanding: bool) -> None:
    """`expanding`: the transforms are applied by this very request, unseen by its caller."""
    missing = []
    needed, _ = required(template)
    if needed == [IAM] and not {IAM, NAMED_IAM}.intersection(given):
        missing.append(IAM)
    elif needed == [NAMED_IAM] and NAMED_IAM not in given:
        missing.append(NAMED_IAM)
    if expanding and template.transforms and AUTO_EXPAND not in given:
        missing.append(AUTO_EXPAND)
    if missing:
        raise InsufficientCapabilitiesException(f"Requires capabilities : [{', '.join(missing)}]")

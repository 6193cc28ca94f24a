"""Stacks through boto3's change sets, as `deploy` makes them, and what they end as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.scenarios.conftest import Server, eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "fanout" / "template.yaml"


def deploy(server: Server, name: str, template: str, **parameters: str) -> dict[str, Any]:
    """Create or update a stack through a change set; the stack as it is at the end."""
    stacks = server.client("cloudformation")
    exists = any(
        s["StackName"] == name and s["StackStatus"] != "REVIEW_IN_PROGRESS"
        for s in stacks.describe_stacks()["Stacks"]
    )
    made = stacks.create_change_set(
        StackName=name, ChangeSetName="change", TemplateBody=template,
        ChangeSetType="UPDATE" if exists else "CREATE", Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )  # fmt: skip
    ready = eventually(
        lambda: _unless(
            stacks.describe_change_set(ChangeSetName=made["Id"]), "Status", "_IN_PROGRESS",
            "CREATE_PENDING",
        )
    )  # fmt: skip
    assert ready["Status"] == "CREATE_COMPLETE", ready["StatusReason"]
    stacks.execute_change_set(ChangeSetName=made["Id"])
    return ended(server, made["StackId"])


def delete(server: Server, name: str) -> dict[str, Any]:
    stacks = server.client("cloudformation")
    id = stacks.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    stacks.delete_stack(StackName=name)
    return ended(server, id)


def ended(server: Server, id: str) -> dict[str, Any]:
    stacks = server.client("cloudformation")
    found: dict[str, Any] = eventually(
        lambda: _unless(
            stacks.describe_stacks(StackName=id)["Stacks"][0], "StackStatus", "_IN_PROGRESS"
        ),
        seconds=60,
    )
    return found


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def reasons(server: Server, id: str, resource: str) -> list[str]:
    """Why a resource became what it is, newest first."""
    events = server.client("cloudformation").describe_stack_events(StackName=id)["StackEvents"]
    return [
        event["ResourceStatusReason"]
        for event in events
        if event["LogicalResourceId"] == resource and "FAILED" in event["ResourceStatus"]
    ]


def _unless(found: dict[str, Any], member: str, *endings: str) -> dict[str, Any] | None:
    return None if found[member].endswith(endings) else found

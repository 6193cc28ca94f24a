"""CloudFormation's operations that make, change and delete stacks, in AWS's words."""

from __future__ import annotations

from typing import Any

import msgspec

from ogi.service import Call, Fields
from ogi.services.cloudformation import (
    capabilities,
    diffs,
    drafts,
    engine,
    exports,
    sessions,
    stacks,
)
from ogi.services.cloudformation.drafts import REFUSED, Draft
from ogi.services.cloudformation.errors import (
    AlreadyExistsException,
    TokenAlreadyExistsException,
    ValidationError,
)
from ogi.services.cloudformation.events import stack_is
from ogi.services.cloudformation.records import NAMES, Name, Stack, plan_of, put_stack
from ogi.services.cloudformation.service import SERVICE
from ogi.services.cloudformation.stacks import arn_of
from ogi.services.cloudformation.values import Later
from ogi.storage import Transaction

UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "CREATE_FAILED",
        "UPDATE_COMPLETE",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_COMPLETE",
    }
)
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html"""
NO_UPDATES = "No updates are to be performed."


@SERVICE.operation(on=arn_of, unsupported=REFUSED)
async def create_stack(call: Call, request: Fields) -> Fields:
    stacks.check_name(request["StackName"])
    if "OnFailure" in request and "DisableRollback" in request:
        raise ValidationError("You can specify either DisableRollback or OnFailure, but not both.")
    draft = await drafts.make(call, request, None)
    capabilities.check(draft.template, request.get("Capabilities", ()), expanding=True)
    stack = await call.transact(lambda tx, running: _create(tx, running, request, draft), call.home)
    await stacks.settle(call, stack.uuid)
    return {"StackId": stack.arn}


def _create(tx: Transaction, call: Call, request: Fields, draft: Draft) -> Stack:
    name, token = request["StackName"], request.get("ClientRequestToken", "")
    present = stacks.lookup(tx, call, name)
    if present is not None:
        if asked_already(present, "create", token):
            return present
        raise AlreadyExistsException(f"Stack [{name}] already exists")
    stack = new_stack(call, name, request)
    missing: list[str] = []

    def imported(export: str) -> Any:
        value = exports.value_of(tx, call.home, export)
        if value is None:
            missing.append(export)
            return Later({"Fn::ImportValue": export})
        return value

    plan = drafts.plan(tx, call, draft, request, None, name, stack.arn, imported)
    if stack.role_arn:
        sessions.check(tx, call, stack.role_arn, stack.arn)
    NAMES.put(tx, Name(stack.uuid), call.home, name)
    # The stack is made and rolled back: AWS's events in
    # github.com/widdix/aws-s3-virusscan/issues/39
    fault = f"No export named {missing[0]} found" if missing else ""
    return engine.begin_create(tx, call, stack, plan, token, fault)


def new_stack(call: Call, name: str, request: Fields) -> Stack:
    uuid = call.new_id()
    disabled = bool(request.get("DisableRollback"))
    on_failure = request.get("OnFailure") or ("DO_NOTHING" if disabled else "ROLLBACK")
    return Stack(
        uuid=uuid,
        name=name,
        arn=call.arn("cloudformation", f"stack/{name}/{uuid}"),
        status="REVIEW_IN_PROGRESS",
        created=call.now,
        role_arn=request.get("RoleARN", ""),
        timeout_minutes=request.get("TimeoutInMinutes", 0),
        on_failure=on_failure,
        disable_rollback=disabled or on_failure == "DO_NOTHING",
        protected=bool(request.get("EnableTerminationProtection")),
        retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
    )


def asked_already(stack: Stack, kind: str, token: str) -> bool:
    """Whether this very request was made before: the same token for the same operation."""
    if not token or stack.last_token != token:
        return False
    if stack.last_kind != kind:
        raise TokenAlreadyExistsException(
            f"A client request token {token} was already used for another operation"
        )
    return True


@SERVICE.operation(on=arn_of, unsupported=(*REFUSED, "RetainExceptOnCreate"))
async def update_stack(call: Call, request: Fields) -> Fields:
    name = request["StackName"]
    missing = "Stack [{}] does not exist"
    stack = await call.read(lambda tx: stacks.find(tx, call, name, missing))
    previous = await call.read(lambda tx: plan_of(tx, call, stack.uuid))
    draft = await drafts.make(call, request, previous)
    capabilities.check(draft.template, request.get("Capabilities", ()), expanding=True)
    await call.transact(lambda tx, running: _update(tx, running, request, draft), call.home)
    await stacks.settle(call, stack.uuid)
    return {"StackId": stack.arn}


def _update(tx: Transaction, call: Call, request: Fields, draft: Draft) -> None:
    stack = stacks.find(tx, call, request["StackName"], "Stack [{}] does not exist")
    token = request.get("ClientRequestToken", "")
    if asked_already(stack, "update", token):
        return
    check_updatable(stack)
    plan = drafts.plan(tx, call, draft, request, stack, stack.name, stack.arn)
    stack = with_role(tx, call, stack, request)
    found = diffs.changes(tx, call, stack, plan)
    if diffs.is_empty(tx, call, stack, plan, found):
        raise ValidationError(NO_UPDATES)
    engine.begin_update(tx, call, stack, plan, token, bool(request.get("DisableRollback")))


def check_updatable(stack: Stack) -> None:
    if stack.status not in UPDATABLE:
        raise ValidationError(
            f"Stack:{stack.arn} is in {stack.status} state and can not be updated."
        )


def with_role(tx: Transaction, call: Call, stack: Stack, request: Fields) -> Stack:
    """The stack with the role of this request, which stays its role."""
    role = request.get("RoleARN", "")
    if role:
        sessions.check(tx, call, role, stack.arn)
        return msgspec.structs.replace(stack, role_arn=role)
    return stack


@SERVICE.operation(on=arn_of, unsupported=("DeploymentConfig",))
async def delete_stack(call: Call, request: Fields) -> Fields:
    uuid = await call.transact(lambda tx, running: _delete(tx, running, request), call.home)
    if uuid:
        await stacks.settle(call, uuid)
    return {}


def _delete(tx: Transaction, call: Call, request: Fields) -> str:
    """Deleting what is not there, or is being deleted, is as good as done."""
    stack = stacks.lookup(tx, call, request["StackName"])
    if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
        return "" if stack is None else stack.uuid
    token = request.get("ClientRequestToken", "")
    if asked_already(stack, "delete", token):
        return stack.uuid
    if stack.protected:
        raise ValidationError(
            f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
        )
    exported = [output.export for output in stack.outputs if output.export]
    used = exports.in_use(tx, call.home, exported, "deleted")
    if used:
        # The request succeeds; the stack stays as it is, with the reason: AWS's answers in
        # github.com/aws/aws-cdk/issues/604 and github.com/USSBA/aws-cft-tools/issues/27
        return stack_is(tx, call, stack, stack.status, used).uuid
    retained = tuple(request.get("RetainResources", ()))
    forced = request.get("DeletionMode") == "FORCE_DELETE_STACK"
    if (retained or forced) and stack.status != "DELETE_FAILED":
        what = "RetainResources" if retained else "FORCE_DELETE_STACK"
        raise ValidationError(
            f"Invalid operation on stack [{stack.name}]. {what} can be specified only if the stack"
            " is in DELETE_FAILED status."
        )
    stack = with_role(tx, call, stack, request)
    operation = stack.operation
    if operation is not None and operation.phase == "create":
        operation = msgspec.structs.replace(operation, then_delete=True, kind="delete", token=token)
        stack = msgspec.structs.replace(
            stack, operation=operation, last_token=token, last_kind="delete"
        )
        engine.interrupt(tx, call, stack, "delete")
        return stack.uuid
    if operation is not None:
        raise ValidationError(
            f"Stack [{stack.arn}] cannot be deleted while in status {stack.status}"
        )
    engine.begin_delete(tx, call, stack, token, retained, forced)
    return stack.uuid


@SERVICE.operation(on=arn_of)
def cancel_update_stack(tx: Transaction, call: Call, request: Fields) -> Fields:
    stack = stacks.find(tx, call, request["StackName"], "Stack [{}] does not exist")
    operation = stack.operation
    if operation is None or operation.phase != "update":
        raise ValidationError("CancelUpdateStack cannot be called from current stack status")
    if not operation.stopping:
        engine.interrupt(tx, call, stack, engine.USER)
    return {}


@SERVICE.operation(on=arn_of, unsupported=("ForceRollback",))
async def continue_update_rollback(call: Call, request: Fields) -> Fields:
    def body(tx: Transaction, running: Call) -> str:
        stack = stacks.find(tx, running, request["StackName"], "Stack [{}] does not exist")
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise ValidationError(
                f"Stack:{stack.arn} is in {stack.status} state and can not continue rollback."
            )
        stack = with_role(tx, running, stack, request)
        skipped = tuple(request.get("ResourcesToSkip", ()))
        token = request.get("ClientRequestToken", "")
        engine.continue_rollback(tx, running, stack, token, skipped)
        return stack.uuid

    await stacks.settle(call, await call.transact(body, call.home))
    return {}


@SERVICE.operation(on=arn_of, unsupported=("DeploymentConfig", "RetainExceptOnCreate"))
async def rollback_stack(call: Call, request: Fields) -> Fields:
    def body(tx: Transaction, running: Call) -> Stack:
        stack = stacks.find(tx, running, request["StackName"], "Stack [{}] does not exist")
        if stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
            raise ValidationError(
                f"Stack:{stack.arn} is in {stack.status} state and can not be rolled back."
            )
        stack = with_role(tx, running, stack, request)
        return engine.begin_rollback(tx, running, stack, request.get("ClientRequestToken", ""))

    stack = await call.transact(body, call.home)
    await stacks.settle(call, stack.uuid)
    return {"StackId": stack.arn}


@SERVICE.operation(on=arn_of)
def update_termination_protection(tx: Transaction, call: Call, request: Fields) -> Fields:
    stack = stacks.find(tx, call, request["StackName"], "Stack [{}] does not exist")
    protected = request["EnableTerminationProtection"]
    put_stack(tx, call, msgspec.structs.replace(stack, protected=protected))
    return {"StackId": stack.arn}

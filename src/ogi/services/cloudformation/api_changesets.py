"""Change sets: a plan that is shown before it is executed, and disappears with its execution.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html
"""

from __future__ import annotations

import msgspec

from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.cloudformation import (
    api,
    capabilities,
    diffs,
    drafts,
    engine,
    pages,
    parameters,
    stacks,
)
from ogi.services.cloudformation.drafts import REFUSED, Draft
from ogi.services.cloudformation.errors import (
    AlreadyExistsException,
    ChangeSetNotFoundException,
    InvalidChangeSetStatusException,
    ValidationError,
)
from ogi.services.cloudformation.events import stack_is
from ogi.services.cloudformation.records import (
    CHANGE_SETS,
    NAMES,
    STACKS,
    ChangeSet,
    Name,
    Plan,
    Stack,
    plan_of,
    put_stack,
)
from ogi.services.cloudformation.service import SERVICE
from ogi.services.cloudformation.stacks import arn_of, uuid_of
from ogi.storage import Reader, Transaction

STACKS_MAX = 10_000
CHANGE_SETS_MAX = 1_000
"""Of one stack (the quota is 200 at a time)."""
NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a"
    " change set."
)


@SERVICE.operation(
    on=arn_of,
    unsupported=(
        *REFUSED,
        "DeploymentMode",
        "ImportExistingResources",
        "ResourcesToImport",
    ),
)
async def create_change_set(call: Call, request: Fields) -> Fields:
    if request.get("ChangeSetType") == "IMPORT":
        raise ValidationError("Ogi does not support change sets of type IMPORT yet")
    name = request["StackName"]
    stack = await call.read(lambda tx: stacks.lookup(tx, call, name))
    previous = None
    if stack is not None:
        uuid = stack.uuid
        previous = await call.read(lambda tx: plan_of(tx, call, uuid))
    draft = await drafts.make(call, request, previous)
    capabilities.check(draft.template, request.get("Capabilities", ()), expanding=False)
    return await call.transact(lambda tx, running: _create(tx, running, request, draft), call.home)


def _create(tx: Transaction, call: Call, request: Fields, draft: Draft) -> Fields:
    kind = request.get("ChangeSetType", "UPDATE")
    stack = _subject(tx, call, request, kind)
    taken = {row.name: row for row in _all(tx, call, stack)}.get(request["ChangeSetName"])
    if taken is not None:
        if request.get("ClientToken") and taken.token == request["ClientToken"]:
            return {"Id": taken.arn, "StackId": stack.arn}
        raise AlreadyExistsException(f"ChangeSet {taken.name} already exists")
    known = stack if kind == "UPDATE" else None
    plan = drafts.plan(tx, call, draft, request, known, stack.name, stack.arn)
    stack = api.with_role(tx, call, stack, request)
    changes = diffs.changes(tx, call, stack, plan)
    reason = ""
    if kind == "UPDATE" and diffs.is_empty(tx, call, stack, plan, changes):
        # With a transform CloudFormation finds out by trying the update (observed by clients such
        # as `aws cloudformation deploy`, which look for either sentence).
        reason = api.NO_UPDATES if plan.transforms else NO_CHANGES
    id = call.new_id()
    made = ChangeSet(
        id=id,
        name=request["ChangeSetName"],
        arn=call.arn("cloudformation", f"changeSet/{request['ChangeSetName']}/{id}"),
        kind=kind,
        status="FAILED" if reason else "CREATE_COMPLETE",
        reason=reason,
        execution="UNAVAILABLE" if reason else "AVAILABLE",
        created=call.now,
        description=request.get("Description", ""),
        changes=tuple(changes),
        plan=plan,
        role_arn=request.get("RoleARN", ""),
        on_failure=request.get("OnStackFailure", ""),
        token=request.get("ClientToken", ""),
    )
    CHANGE_SETS.put(tx, made, call, stack.uuid, id)
    return {"Id": made.arn, "StackId": stack.arn}


def _subject(tx: Transaction, call: Call, request: Fields, kind: str) -> Stack:
    """The stack that is to be changed; for a new one, its place."""
    name = request["StackName"]
    stack = stacks.lookup(tx, call, name)
    if kind == "CREATE":
        if stack is None:
            stacks.check_name(name)
            stack = api.new_stack(call, name, request)
            NAMES.put(tx, Name(stack.uuid), call.home, name)
            return stack_is(tx, call, stack, "REVIEW_IN_PROGRESS", engine.USER)
        if stack.status != "REVIEW_IN_PROGRESS":
            raise ValidationError(
                f"Stack [{stack.name}] already exists and cannot be created again with the"
                f" changeSet [{request['ChangeSetName']}]."
            )
        return stack
    if stack is None or stack.status in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE"):
        raise ValidationError(f"Stack [{name}] does not exist")
    api.check_updatable(stack)
    return stack


def _all(tx: Reader, call: Call, stack: Stack) -> list[ChangeSet]:
    rows = CHANGE_SETS.scan(tx, call, stack.uuid, limit=CHANGE_SETS_MAX)
    return sorted((row for _, row in rows), key=lambda row: row.created)


def _find(tx: Reader, call: Call, request: Fields) -> tuple[Stack, ChangeSet]:
    wanted, name = request["ChangeSetName"], request.get("StackName", "")
    missing = ChangeSetNotFoundException(f"ChangeSet [{wanted}] does not exist")
    if not name and not wanted.startswith("arn:"):
        raise ValidationError("StackName must be specified if ChangeSetName is not an ARN.")
    if name:
        stack = stacks.lookup(tx, call, name)
        if stack is None:
            raise ValidationError(f"Stack [{name}] does not exist")
        candidates = [stack]
    else:
        candidates = _having(tx, call, uuid_of(wanted))
    for stack in candidates:
        for row in _all(tx, call, stack):
            if wanted in (row.arn, row.name):
                return stack, row
    raise missing


def _having(tx: Reader, call: Call, id: str) -> list[Stack]:
    """The stack that has the change set with this id."""
    for _, taken in NAMES.scan(tx, call.home, limit=STACKS_MAX):
        if CHANGE_SETS.get(tx, call, taken.uuid, id) is not None:
            stack = STACKS.get(tx, call.home, taken.uuid)
            return [stack] if stack is not None else []
    return []


@SERVICE.operation(on=arn_of, reads=True, unsupported=("IncludePropertyValues",))
def describe_change_set(tx: Reader, call: Call, request: Fields) -> Fields:
    stack, row = _find(tx, call, request)
    listed, more = pages.page(request, row.changes)
    found = {**_summary(stack, row), **_plan(row.plan), "Changes": listed, **more}
    if row.on_failure:
        found["OnStackFailure"] = row.on_failure
    return found


def _plan(plan: Plan) -> Fields:
    found: Fields = {
        "Capabilities": list(plan.capabilities),
        "NotificationARNs": list(plan.notification_arns),
        "RollbackConfiguration": {},
        "Tags": stacks.tags_shown(plan),
    }
    if plan.goal.parameters:
        found["Parameters"] = parameters.shown(plan.goal.declared, plan.goal.parameters)
    return found


def _summary(stack: Stack, row: ChangeSet) -> Fields:
    found: Fields = {
        "ChangeSetId": row.arn,
        "ChangeSetName": row.name,
        "StackId": stack.arn,
        "StackName": stack.name,
        "CreationTime": row.created,
        "Status": row.status,
        "ExecutionStatus": row.execution,
        "IncludeNestedStacks": False,
    }
    if row.reason:
        found["StatusReason"] = row.reason
    if row.description:
        found["Description"] = row.description
    return found


@SERVICE.operation(on=arn_of, reads=True)
def list_change_sets(tx: Reader, call: Call, request: Fields) -> Fields:
    stack = stacks.find(tx, call, request["StackName"], "Stack [{}] does not exist")
    listed, more = pages.page(request, _all(tx, call, stack))
    return {"Summaries": [_summary(stack, row) for row in listed], **more}


@SERVICE.operation(on=arn_of)
def delete_change_set(tx: Transaction, call: Call, request: Fields) -> Fields:
    """What is not there is as good as deleted; the place of a new stack stays until it goes."""
    try:
        stack, row = _find(tx, call, request)
    except ChangeSetNotFoundException:
        return {}
    CHANGE_SETS.delete(tx, call.home, stack.uuid, row.id)
    return {}


@SERVICE.operation(on=arn_of, unsupported=("RetainExceptOnCreate",))
async def execute_change_set(call: Call, request: Fields) -> Fields:
    uuid = await call.transact(lambda tx, running: _execute(tx, running, request), call.home)
    await stacks.settle(call, uuid)
    return {}


def _execute(tx: Transaction, call: Call, request: Fields) -> str:
    token = request.get("ClientRequestToken", "")
    try:
        stack, row = _find(tx, call, request)
    except ChangeSetNotFoundException as error:
        return _executed_already(tx, call, request, token, error)
    if row.execution != "AVAILABLE":
        raise InvalidChangeSetStatusException(
            f"ChangeSet [{row.arn}] cannot be executed in its current status of [{row.status}]"
        )
    for each in _all(tx, call, stack):
        CHANGE_SETS.delete(tx, call.home, stack.uuid, each.id)
    kept = bool(request.get("DisableRollback"))
    stack = msgspec.structs.replace(
        stack, change_set=row.arn, role_arn=row.role_arn or stack.role_arn
    )
    if row.kind == "CREATE":
        on_failure = "DO_NOTHING" if kept else row.on_failure or "ROLLBACK"
        stack = msgspec.structs.replace(
            stack,
            on_failure=on_failure,
            disable_rollback=on_failure == "DO_NOTHING",
        )
        put_stack(tx, call, stack)
        engine.begin_create(tx, call, stack, row.plan, token)
    else:
        api.check_updatable(stack)
        put_stack(tx, call, stack)
        engine.begin_update(tx, call, stack, row.plan, token, kept)
    return stack.uuid


def _executed_already(tx: Reader, call: Call, request: Fields, token: str, error: AwsError) -> str:
    """The same request again, after its change set has gone with its execution."""
    name = request.get("StackName", "")
    stack = stacks.lookup(tx, call, name) if name else None
    if stack is None or not token or stack.last_token != token:
        raise error
    return stack.uuid

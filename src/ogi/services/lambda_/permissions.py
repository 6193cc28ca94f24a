"""The resource policy of a function: statements that AddPermission adds, by qualifier."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ogi import arn as arns
from ogi.access import trusts
from ogi.errors import unsupported
from ogi.service import Call, Fields
from ogi.services.lambda_ import functions
from ogi.services.lambda_.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from ogi.services.lambda_.names import LATEST, Target
from ogi.services.lambda_.records import FUNCTIONS, Function
from ogi.storage import Reader, Transaction, control

POLICY_BYTES_MAX = 20 * 1024
"""Lambda quotas page: function resource-based policy, 20 KB."""
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")


def policy_of(tx: Reader, arn: str) -> str | None:
    """The policy of a function, or of its version or alias if the ARN has a qualifier."""
    parsed = arns.parse(arn)
    if parsed is None or not parsed.resource.startswith("function:"):
        return None
    name, _, qualifier = parsed.resource.removeprefix("function:").partition(":")
    function = FUNCTIONS.get(tx, control(parsed.account, parsed.region), name)
    return None if function is None else document(function, qualifier)


def document(function: Function, qualifier: str) -> str | None:
    statements = function.policies.get(qualifier)
    if not statements:
        return None
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
    return msgspec.json.encode(policy).decode()


def add(tx: Transaction, call: Call, target: Target, request: Fields) -> Fields:
    """The statement that was added."""
    if target.qualifier == LATEST:
        raise InvalidParameterValueException(
            "We currently do not support adding policies for $LATEST."
        )
    for member in ("FunctionUrlAuthType", "InvokedViaFunctionUrl"):
        if member in request:
            raise unsupported(f"the member {member} of lambda:AddPermission")
    function, _ = functions.find_version(tx, target)
    _check_revision(function, target.qualifier, request)
    statements = function.policies.get(target.qualifier, [])
    id = request["StatementId"]
    if any(statement["Sid"] == id for statement in statements):
        raise ResourceConflictException(
            f"The statement id ({id}) provided already exists. Please provide a new statement id, "
            "or remove the existing statement."
        )
    statement = _statement(tx, request, target)
    _save(tx, call, function, target.qualifier, [*statements, statement])
    return statement


def remove(tx: Transaction, call: Call, target: Target, request: Fields) -> None:
    function, _ = functions.find_version(tx, target)
    _check_revision(function, target.qualifier, request)
    statements = function.policies.get(target.qualifier, [])
    if not statements:
        raise ResourceNotFoundException("No policy is associated with the given resource.")
    id = request["StatementId"]
    kept = [statement for statement in statements if statement["Sid"] != id]
    if len(kept) == len(statements):
        raise ResourceNotFoundException(f"Statement {id} is not found in resource policy.")
    _save(tx, call, function, target.qualifier, kept)


def _check_revision(function: Function, qualifier: str, request: Fields) -> None:
    revision = request.get("RevisionId")
    if revision is not None and revision != function.policy_revisions.get(qualifier):
        raise PreconditionFailedException(
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy "
            "API to retrieve the latest Revision Id"
        )


def _save(
    tx: Transaction, call: Call, function: Function, qualifier: str, kept: list[dict[str, Any]]
) -> None:
    changed = msgspec.structs.replace(
        function,
        policies={**function.policies, qualifier: kept},
        policy_revisions={**function.policy_revisions, qualifier: call.new_id()},
    )
    policy = document(changed, qualifier)
    if policy is not None and len(policy) > POLICY_BYTES_MAX:
        raise PolicyLengthExceededException(
            f"The final policy size ({len(policy)}) is bigger than the limit ({POLICY_BYTES_MAX})."
        )
    functions.save(tx, changed)


def _statement(tx: Reader, request: Fields, target: Target) -> dict[str, Any]:
    """As GetPolicy shows it (Lambda guide, "Using resource-based IAM policies")."""
    asked = request["Principal"]
    if asked == "*":
        principal: Any = "*"
    elif _SERVICE.fullmatch(asked):
        principal = {"Service": asked}
    elif re.fullmatch(r"\d{12}", asked):
        principal = {"AWS": f"arn:aws:iam::{asked}:root"}
    elif arns.parse(asked) is not None and trusts.exists(tx, asked):
        principal = {"AWS": trusts.fastened_entry(tx, asked)}
    else:
        raise InvalidParameterValueException(
            "The provided principal was invalid. Please check the principal and try again."
        )
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal,
        "Action": request["Action"],
        "Resource": target.qualified,
    }
    equals: dict[str, str] = {}
    if "SourceAccount" in request:
        equals["AWS:SourceAccount"] = request["SourceAccount"]
    if "EventSourceToken" in request:
        equals["lambda:EventSourceToken"] = request["EventSourceToken"]
    if "PrincipalOrgID" in request:
        equals["aws:PrincipalOrgID"] = request["PrincipalOrgID"]
    condition: dict[str, Any] = {"StringEquals": equals} if equals else {}
    if "SourceArn" in request:
        condition["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if condition:
        statement["Condition"] = condition
    return statement

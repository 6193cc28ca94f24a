"""Permissions: AddPermission and RemovePermission, as statements of the queue's policy.

API reference, AddPermission: seven actions per statement at most; the actions that only the owner
may use cannot be given away.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ogi.service import Call
from ogi.services.sqs import policies
from ogi.services.sqs.errors import AccessDenied, InvalidParameterValue, MissingParameter, OverLimit
from ogi.services.sqs.policies import ACTIONS_MAX
from ogi.services.sqs.queues import Queue

SHARED = (
    "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility",
    "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue",
)  # fmt: skip
OWNERS = (
    "AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue",
    "ListMessageMoveTasks", "ListQueues", "ListQueueTags", "RemovePermission",
    "SetQueueAttributes", "StartMessageMoveTask", "TagQueue", "UntagQueue",
)  # fmt: skip
"""Developer guide, 'Grant cross-account permissions': these cannot be used across accounts."""

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_owner(call: Call, account: str) -> None:
    """Refuse the actions of OWNERS to other accounts, whatever the queue's policy says."""
    if call.principal.kind != "service" and call.principal.account != account:
        raise AccessDenied


def add(queue: Queue, label: str, accounts: list[str], actions: list[str]) -> str:
    """The queue's policy with one more statement."""
    _check(label, accounts, actions)
    document = _document(queue)
    statements = document["Statement"]
    if any(statement.get("Sid") == label for statement in statements):
        raise InvalidParameterValue.of("Label", label, "Already exists.")
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    names = [f"SQS:{action}" for action in actions]
    statements.append({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
        "Action": names[0] if len(names) == 1 else names,
        "Resource": queue.arn,
    })  # fmt: skip
    text = json.dumps(document)
    policies.check(text)
    return text


def remove(queue: Queue, label: str) -> str:
    """The queue's policy without the statement; '' when it was the last."""
    document = _document(queue)
    kept = [statement for statement in document["Statement"] if statement.get("Sid") != label]
    if len(kept) == len(document["Statement"]):
        raise InvalidParameterValue.of("Label", label, "can't find label on existing policy.")
    if not kept:
        return ""
    document["Statement"] = kept
    return json.dumps(document)


def _check(label: str, accounts: list[str], actions: list[str]) -> None:
    if not _LABEL.fullmatch(label):
        raise InvalidParameterValue.of(
            "Label", label,
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )  # fmt: skip
    if not accounts:
        raise MissingParameter.of("PrincipalId")
    if not actions:
        raise MissingParameter.of("Actions")
    if len(actions) > ACTIONS_MAX:
        raise OverLimit(f"{len(actions)} Actions were found, maximum allowed is {ACTIONS_MAX}.")
    for account in accounts:
        if not re.fullmatch(r"\d{12}", account):
            raise InvalidParameterValue.of("PrincipalId", f"[{account}]", "Unable to verify.")
    for action in actions:
        if action in OWNERS:
            raise InvalidParameterValue.of(
                "ActionName", f"SQS:{action}",
                "Only the queue owner is allowed to invoke this action.",
            )  # fmt: skip
        if action != "*" and action not in SHARED:
            raise InvalidParameterValue.of(
                "ActionName", f"SQS:{action}",
                "Please refer to the appropriate WSDL for a list of valid actions.",
            )  # fmt: skip


def _document(queue: Queue) -> dict[str, Any]:
    if not queue.attributes.policy:
        return {
            "Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": [],
        }  # fmt: skip
    document: dict[str, Any] = json.loads(queue.attributes.policy)
    document["Statement"] = policies.statements_of(document)
    return document

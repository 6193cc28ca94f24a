"""Policies of queues: what SQS takes as one, beyond what a policy is everywhere.

Developer guide, 'Amazon SQS policy quotas'. The sentences on size, statements and actions are
AWS's as users report them: BishopFox/cloudfoxable#29, aws/aws-cdk#16303 and
ministryofjustice/cloud-platform-environments#9082 on GitHub. That conditions are counted by
statement shows in the first two: policies with twenty statements of one condition each are taken.
"""

from __future__ import annotations

import json
from typing import Any

from ogi.access import policy as policies
from ogi.access import trusts
from ogi.services.sqs.errors import InvalidAttributeValue, OverLimit
from ogi.storage import Reader

BYTES_MAX = 8_192
STATEMENTS_MAX = 20
PRINCIPALS_MAX = 50
ACTIONS_MAX = 7
CONDITIONS_MAX = 10
"""Actions and conditions of a statement, principals of the whole policy."""


def check(text: str) -> None:
    """Refuse what is no policy of a queue, and what is larger than one may be."""
    if len(trusts.as_given(text).encode("utf-8", "surrogatepass")) > BYTES_MAX:
        raise OverLimit("Submitted policy is over max allowed size.")
    try:
        policies.compile(text)
    except policies.PolicySyntax:
        raise InvalidAttributeValue.of("Policy") from None
    statements = statements_of(json.loads(text))
    if len(statements) > STATEMENTS_MAX:
        raise _too_many(len(statements), "statements", "the submitted policy", STATEMENTS_MAX)
    for statement in statements:
        _check_statement(statement)
    principals = sum(_principals(statement) for statement in statements)
    if principals > PRINCIPALS_MAX:
        raise _too_many(principals, "principals", "the submitted policy", PRINCIPALS_MAX)


def fastened(tx: Reader, texts: dict[str, str]) -> dict[str, str]:
    """The attributes, a policy among them bound to the users and roles that it names."""
    text = texts.get("Policy", "")
    if not text:
        return texts
    check(text)
    if trusts.names_nobody(tx, text):
        raise InvalidAttributeValue.of("Policy")
    return {**texts, "Policy": trusts.fastened(tx, text)}


def statements_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] | dict[str, Any] = document["Statement"]
    return [statements] if isinstance(statements, dict) else statements


def _check_statement(statement: dict[str, Any]) -> None:
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise InvalidAttributeValue.of("Policy")
    actions = _texts(statement.get("Action", statement.get("NotAction")))
    if not all(action == "*" or action.lower().startswith("sqs:") for action in actions):
        raise InvalidAttributeValue.of("Policy")
    place = "a statement from the submitted policy"
    if len(actions) > ACTIONS_MAX:
        raise _too_many(len(actions), "actions", place, ACTIONS_MAX)
    conditions = sum(map(len, statement.get("Condition", {}).values()))
    if conditions > CONDITIONS_MAX:
        raise _too_many(conditions, "conditions", place, CONDITIONS_MAX)


def _principals(statement: dict[str, Any]) -> int:
    named = statement.get("Principal", statement.get("NotPrincipal"))
    return sum(len(_texts(one)) for one in named.values()) if isinstance(named, dict) else 1


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _too_many(count: int, what: str, place: str, most: int) -> OverLimit:
    return OverLimit(f"{count} {what} were found in {place}, max allowed is {most}")

"""A slow evaluator written straight from the documentation, to compare the fast one with.

Evaluation: reference_policies_evaluation-logic.html; principals: the table "Resource-based policies
and implicit denies in other policy types"; conditions: reference_policies_elements_condition*.html
(all of the IAM user guide). It shares no code with ogi.access.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.access.reference_conditions import holds


def decide(
    principal: dict[str, str],
    identity: list[str],
    boundary: str | None,
    session: str | None,
    resource_policy: str | None,
    action: str,
    resource: str,
    owner: str,
    keys: dict[str, list[str]],
    required: bool = False,
) -> bool:
    """principal: account, kind (user, role, root, service, anonymous), arn, role_arn. required:
    keys and roles.
    """
    if principal["kind"] == "root":
        # "...the root user ... has complete access" but for what resources deny.
        identity = [EVERYTHING]
    asked = (principal, action, resource, keys)
    layers = [identity, [boundary] if boundary else None, [session] if session else None]
    # "If the code finds even one explicit deny that applies, the code returns Deny."
    for layer in layers:
        if layer and any(_says(text, "Deny", asked) for text in layer):
            return False
    named = 0
    if resource_policy:
        if _says(resource_policy, "Deny", asked, resource_based=True):
            return False
        named = _says(resource_policy, "Allow", asked, resource_based=True)
    if principal["kind"] in ("service", "anonymous"):
        return named > 0
    own = any(_says(text, "Allow", asked) for text in identity)
    limits = all(
        layer is None or any(_says(text, "Allow", asked) for text in layer) for layer in layers[1:]
    )
    if owner != principal["account"]:
        # "The request is allowed only if both evaluations return a decision of Allow."
        return named > 0 and own and limits
    if named == 3:
        return True  # Granted to the user, the session or everyone directly.
    if named == 2:
        return limits  # Granted to the role: limited by boundary and session policy.
    if required and named == 0:
        return False
    return own and limits


EVERYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


def _says(text: str, effect: str, asked: Any, resource_based: bool = False) -> int:
    """How closely a statement of this effect applies: 0 not, 1 account, 2 role, 3 directly."""
    document = json.loads(text)
    principal, action, resource, keys = asked
    best = 0
    for statement in document["Statement"]:
        if statement["Effect"] != effect:
            continue
        closeness = _names(statement, principal) if resource_based else 3
        if (
            closeness > best
            and _matches(statement, "Action", action, re.IGNORECASE)
            and _matches(statement, "Resource", resource, 0)
            and _conditions(statement.get("Condition", {}), keys)
        ):
            best = closeness
    return best


def _names(statement: Any, principal: dict[str, str]) -> int:
    if "NotPrincipal" in statement:
        return 0 if _wholly(statement["NotPrincipal"], principal) else 3
    element = statement["Principal"]
    if element == "*":
        return 3
    best = 0
    for kind, values in element.items():
        for value in values if isinstance(values, list) else [values]:
            if kind == "Service":
                best = max(
                    best, 3 if principal["kind"] == "service" and value == principal["arn"] else 0
                )
            elif value == "*" or (value == principal["arn"] and principal["account"]):
                best = 3
            elif principal["kind"] == "role" and value == principal["role_arn"]:
                best = max(best, 2)
            elif principal["account"] and value in (
                principal["account"], f"arn:aws:iam::{principal['account']}:root",
            ):  # fmt: skip
                # The root user is its account.
                best = max(best, 3 if principal["kind"] == "root" else 1)
    return best


def _wholly(element: Any, principal: dict[str, str]) -> bool:
    """Whether all that a principal is, is listed: "you must also specify the account ARN"; for a
    session "the role ... and the account" as well.

    reference_policies_elements_notprincipal.html
    """
    if element == "*":
        return True
    listed = {(kind, value) for kind, values in element.items()
              for value in (values if isinstance(values, list) else [values])}  # fmt: skip
    if ("AWS", "*") in listed:
        return True
    if principal["kind"] == "service":
        return ("Service", principal["arn"]) in listed
    account = principal["account"]
    whole = {("AWS", account), ("AWS", f"arn:aws:iam::{account}:root")} & listed
    if principal["kind"] == "anonymous" or not whole:
        return False
    if principal["kind"] == "root":
        return True
    names = [principal["arn"], *([principal["role_arn"]] if principal["role_arn"] else [])]
    return all(("AWS", name) in listed for name in names)


def _matches(statement: Any, element: str, value: str, flags: int) -> bool:
    negated = f"Not{element}" in statement
    texts = statement[f"Not{element}" if negated else element]
    texts = texts if isinstance(texts, list) else [texts]
    return any(_like(text, value, flags) for text in texts) != negated


def _like(pattern: str, value: str, flags: int = 0) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(expression, value, flags | re.DOTALL) is not None


def _conditions(block: Any, keys: dict[str, list[str]]) -> bool:
    """ "...evaluated using a logical AND" over operators and over keys."""
    return all(
        holds(operator, wanted if isinstance(wanted, list) else [wanted], key, keys)
        for operator, tests in block.items()
        for key, wanted in tests.items()
    )

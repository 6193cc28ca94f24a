"""What of a key policy has an effect: its statements that have an Action and a Resource.

"If either of the required Resource or Action elements are missing from a key policy statement, the
policy statement has no effect", and the request that puts it succeeds
(docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

CACHED_MAX = 1024
_ACTIONS = frozenset({"Action", "NotAction"})
_RESOURCES = frozenset({"Resource", "NotResource"})


@lru_cache(maxsize=CACHED_MAX)
def in_effect(policy: str) -> str:
    """The policy without statements that have none; the same text where all have one."""
    return _changed(policy, lambda statement: [])


def completed(policy: str) -> str:
    """The policy with what those statements lack, to look at all that they do say."""
    return _changed(policy, lambda statement: [_whole(statement)])


def _changed(policy: str, change: Callable[[dict[str, Any]], list[Any]]) -> str:
    try:
        document = json.loads(policy)
    except (RecursionError, ValueError):
        return policy
    found = document.get("Statement") if isinstance(document, dict) else None
    statements: list[Any] = found if isinstance(found, list) else [found]
    if not any(map(_is_void, statements)):
        return policy
    kept = [each for one in statements for each in (change(one) if _is_void(one) else [one])]
    return json.dumps({**document, "Statement": kept})


def _is_void(statement: Any) -> bool:
    if not isinstance(statement, dict):
        return False
    return statement.keys().isdisjoint(_ACTIONS) or statement.keys().isdisjoint(_RESOURCES)


def _whole(statement: dict[str, Any]) -> dict[str, Any]:
    lacking = {}
    if statement.keys().isdisjoint(_ACTIONS):
        lacking["Action"] = "*"
    if statement.keys().isdisjoint(_RESOURCES):
        lacking["Resource"] = "*"
    return statement | lacking

"""What of a key policy has an effect: its statements that have an Action and a Resource.

"If either of the required Resource or Action elements are missing from a key policy statement, the
policy statement has no effect", and the request that puts it succeeds
(docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

CACHED_MAX = 1024


@lru_cache(maxsize=CACHED_MAX)
def in_effect(policy: str) -> str:
    """The policy without statements that have none; the same text where all have one."""
    try:
        document = json.loads(policy)
    except (RecursionError, ValueError):
        return policy
    found = document.get("Statement") if isinstance(document, dict) else None
    statements = found if isinstance(found, list) else [found]
    kept = [statement for statement in statements if not _is_void(statement)]
    return policy if len(kept) == len(statements) else json.dumps({**document, "Statement": kept})


def _is_void(statement: Any) -> bool:
    if not isinstance(statement, dict):
        return False
    return statement.keys().isdisjoint({"Action", "NotAction"}) or statement.keys().isdisjoint(
        {"Resource", "NotResource"}
    )

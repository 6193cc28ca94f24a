"""Tags of queues: what they may be, and the condition keys that they are in policies.

Developer guide, 'Quotas related to queues' (tags; more than 50 are allowed, but not recommended)
and 'Attribute-based access control for Amazon SQS'.
"""

from __future__ import annotations

from typing import Any

from ogi.service import Call, Fields
from ogi.services.sqs.errors import InvalidParameterValue, MissingParameter
from ogi.storage import Reader

KEY_CHARS_MAX = 128
VALUE_CHARS_MAX = 256


def check(tags: dict[str, str]) -> None:
    """Refuse what AWS's restrictions on tags do not allow."""
    for key, value in tags.items():
        if not 1 <= len(key) <= KEY_CHARS_MAX:
            raise InvalidParameterValue.of(
                "TagKey", key, f"Must be between 1 and {KEY_CHARS_MAX} characters in length."
            )
        if key.lower().startswith("aws:"):
            raise InvalidParameterValue.of("TagKey", key, "The prefix aws: is reserved.")
        if len(value) > VALUE_CHARS_MAX:
            raise InvalidParameterValue.of(
                "TagValue", value, f"Must be at most {VALUE_CHARS_MAX} characters in length."
            )


def check_given(request: Fields, name: str) -> None:
    if not request[name]:
        raise MissingParameter.of(name)


def condition_keys(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    """Of CreateQueue, TagQueue and UntagQueue."""
    tags: dict[str, str] = request.get("tags") or request.get("Tags") or {}
    found: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    names = list(tags) or request.get("TagKeys") or []
    if names:
        found["aws:TagKeys"] = names
    return found

"""Tags of functions and event source mappings: their rules.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.service import Call, Fields
from ogi.services.lambda_.errors import InvalidParameterValueException
from ogi.storage import Reader

TAGS_MAX = 50
KEY_CHARS_MAX, VALUE_CHARS_MAX = 128, 256


def check(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS_MAX:
        raise InvalidParameterValueException(
            f"Number of tags exceeds resource tag limit {TAGS_MAX}."
        )
    for key, value in tags.items():
        if not key or len(key) > KEY_CHARS_MAX or len(value) > VALUE_CHARS_MAX:
            raise InvalidParameterValueException(
                f"A tag key has 1 to {KEY_CHARS_MAX} characters, its value at most "
                f"{VALUE_CHARS_MAX}."
            )
        if key.lower().startswith("aws:"):
            raise InvalidParameterValueException(
                "aws: prefixed tag key names are not allowed for external use."
            )


def condition_keys(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    """Of what is made with tags, tagged or untagged (service authorization reference)."""
    tags: dict[str, str] = request.get("Tags") or {}
    found: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    names = list(tags) or request.get("TagKeys") or []
    if names:
        found["aws:TagKeys"] = names
    return found


def changed(tags: dict[str, str], more: Mapping[str, str], fewer: list[str]) -> dict[str, str]:
    kept = {key: value for key, value in tags.items() if key not in fewer}
    kept.update(more)
    check(kept)
    return kept

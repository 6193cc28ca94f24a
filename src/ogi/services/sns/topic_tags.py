"""Tags of topics: docs.aws.amazon.com/sns/latest/api/API_Tag.html and sns-tags. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ogi.service import Fields
from ogi.services.sns.errors import InvalidParameterException, TagLimitExceededException

TAGS_MAX = 50
KEY_CHARS_MAX, VALUE_CHARS_MAX = 128, 256


def merged(tags: dict[str, str], more: Iterable[Fields]) -> dict[str, str]:
    """`tags` and those of a request; "a new tag with a key identical to that of an existing tag
    overwrites the existing tag" (the page of TagResource)."""
    given = {tag["Key"]: tag["Value"] for tag in more}
    for key, value in given.items():
        if not 1 <= len(key) <= KEY_CHARS_MAX:
            raise InvalidParameterException.of(
                "TagKey", f"A tag's key has 1 to {KEY_CHARS_MAX} characters"
            )
        if key.lower().startswith("aws:"):
            raise InvalidParameterException.of("TagKey", "The prefix aws: is reserved")
        if len(value) > VALUE_CHARS_MAX:
            raise InvalidParameterException.of(
                "TagValue", f"A tag's value has at most {VALUE_CHARS_MAX} characters"
            )
    result = {**tags, **given}
    if len(result) > TAGS_MAX:
        raise TagLimitExceededException
    return result

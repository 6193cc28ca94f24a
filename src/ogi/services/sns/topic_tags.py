"""Tags of topics: docs.aws.amazon.com/sns/latest/api/API_Tag.html and sns-tags. Pure.

The lengths of keys and values are the model's, and refused before a request comes here.
"""

from __future__ import annotations

from collections.abc import Iterable

from ogi.service import Fields
from ogi.services.sns.errors import InvalidParameterException, TagLimitExceededException

TAGS_MAX = 50


def merged(tags: dict[str, str], more: Iterable[Fields]) -> dict[str, str]:
    """`tags` and those of a request; "a new tag with a key identical to that of an existing tag
    overwrites the existing tag" (the page of TagResource)."""
    listed = list(more)
    given = {tag["Key"]: tag["Value"] for tag in listed}
    if len(given) != len(listed):
        # AWS's answer in github.com/localstack/localstack/pull/6571
        raise InvalidParameterException.of("Duplicated keys are not allowed.")
    for key in given:
        if key.lower().startswith("aws:"):
            raise InvalidParameterException.of("TagKey", "The prefix aws: is reserved")
    result = {**tags, **given}
    if len(result) > TAGS_MAX:
        raise TagLimitExceededException
    return result

"""Tags: their limits, as header and as list.

docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from ogi.service import Fields
from ogi.services.s3 import errors
from ogi.services.s3.layout import Pairs

OBJECT_TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
KEY_CHARACTERS_MAX = 128
VALUE_CHARACTERS_MAX = 256

_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")


def of_header(text: str) -> Pairs:
    """The tags of an x-amz-tagging header: a URL-encoded query."""
    pairs = parse_qsl(text, keep_blank_values=True)
    if text and not pairs:
        raise errors.InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
            "parameters without tag name duplicates.",
            ArgumentName="x-amz-tagging", ArgumentValue=text,
        )  # fmt: skip
    if len({key for key, _ in pairs}) != len(pairs):
        raise errors.InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
            "parameters without tag name duplicates.",
            ArgumentName="x-amz-tagging", ArgumentValue=text,
        )  # fmt: skip
    return _checked(pairs, OBJECT_TAGS_MAX, "Object")


def of_set(tagging: Fields, most: int, kind: str) -> Pairs:
    """The tags of a Tagging element. `kind`: Object or Bucket."""
    pairs = [(tag["Key"], tag["Value"]) for tag in tagging["TagSet"]]
    if len({key for key, _ in pairs}) != len(pairs):
        raise errors.InvalidTag("Cannot provide multiple Tags with the same key")
    return _checked(pairs, most, kind)


def shown(tags: Pairs) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags]


def _checked(pairs: Iterable[tuple[str, str]], most: int, kind: str) -> Pairs:
    tags = tuple(pairs)
    if len(tags) > most:
        raise _BadRequest(f"{kind} tags cannot be greater than {most}")
    for key, value in tags:
        if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not _ALLOWED.fullmatch(key):
            raise errors.InvalidTag("The TagKey you have provided is invalid", TagKey=key)
        if key.startswith("aws:"):
            raise errors.InvalidTag("System tags cannot be added/updated by requester", TagKey=key)
        if len(value) > VALUE_CHARACTERS_MAX or not _ALLOWED.fullmatch(value):
            raise errors.InvalidTag(
                "The TagValue you have provided is invalid", TagKey=key, TagValue=value
            )
    return tags


class _BadRequest(errors.InvalidTag):
    code = "BadRequest"

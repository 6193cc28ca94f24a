"""Amazon Resource Names: reading and writing them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

CHARS_MAX: Final = 2048
"""Of an ARN (`arnType` of IAM's and STS's API references)."""


KEPT_MAX: Final = 4_096
KEPT_CHARS_MAX: Final = 256
"""ARNs that are kept, taken apart: who has many copies made names the same few again and again."""


class Arn(NamedTuple):
    """arn:partition:service:region:account:resource"""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse(text: str) -> Arn | None:
    """The ARN in `text`, or None if it is not one."""
    if len(text) > CHARS_MAX:
        return None
    return _parsed(text) if len(text) <= KEPT_CHARS_MAX else _parse(text)


def _parse(text: str) -> Arn | None:
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        return None
    return Arn(*parts[1:])


_parsed: Final = lru_cache(maxsize=KEPT_MAX)(_parse)


def make(service: str, region: str, account: str, resource: str) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"

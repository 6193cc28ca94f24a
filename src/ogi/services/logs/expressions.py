"""Regular expressions in filter patterns: `%AUTHORIZED%`.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html: letters, digits, some
symbols and operators; no groups. RE2 runs them in time that is linear in the event.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ogi.services.logs.errors import InvalidParameterException

PER_PATTERN_MAX = 2
"""In a pattern of fields or members ("There is a limit of 2 regex for each filter pattern")."""
PATTERN_BYTES_MAX = 1024 * 1024
"""What RE2 may take for one expression."""
_ALLOWED = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+")


def invalid() -> InvalidParameterException:
    return InvalidParameterException("Invalid filter pattern")


def is_one(text: str) -> bool:
    return len(text) > 2 and text.startswith("%") and text.endswith("%")


def compiled(text: str) -> Callable[[str], bool]:
    """Whether a text has a part that the expression between the two % matches."""
    inner = text[1:-1]
    if not is_one(text) or not _ALLOWED.fullmatch(inner):
        raise invalid()
    # Few filters need the library: 8 ms and a few MB.
    import re2

    options = re2.Options()
    options.max_mem = PATTERN_BYTES_MAX
    options.log_errors = False
    try:
        search = re2.compile(inner, options=options).search
    except re2.error as error:
        raise invalid() from error
    return lambda found: search(found) is not None

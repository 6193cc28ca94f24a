"""Pages of lists: MaxResults and NextToken of the two actions that list queues."""

from __future__ import annotations

import binascii

from ogi.service import Fields
from ogi.services.sqs.errors import InvalidParameterValue
from ogi.storage.keys import texts

PAGE_MAX = 1_000


def limit_of(request: Fields) -> int:
    limit = request.get("MaxResults")
    if limit is None:
        if request.get("NextToken"):
            raise InvalidParameterValue("MaxResults must be set when NextToken is used.")
        return PAGE_MAX
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidParameterValue.of("MaxResults", limit, "Must be between 1 and 1000.")
    return int(limit)


def start_of(request: Fields) -> bytes | None:
    """The rest of a key that the token names; None without one."""
    token = request.get("NextToken")
    if not token:
        return None
    try:
        raw = binascii.a2b_base64(token, strict_mode=True)
        list(texts(raw))
    except (ValueError, UnicodeError):
        raise InvalidParameterValue.of("NextToken", token, "Invalid token.") from None
    return raw

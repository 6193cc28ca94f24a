"""Batches: what the three batch actions have in common.

API reference, SendMessageBatch, DeleteMessageBatch, ChangeMessageVisibilityBatch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from ogi.errors import AwsError
from ogi.service import Fields
from ogi.services.sqs.errors import (
    BatchEntryIdsNotDistinct,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    KmsRefused,
    TooManyEntriesInBatchRequest,
)

ENTRIES_MAX: Final = 10
ID_CHARS_MAX: Final = 80
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check(request: Fields, entry_name: str) -> list[dict[str, Any]]:
    """The entries; refuses what fails a batch as a whole."""
    entries: list[dict[str, Any]] = request.get("Entries") or []
    if not entries:
        raise EmptyBatchRequest(f"There should be at least one {entry_name} in the request.")
    if len(entries) > ENTRIES_MAX:
        raise TooManyEntriesInBatchRequest(
            f"Maximum number of entries per request are {ENTRIES_MAX}. "
            f"You have sent {len(entries)}."
        )
    seen: set[str] = set()
    for entry in entries:
        id = entry["Id"]
        if not _is_id(id):
            raise InvalidBatchEntryId
        if id in seen:
            raise BatchEntryIdsNotDistinct(f"Id {id} repeated.")
        seen.add(id)
    return entries


def _is_id(text: str) -> bool:
    """Most are letters and digits, which need no pattern."""
    plain = text.isalnum() and text.isascii() and len(text) <= ID_CHARS_MAX
    return plain or _ID.fullmatch(text) is not None


def run(entries: list[dict[str, Any]], act: Callable[[dict[str, Any]], Fields]) -> Fields:
    """Each entry for itself; `act` writes nothing before it refuses."""
    successful: list[Fields] = []
    failed: list[Fields] = []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **act(entry)})
        except KmsRefused:
            raise
        except AwsError as error:
            failed.append({
                "Id": entry["Id"],
                "SenderFault": True,
                "Code": error.code or error.shape,
                "Message": error.message,
            })  # fmt: skip
    # Required by the model, and yet AWS leaves out the member that would be empty (aws/aws-sdk#657
    # on GitHub); Java's `hasFailed()` is true for an empty list.
    result: Fields = {}
    if successful:
        result["Successful"] = successful
    if failed:
        result["Failed"] = failed
    return result

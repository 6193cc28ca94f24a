"""Uses of credentials and of KMS keys: for what, and when, in memory until they are written down.

Nothing that is answered rests on it, so that noting costs a request two lookups and no write; who
writes it down (IAM, KMS) takes what has gathered now and then. What was noted in the seconds before
a crash is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

SPAN_S = 900.0
""" "When an access key is used more than once in a 15-minute span, only the first use is recorded."
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html"""
MARKS_MAX = 20_000
"""Keys times services that are known to have been used in the span; forgotten when there are more.
"""
PENDING_MAX = 20_000
"""Uses that wait to be written; further ones are let go."""


class Use(NamedTuple):
    """One use of credentials."""

    access_key: str
    owner: str
    """The ARN of the user or role, '...:root' for the root user."""
    owner_id: str
    """Its unique id; the account's for the root user."""
    account: str
    service: str
    """Its namespace: `sqs`."""
    region: str
    at: float
    """Seconds since the epoch."""


Mark = tuple[str, str, str]
"""Access key, service and region of a use."""
K = TypeVar("K")
V = TypeVar("V")


class Notes(Generic[K, V]):
    """What waits to be written down, by what it is about; a later note takes an earlier one's
    place."""

    def __init__(self) -> None:
        self._waiting: dict[K, V] = {}
        self.noted = asyncio.Event()
        """Set while something waits."""

    def put(self, about: K, note: V) -> bool:
        """False if it was let go, for too many wait."""
        if len(self._waiting) >= PENDING_MAX and about not in self._waiting:
            return False
        self._waiting[about] = note
        self.noted.set()
        return True

    def get(self, about: K) -> V | None:
        return self._waiting.get(about)

    def first(self, limit: int, place: Callable[[K], object]) -> list[tuple[K, V]]:
        """Some of what waits, all of the place that waits longest."""
        wanted = next((place(about) for about in self._waiting), None)
        of_place = (pair for pair in self._waiting.items() if place(pair[0]) == wanted)
        return list(islice(of_place, limit))

    def done(self, written: list[tuple[K, V]]) -> None:
        """These are written down; a later note about the same goes on waiting."""
        for about, note in written:
            if self._waiting.get(about) is note:
                del self._waiting[about]
        if not self._waiting:
            self.noted.clear()

    def clear(self) -> None:
        self._waiting.clear()
        self.noted.clear()


class Uses:
    """Uses of credentials, one in a span."""

    def __init__(self) -> None:
        self._marks: dict[Mark, float] = {}
        self.notes: Notes[Mark, Use] = Notes()

    def are_known(self, access_key: str, service: str, region: str, now: float) -> bool:
        """Whether such a use was noted within the span: the way of nearly every request."""
        at = self._marks.get((access_key, service, region))
        return at is not None and now - at < SPAN_S

    def note(self, use: Use) -> None:
        mark = (use.access_key, use.service, use.region)
        if self.notes.put(mark, use):
            if len(self._marks) >= MARKS_MAX:
                self._marks.clear()
            self._marks[mark] = use.at

    def clear(self) -> None:
        self._marks.clear()
        self.notes.clear()


class KeyUse(NamedTuple):
    """The last use of a KMS key."""

    at: float
    """Seconds since the epoch."""
    operation: str
    request_id: str


Place = tuple[str, str, str]
"""Account, region and id of a key."""
KeyUses = Notes[Place, KeyUse]

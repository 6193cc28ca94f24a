"""Uses of credentials and of KMS keys: for what, and when, in memory until they are written down.

Nothing that is answered rests on it, so that noting costs a request two lookups and no write; who
writes it down (IAM, KMS) takes what has gathered now and then. What was noted in the seconds before
a crash is lost.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

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


class Uses:
    def __init__(self) -> None:
        self._marks: dict[Mark, float] = {}
        self._pending: dict[Mark, Use] = {}
        self.noted = asyncio.Event()
        """Set while something waits to be written."""

    def are_known(self, access_key: str, service: str, region: str, now: float) -> bool:
        """Whether such a use was noted within the span: the way of nearly every request."""
        at = self._marks.get((access_key, service, region))
        return at is not None and now - at < SPAN_S

    def note(self, use: Use) -> None:
        mark = (use.access_key, use.service, use.region)
        if len(self._pending) >= PENDING_MAX:
            return
        if len(self._marks) >= MARKS_MAX:
            self._marks.clear()
        self._marks[mark] = use.at
        self._pending[mark] = use
        self.noted.set()

    def take(self, limit: int) -> list[Use]:
        """The oldest of what waits; it is the taker's now."""
        marks = list(self._pending)[:limit]
        taken = [self._pending.pop(mark) for mark in marks]
        if not self._pending:
            self.noted.clear()
        return taken

    def give_back(self, uses: list[Use]) -> None:
        """What could not be written waits again, unless it was used anew meanwhile."""
        for use in uses:
            self._pending.setdefault((use.access_key, use.service, use.region), use)
        if self._pending:
            self.noted.set()

    def clear(self) -> None:
        self._marks.clear()
        self._pending.clear()
        self.noted.clear()


class KeyUse(NamedTuple):
    """The last use of a KMS key."""

    at: float
    """Seconds since the epoch."""
    operation: str
    request_id: str


Place = tuple[str, str, str]
"""Account, region and id of a key."""


class KeyUses:
    """The last use of each key since it was last written down."""

    def __init__(self) -> None:
        self._pending: dict[Place, KeyUse] = {}
        self.noted = asyncio.Event()
        """Set while something waits to be written."""

    def note(self, place: Place, use: KeyUse) -> None:
        if len(self._pending) < PENDING_MAX or place in self._pending:
            self._pending[place] = use
            self.noted.set()

    def last(self, place: Place) -> KeyUse | None:
        """What is not written yet."""
        return self._pending.get(place)

    def first(self, limit: int) -> list[tuple[Place, KeyUse]]:
        """Some of what waits, of one account and region."""
        found = list(self._pending.items())[:PENDING_MAX]
        return [pair for pair in found if pair[0][:2] == found[0][0][:2]][:limit]

    def done(self, uses: list[tuple[Place, KeyUse]]) -> None:
        """These are written down; a later use of the same key goes on waiting."""
        for place, use in uses:
            if self._pending.get(place) is use:
                del self._pending[place]
        if not self._pending:
            self.noted.clear()

    def clear(self) -> None:
        self._pending.clear()
        self.noted.clear()

"""Audiences: who of a topic's subscribers gets a message, found without looking at all of them.

A subscription whose filter asks for certain values (texts, numbers, true, false, null) lies in a
bucket for each of them; all others lie in one bucket that every message opens. A message opens the
buckets of the values that it has. Where a filter asks for several things at once, the subscription
lies with the one for which fewest others had asked when it was made.
Law: a subscription that is in several of them is served in the first.
"""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from ogi.services.sns import filters, topics
from ogi.services.sns.contents import Content
from ogi.services.sns.filters import Filter, Values
from ogi.services.sns.subscriptions import EVERYBODY, ROUTES, Subscription, filter_of, tokens_of
from ogi.services.sns.topics import Topic
from ogi.storage import Reader
from ogi.storage.keys import text

BUCKETS_MAX = 256
"""A message with more values than this looks at all subscriptions that ask for one."""
LOOKED_AT_MAX = 1_000
"""Subscriptions whose filters are tested in one transaction, whether they match or not."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far a message has come: the bucket, and the last id in it that was looked at."""

    bucket: str = ""
    after: str = ""


START = Cursor()


class Audience:
    """The subscribers of one message."""

    def __init__(self, tx: Reader, topic: Topic, content: Content) -> None:
        self._tx = tx
        self._topic = topic
        self._said: dict[str, Values | None] = {}
        self._content = content
        self._buckets = [EVERYBODY, *self._opened()]
        self._open = frozenset(self._buckets)

    def page(
        self, cursor: Cursor, limit: int, look: int = LOOKED_AT_MAX
    ) -> tuple[list[Subscription], Cursor | None]:
        """The next subscribers, at most `limit`, and where to go on; `look`: so many are tested."""
        found: list[Subscription] = []
        looked_at, after = 0, cursor.after
        for bucket in self._buckets[bisect_left(self._buckets, cursor.bucket) :]:
            start = text(after) + b"\x00" if after and bucket == cursor.bucket else None
            while True:
                rows = ROUTES.scan(
                    self._tx, self._topic.control, self._topic.name, bucket, limit=limit,
                    start=start,
                )  # fmt: skip
                for _, row in rows:
                    if self._gets(row, bucket):
                        found.append(row)
                        if len(found) == limit:
                            return found, Cursor(bucket, row.id)
                if len(rows) < limit:
                    break
                looked_at += limit
                last = rows[-1][1].id
                if looked_at >= look:
                    return found, Cursor(bucket, last)
                start = text(last) + b"\x00"
        return found, None

    def wants(self, subscription: Subscription) -> bool:
        """Whether the filter of a subscription, if it has one, lets the message through."""
        return not subscription.filter_policy or self._matches(filter_of(subscription))

    def _gets(self, subscription: Subscription, bucket: str) -> bool:
        if subscription.pending or subscription.epoch != self._topic.epoch:
            return False
        if subscription.live_after and int(self._content.sequence[1:]) <= subscription.live_after:
            return False  # A replay has brought it.
        if not subscription.filter_policy:
            return True
        if bucket != EVERYBODY and self._first(subscription) != bucket:
            return False
        return self._matches(filter_of(subscription))

    def _first(self, subscription: Subscription) -> str:
        """The first of the open buckets in which a subscription lies: tokens are sorted."""
        return next(token for token in tokens_of(subscription) if token in self._open)

    def _matches(self, filter: Filter) -> bool:
        values = self._values(filter.scope)
        return values is not None and filter.matches(values)

    def _values(self, scope: str) -> Values | None:
        if scope not in self._said:
            content = self._content
            if scope == filters.BODY:
                self._said[scope] = filters.values_of_body(content.text)
            else:
                self._said[scope] = {
                    (name,): values
                    for name, attribute in content.attributes.items()
                    if (values := filters.values_of_attribute(attribute.type, attribute.text))
                    is not None
                }
        return self._said[scope]

    def _opened(self) -> list[str]:
        """The buckets of the message's values, of the scopes in which anybody asks for any."""
        opened: list[str] = []
        asked = topics.counts(self._tx, self._topic)
        for scope, letter, count in (
            (filters.ATTRIBUTES, "a", asked.of_attributes),
            (filters.BODY, "b", asked.of_bodies),
        ):
            if not count:
                continue
            values = self._values(scope)
            tokens = filters.tokens_of(scope, values) if values is not None else set()
            if len(tokens) > BUCKETS_MAX:
                tokens &= self._asked(letter)
            opened += tokens
        return sorted(opened)

    def _asked(self, letter: str) -> set[str]:
        """The buckets that there are: one look each."""
        buckets: set[str] = set()
        start = letter.encode()
        while True:
            found = ROUTES.scan(
                self._tx, self._topic.control, self._topic.name, limit=1, start=start
            )
            if not found or not found[0][0].startswith(letter.encode()):
                return buckets
            bucket = found[0][0].partition(b"\x00")[0]
            buckets.add(bucket.decode())
            start = bucket + b"\x00\x01"

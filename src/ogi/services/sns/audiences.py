"""Audiences: who of a topic's subscribers gets a message, found without looking at all of them.

A subscription whose filter asks for certain values (texts, numbers, true, false, null) lies in a
bucket for each of them; so does one that asks for beginnings, ends, ranges or networks (see
lookups). All others lie in one bucket that every message opens. A message opens the buckets of
the values that it has. Where a filter asks for several things at once, the subscription lies with
the one for which fewest others had asked when it was made.
Law: a subscription that is in several of them is served in the first.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from ogi.services.sns import filters, topics
from ogi.services.sns.contents import Content
from ogi.services.sns.filters import Filter, Path, Values
from ogi.services.sns.subscriptions import (
    EVERYBODY,
    ROUTES,
    SHAPES,
    Subscription,
    filter_of,
    tokens_of,
)
from ogi.services.sns.subscriptions import (
    Cursor as Cursor,
)
from ogi.services.sns.topics import Counts, Topic
from ogi.storage import Reader
from ogi.storage.keys import after, text

PATHS_MAX: Final = 64
"""A message with more paths than this goes through those that are asked for, if these are fewer."""
BUCKETS_MAX: Final = 256
"""A message with more values than this looks at all subscriptions that ask for one; one that would
open more of other conditions, at all of these on a path."""
LOOKED_AT_MAX: Final = 1_000
"""Subscriptions whose filters are tested in one transaction, whether they match or not."""


START: Final = Cursor()


class Audience:
    """The subscribers of one message."""

    def __init__(self, tx: Reader, topic: Topic, content: Content) -> None:
        self._tx = tx
        self._topic = topic
        self._said: dict[str, Values | None] = {}
        self._content = content
        self._base = ROUTES.key(topic.control, topic.name)
        spans = sorted(self._opened().items())
        self._firsts = [first for first, _ in spans]
        self._lasts = [last for _, last in spans]

    def page(
        self, cursor: Cursor, limit: int, look: int = LOOKED_AT_MAX
    ) -> tuple[list[Subscription], Cursor | None]:
        """The next subscribers, at most `limit`, and where to go on; `look`: so many are tested."""
        found: list[Subscription] = []
        looked_at, at = 0, bisect_left(self._lasts, cursor.bucket)
        while at < len(self._firsts):
            rows = self._rows(at, cursor, limit)
            for bucket, row in rows:
                if self._gets(row, bucket):
                    found.append(row)
                    if len(found) == limit:
                        return found, Cursor(bucket, row.id)
            if len(rows) < limit:
                at += 1
                continue
            bucket, row = rows[-1]
            cursor = Cursor(bucket, row.id)
            looked_at += limit
            if looked_at >= look:
                return found, cursor
        return found, None

    def _rows(self, at: int, cursor: Cursor, limit: int) -> list[tuple[str, Subscription]]:
        """The next of the span of buckets at this place, as (bucket, subscription)."""
        first, last = self._firsts[at], self._lasts[at]
        base = self._base
        begin = base + text(first)
        if cursor.after and first <= cursor.bucket <= last:
            begin = base + text(cursor.bucket) + text(cursor.after) + b"\x00"
        cut = len(base)
        return [
            (first if first == last else key[cut : key.index(b"\x00\x00", cut)].decode(),
             ROUTES.decode(raw))
            for key, raw in self._tx.scan(begin, after(base + text(last)), limit)
        ]  # fmt: skip

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
        """The first of the open buckets in which a subscription lies: they are sorted."""
        return next(bucket for bucket in tokens_of(subscription) if self._opens(bucket))

    def _opens(self, bucket: str) -> bool:
        at = bisect_right(self._firsts, bucket) - 1
        return bucket <= self._lasts[at]

    def _matches(self, filter: Filter) -> bool:
        values = self._values(filter.scope)
        return values is not None and filter.matches(values)

    def _values(self, scope: str) -> Values | None:
        if scope not in self._said:
            content = self._content
            if scope == filters.BODY:
                self._said[scope] = filters.values_of_body(content.text)
            elif not content.attributes:
                # "An empty set of attributes results in the filter not matching" (docs:
                # attribute-key-matching), whatever it asks for.
                self._said[scope] = None
            else:
                self._said[scope] = {
                    (name,): values
                    for name, attribute in content.attributes.items()
                    if (values := filters.values_of_attribute(attribute.type, attribute.text))
                    is not None
                }
        return self._said[scope]

    def _opened(self) -> dict[str, str]:
        """The buckets of the message's values, of the scopes in which anybody asks for any: each
        span's last by its first."""
        spans = {EVERYBODY: EVERYBODY}
        asked = topics.counts(self._tx, self._topic)
        for scope, letter, count in (
            (filters.ATTRIBUTES, "a", asked.of_attributes),
            (filters.BODY, "b", asked.of_bodies),
        ):
            values = self._values(scope) if count else None
            if not values:
                continue
            at = list(self._asked_for(scope, values, asked))
            tokens = filters.tokens_at(scope, at)
            if len(tokens) > BUCKETS_MAX:
                tokens &= self._asked(letter)
            spans.update((token, token) for token in tokens)
            spans |= filters.opened(scope, at, BUCKETS_MAX)
        return spans

    def _asked_for(
        self, scope: str, values: Values, asked: Counts
    ) -> Iterator[tuple[Path, Sequence[Any], Collection[str]]]:
        """(path, the message's values there, kinds that may be asked for there).

        A message with many paths looks at those that are asked for, if these are fewer.
        """
        home, name = self._topic.control, self._topic.name
        known = asked.shaped >= asked.of_attributes + asked.of_bodies
        if known and len(values) > PATHS_MAX:
            begin = SHAPES.key(home, name) + filters.letter_of(scope).encode()
            rows = self._tx.scan(begin, after(begin), PATHS_MAX + 1)
            if len(rows) <= PATHS_MAX:
                for shape in (SHAPES.decode(raw) for _, raw in rows):
                    path = _path(shape.path)
                    if path in values:
                        yield path, values[path], shape.kinds
                return
        for path, here in values.items():
            kinds: Collection[str] = (filters.EXACT,)
            if asked.of_patterns:
                found = SHAPES.get(self._tx, home, name, filters.head_of(scope, path))
                asked_here = () if found is None else found.kinds
                kinds = asked_here if known else {*kinds, *asked_here}
            yield path, here, kinds

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


@lru_cache(maxsize=4_096)
def _path(text: str) -> Path:
    return tuple(json.loads(text))

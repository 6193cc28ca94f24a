"""Quotas: how many topics, subscriptions and filter policies there may be.

docs.aws.amazon.com/general/latest/gr/sns.html; `sns_quotas` of the settings says which ones differ.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from ogi.service import Call
from ogi.services.sns import topics
from ogi.services.sns.errors import (
    FilterPolicyLimitExceededException,
    SubscriptionLimitExceededException,
    TopicLimitExceededException,
)
from ogi.services.sns.topics import Counts, Topic
from ogi.storage import Home, Reader, Transaction
from ogi.storage.tables import Table


class Quotas(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    topics: int = 100_000
    fifo_topics: int = 1_000
    subscriptions_per_topic: int = 12_500_000
    subscriptions_per_fifo_topic: int = 100
    pending: int = 5_000
    """Subscriptions of an account that wait for their confirmation."""
    filters_per_topic: int = 200
    filters: int = 10_000
    """Filter policies of an account."""


class Totals(msgspec.Struct, frozen=True):
    """What an account has in a region."""

    topics: int = 0
    fifo_topics: int = 0
    pending: int = 0
    filters: int = 0


TABLE = Table("sns.totals", Totals)
_decoder = msgspec.json.Decoder(Quotas, strict=False)


@lru_cache(maxsize=8)
def parse(text: str) -> Quotas:
    """The quotas that `name=number,...` says; raises ValueError."""
    pairs = dict(pair.strip().partition("=")[::2] for pair in text.split(",") if pair.strip())
    try:
        quotas = _decoder.decode(msgspec.json.encode(pairs))
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if quotas.subscriptions_per_fifo_topic > topics.SUBSCRIPTIONS_OF_FIFO_MAX:
        most = topics.SUBSCRIPTIONS_OF_FIFO_MAX
        raise ValueError(f"subscriptions-per-fifo-topic is at most {most}")
    return quotas


def of(call: Call) -> Quotas:
    return parse(call.ports.settings.sns_quotas)


def totals(tx: Reader, home: Home) -> Totals:
    return TABLE.get(tx, home) or Totals()


def count(tx: Transaction, home: Home, **changes: int) -> None:
    """Add to what an account has."""
    found = totals(tx, home)
    new = {name: max(0, getattr(found, name) + by) for name, by in changes.items()}
    TABLE.put(tx, msgspec.structs.replace(found, **new), home)


def add_topic(tx: Transaction, call: Call, topic: Topic) -> None:
    found, quotas = totals(tx, topic.control), of(call)
    kind = "fifo_topics" if topic.fifo else "topics"
    if getattr(found, kind) >= getattr(quotas, kind):
        raise TopicLimitExceededException
    count(tx, topic.control, **{kind: 1})


def drop_topic(tx: Transaction, topic: Topic, counts: Counts) -> None:
    """`counts`: of its subscriptions, which are as good as gone."""
    kind = "fifo_topics" if topic.fifo else "topics"
    count(tx, topic.control, **{kind: -1}, pending=-counts.pending, filters=-counts.filters)


def check(
    tx: Reader, call: Call, topic: Topic, *, new: bool, pending: bool, filtered: bool
) -> None:
    """Raise what forbids one more subscription, or one more filter policy."""
    quotas, counts = of(call), topics.counts(tx, topic)
    if new:
        most = quotas.subscriptions_per_topic
        if topic.fifo:
            most = quotas.subscriptions_per_fifo_topic
        if counts.confirmed + counts.pending >= most:
            raise SubscriptionLimitExceededException
        if pending and totals(tx, topic.control).pending >= quotas.pending:
            raise SubscriptionLimitExceededException
    if filtered and (
        counts.filters >= quotas.filters_per_topic
        or totals(tx, topic.control).filters >= quotas.filters
    ):
        raise FilterPolicyLimitExceededException

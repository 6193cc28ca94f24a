"""Subscriptions: who gets what a topic publishes. They lie in the topic's control home."""

from __future__ import annotations

import json
import re
from collections import Counter

import msgspec

from ogi import arn as arns
from ogi.services.sns import filters, quotas, topics
from ogi.services.sns.archive_policies import Replay
from ogi.services.sns.errors import (
    InvalidParameterException,
    NotFoundException,
    check_elements,
)
from ogi.services.sns.filters import Filter
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Reader, Transaction, control, keys
from ogi.storage.tables import Table

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_PASSWORD = re.compile(r"^(https?://[^/?#:]*:)[^/?#]*@")

EVERYBODY = ""
"""The bucket of the subscriptions at which every message looks (see audiences)."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far a message has come: the bucket, and the last id in it that was looked at."""

    bucket: str = ""
    after: str = ""


class Subscription(msgspec.Struct, frozen=True):
    id: str
    arn: str
    topic_arn: str
    topic_name: str
    protocol: str
    endpoint: str
    owner: str
    epoch: str = ""
    """Of the topic to which it belongs."""
    raw: bool = False
    filter_policy: str = ""
    filter_scope: str = filters.ATTRIBUTES
    redrive_policy: str = ""
    delivery_policy: str = ""
    pending: bool = False
    authenticated: bool = True
    """Who confirmed it had signed."""
    token: str = ""
    """What the endpoint must show to confirm."""
    token_until: float = 0.0
    buckets: tuple[str, ...] | None = None
    """Where a fan-out finds it (see audiences); None: at all tokens of its filter."""
    locked: bool = False
    """Only a signed request ends it (AuthenticateOnUnsubscribe)."""
    replay: Replay | None = None
    live_after: int = 0
    """The number of the last message of a FIFO topic that a replay has brought."""
    shaped: bool = False
    """Its topic knows of which paths and kinds it asks (see Shape)."""
    principal: str = ""
    """The ARN of the user or role that subscribed."""

    @property
    def shown(self) -> str:
        """Its endpoint for lists and logs: a URL's password is its owner's alone, by
        GetSubscriptionAttributes (docs: sns-http-https-endpoint-as-subscriber)."""
        if "@" not in self.endpoint or self.protocol not in ("http", "https"):
            return self.endpoint
        return _PASSWORD.sub(r"\1****@", self.endpoint)

    @property
    def control(self) -> Home:
        parts = self.topic_arn.split(":")
        return control(parts[4], parts[3])


class Pointer(msgspec.Struct, frozen=True):
    """From a topic's protocol and endpoint to the subscription's id."""

    id: str


class Abroad(msgspec.Struct, frozen=True):
    """From the owner of a subscription to another account's topic to it."""

    topic: str
    id: str


class Shape(msgspec.Struct, frozen=True):
    """The kinds of conditions on one path of messages, and how many subscriptions ask for each."""

    kinds: dict[str, int]
    path: str = ""
    """In JSON."""


TABLE = Table("sns.subscription", Subscription)
ENDPOINTS = Table("sns.endpoint", Pointer)
ROUTES = Table("sns.route", Subscription)
"""The same rows again in their buckets, where a fan-out finds them with one look."""
ABROAD = Table("sns.abroad", Abroad)
"""By owner; see owners."""
SHAPES = Table("sns.shape", Shape)
"""Of each path of messages at which a fan-out finds subscriptions."""
DEPARTED = Table("sns.departed", Subscription)
"""Those that may come back (see departures)."""


def filter_of(subscription: Subscription) -> Filter:
    return filters.compile(subscription.filter_policy, subscription.filter_scope)


def find(tx: Reader, subscription_arn: str) -> tuple[Topic, Subscription]:
    found = look(tx, subscription_arn)
    if found is None:
        raise NotFoundException("Subscription does not exist")
    return found


def look(tx: Reader, subscription_arn: str) -> tuple[Topic, Subscription] | None:
    check_elements(subscription_arn, "SubscriptionArn")
    parts = arns.parse(subscription_arn)
    if parts is None or parts.service != "sns" or parts.resource.count(":") != 1:
        raise InvalidParameterException.of("SubscriptionArn")
    name, id = parts.resource.split(":")
    if not _ID.fullmatch(id):
        raise InvalidParameterException.of("SubscriptionId")
    home = control(parts.account, parts.region)
    found = TABLE.get(tx, home, name, id)
    topic = topics.TABLE.get(tx, home, name)
    if found is None or topic is None or found.epoch != topic.epoch:
        return None
    return topic, found


def of_endpoint(tx: Reader, topic: Topic, protocol: str, endpoint: str) -> Subscription | None:
    """The subscription that an endpoint has to a topic."""
    pointer = ENDPOINTS.get(tx, topic.control, topic.name, protocol, endpoint)
    if pointer is None:
        return None
    found = TABLE.get(tx, topic.control, topic.name, pointer.id)
    return found if found is not None and found.epoch == topic.epoch else None


def save(
    tx: Transaction, topic: Topic, made: Subscription, before: Subscription | None = None
) -> None:
    """Keep a subscription as it is now; `before`: as it was."""
    home, name = made.control, made.topic_name
    before = before and TABLE.get(tx, home, name, before.id)
    made = msgspec.structs.replace(made, buckets=_chosen(tx, made, before), shaped=True)
    _count(tx, topic, made, before)
    TABLE.put(tx, made, home, name, made.id)
    if before is None:
        ENDPOINTS.put(tx, Pointer(made.id), home, name, made.protocol, made.endpoint)
        if made.owner != topic.account:
            ABROAD.put(tx, Abroad(name, made.id), home, made.owner, name, made.id)
    else:
        for bucket in _buckets(before):
            ROUTES.delete(tx, home, name, bucket, before.id)
    for bucket in _buckets(made):
        ROUTES.put(tx, made, home, name, bucket, made.id)
    _reshape(tx, home, name, made, before)


def end(tx: Transaction, topic: Topic, gone: Subscription) -> None:
    """Take a subscription from its topic."""
    gone = TABLE.get(tx, gone.control, gone.topic_name, gone.id) or gone
    _count(tx, topic, None, gone)
    forget(tx, gone)


def _count(
    tx: Transaction, topic: Topic, made: Subscription | None, before: Subscription | None
) -> None:
    names = (
        "confirmed",
        "pending",
        "of_attributes",
        "of_bodies",
        "of_patterns",
        "shaped",
        "filters",
    )
    changes = dict.fromkeys(names, 0)
    for one, by in ((made, 1), (before, -1)):
        if one is None:
            continue
        changes["pending" if one.pending else "confirmed"] += by
        changes["filters"] += by if one.filter_policy else 0
        if one.filter_policy and _buckets(one) not in ((), (EVERYBODY,)):
            changes["of_bodies" if one.filter_scope == filters.BODY else "of_attributes"] += by
            changes["shaped"] += by if one.shaped else 0
        changes["of_patterns"] += by if any(map(filters.pattern_of, _buckets(one))) else 0
    if made is None:
        changes["deleted"] = 1
    if any(changes.values()):
        topics.count(tx, topic, **changes)
    if changes["pending"] or changes["filters"]:
        quotas.count(tx, topic.control, pending=changes["pending"], filters=changes["filters"])


def forget(tx: Transaction, gone: Subscription) -> None:
    """Remove the records of one, also of a topic that is gone."""
    home, name = gone.control, gone.topic_name
    TABLE.delete(tx, home, name, gone.id)
    pointer = ENDPOINTS.get(tx, home, name, gone.protocol, gone.endpoint)
    if pointer is not None and pointer.id == gone.id:
        ENDPOINTS.delete(tx, home, name, gone.protocol, gone.endpoint)
    for bucket in _buckets(gone):
        ROUTES.delete(tx, home, name, bucket, gone.id)
    ABROAD.delete(tx, home, gone.owner, name, gone.id)
    _reshape(tx, home, name, None, gone)


def _reshape(
    tx: Transaction, home: Home, name: str, made: Subscription | None, before: Subscription | None
) -> None:
    """Count what is asked for by path and kind."""
    changes: dict[str, Counter[str]] = {}
    paths: dict[str, filters.Path] = {}
    for one, by in ((made, 1), (before, -1)):
        if one is None or not one.filter_policy or not one.shaped:
            continue
        for path, kind in filters.asked(filter_of(one), _buckets(one)):
            head = filters.head_of(one.filter_scope, path)
            paths[head] = path
            changes.setdefault(head, Counter())[kind] += by
    for head, counted in changes.items():
        if not any(counted.values()):
            continue
        found = SHAPES.get(tx, home, name, head)
        counted.update({} if found is None else found.kinds)
        kinds = {kind: count for kind, count in counted.items() if count > 0}
        if kinds:
            SHAPES.put(tx, Shape(kinds, json.dumps(paths[head])), home, name, head)
        else:
            SHAPES.delete(tx, home, name, head)


def _buckets(subscription: Subscription) -> tuple[str, ...]:
    """Where a fan-out finds it; nowhere, while it is replayed to."""
    if subscription.replay is not None and subscription.replay.held:
        return ()
    return tokens_of(subscription) or (EVERYBODY,)


def tokens_of(subscription: Subscription) -> tuple[str, ...]:
    """The tokens in whose buckets it lies; none if it lies in everybody's."""
    if not subscription.filter_policy:
        return ()
    if subscription.buckets is not None:
        return subscription.buckets
    return filter_of(subscription).tokens


def _chosen(tx: Reader, made: Subscription, before: Subscription | None) -> tuple[str, ...] | None:
    """The buckets of a filter are chosen once: when it becomes the subscription's."""
    if not made.filter_policy:
        return None
    if before is not None and (made.filter_policy, made.filter_scope) == (
        before.filter_policy, before.filter_scope,
    ):  # fmt: skip
        return before.buckets

    def filling(begin: str, most: int) -> int:
        first = ROUTES.key(made.control, made.topic_name) + begin.encode()
        return len(tx.scan(first, keys.after(first), most))

    return filters.choose(filter_of(made), filling)

"""The index by which subscribers are found answers as testing each of them would."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ogi.services.sns import audiences, filters, subscriptions, topics
from ogi.services.sns.audiences import Audience, Cursor
from ogi.services.sns.conditions import FilterError
from ogi.services.sns.contents import Attribute, Content
from ogi.services.sns.subscriptions import ROUTES, SHAPES, Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Reader, Transaction
from ogi.storage.memory import MemoryStore
from tests.services.sns.conftest import Client
from tests.services.sns.reference import bodies, lets_through, policies

ARN = "arn:aws:sns:eu-west-1:111122223333:news"
TOPIC = Topic(name="news", account="111122223333", region="eu-west-1", arn=ARN)
_values = st.sampled_from(["a", "b", 1, True, None])
_exact = st.dictionaries(
    st.sampled_from("xy"), st.lists(_values, min_size=1, max_size=3), min_size=1
)
_loose = st.just({"x": [{"exists": False}]})
_sharp = st.one_of(
    policies, _exact, st.builds(lambda a, b: {"$or": [a, b]}, _exact, _exact | _loose)
)
"""Mostly policies that can be looked up: those are what the index is about."""
_said = bodies | st.dictionaries(st.sampled_from("xy"), st.lists(_values, max_size=3))
_changes = st.lists(st.tuples(st.integers(0, 11), st.none() | _sharp), max_size=6)


def _accepted(policy: dict[str, Any] | None) -> str:
    """A policy's text; that of none, if it is too complex."""
    if policy is None:
        return ""
    try:
        filters.compile(json.dumps(policy), filters.BODY)
    except FilterError:
        return ""
    return json.dumps(policy)


def _subscription(n: int, policy: str) -> Subscription:
    return Subscription(
        id=f"{n:08x}-0000-0000-0000-000000000000", arn=f"{ARN}:{n}", topic_arn=ARN,
        topic_name="news", protocol="sqs", endpoint=f"q{n}", owner="111122223333",
        filter_policy=policy, filter_scope=filters.BODY,
    )  # fmt: skip


def _served(tx: Reader, body: Any, limit: int) -> list[str]:
    """Whom a fan-out serves, a page after the other."""
    content = Content("id", json.dumps(body), {}, "", {}, 0.0)
    served: list[str] = []
    cursor: Cursor | None = audiences.START
    while cursor is not None:
        page, cursor = Audience(tx, TOPIC, content).page(cursor, limit)
        assert len(page) <= limit
        served += [one.endpoint for one in page]
    return served


@settings(max_examples=100, deadline=None)
@given(
    wanted=st.lists(_sharp, min_size=12, max_size=12),
    changes=_changes,
    said=st.lists(_said, min_size=1, max_size=4),
    limit=st.integers(1, 5),
    more=st.sampled_from([0, audiences.PATHS_MAX]),
)
def test_everybody_who_would_match_is_served_once_and_nobody_else(
    wanted: list[dict[str, Any]], changes: Any, said: list[dict[str, Any]], limit: int, more: int
) -> None:
    padded = [{**one, **{f"more{n}": "a" for n in range(more)}} for one in said]
    asyncio.run(_check(wanted, changes, padded, limit))


async def _check(
    wanted: list[dict[str, Any]], changes: Any, said: list[dict[str, Any]], limit: int
) -> None:
    store = MemoryStore()
    texts = [_accepted(policy) for policy in wanted]

    def body(tx: Transaction) -> None:
        for n, text in enumerate(texts):
            subscriptions.save(tx, TOPIC, _subscription(n, text))

    await store.transact(body, TOPIC.control)
    for n, policy in changes:
        text = _accepted(policy)
        gone = policy is None and n % 2
        before = _subscription(n, texts[n])

        def change(tx: Transaction, n: int = n, text: str = text, gone: Any = gone,
                   before: Subscription = before) -> None:  # fmt: skip
            if subscriptions.TABLE.get(tx, TOPIC.control, "news", before.id) is None:
                subscriptions.save(tx, TOPIC, _subscription(n, text))
            elif gone:
                subscriptions.end(tx, TOPIC, before)
            else:
                subscriptions.save(tx, TOPIC, _subscription(n, text), before)

        await store.transact(change, TOPIC.control)
        texts[n] = "gone" if gone and texts[n] != "gone" else text
    expected = [
        sorted(
            f"q{n}"
            for n, text in enumerate(texts)
            if text != "gone" and (not text or lets_through(json.loads(text), one))
        )
        for one in said
    ]
    found = [sorted(await store.read(lambda tx, o=one: _served(tx, o, limit))) for one in said]
    assert await store.read(_kinds_counted) == await store.read(_kinds_told)
    await store.close()
    assert found == expected


def _kinds_told(tx: Reader) -> dict[str, dict[str, int]]:
    """What the topic says of each path."""
    rows = SHAPES.scan(tx, TOPIC.control, "news", limit=100)
    return {rest.rstrip(b"\x00").decode(): row.kinds for rest, row in rows}


def _kinds_counted(tx: Reader) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for _, row in subscriptions.TABLE.scan(tx, TOPIC.control, "news", limit=100):
        if row.filter_policy:
            filter = subscriptions.filter_of(row)
            for path, kind in filters.asked(filter, row.buckets or ()):
                kinds = counted.setdefault(filters.head_of(filters.BODY, path), {})
                kinds[kind] = kinds.get(kind, 0) + 1
    return counted


async def test_a_text_that_all_ask_for_holds_the_first_only(sns: Client) -> None:
    topic = await sns.topic()
    for n in range(60):
        # By its name `kind` would come first.
        await sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:eu-west-1:111122223333:q{n}",
            Attributes={"FilterPolicy": json.dumps({"kind": ["order"], "to": [n]})},
        )  # fmt: skip
    home = TOPIC.control
    rows = await sns.world.store.read(lambda tx: ROUTES.scan(tx, home, "news", limit=100))
    buckets = [rest.partition(b"\x00")[0] for rest, _ in rows]
    assert len(buckets) == 60 and len(set(buckets)) == 60


async def test_subscriptions_of_before_there_was_a_choice_are_found_and_changed(
    sns: Client,
) -> None:
    """They lie at the texts of the rule with the fewest, without a word about it."""
    topic = await sns.topic()
    arn = await sns.subscribed(topic, FilterPolicy={"a": ["x", "y"], "b": ["u", "v", "w"]})
    home = TOPIC.control

    def as_before(tx: Transaction) -> None:
        ((_, now),) = subscriptions.TABLE.scan(tx, home, "news", limit=2)
        old = msgspec.structs.replace(now, buckets=None, shaped=False)
        for rest, _ in SHAPES.scan(tx, home, "news", limit=10):
            SHAPES.delete(tx, home, "news", rest.rstrip(b"\x00").decode())
        assert topics.counts(tx, TOPIC).shaped == 1
        topics.count(tx, TOPIC, shaped=-1)
        for bucket in now.buckets or ():
            ROUTES.delete(tx, home, "news", bucket, now.id)
        for bucket in filters.compile(now.filter_policy, now.filter_scope).tokens:
            ROUTES.put(tx, old, home, "news", bucket, now.id)
        subscriptions.TABLE.put(tx, old, home, "news", now.id)

    await sns.world.store.transact(as_before, home)
    both = {"a": Attribute("String.Array", '["x", "y"]'), "b": Attribute("String", "u")}
    both |= {f"more{n}": Attribute("String", "x") for n in range(audiences.PATHS_MAX)}
    said = {k: {"DataType": v.type, "StringValue": v.text} for k, v in both.items()}
    await sns.publish(TopicArn=topic, Message="hello", MessageAttributes=said)
    assert await sns.texts() == ["hello"]
    await sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"a": ["z"]}'
    )
    rows = await sns.world.store.read(lambda tx: ROUTES.scan(tx, home, "news", limit=100))
    assert len(rows) == 1

"""What topics owe when the server dies: order, a thousand copies, the retries that are left."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path

import pytest

from ogi import storage
from ogi.storage import Home, keys
from ogi.storage.keys import AGENDA, u64
from tests.crash.child import ROUNDS, SEED, Child, drain, eventually, storms
from tests.crash.loads import Messages, Publishes
from tests.crash.topics import Archive, Crowd, Endpoint, FifoPublishes, Throttled

pytestmark = pytest.mark.slow

QUEUES = 1_000
MESSAGES = 6
RETRIES = 4
RATE = 60
"""Messages of a group that a throttled queue takes in a second."""


def test_a_fifo_topics_messages_come_once_and_in_order_to_every_queue(tmp_path: Path) -> None:
    load = FifoPublishes(publishers=4, queues=3)

    def check(child: Child) -> None:
        sqs = child.client("sqs")
        assert eventually(lambda: load.complete(sqs)), f"{load.seen} of {load.sent}"

    storms(tmp_path, load, [Messages(1, 0, 1), Publishes(1, 0)], check, rounds=ROUNDS // 2)
    assert load.total > 2 * ROUNDS, "too little was in flight to prove anything"


def test_a_fan_out_to_a_thousand_queues_goes_on_where_it_was(tmp_path: Path) -> None:
    chance = random.Random(f"{SEED}crowd")
    child, crowd = Child(tmp_path), Crowd(QUEUES)
    cut = 0
    try:
        child.start()
        asyncio.run(crowd.set_up(child))
        for _ in range(4):
            asyncio.run(crowd.publish(child, MESSAGES))
            time.sleep(chance.uniform(0.0, 0.2))
            child.kill()
            cut += asyncio.run(_owed(tmp_path / "data"))
            child.start()
        expected = QUEUES * len(crowd.published)
        ended = eventually(lambda: asyncio.run(crowd.arrived(child)) >= expected, 60)
        found = asyncio.run(crowd.copies(child))
        once = dict.fromkeys(crowd.published, 1)
        wrong = [number for number, copies in enumerate(found) if copies != once]
        assert not wrong, f"again with OGI_CRASH_SEED={SEED}: {wrong[:10]}"
        assert ended
        assert cut, "no fan-out was under way when the server died"
    finally:
        child.close()


async def _owed(folder: Path) -> int:
    """How many deliveries that are due a server that died has left."""
    store = storage.open("sqlite", folder)
    end = AGENDA + u64(int(time.time() * 1000))
    rows = await store.read(lambda tx: tx.scan(AGENDA, end, 10_000))
    await store.close()
    return len(rows)


def test_a_replay_goes_on_where_it_was_and_joins_what_is_published_then(tmp_path: Path) -> None:
    chance = random.Random(f"{SEED}archive")
    child, archive = Child(tmp_path), Archive()
    cut = 0
    try:
        child.start()
        archive.set_up(child)
        archive.publish(child, 50)
        for _ in range(3):
            archive.replay(child)
            archive.publish(child, 1)
            time.sleep(chance.uniform(0.0, 0.03))
            child.kill()
            cut += asyncio.run(_owed(tmp_path / "data"))
            child.start()
            archive.publish(child, 1)
        ended = eventually(lambda: archive.complete(child))
        for url, came in archive.came.items():
            assert came == archive.published, f"again with OGI_CRASH_SEED={SEED}: {url}"
        assert ended
        assert cut, "nothing was under way when the server died"
    finally:
        child.close()


def test_what_waits_for_a_throttled_queue_comes_once_and_in_order(tmp_path: Path) -> None:
    chance = random.Random(f"{SEED}throttled")
    child, throttled = Child(tmp_path, "--sqs-quotas", f"fifo-group-rate={RATE}"), Throttled()
    waited = 0
    try:
        child.start()
        throttled.set_up(child)
        for _ in range(4):
            throttled.publish(child, RATE // 5)
            time.sleep(chance.uniform(0.0, 0.3))
            child.kill()
            waited += asyncio.run(_rows(tmp_path / "data", throttled.topic))
            child.start()
        assert waited, "nothing waited when the server died"
        assert eventually(lambda: throttled.arrived(child), 60)
        for url in throttled.urls:
            came = drain(child.client("sqs"), url)
            assert came == throttled.published, f"again with OGI_CRASH_SEED={SEED}: {url}"
    finally:
        child.close()


async def _rows(folder: Path, topic: str) -> int:
    """How many copies wait in what a server that died has left."""
    store = storage.open("sqlite", folder)
    begin = keys.start(Home(topic), "sns.held")
    rows = await store.read(lambda tx: tx.scan(begin, keys.after(begin), 10_000))
    await store.close()
    return len(rows)


def test_an_endpoints_retries_go_on_and_end_as_if_the_server_had_not_died(tmp_path: Path) -> None:
    child, endpoint = Child(tmp_path), Endpoint()
    kills = 3
    try:
        child.start()
        sns, sqs = child.client("sns"), child.client("sqs")
        topic = sns.create_topic(Name="hooks")["TopicArn"]
        url = sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                     "Action": "sqs:SendMessage", "Resource": arn["QueueArn"]}  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": statement}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        for path, retries in (("/later", 60), ("/never", RETRIES)):
            waits = {"numRetries": retries, "minDelayTarget": 1, "maxDelayTarget": 1}
            sns.subscribe(
                TopicArn=topic, Protocol="http", Endpoint=endpoint.url + path,
                Attributes={
                    "DeliveryPolicy": json.dumps({"healthyRetryPolicy": waits}),
                    "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn["QueueArn"]}),
                },
            )  # fmt: skip

        def confirmed() -> bool:
            found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
            return bool(found["SubscriptionsConfirmed"] == "2")

        assert eventually(confirmed)
        published: list[str] = []
        for turn in range(kills):
            for n in range(5):
                text = f"{turn}-{n}"
                sns.publish(TopicArn=topic, Message=text)
                published.append(text)
            assert eventually(lambda: set(published) <= set(endpoint.attempts["/later"]))
            child.kill()
            child.start()
        assert not endpoint.taken
        endpoint.willing = True
        assert eventually(lambda: set(published) == set(endpoint.taken["/later"]))
        dead: list[str] = []

        def buried() -> bool:
            dead.extend(json.loads(body)["Message"] for body in drain(sqs, url))
            return len(dead) >= len(published)

        assert eventually(buried)
        assert sorted(dead) == sorted(published), "each is given up once"
        # An attempt that was under way when the server died is made again.
        tries = endpoint.attempts["/never"]
        assert all(RETRIES + 1 <= tries[text] <= RETRIES + 1 + kills for text in published), tries
    finally:
        child.close()
        endpoint.close()

"""A FIFO topic's archive: what is kept how long, and what a replay brings to whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ogi.access.authorise import authorise
from ogi.errors import AwsError
from ogi.services.sns import archives, replays
from ogi.storage.keys import after
from tests.services.sns.conftest import Client
from tests.world import ACCOUNT, World

DAY_S = 86_400


async def _topic(sns: Client, days: int = 1, **more: Any) -> str:
    return await sns.topic(
        "news.fifo", FifoTopic="true", ContentBasedDeduplication="true",
        ArchivePolicy=json.dumps({"MessageRetentionPeriod": str(days)}), **more,
    )  # fmt: skip


def _at(sns: Client, seconds: float = 0) -> str:
    moment = datetime.fromtimestamp(sns.world.clock.now() + seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _replay(sns: Client, subscription: str, **policy: str) -> None:
    text = json.dumps({"PointType": "Timestamp", **policy}) if policy else "{}"
    await sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="ReplayPolicy", AttributeValue=text
    )


async def _status(sns: Client, subscription: str) -> str:
    shown = await sns.get_subscription_attributes(SubscriptionArn=subscription)
    status: str = shown["Attributes"].get("ReplayStatus", "")
    return status


async def _publish(sns: Client, topic: str, *texts: str, group: str = "g") -> None:
    for text in texts:
        await sns.publish(TopicArn=topic, Message=text, MessageGroupId=group)
        sns.world.clock.advance(1)


async def _all(sns: Client, queue: str = "inbox.fifo") -> list[dict[str, Any]]:
    """The envelopes of all that came, in the order in which it did."""
    found: list[dict[str, Any]] = []
    while page := await sns.messages(queue):
        found += [json.loads(message["Body"]) for message in page]
    return found


async def _kept(sns: Client, topic: str) -> int:
    prefix = archives.TABLE.key(topic)  # type: ignore[arg-type]
    rows = await sns.world.store.read(lambda tx: tx.scan(prefix, after(prefix), 10_000))
    return len(rows)


async def test_a_new_subscriber_gets_what_was_published_before_it_and_then_goes_live(
    sns: Client,
) -> None:
    topic = await _topic(sns)
    begin = _at(sns)
    texts = [str(n) for n in range(2 * replays.PAGE + 7)]
    await _publish(sns, topic, *texts)
    policy = {"PointType": "Timestamp", "StartingPoint": begin}
    arn = await sns.subscribed(topic, "inbox.fifo", ReplayPolicy=policy)
    assert await _status(sns, arn) == "Pending"
    await _publish(sns, topic, "while it waits")
    got = await _all(sns)
    assert [one["Message"] for one in got] == [*texts, "while it waits"]
    assert all(one["Replayed"] is True for one in got)
    assert [one["SequenceNumber"] for one in got] == sorted(one["SequenceNumber"] for one in got)
    assert await _status(sns, arn) == "Completed"
    await _publish(sns, topic, "live")
    (live,) = await _all(sns)
    assert live["Message"] == "live" and "Replayed" not in live


async def test_a_replayed_message_is_the_message_that_it_was(sns: Client) -> None:
    topic = await _topic(sns)
    arn = await sns.subscribed(topic, "inbox.fifo")
    begin = _at(sns)
    await _publish(sns, topic, "once")
    (first,) = await _all(sns)
    await _replay(sns, arn, StartingPoint=begin)
    (again,) = await _all(sns)
    assert again.pop("Replayed") is True
    assert again == first
    await _replay(sns, arn, StartingPoint=begin)
    assert len(await _all(sns)) == 1, "the same policy begins another replay"


async def test_a_replay_with_an_end_pauses_the_subscription(sns: Client) -> None:
    topic = await _topic(sns)
    arn = await sns.subscribed(topic, "inbox.fifo")
    await _publish(sns, topic, "0", "1", "2", "3")
    await _all(sns)
    await _replay(sns, arn, StartingPoint=_at(sns, -3), EndingPoint=_at(sns, -1))
    assert [one["Message"] for one in await _all(sns)] == ["1", "2"]
    assert await _status(sns, arn) == "Completed"
    await _publish(sns, topic, "4")
    assert await _all(sns) == []
    await _replay(sns, arn, StartingPoint=_at(sns, -2))
    assert [one["Message"] for one in await _all(sns)] == ["3", "4"]
    await _publish(sns, topic, "5")
    assert [one["Message"] for one in await _all(sns)] == ["5"]


async def test_a_policy_that_is_taken_away_ends_the_pause(sns: Client) -> None:
    topic = await _topic(sns)
    arn = await sns.subscribed(topic, "inbox.fifo")
    await _publish(sns, topic, "0")
    await _replay(sns, arn, StartingPoint=_at(sns, -1), EndingPoint=_at(sns))
    await _all(sns)
    await _replay(sns, arn)
    assert await _status(sns, arn) == ""
    await _publish(sns, topic, "1")
    assert [one["Message"] for one in await _all(sns)] == ["1"]


async def test_filters_count_for_replays_and_others_are_left_alone(sns: Client) -> None:
    topic = await _topic(sns)
    await sns.subscribed(topic, "other.fifo")
    begin = _at(sns)
    for n in range(4):
        color = {"DataType": "String", "StringValue": "blue" if n % 2 else "red"}
        await sns.publish(
            TopicArn=topic, Message=str(n), MessageGroupId="g", MessageAttributes={"color": color}
        )
    assert len(await _all(sns, "other.fifo")) == 4
    policy = {"PointType": "Timestamp", "StartingPoint": begin}
    await sns.subscribed(
        topic, "inbox.fifo", ReplayPolicy=policy, FilterPolicy={"color": ["blue"]},
        RawMessageDelivery="true",
    )  # fmt: skip
    got = await sns.messages("inbox.fifo")
    assert [one["Body"] for one in got] == ["1", "3"]
    assert {one["MessageAttributes"]["Replayed"]["StringValue"] for one in got} == {"true"}
    assert await _all(sns, "other.fifo") == []


async def test_what_is_older_than_the_retention_is_gone(sns: Client) -> None:
    topic = await _topic(sns)
    begin = _at(sns)
    shown = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert json.loads(shown["ArchivePolicy"]) == {"MessageRetentionPeriod": "1"}
    assert shown["BeginningArchiveTime"] == begin
    await _publish(sns, topic, *(str(n) for n in range(archives.SWEPT_MAX + 5)))
    sns.world.clock.advance(DAY_S)
    await _publish(sns, topic, "new")
    shown = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert shown["BeginningArchiveTime"] > begin
    arn = await sns.subscribed(topic, "inbox.fifo")
    with pytest.raises(AwsError, match="BeginningArchiveTime"):
        await _replay(sns, arn, StartingPoint=begin)
    await sns.world.deliver()
    sns.world.clock.advance(archives.SWEEP_EVERY_S)
    await sns.world.deliver()
    assert await _kept(sns, topic) == 1
    sns.world.clock.advance(2 * DAY_S)
    await sns.world.deliver()
    assert await _kept(sns, topic) == 0


async def test_a_topic_with_an_archive_is_not_deleted_and_deactivation_empties_it(
    sns: Client,
) -> None:
    topic = await _topic(sns)
    arn = await sns.subscribed(topic, "inbox.fifo")
    await _publish(sns, topic, "0")
    await _replay(sns, arn, StartingPoint=_at(sns, -1), EndingPoint=_at(sns))
    await _all(sns)
    with pytest.raises(AwsError) as refused:
        await sns.delete_topic(TopicArn=topic)
    assert refused.value.shape == "InvalidStateException"
    await sns.set_topic_attributes(
        TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue="{}"
    )
    await sns.world.deliver()
    assert await _kept(sns, topic) == 0
    assert "ArchivePolicy" not in (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    await _publish(sns, topic, "1")
    assert [one["Message"] for one in await _all(sns)] == ["1"], "nobody waits for it any more"
    await sns.delete_topic(TopicArn=topic)


@pytest.mark.parametrize(
    "policy",
    [
        "[]", "nonsense", '{"MessageRetentionPeriod": "0"}', '{"MessageRetentionPeriod": "366"}',
        '{"MessageRetentionPeriod": "x"}', '{"MessageRetentionPeriod": true}', '{"Days": "3"}',
    ],
)  # fmt: skip
async def test_archive_policies_that_are_none(sns: Client, policy: str) -> None:
    with pytest.raises(AwsError) as refused:
        await sns.topic("news.fifo", FifoTopic="true", ArchivePolicy=policy)
    assert refused.value.shape == "InvalidParameterException"
    with pytest.raises(AwsError):
        await sns.topic(ArchivePolicy='{"MessageRetentionPeriod": "3"}')


@pytest.mark.parametrize(
    "policy",
    [
        {"PointType": "Offset", "StartingPoint": "2023-11-14T22:00:00Z"},
        {"PointType": "Timestamp"},
        {"PointType": "Timestamp", "StartingPoint": "yesterday"},
        {"PointType": "Timestamp", "StartingPoint": 5},
        {"PointType": "Timestamp", "StartingPoint": "2030-11-14T22:00:00Z"},
        {"PointType": "Timestamp", "StartingPoint": "2023-11-14T22:00:00Z", "More": "x"},
    ],
)
async def test_replay_policies_that_are_none(sns: Client, policy: Any) -> None:
    topic = await _topic(sns)
    arn = await sns.subscribed(topic, "inbox.fifo")
    with pytest.raises(AwsError) as refused:
        await _replay(sns, arn, **policy)
    assert refused.value.shape == "InvalidParameterException"


async def test_only_a_fifo_topic_with_an_archive_is_replayed(sns: Client) -> None:
    plain = await sns.subscribed(await sns.topic(), "plain")
    with pytest.raises(AwsError, match="FIFO"):
        await _replay(sns, plain, StartingPoint=_at(sns))
    topic = await sns.topic("bare.fifo", FifoTopic="true")
    bare = await sns.subscribed(topic, "bare.fifo")
    with pytest.raises(AwsError, match="no active message archive"):
        await _replay(sns, bare, StartingPoint=_at(sns))


async def test_an_encrypted_archive_needs_a_key_that_lets_the_service_in(
    world_of: Callable[..., World],
) -> None:
    sns = Client(world_of("sns", "sqs", "kms", "iam", authorise=authorise))
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*", "Resource": "*"}  # fmt: skip
    service = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
               "Action": "kms:Decrypt", "Resource": "*"}  # fmt: skip

    def policy(*statements: Any) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    made = await sns.world.call("kms", "CreateKey", Policy=policy(root))
    key = made["KeyMetadata"]["KeyId"]
    topic = await _topic(sns, KmsMasterKeyId=key)
    queue = "arn:aws:sqs:eu-west-1:111122223333:inbox.fifo"
    open_to_all = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": queue}
    await sns.queue("inbox.fifo", FifoQueue="true", Policy=policy(open_to_all))
    await _publish(sns, topic, "secret")
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert not any(b"secret" in value for _, value in rows)
    made = await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    arn = made["SubscriptionArn"]
    await _replay(sns, arn, StartingPoint=_at(sns, -1))
    assert await _all(sns) == []
    assert await _status(sns, arn) == "Failed"
    await sns.world.call(
        "kms", "PutKeyPolicy", KeyId=key, PolicyName="default", Policy=policy(root, service)
    )
    await _replay(sns, arn, StartingPoint=_at(sns, -1))
    assert [one["Message"] for one in await _all(sns)] == ["secret"]
    assert await _status(sns, arn) == "Completed"

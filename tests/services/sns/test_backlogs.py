"""What a FIFO queue does not take at once comes later and in order, and holds nobody else up."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ogi.errors import AccessDenied, InternalFailure
from ogi.services.sns import retries
from ogi.services.sns.backlogs import PAGE
from ogi.services.sqs.errors import KmsThrottled, RequestThrottled
from tests.services.sns.conftest import Client
from tests.services.sns.outage import Outage
from tests.world import World

DAY_S = 86_400


@pytest.fixture
def outage() -> Outage:
    return Outage()


@pytest.fixture
def sns(world_of: Callable[..., World], outage: Outage) -> Client:
    return Client(world_of("sns", "sqs", "kms", authorise=outage))


@pytest.fixture
async def topic(sns: Client) -> str:
    return await sns.topic("news.fifo", FifoTopic="true", ContentBasedDeduplication="true")


async def _publish(sns: Client, topic: str, *texts: str, group: str = "g") -> None:
    for text in texts:
        await sns.publish(TopicArn=topic, Message=text, MessageGroupId=group)
    await sns.world.deliver()


async def _go_on(sns: Client, seconds: int = 60) -> None:
    for _ in range(seconds):
        sns.world.clock.advance(1)
        await sns.world.deliver()


async def _rows(sns: Client, topic: str) -> list[bytes]:
    """What of backlogs lies in a topic's home."""
    begin = topic.encode() + b"\x00sns."
    found = await sns.world.store.read(lambda tx: tx.scan(begin, begin + b"\xff", 1_000))
    return [key for key, _ in found if b"sns.held" in key or b"sns.backlog" in key]


async def test_copies_wait_for_one_of_their_group_that_is_tried_again(
    sns: Client, topic: str, outage: Outage
) -> None:
    await sns.subscribed(topic, "inbox.fifo")
    outage.down["inbox.fifo"] = InternalFailure
    await _publish(sns, topic, "0", "1")
    outage.down.clear()
    await _publish(sns, topic, "2")
    assert await sns.messages("inbox.fifo") == []
    await _go_on(sns)
    assert await sns.texts("inbox.fifo") == ["0", "1", "2"]
    assert await _rows(sns, topic) == []
    await _publish(sns, topic, "3")
    assert await sns.texts("inbox.fifo") == ["3"]


async def _throttled(world_of: Callable[..., World], rate: int) -> tuple[Client, str]:
    """A topic before a queue that takes so many messages a second from each group."""
    settings = {"sqs_quotas": f"fifo-group-rate={rate}"}
    sns = Client(world_of("sns", "sqs", "kms", settings=settings))
    topic = await sns.topic("news.fifo", FifoTopic="true", ContentBasedDeduplication="true")
    high = {"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"}
    endpoint = await sns.queue("inbox.fifo", FifoQueue="true", **high)
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    return sns, topic


async def test_throttled_groups_keep_their_order(world_of: Callable[..., World]) -> None:
    sns, topic = await _throttled(world_of, 3)
    sent: dict[str, list[str]] = {"a": [], "b": []}
    for n in range(20):
        for group, texts in sent.items():
            texts.append(f"{group}{n}")
            await _publish(sns, topic, texts[-1], group=group)
        sns.world.clock.advance(0.2)
    await _go_on(sns)
    came: dict[str, list[str]] = {"a": [], "b": []}
    while texts := await sns.texts("inbox.fifo", limit=3):  # Deletions are throttled, too.
        for text in texts:
            came[text[0]].append(text)
        sns.world.clock.advance(1)
    assert came == sent


async def test_a_backlog_is_worked_off_as_fast_as_the_queue_takes_it(
    world_of: Callable[..., World],
) -> None:
    """Each copy that comes to the front begins with the short waits."""
    sns, topic = await _throttled(world_of, 1)
    await _publish(sns, topic, *map(str, range(30)))
    await _go_on(sns, 35)
    told = await sns.world.call(
        "sqs", "GetQueueAttributes", AttributeNames=["All"],
        QueueUrl="https://sqs.eu-west-1.amazonaws.com/111122223333/inbox.fifo",
    )  # fmt: skip
    assert told["Attributes"]["ApproximateNumberOfMessages"] == "30"


async def test_other_subscribers_and_other_groups_go_on(
    sns: Client, topic: str, outage: Outage
) -> None:
    await sns.subscribed(topic, "down.fifo", RawMessageDelivery="true")
    await sns.subscribed(topic, "well.fifo", RawMessageDelivery="true")
    outage.down["down.fifo"] = InternalFailure
    await _publish(sns, topic, "a0", group="a")
    outage.down.clear()
    await _publish(sns, topic, "a1", group="a")
    await _publish(sns, topic, "b0", group="b")
    assert [m["Body"] for m in await sns.messages("well.fifo")] == ["a0", "a1", "b0"]
    assert [m["Body"] for m in await sns.messages("down.fifo")] == ["b0"]
    await _go_on(sns)
    assert [m["Body"] for m in await sns.messages("down.fifo")] == ["a0", "a1"]


@pytest.mark.parametrize("raised", [RuntimeError, RequestThrottled, KmsThrottled])
async def test_what_may_pass_is_tried_again(
    sns: Client, topic: str, outage: Outage, raised: type[Exception]
) -> None:
    """Faults of ours, and both ways of being throttled."""
    await sns.subscribed(topic, "inbox.fifo")
    outage.down["inbox.fifo"] = raised
    await _publish(sns, topic, "0", "1")
    outage.down.clear()
    await _publish(sns, topic, "2")
    await _go_on(sns)
    assert await sns.texts("inbox.fifo") == ["0", "1", "2"]


async def test_the_first_is_tried_as_often_as_aws_does(
    sns: Client, topic: str, outage: Outage
) -> None:
    """Three times at once, twice after a second, ten times up to 20 s apart, then each 20 s:
    docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""
    await sns.subscribed(topic, "inbox.fifo")
    outage.down["inbox.fifo"] = InternalFailure
    await _publish(sns, topic, *map(str, range(30)))
    assert len(sns.hops("refused")) == 1 + 3
    await _go_on(sns, 2)
    assert len(sns.hops("refused")) == 1 + 3 + 2
    await _go_on(sns, 200)
    before = len(sns.hops("refused"))
    assert before >= 1 + 3 + 2 + 10
    await _go_on(sns, 100)
    assert 5 <= len(sns.hops("refused")) - before <= 6
    outage.down.clear()
    await _go_on(sns, 20)
    assert [await sns.texts("inbox.fifo") for _ in range(3)] == [
        [str(n) for n in range(first, first + 10)] for first in (0, 10, 20)
    ]


async def test_a_backlog_is_worked_off_in_pages(sns: Client, topic: str, outage: Outage) -> None:
    await sns.subscribed(topic, "inbox.fifo")
    outage.down["inbox.fifo"] = InternalFailure
    sent = [str(n) for n in range(3 * PAGE)]
    await _publish(sns, topic, *sent)
    outage.down.clear()
    await _go_on(sns)
    assert [text for _ in range(3) for text in await sns.texts("inbox.fifo")] == sent
    assert await _rows(sns, topic) == []


# -- what is given up -----------------------------------------------------------------------------


async def _with_dead_letters(sns: Client, topic: str, queue: str = "inbox.fifo") -> str:
    dead = await sns.queue("dead.fifo", FifoQueue="true")
    return await sns.subscribed(
        topic, queue, RedrivePolicy={"deadLetterTargetArn": dead}, RawMessageDelivery="true"
    )


async def _bodies(sns: Client, queue: str) -> list[str]:
    found: list[str] = []
    while messages := await sns.messages(queue):
        found += [message["Body"] for message in messages]
    return found


async def test_a_client_side_error_is_final_and_holds_nothing_up(
    sns: Client, topic: str, outage: Outage
) -> None:
    """ "Amazon SNS doesn't retry delivering messages that failed due to client-side errors":
    docs.aws.amazon.com/sns/latest/dg/fifo-message-durability.html"""
    await _with_dead_letters(sns, topic)
    outage.down["inbox.fifo"] = AccessDenied
    await _publish(sns, topic, "0", "1")
    outage.down.clear()
    await _publish(sns, topic, "2")
    assert await _bodies(sns, "dead.fifo") == ["0", "1"]
    assert await _bodies(sns, "inbox.fifo") == ["2"]


async def test_a_backlog_of_a_queue_that_is_gone_is_buried_in_order(
    sns: Client, topic: str, outage: Outage
) -> None:
    await _with_dead_letters(sns, topic)
    outage.down["inbox.fifo"] = InternalFailure
    await _publish(sns, topic, *(str(n) for n in range(PAGE + 2)))
    outage.down["inbox.fifo"] = AccessDenied
    await _publish(sns, topic, "last")
    assert await _bodies(sns, "dead.fifo") == []
    await _go_on(sns)
    assert await _bodies(sns, "dead.fifo") == [*(str(n) for n in range(PAGE + 2)), "last"]
    await _publish(sns, topic, "at once")
    assert await _bodies(sns, "dead.fifo") == ["at once"]
    assert await _rows(sns, topic) == []


async def test_each_copy_is_given_up_after_its_own_23_days(
    sns: Client, topic: str, outage: Outage
) -> None:
    await _with_dead_letters(sns, topic)
    outage.down["inbox.fifo"] = InternalFailure
    await _publish(sns, topic, "0", "1")
    sns.world.clock.advance(10 * DAY_S)
    await _publish(sns, topic, "2")
    assert 23 * DAY_S < retries.MANAGED.total_s < 24 * DAY_S
    sns.world.clock.advance(retries.MANAGED.total_s - 10 * DAY_S)
    await _go_on(sns, 1)
    assert await _bodies(sns, "dead.fifo") == ["0", "1"]
    outage.down.clear()
    await _go_on(sns)
    assert await _bodies(sns, "inbox.fifo") == ["2"]
    assert await _bodies(sns, "dead.fifo") == []


async def test_a_dead_letter_queue_that_is_down_gets_all_in_order_and_holds_no_copies_up(
    sns: Client, topic: str, outage: Outage
) -> None:
    await _with_dead_letters(sns, topic)
    outage.down |= {"inbox.fifo": AccessDenied, "dead.fifo": InternalFailure}
    await _publish(sns, topic, "0", "1")
    del outage.down["inbox.fifo"]
    await _publish(sns, topic, "2")
    assert await _bodies(sns, "inbox.fifo") == ["2"]
    outage.down |= {"inbox.fifo": AccessDenied}
    del outage.down["dead.fifo"]
    await _publish(sns, topic, "3")
    await _go_on(sns)
    assert await _bodies(sns, "dead.fifo") == ["0", "1", "3"]
    assert await _rows(sns, topic) == []


async def test_what_a_dead_letter_queue_refuses_for_good_is_lost_and_said_so(
    sns: Client, topic: str, outage: Outage
) -> None:
    subscription = await _with_dead_letters(sns, topic)
    outage.down |= {"inbox.fifo": AccessDenied, "dead.fifo": AccessDenied}
    await _publish(sns, topic, "0")
    assert [hop["subscription"] for hop in sns.hops("sns.lost")] == [subscription]


async def test_dead_letters_come_although_their_subscription_ended(
    sns: Client, topic: str, outage: Outage
) -> None:
    subscription = await _with_dead_letters(sns, topic)
    outage.down |= {"inbox.fifo": AccessDenied, "dead.fifo": InternalFailure}
    await _publish(sns, topic, "0")
    await sns.unsubscribe(SubscriptionArn=subscription)
    outage.down.clear()
    await _go_on(sns)
    assert await _bodies(sns, "dead.fifo") == ["0"]


@pytest.mark.parametrize("ended", ["subscription", "topic"])
async def test_nothing_is_left_of_a_backlog_whose_subscription_or_topic_ends(
    sns: Client, topic: str, outage: Outage, ended: str
) -> None:
    subscription = await sns.subscribed(topic, "inbox.fifo")
    outage.down["inbox.fifo"] = InternalFailure
    await _publish(sns, topic, *(str(n) for n in range(2 * PAGE)))
    assert await _rows(sns, topic)
    if ended == "topic":
        await sns.delete_topic(TopicArn=topic)
    else:
        await sns.unsubscribe(SubscriptionArn=subscription)
    outage.down.clear()
    await _go_on(sns)
    assert await _rows(sns, topic) == []
    assert await sns.messages("inbox.fifo") == []


# -- with the rest --------------------------------------------------------------------------------


async def test_replayed_copies_keep_their_order_and_come_before_what_follows(
    sns: Client, outage: Outage
) -> None:
    topic = await sns.topic(
        "news.fifo", FifoTopic="true", ContentBasedDeduplication="true",
        ArchivePolicy=json.dumps({"MessageRetentionPeriod": "1"}),
    )  # fmt: skip
    begin = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]["BeginningArchiveTime"]
    await _publish(sns, topic, "0", "1", "2")
    outage.down["inbox.fifo"] = InternalFailure
    replay = {"PointType": "Timestamp", "StartingPoint": begin}
    await sns.subscribed(topic, "inbox.fifo", ReplayPolicy=replay)
    await sns.world.deliver()
    outage.down.clear()
    await _publish(sns, topic, "3")
    assert await sns.messages("inbox.fifo") == []
    await _go_on(sns)
    assert await sns.texts("inbox.fifo") == ["0", "1", "2", "3"]


async def test_a_backlog_is_ciphertext_on_disk(sns: Client, topic: str, outage: Outage) -> None:
    await sns.subscribed(topic, "inbox.fifo")
    outage.down["inbox.fifo"] = InternalFailure
    await _publish(sns, topic, "confidential", "confidential too")
    rows = await sns.world.store.read(lambda tx: tx.scan(b"", b"\xff", 10_000))
    assert any(b"sns.held" in key for key, _ in rows)
    assert not any(b"confidential" in value for _, value in rows)

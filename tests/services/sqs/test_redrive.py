"""Dead letters: who moves when, what is kept; move tasks back, with rate, cancellation, refusal."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from ogi.services.sqs import errors, moves
from tests.services.sqs.conftest import Client
from tests.world import ROOT, World

PREFIX = "arn:aws:sqs:eu-west-1:111122223333:"


def _policy(name: str, count: int = 2) -> str:
    return json.dumps({"deadLetterTargetArn": PREFIX + name, "maxReceiveCount": count})


@pytest.fixture
async def dead(sqs: Client) -> str:
    return await sqs.queue("dead")


@pytest.fixture
async def source(sqs: Client, dead: str) -> str:
    return await sqs.queue("source", RedrivePolicy=_policy("dead"), VisibilityTimeout=1)


async def _fail(sqs: Client, url: str, times: int) -> None:
    for _ in range(times):
        await sqs.receive(url)
        sqs.clock.advance(1)
    await sqs.world.deliver()


async def test_a_message_moves_at_the_receive_that_is_one_too_many(
    sqs: Client, source: str, dead: str
) -> None:
    await sqs.send(source, "poison")
    assert await sqs.bodies(source) == ["poison"]
    sqs.clock.advance(1)
    assert await sqs.bodies(source) == ["poison"]
    sqs.clock.advance(1)
    await sqs.world.deliver()
    assert await sqs.receive(dead) == []
    assert await sqs.receive(source) == []
    await sqs.world.deliver()
    assert await sqs.counts(source) == (0, 0, 0)
    assert await sqs.bodies(dead) == ["poison"]


async def test_a_dead_letter_keeps_its_id_time_count_and_names_its_source(
    sqs: Client, source: str, dead: str
) -> None:
    sent_ms = int(sqs.clock.now() * 1000)
    attributes = {"a": {"DataType": "Number", "StringValue": "1"}}
    id = await sqs.send(source, "poison", MessageAttributes=attributes)
    await _fail(sqs, source, 3)
    (message,) = await sqs.receive(
        dead, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
    )
    assert message["MessageId"] == id
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"] == {
        "SenderId": "111122223333",
        "SentTimestamp": str(sent_ms),
        "ApproximateFirstReceiveTimestamp": str(sent_ms),
        "ApproximateReceiveCount": "3",
        "DeadLetterQueueSourceArn": PREFIX + "source",
    }


async def test_a_dead_letter_expires_by_its_time_of_sending(sqs: Client, source: str) -> None:
    dead = await sqs.queue("short", MessageRetentionPeriod=60)
    await sqs.set_queue_attributes(
        QueueUrl=source, Attributes={"RedrivePolicy": _policy("short", 1)}
    )
    await sqs.send(source)
    sqs.clock.advance(55)
    await _fail(sqs, source, 2)
    assert await sqs.counts(dead) == (1, 0, 0)
    sqs.clock.advance(5)
    await sqs.world.deliver()
    assert await sqs.counts(dead) == (0, 0, 0)


async def test_healthy_messages_come_although_poisoned_ones_are_before_them(
    sqs: Client, source: str, dead: str
) -> None:
    for n in range(25):
        await sqs.send(source, f"poison {n}")
    for _ in range(2):
        for _ in range(3):
            await sqs.receive(source)
        sqs.clock.advance(1)
    await sqs.send(source, "healthy")
    assert await sqs.bodies(source) == ["healthy"]
    await sqs.world.deliver()
    assert await sqs.counts(dead) == (25, 0, 0)


async def test_large_dead_letters_move_too(sqs: Client, source: str, dead: str) -> None:
    for n in range(10):
        await sqs.send(source, str(n) * 1_000_000)
    await _fail(sqs, source, 3)
    found = [message["Body"][0] for message in await sqs.receive(dead)]
    assert found == [str(n) for n in range(10)]


async def test_without_its_target_a_policy_has_no_effect(
    sqs: Client, source: str, dead: str
) -> None:
    await sqs.delete_queue(QueueUrl=dead)
    await sqs.send(source, "kept")
    await _fail(sqs, source, 5)
    assert await sqs.bodies(source) == ["kept"]


async def test_fifo_dead_letters_keep_their_order(sqs: Client) -> None:
    dead = await sqs.queue("dead.fifo", FifoQueue="true")
    url = await sqs.queue(
        "q.fifo", FifoQueue="true", RedrivePolicy=_policy("dead.fifo", 1), VisibilityTimeout=1
    )
    for n in range(5):
        await sqs.send(url, str(n), MessageGroupId="g", MessageDeduplicationId=str(n))
    await _fail(sqs, url, 1)
    await sqs.send(url, "5", MessageGroupId="g", MessageDeduplicationId="5")
    assert await sqs.bodies(url) == ["5"]
    await sqs.world.deliver()
    found = await sqs.receive(dead, AttributeNames=["MessageDeduplicationId"])
    assert [message["Body"] for message in found] == ["0", "1", "2", "3", "4"]
    for message in found:
        assert message["Attributes"]["MessageDeduplicationId"] == message["MessageId"]


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ("{}", "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        ('{"maxReceiveCount": 1}', "does not contain mandatory attribute: deadLetterTargetArn."),
        ("nonsense", "Redrive policy is not a valid JSON map."),
        ("[" * 20_000, "Redrive policy is not a valid JSON map."),
        (_policy("dead", 0), "Invalid value for maxReceiveCount: 0"),
        (_policy("dead", 1001), "Invalid value for maxReceiveCount: 1001"),
        (_policy("dead").replace(": 2}", ': "²"}'), "Invalid value for maxReceiveCount: ²"),
        (_policy("dead").replace(": 2}", f': "{"9" * 5_000}"}}'), "maxReceiveCount: 999"),
        (_policy("missing"), "Dead letter target does not exist."),
        (
            _policy("dead").replace("eu-west-1", "us-east-1"),
            "Dead-letter target must be in same region as the source.",
        ),
        (
            _policy("dead").replace("111122223333", "999988887777"),
            "Dead-letter target owner should be same as the source.",
        ),
        (
            _policy("dead").replace(":sqs:", ":sns:"),
            "Only SQS queues are valid resources for deadLetterTargetArn",
        ),
        (_policy("\ud800"), "Invalid value for deadLetterTargetArn."),
    ],
)
async def test_a_bad_redrive_policy_is_refused(
    sqs: Client, dead: str, policy: str, sentence: str
) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=sentence.replace("(", "\\(")):
        await sqs.queue("other", RedrivePolicy=policy)
    with pytest.raises(errors.QueueDoesNotExist):
        await sqs.get_queue_url(QueueName="other")


@pytest.mark.parametrize("count", ["7", '"7"'])
async def test_a_redrive_policy_is_told_as_terraform_writes_it(
    sqs: Client, dead: str, count: str
) -> None:
    given = f'{{ "maxReceiveCount" : {count}, "deadLetterTargetArn":\n "{PREFIX}dead" }}'
    url = await sqs.queue("q", RedrivePolicy=given)
    told = f'{{"deadLetterTargetArn":"{PREFIX}dead","maxReceiveCount":7}}'
    assert await sqs.attributes(url, "RedrivePolicy") == {"RedrivePolicy": told}
    assert await sqs.queue("q", RedrivePolicy=given) == url
    with pytest.raises(errors.QueueNameExists, match="RedrivePolicy"):
        await sqs.queue("q", RedrivePolicy=given.replace("7", "8"))


async def test_a_policy_that_stands_is_not_judged_again_when_something_else_changes(
    sqs: Client, source: str, dead: str
) -> None:
    await sqs.set_queue_attributes(
        QueueUrl=dead, Attributes={"RedriveAllowPolicy": '{"redrivePermission": "denyAll"}'}
    )
    await sqs.set_queue_attributes(QueueUrl=source, Attributes={"VisibilityTimeout": "9"})
    await sqs.delete_queue(QueueUrl=dead)
    await sqs.set_queue_attributes(QueueUrl=source, Attributes={"VisibilityTimeout": "8"})
    assert await sqs.attributes(source, "VisibilityTimeout") == {"VisibilityTimeout": "8"}
    policy = (await sqs.attributes(source, "RedrivePolicy"))["RedrivePolicy"]
    with pytest.raises(errors.InvalidParameterValue, match="target does not exist"):
        await sqs.set_queue_attributes(QueueUrl=source, Attributes={"RedrivePolicy": policy})


async def test_the_dead_letter_queue_is_of_the_same_type(sqs: Client, dead: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="must be same type"):
        await sqs.queue("q.fifo", FifoQueue="true", RedrivePolicy=_policy("dead"))


async def test_the_dead_letter_queue_says_who_may_use_it(sqs: Client, dead: str) -> None:
    async def allow(**policy: Any) -> None:
        text = json.dumps(policy)
        await sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": text})

    await allow(redrivePermission="denyAll")
    with pytest.raises(errors.InvalidParameterValue):
        await sqs.queue("a", RedrivePolicy=_policy("dead"))
    await allow(redrivePermission="byQueue", sourceQueueArns=[PREFIX + "b"])
    with pytest.raises(errors.InvalidParameterValue):
        await sqs.queue("a", RedrivePolicy=_policy("dead"))
    await sqs.queue("b", RedrivePolicy=_policy("dead"))
    await allow(redrivePermission="allowAll")
    await sqs.queue("a", RedrivePolicy=_policy("dead"))


FORMAT = "Amazon SQS can't create the redrive allow policy, as it's in an unsupported format."
BETWEEN = (
    "Amazon SQS can't create the redrive allow policy. When you specify the byQueue permission "
    "type, you must also specify between 1 and 10 source queue ARNs."
)


def _by_queue(*arns: Any) -> dict[str, Any]:
    return {"redrivePermission": "byQueue", "sourceQueueArns": arns}


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("nonsense", FORMAT),
        ([], FORMAT),
        ({}, FORMAT),
        ({"redrivePermission": "x"}, FORMAT),
        ({"redrivePermission": ["allowAll"]}, FORMAT),
        ({"redrivePermission": "denyAll", "else": 1}, FORMAT),
        ({"redrivePermission": "byQueue", "sourceQueueArns": PREFIX + "a"}, FORMAT),
        (_by_queue("a"), FORMAT),
        (_by_queue(7), FORMAT),
        (_by_queue(PREFIX + "\ud800"), FORMAT),
        ({"redrivePermission": "byQueue"}, BETWEEN),
        (_by_queue(), BETWEEN),
        (_by_queue(*(f"{PREFIX}q{n}" for n in range(11))), BETWEEN),
        (
            {"redrivePermission": "allowAll", "sourceQueueArns": [PREFIX + "a"]},
            "Amazon SQS can't create the redrive allow policy. You can specify source queue ARNs "
            "only when the permission type is byQueue.",
        ),
        (
            _by_queue(PREFIX + "a", PREFIX.replace("eu-west-1", "us-east-1") + "b"),
            "All source queue ARNs must be in the same region as the current SQS queue.",
        ),
    ],
)
async def test_a_bad_redrive_allow_policy_is_refused(
    sqs: Client, dead: str, policy: Any, reason: str
) -> None:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    with pytest.raises(errors.InvalidParameterValue) as refused:
        await sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": text})
    assert refused.value.message == (
        f"Value {text} for parameter RedriveAllowPolicy is invalid. Reason: {reason}"
    )
    assert await sqs.attributes(dead, "RedriveAllowPolicy", "QueueArn") == {
        "QueueArn": PREFIX + "dead"
    }


async def test_ten_queues_may_be_named_that_are_not_there_yet(sqs: Client, dead: str) -> None:
    text = json.dumps(_by_queue(*(f"{PREFIX}q{n}" for n in range(10))))
    await sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": text})
    await sqs.queue("q9", RedrivePolicy=_policy("dead"))
    assert await sqs.attributes(dead, "RedriveAllowPolicy") == {"RedriveAllowPolicy": text}


async def test_sources_are_listed_by_pages(sqs: Client, dead: str) -> None:
    urls = [await sqs.queue(f"s{n}", RedrivePolicy=_policy("dead")) for n in range(5)]
    listed = await sqs.list_dead_letter_source_queues(QueueUrl=dead)
    assert listed == {"queueUrls": urls}
    first = await sqs.list_dead_letter_source_queues(QueueUrl=dead, MaxResults=3)
    rest = await sqs.list_dead_letter_source_queues(
        QueueUrl=dead, MaxResults=3, NextToken=first["NextToken"]
    )
    assert first["queueUrls"] + rest["queueUrls"] == urls
    assert "NextToken" not in rest
    await sqs.delete_queue(QueueUrl=urls[0])
    await sqs.set_queue_attributes(QueueUrl=urls[1], Attributes={"RedrivePolicy": ""})
    listed = await sqs.list_dead_letter_source_queues(QueueUrl=dead)
    assert listed == {"queueUrls": urls[2:]}


# -- move tasks -----------------------------------------------------------------------------------


async def _bury(sqs: Client, source: str, count: int) -> None:
    for n in range(count):
        await sqs.send(source, str(n))
    for _ in range(3):
        while (await sqs.counts(source))[0]:
            await sqs.receive(source)
        sqs.clock.advance(1)
    await sqs.world.deliver()


async def _task(sqs: Client) -> dict[str, Any]:
    (task,) = (await sqs.list_message_move_tasks(SourceArn=PREFIX + "dead"))["Results"]
    found: dict[str, Any] = task
    return found


async def test_dead_letters_move_back_as_new_messages(sqs: Client, source: str, dead: str) -> None:
    await _bury(sqs, source, 230)
    (old,) = await sqs.receive(dead, 1, VisibilityTimeout=0)
    started = await sqs.start_message_move_task(SourceArn=PREFIX + "dead")
    assert (await _task(sqs))["TaskHandle"] == started["TaskHandle"]
    await sqs.world.deliver()
    assert await sqs.counts(dead) == (0, 0, 0)
    assert await sqs.counts(source) == (230, 0, 0)
    (new,) = await sqs.receive(source, 1, AttributeNames=["All"])
    assert new["Attributes"]["ApproximateReceiveCount"] == "1"
    assert new["Attributes"]["SentTimestamp"] == str(int(sqs.clock.now() * 1000))
    assert "DeadLetterQueueSourceArn" not in new["Attributes"]
    assert new["MessageId"] != old["MessageId"]
    others = await sqs.receive(source, 10)
    assert {uuid.UUID(one["MessageId"]).version for one in others} == {4}
    assert await _task(sqs) == {
        "Status": "COMPLETED",
        "SourceArn": PREFIX + "dead",
        "ApproximateNumberOfMessagesMoved": 230,
        "ApproximateNumberOfMessagesToMove": 230,
        "StartedTimestamp": int(sqs.clock.now() * 1000),
    }


async def test_dead_letters_can_move_to_another_queue(sqs: Client, source: str) -> None:
    other = await sqs.queue("other")
    await _bury(sqs, source, 3)
    await sqs.start_message_move_task(SourceArn=PREFIX + "dead", DestinationArn=PREFIX + "other")
    await sqs.world.deliver()
    assert await sqs.bodies(other) == ["0", "1", "2"]
    assert (await _task(sqs))["DestinationArn"] == PREFIX + "other"


async def test_a_rate_limits_a_move_and_it_can_be_cancelled(sqs: Client, source: str) -> None:
    await _bury(sqs, source, 50)
    started = await sqs.start_message_move_task(
        SourceArn=PREFIX + "dead", MaxNumberOfMessagesPerSecond=10
    )
    for _ in range(20):
        await sqs.world.deliver()
        sqs.clock.advance(0.1)
    task = await _task(sqs)
    assert task["Status"] == "RUNNING"
    assert 18 <= task["ApproximateNumberOfMessagesMoved"] <= 22
    with pytest.raises(errors.InvalidParameterValue, match="already a task running"):
        await sqs.start_message_move_task(SourceArn=PREFIX + "dead")
    cancelled = await sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])
    moved = cancelled["ApproximateNumberOfMessagesMoved"]
    assert (await _task(sqs))["Status"] == "CANCELLING"
    for _ in range(5):
        sqs.clock.advance(1)
        await sqs.world.deliver()
    assert (await _task(sqs))["Status"] == "CANCELLED"
    assert (await sqs.counts(source))[0] == moved
    with pytest.raises(errors.ResourceNotFoundException):
        await sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])
    await sqs.start_message_move_task(SourceArn=PREFIX + "dead")
    await sqs.world.deliver()
    assert (await sqs.counts(source))[0] == 50


async def test_an_account_has_so_many_tasks_that_run(
    sqs: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "ACTIVE_MAX", 2)
    handles = {}
    for name in ("a", "b", "c"):
        dead = await sqs.queue(f"dead-{name}")
        await sqs.queue(name, RedrivePolicy=_policy(f"dead-{name}"))
        for n in range(9):
            await sqs.send(dead, str(n))

    async def start(name: str) -> None:
        started = await sqs.start_message_move_task(
            SourceArn=f"{PREFIX}dead-{name}", DestinationArn=PREFIX + name,
            MaxNumberOfMessagesPerSecond=1,
        )  # fmt: skip
        handles[name] = started["TaskHandle"]

    await start("a")
    await start("b")
    with pytest.raises(errors.OverLimit):
        await start("c")
    await sqs.cancel_message_move_task(TaskHandle=handles["a"])
    with pytest.raises(errors.OverLimit):
        await start("c")
    await sqs.world.deliver()
    await start("c")
    with pytest.raises(errors.OverLimit):
        await start("a")
    await sqs.delete_queue(QueueUrl=(await sqs.get_queue_url(QueueName="dead-b"))["QueueUrl"])
    await start("a")
    for _ in range(15):
        sqs.clock.advance(1)
        await sqs.world.deliver()
    await start("a")
    await start("c")


async def test_a_task_runs_for_36_hours_at_most(sqs: Client, source: str) -> None:
    dead_url = (await sqs.get_queue_url(QueueName="dead"))["QueueUrl"]
    await _bury(sqs, source, 3)
    await sqs.start_message_move_task(SourceArn=PREFIX + "dead", MaxNumberOfMessagesPerSecond=1)
    await sqs.world.deliver()
    sqs.clock.advance(36 * 3600)
    await sqs.world.deliver()
    assert (await _task(sqs))["Status"] == "FAILED"
    assert (await _task(sqs))["FailureReason"] == moves.TIMED_OUT
    assert await sqs.counts(dead_url) == (2, 0, 0)
    await sqs.start_message_move_task(SourceArn=PREFIX + "dead")


async def test_what_the_destination_refuses_comes_back_and_fails_the_task(
    sqs: Client, source: str, dead: str
) -> None:
    await _bury(sqs, source, 3)
    await sqs.delete_queue(QueueUrl=source)
    other = await sqs.queue("third", RedrivePolicy=_policy("dead"))
    await sqs.start_message_move_task(SourceArn=PREFIX + "dead")
    await sqs.world.deliver()
    task = await _task(sqs)
    assert task["Status"] == "FAILED"
    assert task["FailureReason"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert task["ApproximateNumberOfMessagesMoved"] == 0
    assert await sqs.bodies(dead) == ["0", "1", "2"]
    assert await sqs.receive(other) == []


async def test_what_was_sent_to_the_dead_letter_queue_itself_has_no_way_back(
    sqs: Client, source: str, dead: str
) -> None:
    await sqs.send(dead, "direct")
    await sqs.start_message_move_task(SourceArn=PREFIX + "dead")
    await sqs.world.deliver()
    assert (await _task(sqs))["FailureReason"] == "CouldNotDetermineMessageSource"
    assert await sqs.bodies(dead) == ["direct"]


async def test_fifo_messages_move_back_in_order(sqs: Client) -> None:
    dead = await sqs.queue("dead.fifo", FifoQueue="true")
    url = await sqs.queue(
        "q.fifo", FifoQueue="true", RedrivePolicy=_policy("dead.fifo", 1), VisibilityTimeout=1
    )
    for n in range(120):
        await sqs.send(url, str(n), MessageGroupId="g", MessageDeduplicationId=str(n))
    for _ in range(24):
        await sqs.receive(url)
        sqs.clock.advance(1)
        await sqs.receive(url)
        await sqs.world.deliver()
    assert (await sqs.counts(dead))[0] >= 100
    count = (await sqs.counts(dead))[0]
    await sqs.purge_queue(QueueUrl=url)
    await sqs.start_message_move_task(SourceArn=PREFIX + "dead.fifo")
    await sqs.world.deliver()
    found: list[str] = []
    while page := await sqs.receive(url):
        found += [message["Body"] for message in page]
        for message in page:
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert found == [str(n) for n in range(count)]


async def test_only_a_dead_letter_queue_can_be_the_source(sqs: Client, source: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="configured as a Dead Letter Queue"):
        await sqs.start_message_move_task(SourceArn=PREFIX + "source")
    with pytest.raises(errors.ResourceNotFoundException, match="SourceArn parameter doesn't exist"):
        await sqs.start_message_move_task(SourceArn=PREFIX + "missing")
    with pytest.raises(errors.ResourceNotFoundException):
        await sqs.start_message_move_task(
            SourceArn=PREFIX + "dead", DestinationArn=PREFIX + "missing"
        )
    with pytest.raises(errors.InvalidParameterValue):
        await sqs.start_message_move_task(
            SourceArn=PREFIX + "dead", MaxNumberOfMessagesPerSecond=501
        )
    unreadable = base64.b64encode(b'{"taskId": "x", "sourceArn": "\\ud800"}').decode()
    for handle in ("nonsense", "", unreadable):
        with pytest.raises(errors.ResourceNotFoundException, match="Task does not exist"):
            await sqs.cancel_message_move_task(TaskHandle=handle)


async def test_who_starts_a_move_may_send_to_its_destination(sqs: Client, source: str) -> None:
    await _bury(sqs, source, 2)
    refused: list[str] = []

    def authorise(tx: Any, call: Any, service: Any, actions: Any, on: Any, context: Any) -> None:
        if "sqs:SendMessage" in actions and call.principal == ROOT:
            refused.append(on[0])
            raise errors.AccessDenied

    world = World("sqs", store=sqs.world.store, authorise=authorise)
    world.clock.advance(sqs.clock.now() - world.clock.now())
    with pytest.raises(errors.AccessDenied):
        await world.call(
            "sqs", "StartMessageMoveTask",
            SourceArn=PREFIX + "dead", DestinationArn=PREFIX + "source",
        )  # fmt: skip
    await world.call("sqs", "StartMessageMoveTask", SourceArn=PREFIX + "dead")
    await world.deliver()
    assert (await _task(sqs))["FailureReason"] == "AccessDenied"
    assert refused == [PREFIX + "source"] * 2

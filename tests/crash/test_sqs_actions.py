"""Every SQS action that changes state: what was acknowledged is there after a kill, and whole.

First each action alone, with the kill right after its answer; then all of them at random, killed in
mid-flight, where a queue is as it was before the action under way or as it is after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.child import ACCOUNT, REGION, ROUNDS, Child, drain, eventually, storms, waiting
from tests.crash.queues import Deaths, Moves, Orders, Queues

pytestmark = pytest.mark.slow

LONG_S = 40_000
OTHER = "111122223333"


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One server for all actions; each uses queues of its own."""
    running = Child(tmp_path_factory.mktemp("actions"))
    running.start()
    yield running
    running.close()


def again(child: Child) -> Any:
    """Kill the server right now; the client of the one that took its place."""
    child.kill()
    child.start()
    return child.client("sqs")


def arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def attribute(sqs: Any, url: str, name: str) -> str | None:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    text: str | None = found.get("Attributes", {}).get(name)
    return text


def counts(sqs: Any, url: str) -> tuple[int, int, int]:
    """(visible, in flight, delayed)"""
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    kinds = ("", "NotVisible", "Delayed")
    visible, flight, delayed = (int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)
    return visible, flight, delayed


def send(sqs: Any, url: str, *bodies: str) -> None:
    entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies)]
    assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def receive(sqs: Any, url: str, hidden_s: int = LONG_S, **rest: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=hidden_s, **rest
    ).get("Messages", [])
    return found


# -- right after the answer -----------------------------------------------------------------------


def test_a_created_queue_is_there_with_attributes_and_tags(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(
        QueueName="created", Attributes={"DelaySeconds": "7"}, tags={"team": "blue"}
    )["QueueUrl"]
    sqs = again(child)
    assert attribute(sqs, url, "DelaySeconds") == "7"
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "blue"}


def test_attributes_that_were_set_stay_set(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="attributes")["QueueUrl"]
    wanted = {"VisibilityTimeout": "17", "MessageRetentionPeriod": "777"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)
    sqs = again(child)
    assert {name: attribute(sqs, url, name) for name in wanted} == wanted


def test_a_sent_message_is_there_with_its_attributes(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="sent")["QueueUrl"]
    given = {"kind": {"DataType": "String", "StringValue": "order"}}
    id = sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=given)["MessageId"]
    sqs = again(child)
    (message,) = receive(sqs, url, MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (id, "a")
    assert message["MessageAttributes"] == given


def test_a_sent_batch_is_there(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="batch")["QueueUrl"]
    bodies = [f"m{n}" for n in range(10)]
    send(sqs, url, *bodies)
    assert sorted(drain(again(child), url)) == bodies


def test_a_delayed_message_is_still_delayed(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="delayed")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=900)
    assert counts(again(child), url) == (0, 0, 1)


def test_a_received_message_stays_hidden_and_its_receipt_deletes_it(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="received")["QueueUrl"]
    send(sqs, url, "a")
    (message,) = receive(sqs, url)
    sqs = again(child)
    assert counts(sqs, url) == (0, 1, 0)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert counts(sqs, url) == (0, 0, 0)


def test_a_deleted_message_stays_away(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="gone")["QueueUrl"]
    send(sqs, url, "a")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=receive(sqs, url)[0]["ReceiptHandle"])
    assert counts(again(child), url) == (0, 0, 0)


def test_a_deleted_batch_stays_away(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="gone-together")["QueueUrl"]
    send(sqs, url, "a", "b", "c")
    entries = [
        {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
        for n, message in enumerate(receive(sqs, url)[:2])
    ]
    sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert counts(again(child), url) == (0, 1, 0)


def test_a_message_that_was_shown_again_is_visible(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="shown")["QueueUrl"]
    send(sqs, url, "a")
    handle = receive(sqs, url)[0]["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert counts(again(child), url) == (1, 0, 0)


def test_messages_hidden_for_longer_in_a_batch_stay_hidden(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="hidden")["QueueUrl"]
    send(sqs, url, "a", "b")
    found = receive(sqs, url, hidden_s=5)
    entries = [
        {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": hidden_s}
        for n, (message, hidden_s) in enumerate(zip(found, (LONG_S, 0), strict=True))
    ]
    sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert counts(again(child), url) == (1, 1, 0)


def test_a_purged_queue_is_empty_and_the_next_purge_has_to_wait(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="purged")["QueueUrl"]
    send(sqs, url, "a", "b")
    sqs.purge_queue(QueueUrl=url)
    sqs = again(child)
    assert counts(sqs, url) == (0, 0, 0)
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=url)


def test_a_deleted_queue_is_gone_and_its_name_taken_for_a_while(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="deleted")["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    sqs = again(child)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        counts(sqs, url)
    with pytest.raises(sqs.exceptions.QueueDeletedRecently):
        sqs.create_queue(QueueName="deleted")


def test_tags_are_there_and_those_taken_away_are_not(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="tagged")["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"})
    sqs = again(child)
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "1", "b": "2"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    assert again(child).list_queue_tags(QueueUrl=url)["Tags"] == {"b": "2"}


def test_permissions_are_there_and_those_taken_away_are_not(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(QueueName="permitted")["QueueUrl"]
    sqs.add_permission(QueueUrl=url, Label="share", AWSAccountIds=[OTHER], Actions=["SendMessage"])
    sqs = again(child)
    (statement,) = json.loads(attribute(sqs, url, "Policy") or "")["Statement"]
    assert statement["Sid"] == "share"
    sqs.remove_permission(QueueUrl=url, Label="share")
    assert attribute(again(child), url, "Policy") is None


def with_dead_letters(sqs: Any, name: str, **more: str) -> tuple[str, str]:
    """A source that moves a message at its second receive, and its dead-letter queue."""
    suffix = ".fifo" if more else ""
    dead = sqs.create_queue(QueueName=f"{name}-dead{suffix}", Attributes=more)["QueueUrl"]
    policy = {"deadLetterTargetArn": arn(f"{name}-dead{suffix}"), "maxReceiveCount": 1}
    url = sqs.create_queue(
        QueueName=f"{name}{suffix}", Attributes={**more, "RedrivePolicy": json.dumps(policy)}
    )["QueueUrl"]
    return url, dead


def test_a_dead_letter_is_in_one_queue_and_not_in_both(child: Child) -> None:
    sqs = child.client("sqs")
    url, dead = with_dead_letters(sqs, "poison")
    send(sqs, url, "a", "b", "c")
    assert len(receive(sqs, url, hidden_s=0)) == 3
    assert not receive(sqs, url)
    sqs = again(child)
    assert counts(sqs, url) == (0, 0, 0)
    assert eventually(lambda: counts(sqs, dead) == (3, 0, 0))


def test_a_move_task_goes_on_and_a_cancelled_one_ends(child: Child) -> None:
    sqs = child.client("sqs")
    url, dead = with_dead_letters(sqs, "moved")
    send(sqs, dead, *(f"m{n}" for n in range(10)))
    where = {"SourceArn": arn("moved-dead"), "DestinationArn": arn("moved")}
    sqs.start_message_move_task(**where)
    sqs = again(child)
    assert eventually(lambda: counts(sqs, url)[0] == 10)

    def status() -> str:
        found = sqs.list_message_move_tasks(SourceArn=arn("moved-dead"))["Results"]
        latest: str = found[0]["Status"]
        print(found, counts(sqs, url), counts(sqs, dead))
        return latest

    assert eventually(lambda: status() == "COMPLETED")
    send(sqs, dead, *(f"n{n}" for n in range(10)))
    task = sqs.start_message_move_task(**where, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    sqs.cancel_message_move_task(TaskHandle=task)
    sqs = again(child)
    assert eventually(lambda: status() == "CANCELLED"), status()
    assert waiting(sqs, dead) + waiting(sqs, url) == 20


def test_a_fifo_queue_keeps_order_duplicates_and_blocked_groups(child: Child) -> None:
    sqs = child.client("sqs")
    url = sqs.create_queue(
        QueueName="order.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": str(LONG_S)}
    )["QueueUrl"]

    def put(sqs: Any, n: int) -> str:
        sent = sqs.send_message(
            QueueUrl=url, MessageBody=str(n), MessageGroupId="g", MessageDeduplicationId=str(n)
        )
        number: str = sent["SequenceNumber"]
        return number

    numbers = [put(sqs, n) for n in range(3)]
    first = sqs.receive_message(QueueUrl=url)["Messages"][0]
    sqs = again(child)
    assert put(sqs, 2) == numbers[2], "a duplicate, whatever happened in between"
    assert numbers == sorted(numbers) < [put(sqs, 3)]
    assert not receive(sqs, url), "the group is blocked"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert [message["Body"] for message in receive(again(child), url)] == ["1", "2", "3"]


# -- in mid-flight --------------------------------------------------------------------------------


def test_killed_in_mid_flight_queues_are_as_before_an_action_or_as_after_it(
    tmp_path: Path,
) -> None:
    queues, orders, moves = Queues(workers=6), Orders(senders=2), Moves(workers=2)

    def check(child: Child) -> None:
        sqs = child.client("sqs")
        queues.check(sqs)
        orders.check(sqs)
        moves.check(sqs)

    storms(tmp_path, queues, [orders, moves], check, rounds=ROUNDS // 2)
    assert set(queues.acknowledged) == set(queues.actions), "some action was never acknowledged"
    assert queues.unsure, "no server died while it was asked"
    assert orders.total > 100
    assert moves.started > 3
    assert not moves.halves(), "half a batch"


def test_killed_in_mid_flight_dead_letters_of_a_fifo_queue_come_once_and_in_order(
    tmp_path: Path,
) -> None:
    deaths = Deaths(senders=2)
    storms(tmp_path, deaths, [], lambda child: deaths.check(child.client("sqs")), ROUNDS // 4)
    assert deaths.total > 100

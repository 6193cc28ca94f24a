"""Messages of a standard queue: sent, received, deleted, hidden and shown, delayed, expired."""

from __future__ import annotations

import hashlib

import pytest

from ogi.service import Principal
from ogi.services.sqs import errors
from tests.services.sqs.conftest import Client
from tests.world import ACCOUNT

ARN = "arn:aws:sqs:eu-west-1:111122223333:orders"


async def test_what_was_sent_is_received_with_its_digest(sqs: Client, url: str) -> None:
    sent = await sqs.send_message(QueueUrl=url, MessageBody="häl\tlo")
    (message,) = await sqs.receive(url)
    assert message["Body"] == "häl\tlo"
    assert message["MessageId"] == sent["MessageId"]
    digest = hashlib.md5("häl\tlo".encode()).hexdigest()
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == digest


async def test_a_received_message_is_hidden_until_its_timeout_passes(sqs: Client, url: str) -> None:
    await sqs.send(url)
    await sqs.receive(url)
    sqs.clock.advance(29.9)
    assert await sqs.receive(url) == []
    sqs.clock.advance(0.1)
    assert await sqs.bodies(url) == ["hello"]


async def test_a_receive_can_ask_for_its_own_timeout(sqs: Client, url: str) -> None:
    await sqs.send(url)
    assert await sqs.bodies(url, VisibilityTimeout=0) == ["hello"]
    assert await sqs.bodies(url, VisibilityTimeout=5) == ["hello"]
    assert await sqs.receive(url) == []
    sqs.clock.advance(5)
    assert await sqs.bodies(url) == ["hello"]


async def test_messages_come_in_the_order_of_sending_when_nothing_disturbs(
    sqs: Client, url: str
) -> None:
    for n in range(25):
        await sqs.send(url, str(n))
    got = [body for _ in range(3) for body in await sqs.bodies(url)]
    assert got == [str(n) for n in range(25)]


async def test_one_message_is_received_when_no_number_is_asked_for(sqs: Client, url: str) -> None:
    await sqs.send(url)
    await sqs.send(url)
    assert len((await sqs.receive_message(QueueUrl=url))["Messages"]) == 1


async def test_a_deleted_message_does_not_come_back_and_leaves_nothing(
    sqs: Client, url: str
) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.clock.advance(60)
    assert await sqs.receive(url) == []
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_an_older_receipt_deletes_too(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (first,) = await sqs.receive(url)
    sqs.clock.advance(30)
    (second,) = await sqs.receive(url)
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert await sqs.counts(url) == (0, 0, 0)
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_a_message_can_be_deleted_after_its_timeout(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    sqs.clock.advance(30)
    await sqs.world.deliver()
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert await sqs.receive(url) == []
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_a_receipt_handle_is_plain_base64_and_cannot_be_forged(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    handle = message["ReceiptHandle"]
    assert handle.startswith("AQEB")
    assert set(handle) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    for at in (4, 40, len(handle) - 1):
        forged = handle[:at] + ("A" if handle[at] != "A" else "B") + handle[at + 1 :]
        with pytest.raises(errors.ReceiptHandleIsInvalid):
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=forged)
    for nonsense in ("", "abc", "ü", "x" * 5_000, handle[:-4]):
        with pytest.raises(errors.ReceiptHandleIsInvalid):
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=nonsense)


async def test_a_receipt_handle_belongs_to_its_queue(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    other = await sqs.queue("other")
    with pytest.raises(errors.ReceiptHandleIsInvalid, match='" is not valid for this queue'):
        await sqs.delete_message(QueueUrl=other, ReceiptHandle=message["ReceiptHandle"])


# -- visibility -----------------------------------------------------------------------------------


async def test_a_changed_timeout_counts_from_the_change(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    sqs.clock.advance(20)
    handle = message["ReceiptHandle"]
    await sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=20)
    sqs.clock.advance(19)
    assert await sqs.receive(url) == []
    await sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=3)
    sqs.clock.advance(3)
    assert await sqs.bodies(url) == ["hello"]
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_a_timeout_of_zero_shows_the_message_at_once(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    await sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    assert await sqs.counts(url) == (1, 0, 0)
    assert await sqs.bodies(url) == ["hello"]


async def test_the_next_receive_uses_the_queues_timeout_again(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    await sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=100
    )
    sqs.clock.advance(100)
    assert await sqs.bodies(url) == ["hello"]
    sqs.clock.advance(30)
    assert await sqs.bodies(url) == ["hello"]


@pytest.mark.parametrize("tended", [False, True])
async def test_a_message_that_is_visible_again_cannot_be_hidden(
    sqs: Client, url: str, tended: bool
) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    wish = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 9}
    sqs.clock.advance(30)
    if tended:
        await sqs.world.deliver()
    await sqs.change_message_visibility(**wish)
    assert await sqs.counts(url) == (1, 0, 0)
    assert await sqs.bodies(url) == ["hello"]


async def test_an_older_receipt_changes_the_timeout_too(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url, VisibilityTimeout=0)
    await sqs.receive(url)
    handle = message["ReceiptHandle"]
    await sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert await sqs.bodies(url) == ["hello"]


async def test_the_timeout_of_a_deleted_message_cannot_be_changed(sqs: Client, url: str) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    handle = message["ReceiptHandle"]
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    with pytest.raises(errors.InvalidParameterValue, match="not available for visibility timeout"):
        await sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=9)


async def test_a_message_is_hidden_twelve_hours_at_most_since_its_receipt(
    sqs: Client, url: str
) -> None:
    await sqs.send(url)
    (message,) = await sqs.receive(url)
    handle = message["ReceiptHandle"]
    sqs.clock.advance(10)
    with pytest.raises(errors.InvalidParameterValue) as refused:
        await sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43_200
        )
    assert refused.value.message == (
        "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout "
        "for the message is beyond the limit [43200 seconds]"
    )
    await sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43_190
    )


@pytest.mark.parametrize("timeout", [-1, 43_201])
async def test_a_timeout_out_of_range_is_refused(sqs: Client, url: str, timeout: int) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="Must be between 0 and 43200"):
        await sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle="x", VisibilityTimeout=timeout
        )
    with pytest.raises(errors.InvalidParameterValue, match="Must be between 0 and 43200"):
        await sqs.receive(url, VisibilityTimeout=timeout)


# -- delay, counts, expiry ------------------------------------------------------------------------


async def test_a_delayed_message_is_counted_and_comes_in_time(sqs: Client) -> None:
    url = await sqs.queue(DelaySeconds=10)
    await sqs.send(url, "queue's delay")
    await sqs.send(url, "own delay", DelaySeconds=5)
    await sqs.send(url, "no delay", DelaySeconds=0)
    assert await sqs.counts(url) == (1, 0, 2)
    assert await sqs.bodies(url) == ["no delay"]
    sqs.clock.advance(5)
    assert await sqs.counts(url) == (1, 1, 1)
    assert await sqs.bodies(url) == ["own delay"]
    sqs.clock.advance(5)
    assert await sqs.bodies(url) == ["queue's delay"]


@pytest.mark.parametrize("delay", [-1, 901])
async def test_a_delay_out_of_range_is_refused(sqs: Client, url: str, delay: int) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="DelaySeconds must be >= 0 and <= 900"):
        await sqs.send(url, DelaySeconds=delay)


async def test_counts_follow_time_whether_or_not_anybody_tends_the_queue(
    sqs: Client, url: str
) -> None:
    for n in range(30):
        await sqs.send(url, DelaySeconds=20 if n % 3 == 0 else 0)
    await sqs.receive(url)
    assert await sqs.counts(url) == (10, 10, 10)
    sqs.clock.advance(25)
    assert await sqs.counts(url) == (20, 10, 0)
    sqs.clock.advance(5)
    assert await sqs.counts(url) == (30, 0, 0)
    await sqs.world.deliver()
    assert await sqs.counts(url) == (30, 0, 0)


async def test_messages_expire_wherever_they_are(sqs: Client) -> None:
    url = await sqs.queue(MessageRetentionPeriod=60, VisibilityTimeout=40)
    await sqs.send(url, "ready")
    await sqs.send(url, "delayed", DelaySeconds=900)
    await sqs.send(url, "came back")
    (message,) = await sqs.receive(url, 1)
    assert message["Body"] == "ready"
    sqs.clock.advance(40)
    assert "came back" in await sqs.bodies(url)
    sqs.clock.advance(20)
    await sqs.world.deliver()
    assert await sqs.receive(url) == []
    sqs.clock.advance(40)
    await sqs.world.deliver()
    assert await sqs.counts(url) == (0, 0, 0)
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_what_is_in_flight_expires_when_it_comes_back(sqs: Client) -> None:
    url = await sqs.queue(MessageRetentionPeriod=60)
    for body in ("deleted", "shown", "hidden for longer"):
        await sqs.send(url, body)
    found = await sqs.receive(url, VisibilityTimeout=100)
    handles = [message["ReceiptHandle"] for message in found]
    sqs.clock.advance(50)
    await sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=handles[2], VisibilityTimeout=80
    )
    sqs.clock.advance(10)
    await sqs.world.deliver()
    assert await sqs.counts(url) == (0, 3, 0)
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=handles[0])
    await sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handles[1], VisibilityTimeout=0)
    assert await sqs.counts(url) == (0, 1, 0)
    sqs.clock.advance(70)
    assert await sqs.receive(url) == []
    assert await sqs.counts(url) == (0, 0, 0)
    await sqs.world.deliver()
    assert [key[8:] for key in await sqs.rows(ARN)] == [b"c"]


async def test_an_expired_message_is_not_received_before_it_is_swept(sqs: Client) -> None:
    url = await sqs.queue(MessageRetentionPeriod=60)
    await sqs.send(url, "old")
    sqs.clock.advance(59)
    await sqs.send(url, "new")
    sqs.clock.advance(1)
    assert await sqs.bodies(url) == ["new"]


async def test_a_shorter_retention_expires_what_is_there(sqs: Client, url: str) -> None:
    for _ in range(450):
        await sqs.send(url)
    sqs.clock.advance(100)
    await sqs.send(url, "new")
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    await sqs.world.deliver()
    assert await sqs.counts(url) == (1, 0, 0)


async def test_tending_posts_no_more_than_it_needs(sqs: Client, url: str) -> None:
    for _ in range(50):
        await sqs.send(url)
        for message in await sqs.receive(url):
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        sqs.clock.advance(31)
        await sqs.world.deliver()
    owed = await sqs.world.store.read(lambda tx: tx.scan(b"\x00agenda", b"\x00b", 100))
    assert len(owed) <= 2


# -- system attributes ----------------------------------------------------------------------------


async def test_system_attributes_come_when_asked_for(sqs: Client, url: str) -> None:
    sent_ms = str(int(sqs.clock.now() * 1000))
    await sqs.send(url)
    sqs.clock.advance(1)
    (message,) = await sqs.receive(url, MessageSystemAttributeNames=["All"], VisibilityTimeout=0)
    first_ms = str(int(sqs.clock.now() * 1000))
    assert message["Attributes"] == {
        "SenderId": "111122223333",
        "SentTimestamp": sent_ms,
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": first_ms,
    }
    sqs.clock.advance(1)
    (message,) = await sqs.receive(url, AttributeNames=["ApproximateReceiveCount"])
    assert message["Attributes"] == {"ApproximateReceiveCount": "2"}
    sqs.clock.advance(30)
    (message,) = await sqs.receive(url)
    assert "Attributes" not in message


@pytest.mark.parametrize(
    "principal",
    [
        Principal(kind="user", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/eve",
                  id="AIDAEXAMPLE"),
        Principal(kind="session", account=ACCOUNT,
                  arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/i-1", id="AROAEXAMPLE:i-1"),
    ],
)  # fmt: skip
async def test_the_sender_is_told_by_its_id(sqs: Client, url: str, principal: Principal) -> None:
    """API reference, ReceiveMessage: a user's id, or a role's with the session's name."""
    caller = sqs.world.caller(principal)
    await sqs.world.call_as(caller, "sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    (message,) = await sqs.receive(url, MessageSystemAttributeNames=["SenderId"])
    assert message["Attributes"] == {"SenderId": principal.id}


@pytest.mark.parametrize("member", ["AttributeNames", "MessageSystemAttributeNames"])
async def test_an_unknown_system_attribute_is_refused_before_anything_is_received(
    sqs: Client, url: str, member: str
) -> None:
    await sqs.send(url)
    with pytest.raises(errors.InvalidAttributeName, match="Unknown Attribute Nope"):
        await sqs.receive_message(QueueUrl=url, **{member: ["Nope"]})
    assert await sqs.counts(url) == (1, 0, 0)


async def test_the_trace_header_travels(sqs: Client, url: str) -> None:
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    sent = await sqs.send_message(
        QueueUrl=url,
        MessageBody="x",
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
    )
    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    (message,) = await sqs.receive(url, MessageSystemAttributeNames=["AWSTraceHeader"])
    assert message["Attributes"] == {"AWSTraceHeader": header}


# -- receiving ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"MaxNumberOfMessages": 11}, "Value 11 for parameter MaxNumberOfMessages is invalid"),
        ({"MaxNumberOfMessages": 0}, "Value 0 for parameter MaxNumberOfMessages is invalid"),
        ({"WaitTimeSeconds": 21}, "Value 21 for parameter WaitTimeSeconds is invalid"),
    ],
)
async def test_a_receive_out_of_range_is_refused(
    sqs: Client, url: str, request_: dict[str, int], sentence: str
) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=sentence):
        await sqs.receive_message(QueueUrl=url, **request_)


async def test_nothing_is_stored_in_the_clear(sqs: Client, url: str) -> None:
    attributes = {"name": {"DataType": "String", "StringValue": "secret-attribute"}}
    await sqs.send(url, "secret-body", MessageAttributes=attributes)
    await sqs.receive(url)
    everything = await sqs.world.store.read(lambda tx: tx.scan(b"", b"\xff", 1_000))
    assert everything
    for key, value in everything:
        assert b"secret" not in key + value


async def test_each_hop_is_in_the_trace(sqs: Client, url: str) -> None:
    id = await sqs.send(url)
    (message,) = await sqs.receive(url)
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    hops = sqs.world.ports.traces.get("1-test")
    assert [hop["kind"] for hop in hops] == ["sqs.send", "sqs.receive", "sqs.delete"]
    assert hops[0]["message_id"] == id
    assert hops[1]["message_ids"] == hops[2]["message_ids"] == [id]

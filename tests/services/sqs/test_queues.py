"""Queues: created, found, listed, changed, tagged, shared, purged, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ogi.service import Principal
from ogi.services.sqs import errors
from tests.services.sqs.conftest import Client
from tests.world import World

ARN = "arn:aws:sqs:eu-west-1:111122223333:orders"
OTHER = Principal(kind="user", account="999988887777", arn="arn:aws:iam::999988887777:user/eve")


async def test_a_queue_has_awss_defaults(sqs: Client, url: str) -> None:
    assert url == "http://127.0.0.1:4566/111122223333/orders"
    now = str(int(sqs.clock.now()))
    assert await sqs.attributes(url) == {
        "QueueArn": ARN,
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "CreatedTimestamp": now,
        "LastModifiedTimestamp": now,
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }


async def test_a_fifo_queue_has_its_own_attributes(sqs: Client) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true")
    found = await sqs.attributes(url)
    assert found["FifoQueue"] == "true"
    assert found["ContentBasedDeduplication"] == "false"
    assert found["DeduplicationScope"] == "queue"
    assert found["FifoThroughputLimit"] == "perQueue"


async def test_some_attributes_can_be_asked_for(sqs: Client, url: str) -> None:
    assert await sqs.attributes(url, "VisibilityTimeout", "QueueArn") == {
        "VisibilityTimeout": "30",
        "QueueArn": ARN,
    }
    assert await sqs.get_queue_attributes(QueueUrl=url) == {}
    with pytest.raises(errors.InvalidAttributeName, match="Unknown Attribute Nonsense"):
        await sqs.attributes(url, "Nonsense")


@pytest.mark.parametrize(
    "name",
    ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"],
)
async def test_a_standard_queue_does_not_know_attributes_of_fifo_queues(
    sqs: Client, url: str, name: str
) -> None:
    with pytest.raises(errors.InvalidAttributeName, match=f"Unknown Attribute {name}"):
        await sqs.attributes(url, "QueueArn", name)
    fifo = await sqs.queue("orders.fifo", FifoQueue="true")
    assert list(await sqs.attributes(fifo, name)) == [name]


async def test_no_attributes_are_nothing_to_set(sqs: Client, url: str) -> None:
    with pytest.raises(errors.MissingParameter, match=r"the parameter Attribute\.Name"):
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={})


async def test_the_same_name_and_attributes_are_the_same_queue(sqs: Client) -> None:
    url = await sqs.queue(VisibilityTimeout=10)
    assert await sqs.queue(VisibilityTimeout=10) == url
    assert await sqs.queue() == url
    with pytest.raises(errors.QueueNameExists) as refused:
        await sqs.queue(VisibilityTimeout=11)
    assert refused.value.message == (
        "A queue already exists with the same name and a different value for attribute "
        "VisibilityTimeout"
    )


async def test_other_tags_are_another_queue(sqs: Client) -> None:
    made = await sqs.create_queue(QueueName="orders", tags={"a": "1"})
    assert await sqs.create_queue(QueueName="orders", tags={"a": "1"}) == made
    assert await sqs.create_queue(QueueName="orders") == made
    for tags in ({"a": "2"}, {"a": "1", "b": "2"}, {"b": "1"}):
        with pytest.raises(errors.QueueNameExists, match="different value for attribute tags"):
            await sqs.create_queue(QueueName="orders", tags=tags)
    assert await sqs.list_queue_tags(QueueUrl=made["QueueUrl"]) == {"Tags": {"a": "1"}}


@pytest.mark.parametrize("name", ["a" * 80, "a-b_C9"])
async def test_names_that_are_allowed(sqs: Client, name: str) -> None:
    assert (await sqs.queue(name)).endswith(name)


@pytest.mark.parametrize("name", ["", "a" * 81, "a.b", "a b", "ä", "q.fifo"])
async def test_names_that_are_not(sqs: Client, name: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="1 to 80 in length"):
        await sqs.queue(name)


@pytest.mark.parametrize("name", ["q", ".fifo", "a" * 76 + ".fifo"])
async def test_names_that_are_none_of_a_fifo_queue(sqs: Client, name: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=r"must end with \.fifo suffix"):
        await sqs.queue(name, FifoQueue="true")


RANGES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}


@pytest.mark.parametrize("name", RANGES)
async def test_attributes_have_ranges(sqs: Client, url: str, name: str) -> None:
    low, high = RANGES[name]
    for value in (low, high):
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(value)})
        assert (await sqs.attributes(url))[name] == str(value)
    for bad in (str(low - 1), str(high + 1), "x", "", "1.5", " 1", "²", "٣", "9" * 5_000):
        with pytest.raises(errors.InvalidAttributeValue, match=f"Invalid value for the .* {name}"):
            await sqs.set_queue_attributes(QueueUrl=url, Attributes={name: bad})


@pytest.mark.parametrize("name", ["Nonsense", "QueueArn", "FifoQueue", "ContentBasedDeduplication"])
async def test_what_cannot_be_set_is_refused(sqs: Client, url: str, name: str) -> None:
    with pytest.raises(errors.InvalidAttributeName, match=f"Unknown Attribute {name}."):
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={name: "true"})


async def test_nothing_is_changed_when_one_attribute_is_bad(sqs: Client, url: str) -> None:
    with pytest.raises(errors.InvalidAttributeValue):
        await sqs.set_queue_attributes(
            QueueUrl=url, Attributes={"DelaySeconds": "5", "VisibilityTimeout": "x"}
        )
    assert (await sqs.attributes(url))["DelaySeconds"] == "0"


async def test_per_group_throughput_wants_per_group_deduplication(sqs: Client) -> None:
    with pytest.raises(errors.InvalidAttributeValue) as refused:
        await sqs.queue("q.fifo", FifoQueue="true", FifoThroughputLimit="perMessageGroupId")
    assert refused.value.message == (
        "Invalid value for the parameter FifoThroughputLimit. Reason: To set FifoThroughputLimit "
        "to perMessageGroupId, the DeduplicationScope must be messageGroup."
    )
    for name, value in (("DeduplicationScope", "queue"), ("FifoThroughputLimit", "perQueue")):
        with pytest.raises(errors.InvalidAttributeName) as unknown:
            await sqs.queue("q", **{name: value})
        assert unknown.value.message == (
            f"You can specify the {name} only when FifoQueue is set to true."
        )


async def test_one_kind_of_encryption_at_a_time(sqs: Client, url: str) -> None:
    with pytest.raises(errors.InvalidAttributeValue, match="one type of server-side encryption"):
        await sqs.queue("x", KmsMasterKeyId="alias/k", SqsManagedSseEnabled="true")
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "alias/k"})
    found = await sqs.attributes(url)
    assert found["KmsMasterKeyId"] == "alias/k"
    assert found["KmsDataKeyReusePeriodSeconds"] == "300"
    assert found["SqsManagedSseEnabled"] == "false"
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
    assert "KmsMasterKeyId" not in await sqs.attributes(url)


async def test_a_modification_is_dated(sqs: Client, url: str) -> None:
    sqs.clock.advance(10)
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})
    found = await sqs.attributes(url)
    assert int(found["LastModifiedTimestamp"]) == int(found["CreatedTimestamp"]) + 10


async def test_a_queue_is_found_by_its_name(sqs: Client, url: str) -> None:
    assert await sqs.get_queue_url(QueueName="orders") == {"QueueUrl": url}
    with pytest.raises(errors.QueueDoesNotExist, match="The specified queue does not exist"):
        await sqs.get_queue_url(QueueName="missing")
    with pytest.raises(errors.QueueDoesNotExist):
        await sqs.get_queue_url(QueueName="orders", QueueOwnerAWSAccountId="999988887777")


@pytest.mark.parametrize(
    "form",
    [
        "https://sqs.eu-west-1.amazonaws.com/111122223333/orders",
        "http://localhost:4566/111122223333/orders",
        "http://localhost:4566/queue/111122223333/orders/",
        "/111122223333/orders",
    ],
)
async def test_the_host_of_a_url_does_not_matter(sqs: Client, url: str, form: str) -> None:
    await sqs.send(form)
    assert await sqs.bodies(url) == ["hello"]


async def test_a_name_in_place_of_a_url_is_the_callers_queue(sqs: Client, url: str) -> None:
    await sqs.send("orders")
    (message,) = await sqs.receive("orders")
    await sqs.delete_message(QueueUrl="orders", ReceiptHandle=message["ReceiptHandle"])
    await sqs.set_queue_attributes(QueueUrl="orders", Attributes={"DelaySeconds": "1"})
    assert (await sqs.attributes(url, "DelaySeconds"))["DelaySeconds"] == "1"
    other = sqs.world.caller(OTHER, account="999988887777")
    with pytest.raises(errors.QueueDoesNotExist):
        await sqs.world.call_as(other, "sqs", "SendMessage", QueueUrl="orders", MessageBody="x")


@pytest.mark.parametrize("form", ["", "nonsense", "http://host", "http://host/"])
async def test_what_names_no_queue_is_of_none(sqs: Client, url: str, form: str) -> None:
    with pytest.raises(errors.QueueDoesNotExist):
        await sqs.send(form)


@pytest.mark.parametrize(
    "form", ["http://host/orders", "http://host/12/orders", "http://[/111122223333/orders"]
)
async def test_what_is_no_queue_url_is_refused(sqs: Client, url: str, form: str) -> None:
    with pytest.raises(errors.InvalidAddress, match="is not valid for this endpoint"):
        await sqs.send(form)


async def test_queues_are_listed_by_prefix_and_pages(sqs: Client) -> None:
    urls = [await sqs.queue(name) for name in ("a", "b1", "b2", "b3", "c")]
    assert (await sqs.list_queues())["QueueUrls"] == urls
    assert (await sqs.list_queues(QueueNamePrefix="b"))["QueueUrls"] == urls[1:4]
    assert await sqs.list_queues(QueueNamePrefix="x") == {}
    first = await sqs.list_queues(QueueNamePrefix="b", MaxResults=2)
    assert first["QueueUrls"] == urls[1:3]
    rest = await sqs.list_queues(QueueNamePrefix="b", MaxResults=2, NextToken=first["NextToken"])
    assert rest == {"QueueUrls": urls[3:4]}
    assert "NextToken" not in await sqs.list_queues(MaxResults=5)
    with pytest.raises(errors.InvalidParameterValue):
        await sqs.list_queues(MaxResults=1_001)
    with pytest.raises(errors.InvalidParameterValue):
        await sqs.list_queues(MaxResults=1, NextToken="?")


async def test_a_list_without_pages_ends_at_a_thousand(sqs: Client) -> None:
    names = [f"q{n:04d}" for n in range(1_001)]
    for name in names:
        await sqs.queue(name)
    whole = await sqs.list_queues()
    assert len(whole["QueueUrls"]) == 1_000
    assert "NextToken" not in whole
    first = await sqs.list_queues(MaxResults=1_000)
    rest = await sqs.list_queues(MaxResults=1_000, NextToken=first["NextToken"])
    listed = [url.rsplit("/", 1)[1] for url in first["QueueUrls"] + rest["QueueUrls"]]
    assert listed == names
    assert "NextToken" not in rest


async def test_queues_of_other_accounts_and_regions_are_apart(sqs: Client, url: str) -> None:
    there = sqs.world.caller(region="us-east-1")
    assert await sqs.world.call_as(there, "sqs", "ListQueues") == {}
    with pytest.raises(errors.QueueDoesNotExist):
        await sqs.world.call_as(there, "sqs", "SendMessage", QueueUrl=url, MessageBody="x")


async def test_tags_are_added_changed_and_removed(sqs: Client) -> None:
    made = await sqs.create_queue(QueueName="orders", tags={"a": "1"})
    url = made["QueueUrl"]
    await sqs.tag_queue(QueueUrl=url, Tags={"a": "2", "b": ""})
    assert await sqs.list_queue_tags(QueueUrl=url) == {"Tags": {"a": "2", "b": ""}}
    await sqs.untag_queue(QueueUrl=url, TagKeys=["a", "missing"])
    assert await sqs.list_queue_tags(QueueUrl=url) == {"Tags": {"b": ""}}
    await sqs.untag_queue(QueueUrl=url, TagKeys=["b"])
    assert await sqs.list_queue_tags(QueueUrl=url) == {}


# -- purging and deleting -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags", [{"": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}, {"aws:k": "v"}, {}]
)
async def test_bad_tags_are_refused(sqs: Client, url: str, tags: dict[str, str]) -> None:
    with pytest.raises((errors.InvalidParameterValue, errors.MissingParameter)):
        await sqs.tag_queue(QueueUrl=url, Tags=tags)
    if tags:
        with pytest.raises(errors.InvalidParameterValue):
            await sqs.create_queue(QueueName="tagged", tags=tags)


async def test_no_keys_are_no_untagging(sqs: Client, url: str) -> None:
    with pytest.raises(errors.MissingParameter):
        await sqs.untag_queue(QueueUrl=url, TagKeys=[])


async def test_a_purge_empties_the_queue_at_once_and_leaves_no_rows(sqs: Client, url: str) -> None:
    for n in range(600):
        await sqs.send(url, DelaySeconds=n % 2)
    (message, *_) = await sqs.receive(url)
    await sqs.purge_queue(QueueUrl=url)
    assert await sqs.counts(url) == (0, 0, 0)
    assert await sqs.receive(url) == []
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    await sqs.send(url, "later")
    await sqs.world.deliver()
    assert sorted(key[8:9] for key in await sqs.rows(ARN)) == [b"b", b"c", b"r"]
    sqs.clock.advance(60)
    assert await sqs.bodies(url) == ["later"]


async def test_a_second_purge_has_to_wait(sqs: Client, url: str) -> None:
    await sqs.purge_queue(QueueUrl=url)
    sqs.clock.advance(59)
    with pytest.raises(errors.PurgeQueueInProgress) as refused:
        await sqs.purge_queue(QueueUrl=url)
    assert refused.value.message == (
        "Only one PurgeQueue operation on orders is allowed every 60 seconds."
    )
    sqs.clock.advance(1)
    await sqs.purge_queue(QueueUrl=url)


async def test_a_deleted_queue_is_gone_and_its_name_free_after_a_minute(
    sqs: Client, url: str
) -> None:
    await sqs.send(url)
    await sqs.delete_queue(QueueUrl=url)
    with pytest.raises(errors.QueueDoesNotExist):
        await sqs.send(url)
    with pytest.raises(errors.QueueDoesNotExist):
        await sqs.delete_queue(QueueUrl=url)
    sqs.clock.advance(59)
    with pytest.raises(errors.QueueDeletedRecently, match="You must wait 60 seconds"):
        await sqs.queue()
    sqs.clock.advance(1)
    await sqs.world.deliver()
    assert await sqs.rows(ARN) == []
    assert await sqs.queue() == url
    assert await sqs.counts(url) == (0, 0, 0)


async def test_names_and_purges_need_not_wait_where_the_setting_says_so(
    world_of: Callable[..., World],
) -> None:
    sqs = Client(world_of("sqs", settings={"sqs_pause_s": 0}))
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    sequences = []
    for n in range(3):
        url = await sqs.queue("orders.fifo", **attributes)
        for body in ("one", "two"):
            sent = await sqs.send_message(
                QueueUrl=url, MessageBody=f"{n}{body}", MessageGroupId="g"
            )  # fmt: skip
            sequences.append(sent["SequenceNumber"])
            await sqs.purge_queue(QueueUrl=url)
            assert await sqs.receive(url) == []
        await sqs.delete_queue(QueueUrl=url)
    assert sequences == sorted(set(sequences))


async def test_a_queue_made_at_once_does_not_remember_what_the_deleted_one_knew(
    world_of: Callable[..., World],
) -> None:
    sqs = Client(world_of("sqs", settings={"sqs_pause_s": 0}))
    dead = await sqs.queue("dead.fifo", FifoQueue="true")
    policy = {"deadLetterTargetArn": ARN.replace("orders", "dead.fifo"), "maxReceiveCount": 1}
    await sqs.queue("source.fifo", FifoQueue="true", RedrivePolicy=json.dumps(policy))
    message = {"QueueUrl": dead, "MessageGroupId": "g", "MessageDeduplicationId": "1"}
    for n in range(2):
        await sqs.send_message(MessageBody=f"{n}", **message)
        assert await sqs.bodies(dead, ReceiveRequestAttemptId="try") == [f"{n}"]
        await sqs.start_message_move_task(SourceArn=policy["deadLetterTargetArn"])
        await sqs.delete_queue(QueueUrl=dead)
        await sqs.queue("dead.fifo", FifoQueue="true")
        tasks = await sqs.list_message_move_tasks(SourceArn=policy["deadLetterTargetArn"])
        assert tasks == {"Results": []}
    await sqs.send_message(MessageBody="new", **message)
    await sqs.world.deliver()
    await sqs.send_message(MessageBody="duplicate", **message)
    assert await sqs.bodies(dead) == ["new"]


# -- permissions ----------------------------------------------------------------------------------


async def test_permissions_are_statements_of_the_policy(sqs: Client, url: str) -> None:
    await sqs.add_permission(
        QueueUrl=url, Label="one", AWSAccountIds=["999988887777"], Actions=["SendMessage"]
    )
    await sqs.add_permission(
        QueueUrl=url, Label="two", AWSAccountIds=["999988887777", "222233334444"],
        Actions=["ReceiveMessage", "DeleteMessage"],
    )  # fmt: skip
    policy = json.loads((await sqs.attributes(url))["Policy"])
    assert policy["Statement"] == [
        {
            "Sid": "one",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::999988887777:root"},
            "Action": "SQS:SendMessage",
            "Resource": ARN,
        },
        {
            "Sid": "two",
            "Effect": "Allow",
            "Principal": {
                "AWS": ["arn:aws:iam::999988887777:root", "arn:aws:iam::222233334444:root"]
            },
            "Action": ["SQS:ReceiveMessage", "SQS:DeleteMessage"],
            "Resource": ARN,
        },
    ]
    await sqs.remove_permission(QueueUrl=url, Label="one")
    await sqs.remove_permission(QueueUrl=url, Label="two")
    assert "Policy" not in await sqs.attributes(url)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"Actions": ["Nonsense"]}, errors.InvalidParameterValue, "appropriate WSDL"),
        ({"Actions": ["TagQueue"]}, errors.InvalidParameterValue, "Only the queue owner"),
        ({"AWSAccountIds": ["12"]}, errors.InvalidParameterValue, "Unable to verify"),
        ({"Label": "a b"}, errors.InvalidParameterValue, "1 to 80 in length"),
        ({"Label": "taken"}, errors.InvalidParameterValue, "Already exists"),
        ({"Actions": ["SendMessage"] * 8}, errors.OverLimit, "maximum allowed is 7"),
        (
            {"AWSAccountIds": [f"{n:012d}" for n in range(50)]},
            errors.OverLimit,
            "51 principals were found in the submitted policy, max allowed is 50",
        ),
    ],
)
async def test_a_bad_permission_is_refused(
    sqs: Client, url: str, change: dict[str, Any], error: Any, sentence: str
) -> None:
    good = {"Label": "taken", "AWSAccountIds": ["999988887777"], "Actions": ["SendMessage"]}
    await sqs.add_permission(QueueUrl=url, **good)
    with pytest.raises(error, match=sentence):
        await sqs.add_permission(QueueUrl=url, **{**good, "Label": "new", **change})


async def test_a_label_that_is_not_there_cannot_be_removed(sqs: Client, url: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="can't find label on existing policy"):
        await sqs.remove_permission(QueueUrl=url, Label="x")


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("DeleteQueue", {}),
        ("SetQueueAttributes", {"Attributes": {"DelaySeconds": "1"}}),
        ("TagQueue", {"Tags": {"a": "b"}}),
        ("UntagQueue", {"TagKeys": ["a"]}),
        ("ListQueueTags", {}),
        ("AddPermission", {"Label": "x", "AWSAccountIds": ["1"], "Actions": ["*"]}),
        ("RemovePermission", {"Label": "x"}),
    ],
)
async def test_the_owners_actions_cannot_be_used_across_accounts(
    sqs: Client, url: str, operation: str, request_: dict[str, Any]
) -> None:
    caller = sqs.world.caller(OTHER, account="999988887777")
    with pytest.raises(errors.AccessDenied):
        await sqs.world.call_as(caller, "sqs", operation, QueueUrl=url, **request_)


async def test_another_account_that_is_allowed_uses_the_queue(sqs: Client, url: str) -> None:
    caller = sqs.world.caller(OTHER, account="999988887777")
    found = await sqs.world.call_as(
        caller, "sqs", "GetQueueUrl", QueueName="orders", QueueOwnerAWSAccountId="111122223333"
    )
    assert found == {"QueueUrl": url}
    await sqs.world.call_as(caller, "sqs", "SendMessage", QueueUrl=url, MessageBody="across")
    assert await sqs.bodies(url) == ["across"]

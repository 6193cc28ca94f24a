"""Notifications: configured only where S3 may publish, sent with the object, exactly as shaped."""

from __future__ import annotations

from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.s3 import errors
from tests.services.s3.conftest import S3, Neighbour
from tests.world import ACCOUNT

TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:topic"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:queue"
FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"
CREATED = "s3:ObjectCreated:*"


def only(**rules: str) -> dict[str, Any]:
    return {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in rules.items()]}}


async def configure(s3: S3, **configuration: Any) -> None:
    await s3("PutBucketNotificationConfiguration", NotificationConfiguration=configuration)


async def to_topic(s3: S3, *events: str, **rest: Any) -> None:
    entry = {"Id": "rule", "TopicArn": TOPIC, "Events": list(events), **rest}
    await configure(s3, TopicConfigurations=[entry])


async def test_configuring_sends_the_test_message_as_s3(s3: S3, topic: Neighbour) -> None:
    await to_topic(s3, CREATED)
    (message,) = topic.messages
    assert (message["Service"], message["Event"]) == ("Amazon S3", "s3:TestEvent")
    assert message["Bucket"] == "bucket"
    assert message["Time"] == "2023-11-14T22:13:20.000Z"
    (call,) = topic.calls
    assert call.principal.arn == "s3.amazonaws.com"
    assert call.context["aws:SourceArn"] == "arn:aws:s3:::bucket"
    assert call.context["aws:SourceAccount"] == ACCOUNT
    assert topic.asked[0]["Subject"] == "Amazon S3 Notification"


async def test_a_destination_that_refuses_s3_is_not_configured(s3: S3, topic: Neighbour) -> None:
    topic.open = False
    with pytest.raises(errors.InvalidArgument) as refused:
        await to_topic(s3, CREATED)
    assert refused.value.message == "Unable to validate the following destination configurations"
    assert refused.value.members["ArgumentName1"] == TOPIC
    assert await s3("GetBucketNotificationConfiguration") == {}


async def test_validation_can_be_skipped(s3: S3, topic: Neighbour) -> None:
    topic.open = False
    await s3(
        "PutBucketNotificationConfiguration",
        NotificationConfiguration={
            "TopicConfigurations": [{"TopicArn": TOPIC, "Events": [CREATED]}]
        },
        SkipDestinationValidation=True,
    )
    assert topic.asked == []


async def test_an_event_has_the_documented_structure(s3: S3, topic: Neighbour) -> None:
    await to_topic(s3, CREATED)
    put = await s3("PutObject", Key="red flower+1/ü.jpg", Body=b"12345")
    await s3.world.deliver()
    (record,) = topic.messages[1]["Records"]
    sequencer = record["s3"]["object"].pop("sequencer")
    assert int(sequencer, 16) > 0
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2023-11-14T22:13:20.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": record["userIdentity"],
        "requestParameters": {"sourceIPAddress": ""},
        "responseElements": {"x-amz-request-id": "test", "x-amz-id-2": "dGVzdA=="},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "rule",
            "bucket": {
                "name": "bucket",
                "ownerIdentity": record["s3"]["bucket"]["ownerIdentity"],
                "arn": "arn:aws:s3:::bucket",
            },
            "object": {
                "key": "red+flower%2B1/%C3%BC.jpg",
                "size": 5,
                "eTag": put["ETag"].strip('"'),
            },
        },
    }
    assert topic.calls[1].principal.arn == "s3.amazonaws.com"


async def test_every_way_to_make_or_remove_an_object_has_its_event(
    s3: S3, queue: Neighbour
) -> None:
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]
    await configure(s3, QueueConfigurations=[{"QueueArn": QUEUE, "Events": events}])
    await s3("PutObject", Key="k", Body=b"x")
    await s3("CopyObject", Key="copy", CopySource="bucket/k")
    created = await s3("CreateMultipartUpload", Key="parts")
    part = await s3("UploadPart", Key="parts", UploadId=created["UploadId"], PartNumber=1, Body=b"")
    await s3(
        "CompleteMultipartUpload", Key="parts", UploadId=created["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )  # fmt: skip
    await s3("PutObjectTagging", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    await s3("DeleteObjectTagging", Key="k")
    await s3("DeleteObject", Key="k")
    await s3("DeleteObject", Key="never was")
    await s3("DeleteObjects", Delete={"Objects": [{"Key": "copy"}]})
    await s3.world.deliver()
    told = [m["Records"][0] for m in queue.messages[1:]]
    assert sorted((r["eventName"], r["eventVersion"]) for r in told) == [
        ("ObjectCreated:CompleteMultipartUpload", "2.1"),
        ("ObjectCreated:Copy", "2.1"),
        ("ObjectCreated:Put", "2.1"),
        ("ObjectRemoved:Delete", "2.1"),
        ("ObjectRemoved:Delete", "2.1"),
        ("ObjectTagging:Delete", "2.3"),
        ("ObjectTagging:Put", "2.3"),
    ]
    removed = [r for r in told if r["eventName"] == "ObjectRemoved:Delete"]
    assert all(set(r["s3"]["object"]) == {"key", "sequencer"} for r in removed)
    assert queue.asked[1]["QueueUrl"].endswith(f"/{ACCOUNT}/queue")


async def test_sequencers_of_a_key_grow_even_if_the_clock_does_not(
    s3: S3, topic: Neighbour
) -> None:
    await to_topic(s3, CREATED, "s3:ObjectRemoved:*")
    for step in range(3):
        await s3("PutObject", Key="k", Body=b"x")
        await s3("DeleteObject", Key="k")
        s3.world.clock.advance(-step)
        await s3("PutObject", Key="k", Body=b"x")
    hops = s3.world.ports.traces.get("1-test")
    names = [hop["event"] for hop in hops if hop["kind"] == "s3.event"]
    s3.world.clock.advance(3600)
    await s3.world.deliver()
    by_name = sorted(
        (r["s3"]["object"]["sequencer"], r["eventName"])
        for m in topic.messages[1:]
        for r in m["Records"]
    )
    assert [name for _, name in by_name] == names
    assert len({sequencer for sequencer, _ in by_name}) == len(names)


async def test_a_function_is_invoked_and_only_asked_beforehand(s3: S3, function: Neighbour) -> None:
    entry = {"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:Put"]}
    await configure(s3, LambdaFunctionConfigurations=[entry])
    await s3("PutObject", Key="k", Body=b"x")
    await s3("CopyObject", Key="not this", CopySource="bucket/k")
    await s3.world.deliver()
    assert [asked["InvocationType"] for asked in function.asked] == ["DryRun", "Event"]
    assert function.asked[1]["FunctionName"] == FUNCTION


async def test_the_trace_header_of_a_request_goes_to_every_kind_of_destination(
    s3: S3, topic: Neighbour, queue: Neighbour, function: Neighbour
) -> None:
    # docs.aws.amazon.com/xray/latest/devguide/xray-services-s3.html: "Lambda, SQS and SNS"
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    await configure(
        s3,
        TopicConfigurations=[{"TopicArn": TOPIC, "Events": [CREATED]}],
        QueueConfigurations=[{"QueueArn": QUEUE, "Events": ["s3:ObjectRemoved:*"]}],
        LambdaFunctionConfigurations=[
            {"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectTagging:*"]}
        ],
    )
    told: list[list[str]] = []
    for sent in (header, ""):
        for operation, request in (
            ("PutObject", {"Body": b"x"}),
            ("PutObjectTagging", {"Tagging": {"TagSet": []}}),
            ("DeleteObject", {}),
        ):
            call = s3.world.caller(trace_header=sent)
            await s3.world.call_as(call, "s3", operation, Bucket="bucket", Key="k", **request)
        await s3.world.deliver()
        told.append([one.calls[-1].trace_header for one in (topic, queue, function)])
    assert told == [[header] * 3, [""] * 3]


async def test_a_filter_lets_only_its_keys_through_and_says_what_it_held_back(
    s3: S3, topic: Neighbour
) -> None:
    await to_topic(s3, CREATED, Filter=only(Prefix="in/", SUFFIX="txt"))
    for key in ("in/a.txt", "in/a.jpg", "out/a.txt"):
        await s3("PutObject", Key=key)
    await s3.world.deliver()
    keys = [m["Records"][0]["s3"]["object"]["key"] for m in topic.messages[1:]]
    assert keys == ["in/a.txt"]
    hops = s3.world.ports.traces.get("1-test")
    assert [hop["key"] for hop in hops if hop["kind"] == "s3.filtered"] == ["in/a.jpg", "out/a.txt"]
    assert [hop["key"] for hop in hops if hop["kind"] == "s3.event"] == ["in/a.txt"]


async def test_no_event_is_owed_for_what_was_refused(s3: S3, topic: Neighbour) -> None:
    await to_topic(s3, CREATED)
    await s3("PutObject", Key="k", Body=b"x")
    with pytest.raises(errors.PreconditionFailed):
        await s3("PutObject", Key="k", Body=b"x", IfNoneMatch="*")
    await s3.world.deliver()
    assert len(topic.messages) == 2


async def test_a_configuration_is_shown_and_removed(s3: S3, topic: Neighbour) -> None:
    await to_topic(s3, CREATED, Filter=only(suffix="txt"))
    assert await s3("GetBucketNotificationConfiguration") == {
        "TopicConfigurations": [
            {"Id": "rule", "TopicArn": TOPIC, "Events": [CREATED], "Filter": only(Suffix="txt")}
        ]
    }
    await configure(s3)
    assert await s3("GetBucketNotificationConfiguration") == {}


OVERLAP = "Cannot have overlapping suffixes in two rules if the prefixes are overlapping"


@pytest.mark.parametrize(
    ("one", "other", "events", "sentence"),
    [
        ({}, {}, (CREATED, CREATED), "cannot share a common event type"),
        ({}, {}, (CREATED, "s3:ObjectCreated:Put"), "cannot share a common event type"),
        ({}, {}, (CREATED, "s3:ObjectRemoved:*"), None),
        ({"prefix": "a"}, {"prefix": "ab"}, (CREATED, CREATED), OVERLAP),
        ({"prefix": "a"}, {}, (CREATED, CREATED), OVERLAP),
        ({"prefix": "a"}, {"prefix": "b"}, (CREATED, CREATED), None),
        ({"suffix": "jpg"}, {"suffix": "pg"}, (CREATED, CREATED), OVERLAP),
        ({"suffix": "jpg"}, {"suffix": "txt"}, (CREATED, CREATED), None),
        ({"prefix": "a"}, {"suffix": "txt"}, (CREATED, CREATED), OVERLAP),
        ({"prefix": "a", "suffix": "x"}, {"prefix": "a", "suffix": "y"}, (CREATED, CREATED), None),
    ],
)
async def test_rules_that_overlap_are_refused(
    s3: S3, topic: Neighbour, one: Any, other: Any, events: tuple[str, str], sentence: str | None
) -> None:
    entries = [
        {"TopicArn": TOPIC, "Events": [event], "Filter": only(**rules)}
        for rules, event in zip((one, other), events, strict=True)
    ]
    if sentence is None:
        await configure(s3, TopicConfigurations=entries)
        return
    with pytest.raises(errors.InvalidArgument, match=sentence):
        await configure(s3, TopicConfigurations=entries)
    assert topic.asked == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Events": ["s3:Object:Yawned"]}, "The event is not supported"),
        ({"TopicArn": "topic"}, "The ARN is not well formed"),
        ({"TopicArn": QUEUE}, "The ARN is not well formed"),
        ({"TopicArn": TOPIC.replace("eu-west-1", "us-east-1")}, "region is not valid"),
        ({"TopicArn": TOPIC + ".fifo"}, "The ARN failed to satisfy constraint"),
        ({"Filter": only(infix="a")}, "must be either prefix or suffix"),
        ({"Filter": only(prefix="a", Prefix="b")}, "more than one prefix rule"),
        ({"Filter": only(prefix="a" * 1025)}, "cannot exceed 1024 bytes"),
    ],
)
async def test_an_impossible_rule_is_refused(
    s3: S3, topic: Neighbour, change: dict[str, Any], sentence: str
) -> None:
    entry = {"TopicArn": TOPIC, "Events": [CREATED], **change}
    with pytest.raises(errors.InvalidArgument, match=sentence):
        await configure(s3, TopicConfigurations=[entry])
    assert topic.asked == []


async def test_a_queue_that_keeps_order_is_refused(s3: S3) -> None:
    entry = {"QueueArn": QUEUE + ".fifo", "Events": [CREATED]}
    with pytest.raises(errors.InvalidArgument, match="FIFO SQS queues are not supported"):
        await configure(s3, QueueConfigurations=[entry])


async def test_event_bridge_is_refused_by_name(s3: S3) -> None:
    with pytest.raises(AwsError, match="EventBridgeConfiguration"):
        await configure(s3, EventBridgeConfiguration={})

"""What the trail takes, keeps within bounds, and writes down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ogi.audit import Trail, trail
from tests.world import World


def audited(tmp_path: Path, **settings: Any) -> tuple[World, Trail]:
    world = World("kms", "sqs", "logs", settings={"data": tmp_path, **settings})
    ports = world.ports
    made = Trail(ports.settings, ports.clock, ports.services, ports.random)
    world.ports = replace(ports, audit=made)
    made.attach(world.ports)
    world.courier = type(world.courier)(world.ports)
    return world, made


async def written(made: Trail, folder: Path) -> list[dict[str, Any]]:
    await made.close()
    lines = (folder / "audit" / "events.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


async def test_what_a_service_does_by_itself_is_a_service_event(tmp_path: Path) -> None:
    """docs.aws.amazon.com/kms/latest/developerguide/ct-rotatekey.html and ct-delete-key.html"""
    world, made = audited(tmp_path)
    key = (await world.call("kms", "CreateKey"))["KeyMetadata"]
    await world.call("kms", "EnableKeyRotation", KeyId=key["KeyId"])
    world.clock.advance(366 * 86_400)
    await world.deliver()
    await world.call("kms", "ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7)
    world.clock.advance(8 * 86_400)
    await world.deliver()
    # A body is run twice on this engine, and each run says what it did.
    found = {event["eventName"]: event for event in await written(made, tmp_path)}
    assert set(found) == {"RotateKey", "DeleteKey"}
    for event in found.values():
        assert event["userIdentity"] == {
            "accountId": key["AWSAccountId"], "invokedBy": "AWS Internal",
        }  # fmt: skip
        assert event["eventType"] == "AwsServiceEvent"
        assert event["serviceEventDetails"] == {"keyId": key["KeyId"]}
        assert event["resources"] == [
            {"accountId": key["AWSAccountId"], "type": "AWS::KMS::Key", "ARN": key["Arn"]}
        ]
        assert event["sourceIPAddress"] == event["userAgent"] == "AWS Internal"
        assert event["requestParameters"] is event["responseElements"] is None


async def test_a_key_that_refuses_a_service_is_recorded_as_its_refusal(tmp_path: Path) -> None:
    world, made = audited(tmp_path)
    key = (await world.call("kms", "CreateKey"))["KeyMetadata"]
    queue = await world.call(
        "sqs", "CreateQueue", QueueName="q", Attributes={"KmsMasterKeyId": key["Arn"]}
    )
    await world.call("kms", "DisableKey", KeyId=key["KeyId"])
    with pytest.raises(Exception, match="disabled"):
        await world.call("sqs", "SendMessage", QueueUrl=queue["QueueUrl"], MessageBody="x")
    [*_, event] = await written(made, tmp_path)
    assert event["eventName"] == "GenerateDataKey"
    assert event["errorCode"] == "DisabledException"
    assert event["userIdentity"]["invokedBy"] == "sqs.amazonaws.com"
    assert event["requestParameters"]["encryptionContext"]["aws:sqs:arn"].endswith(":q")


async def test_what_does_not_fit_into_the_memory_is_dropped_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "PENDING_BYTES_MAX", 2_000)
    world, made = audited(tmp_path)
    for _ in range(9):
        made.happened(world.caller(), "kms", "RotateKey", "arn:aws:kms:r:1:key/k")
    assert 0 < len(await written(made, tmp_path)) < 9
    assert "records dropped" in caplog.text


async def test_records_wait_while_the_disk_refuses_them(tmp_path: Path) -> None:
    world, made = audited(tmp_path)
    (tmp_path / "audit").write_bytes(b"in the way of the folder")
    made.happened(world.caller(), "kms", "RotateKey", "arn:aws:kms:r:1:key/k")
    with pytest.raises(OSError, match="exists"):
        await made.work()
    await made.close()  # The server can stop all the same.
    (tmp_path / "audit").unlink()
    assert len(await written(made, tmp_path)) == 1


async def test_records_go_to_logs_and_leave_none_themselves(tmp_path: Path) -> None:
    world, made = audited(tmp_path, audit="all", audit_log_group="audit")
    made.happened(world.caller(), "kms", "RotateKey", "arn:aws:kms:r:1:key/k")
    assert len(await written(made, tmp_path)) == 1
    found = await world.call("logs", "FilterLogEvents", logGroupName="audit")
    assert [json.loads(e["message"])["eventName"] for e in found["events"]] == ["RotateKey"]
    [stream] = {e["logStreamName"] for e in found["events"]}
    assert stream == "111122223333_CloudTrail_eu-west-1"
    assert len(await written(made, tmp_path)) == 1


async def test_many_records_go_to_logs_in_transactions_of_bounded_size(tmp_path: Path) -> None:
    world, made = audited(tmp_path, audit_log_group="audit")
    count, sizes = 300, []
    operation = world.ports.services["logs"].operation_named("PutLogEvents")
    put = operation.function

    def measured(tx: Any, call: Any, request: Any) -> Any:
        sizes.append(sum(len(event["message"]) for event in request["logEvents"]))
        return put(tx, call, request)

    operation.function = measured
    try:
        for _ in range(count):
            made.happened(world.caller(), "kms", "RotateKey", "arn:aws:kms:r:1:key/k")
        await made.close()
    finally:
        operation.function = put
    found: list[Any] = []
    token: dict[str, str] = {}
    while True:
        page = await world.call("logs", "FilterLogEvents", logGroupName="audit", **token)
        found += page["events"]
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    assert len(found) == count
    assert len(sizes) > 1
    assert max(sizes) <= trail.BATCH_BYTES_MAX


async def test_each_account_and_region_has_a_stream_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "STREAMS_MAX", 2)
    world, made = audited(tmp_path, audit_log_group="audit")
    for region in ("eu-west-1", "us-east-1", "eu-north-1"):
        call = world.caller(region=region)
        made.happened(call, "kms", "RotateKey", "arn:aws:kms:r:1:key/k")
    await made.close()
    found = await world.call("logs", "FilterLogEvents", logGroupName="audit")
    streams = [e["logStreamName"] for e in found["events"]]
    assert sorted(streams) == [
        "111122223333_CloudTrail_eu-west-1", "111122223333_CloudTrail_eu-west-1",
        "111122223333_CloudTrail_us-east-1",
    ]  # fmt: skip

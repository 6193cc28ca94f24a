"""Encryption with a KMS key: who asks KMS, how often, and what its refusals become."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ogi.access.authorise import authorise
from ogi.service import service_principal
from ogi.services.sqs import errors, records
from tests.services.sqs.conftest import Client
from tests.world import World

PREFIX = "arn:aws:sqs:eu-west-1:111122223333:"


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of("sqs", "kms")


@pytest.fixture
def sqs(world: World) -> Client:
    return Client(world)


@pytest.fixture
async def key(world: World) -> str:
    made = await world.call("kms", "CreateKey")
    id: str = made["KeyMetadata"]["KeyId"]
    await world.call("kms", "CreateAlias", AliasName="alias/test", TargetKeyId=id)
    return id


async def test_messages_travel_under_a_kms_key(sqs: Client, key: str) -> None:
    url = await sqs.queue(KmsMasterKeyId="alias/test")
    attributes = {"a": {"DataType": "String", "StringValue": "secret"}}
    await sqs.send(url, "secret", MessageAttributes=attributes)
    (message,) = await sqs.receive(url, MessageAttributeNames=["All"])
    assert message["Body"] == "secret"
    assert message["MessageAttributes"] == attributes
    everything = await sqs.world.store.read(lambda tx: tx.scan(b"", b"\xff", 1_000))
    assert not any(b"secret" in value for _, value in everything)


async def test_each_use_of_the_key_is_in_the_trace(sqs: Client, key: str) -> None:
    url = await sqs.queue(KmsMasterKeyId="alias/test")
    await sqs.send(url)
    await sqs.receive(url)
    hops = sqs.world.ports.traces.get("1-test")
    kinds = [hop["kind"] for hop in hops]
    assert "kms.GenerateDataKey" in kinds
    assert [hop["kms_key"] for hop in hops if hop["kind"].startswith("sqs.")] == ["alias/test"] * 2


async def test_a_data_key_is_used_again_for_a_time(sqs: Client, key: str) -> None:
    url = await sqs.queue(KmsMasterKeyId=key, KmsDataKeyReusePeriodSeconds=60)
    for wait in (0, 59, 2):
        sqs.clock.advance(wait)
        await sqs.send(url)
    rows = await sqs.world.store.read(lambda tx: tx.scan(b"arn:aws:sqs", b"arn:aws:sqt", 100))
    lane = len(PREFIX + "orders") + 1 + 8
    sealed = [records.decode(raw).sealed for name, raw in rows if name[lane : lane + 1] == b"b"]
    # Byte 0 says that a KMS key sealed it, then come the length of the data key and the data key.
    keys = [one[3 : 3 + int.from_bytes(one[1:3], "big")] for one in sealed]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("DisableKey", errors.KmsDisabled),
        ("ScheduleKeyDeletion", errors.KmsInvalidState),
    ],
)
async def test_refusals_of_kms_are_told_in_sqss_words(
    sqs: Client, key: str, operation: str, error: type[errors.KmsRefused]
) -> None:
    url = await sqs.queue(KmsMasterKeyId=key)
    await sqs.send(url, "before")
    await sqs.world.call("kms", operation, KeyId=key)
    with pytest.raises(error):
        await sqs.send(url)
    with pytest.raises(error):
        await sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}])
    with pytest.raises(error):
        await sqs.receive(url)
    assert await sqs.counts(url) == (1, 0, 0)


async def test_a_key_that_does_not_exist_is_not_found(sqs: Client, key: str) -> None:
    url = await sqs.queue(KmsMasterKeyId="alias/missing")
    with pytest.raises(errors.KmsNotFound):
        await sqs.send(url)
    assert await sqs.counts(url) == (0, 0, 0)


@pytest.mark.parametrize(
    "spec",
    [
        {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
        {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
    ],
)
async def test_a_key_for_something_else_does_not_seal(sqs: Client, spec: dict[str, str]) -> None:
    made = await sqs.world.call("kms", "CreateKey", **spec)
    url = await sqs.queue(KmsMasterKeyId=made["KeyMetadata"]["KeyId"])
    with pytest.raises(errors.KmsInvalidKeyUsage):
        await sqs.send(url)


async def test_who_kms_does_not_allow_neither_sends_nor_receives(
    world_of: Callable[..., World],
) -> None:
    """And what KMS says is the error's message."""
    sqs = Client(world_of("sqs", "kms", authorise=authorise))
    made = await sqs.world.call("kms", "CreateKey")
    url = await sqs.queue(KmsMasterKeyId=made["KeyMetadata"]["KeyId"])
    await sqs.send(url, "secret")
    call = sqs.world.caller(service_principal("sns.amazonaws.com"))
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    for operation, request in (
        ("SendMessage", {"MessageBody": "x"}),
        ("SendMessageBatch", {"Entries": [{"Id": "a", "MessageBody": "x"}]}),
        ("ReceiveMessage", {}),
    ):
        with pytest.raises(errors.KmsAccessDenied, match="is not authorized to perform: kms:"):
            await sqs.world.call_as(call, "sqs", operation, QueueUrl=url, **request)
    assert await sqs.counts(url) == (1, 0, 0)


@pytest.mark.parametrize("period", ["59", "86401"])
async def test_data_keys_are_used_again_for_a_minute_to_a_day(
    sqs: Client, key: str, period: str
) -> None:
    with pytest.raises(errors.InvalidAttributeValue, match="KmsDataKeyReusePeriodSeconds"):
        await sqs.queue(KmsMasterKeyId=key, KmsDataKeyReusePeriodSeconds=period)
    for allowed in ("60", "86400"):
        url = await sqs.queue(allowed, KmsMasterKeyId=key, KmsDataKeyReusePeriodSeconds=allowed)
        found = await sqs.attributes(url, "KmsDataKeyReusePeriodSeconds")
        assert found == {"KmsDataKeyReusePeriodSeconds": allowed}


async def test_a_dead_letter_stays_as_it_was_encrypted(sqs: Client, key: str) -> None:
    dead = await sqs.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": PREFIX + "dead", "maxReceiveCount": 1})
    url = await sqs.queue("q", KmsMasterKeyId=key, RedrivePolicy=policy, VisibilityTimeout=0)
    await sqs.send(url, "sealed")
    await sqs.receive(url)
    await sqs.receive(url)
    await sqs.world.deliver()
    assert await sqs.bodies(dead, VisibilityTimeout=0) == ["sealed"]
    await sqs.world.call("kms", "DisableKey", KeyId=key)
    with pytest.raises(errors.KmsDisabled):
        await sqs.receive(dead)


async def test_what_was_sealed_before_a_change_of_key_still_opens(sqs: Client, key: str) -> None:
    url = await sqs.queue()
    await sqs.send(url, "a")
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": key})
    await sqs.send(url, "b")
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
    await sqs.send(url, "c")
    assert await sqs.bodies(url) == ["a", "b", "c"]


async def test_a_service_that_sends_asks_kms_itself(sqs: Client, key: str) -> None:
    url = await sqs.queue(KmsMasterKeyId=key)
    call = sqs.world.caller(service_principal("sns.amazonaws.com"))
    await sqs.world.call_as(call, "sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    hops = sqs.world.ports.traces.get("1-test")
    asked = [hop["principal"] for hop in hops if hop["kind"].startswith("kms.")]
    assert asked[0] == "sns.amazonaws.com"

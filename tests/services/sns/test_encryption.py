"""Encryption: what lies on disk, and what the publisher needs of the topic's key."""

from __future__ import annotations

import pytest

from ogi.errors import AwsError
from ogi.services.sns import fanout
from tests.services.sns.conftest import Client


async def _key(sns: Client) -> str:
    made = await sns.world.call("kms", "CreateKey")
    id: str = made["KeyMetadata"]["KeyId"]
    return id


@pytest.mark.parametrize("with_key", [False, True])
async def test_what_waits_to_be_fanned_out_is_ciphertext(sns: Client, with_key: bool) -> None:
    topic = await sns.topic(**({"KmsMasterKeyId": await _key(sns)} if with_key else {}))
    for n in range(fanout.AT_ONCE_MAX):
        await sns.subscribed(topic, f"inbox-{n}")
    await sns.subscribed(topic)
    await sns.publish(TopicArn=topic, Message="classified")
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert not any(b"classified" in value for _, value in rows)
    assert await sns.texts() == ["classified"]


async def test_a_disabled_key_fails_the_publish(sns: Client) -> None:
    key = await _key(sns)
    topic = await sns.topic(KmsMasterKeyId=key)
    await sns.subscribed(topic)
    await sns.publish(TopicArn=topic, Message="before")
    await sns.world.deliver()
    await sns.world.call("kms", "DisableKey", KeyId=key)
    with pytest.raises(AwsError) as refused:
        await sns.publish(TopicArn=topic, Message="after")
    assert refused.value.shape == "KMSDisabledException"
    assert await sns.texts() == ["before"]


async def test_a_key_that_is_not_there_fails_the_publish(sns: Client) -> None:
    topic = await sns.topic(KmsMasterKeyId="alias/none")
    with pytest.raises(AwsError) as refused:
        await sns.publish(TopicArn=topic, Message="x")
    assert refused.value.shape == "KMSNotFoundException"

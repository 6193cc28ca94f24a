"""HTTPS subscribers: whose certificates are taken, and that nothing is sent to any other."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from ogi.errors import AwsError
from tests.certificates import Authority
from tests.services.sns.conftest import Client
from tests.services.sns.subscriber import serving
from tests.world import World


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def client(world_of: Callable[..., World], authority: Authority) -> Callable[..., Client]:
    def made(trusting: bool = True) -> Client:
        settings = {
            "endpoint": "http://127.0.0.1:1",
            "sns_authorities": authority.certificate if trusting else None,
        }
        return Client(world_of("sns", "sqs", "kms", settings=settings))

    return made


async def test_a_certificate_of_an_authority_of_ones_own_is_taken_for_its_name(
    client: Callable[..., Client], authority: Authority
) -> None:
    sns = client()
    topic = await sns.topic()
    async with serving(authority.context("localhost")) as subscriber:
        subscriber.url = subscriber.url.replace("127.0.0.1", "localhost")
        await subscriber.subscribe(sns, topic)
        await sns.publish(TopicArn=topic, Message="hello")
        await sns.world.deliver()
        (body,) = subscriber.bodies()
        assert json.loads(body)["Message"] == "hello"


@pytest.mark.parametrize(
    ("name", "days", "trusting", "reason"),
    [
        ("localhost", 30, False, "unable to get local issuer certificate"),
        ("localhost", -1, True, "certificate has expired"),
        ("example.com", 30, True, "Hostname mismatch"),
    ],
    ids=["nobody trusted signed it", "it has ended", "it is somebody else's"],
)
async def test_no_other_certificate_is_taken_and_nothing_is_sent(
    client: Callable[..., Client],
    authority: Authority,
    name: str,
    days: int,
    trusting: bool,
    reason: str,
) -> None:
    sns = client(trusting)
    topic = await sns.topic()
    bad = authority.context(name, days)
    async with serving(bad) as subscriber:
        url = subscriber.url.replace("127.0.0.1", "localhost")
        with pytest.raises(AwsError, match="Unreachable Endpoint"):
            await sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=url)
        assert subscriber.requests == []
    if not trusting:
        return
    good = authority.context("localhost")
    async with serving(good) as subscriber:
        subscriber.url = subscriber.url.replace("127.0.0.1", "localhost")
        await subscriber.subscribe(sns, topic)

        def turn_bad(connection: ssl.SSLObject, *_: object) -> None:
            connection.context = bad

        good.sni_callback = turn_bad
        await sns.publish(TopicArn=topic, Message="hello")
        for _ in range(5):
            await sns.world.deliver()
            sns.world.clock.advance(20)
        assert subscriber.bodies() == []
    # Like any endpoint that cannot be reached it was tried again: certificates are renewed.
    refused = [hop for hop in sns.hops("refused") if hop["operation"] == "post_to_endpoint"]
    assert len(refused) == 4
    assert all(reason in hop["message"] for hop in refused), refused[0]

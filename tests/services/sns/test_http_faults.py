"""HTTP/S subscribers that misbehave: each fault, what is tried again, and who need not wait."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.services.sns import challenges, delivery_policies, retries
from tests.services.sns.conftest import Client
from tests.services.sns.subscriber import Fault, Subscriber, serving
from tests.world import World

SECONDS = 0.3


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Client:
    settings = {"sns_http_s_max": SECONDS, "endpoint": "http://127.0.0.1:1"}
    return Client(world_of("sns", "sqs", "kms", settings=settings))


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    async with serving() as made:
        yield made


async def _drips(writer: asyncio.StreamWriter) -> None:
    """A byte now and then: the connection is never silent, and the answer never there."""
    while True:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        await writer.drain()
        await asyncio.sleep(SECONDS / 10)


async def _floods(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for n in range(100_000):
        writer.write(b"X-%d: %s\r\n" % (n, b"y" * 1000))
        await writer.drain()


async def _talks_something_else(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n")


async def _breaks_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Ty")


async def _never_ends(writer: asyncio.StreamWriter) -> None:
    """Says yes, and then more than anybody wants to hear."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"z" * 65536)


async def _says_wait_first(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n")
    await writer.drain()
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def _says_when_it_may(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(SECONDS / 2)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (_drips, 4), (_floods, 4), (_talks_something_else, 4), (_breaks_off, 4),
        (_never_ends, 1), (_says_wait_first, 1), (_says_when_it_may, 1),
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_tried_again_and_what_is_one_is_taken(
    sns: Client, subscriber: Subscriber, fault: Fault, tries: int
) -> None:
    dead = await sns.queue("dead")
    topic = await sns.topic()
    await subscriber.subscribe(sns, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead}))
    subscriber.answers = [fault]
    await sns.publish(TopicArn=topic, Message="hello")
    for _ in range(5):
        await sns.world.deliver()
        sns.world.clock.advance(20)
    assert len(subscriber.bodies()) == tries
    assert len(await sns.messages("dead")) == (tries > 1)


@pytest.mark.parametrize(
    ("status", "tries"),
    [(status, 1) for status in (300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 410, 413)]
    + [(status, 4) for status in (429, 500, 501, 502, 503, 504, 599)]
    + [(status, 0) for status in (200, 201, 202, 204, 299)],
)
async def test_429_and_5xx_are_tried_again_and_all_else_but_2xx_is_for_good(
    sns: Client, subscriber: Subscriber, status: int, tries: int
) -> None:
    dead = await sns.queue("dead")
    topic = await sns.topic()
    await subscriber.subscribe(sns, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead}))
    async with serving() as elsewhere:
        subscriber.answers = [f"{status} So\r\nLocation: {elsewhere.url}"]
        await sns.publish(TopicArn=topic, Message="hello")
        for _ in range(5):
            await sns.world.deliver()
            sns.world.clock.advance(20)
        assert elsewhere.requests == []
    assert len(subscriber.bodies()) == max(tries, 1)
    assert len(await sns.messages("dead")) == (tries > 0)


@pytest.mark.parametrize("function", delivery_policies.FUNCTIONS)
async def test_each_attempt_comes_when_its_phase_says(
    sns: Client, subscriber: Subscriber, function: str
) -> None:
    policy = {
        "minDelayTarget": 2, "maxDelayTarget": 30, "numRetries": 9, "numNoDelayRetries": 2,
        "numMinDelayRetries": 2, "numMaxDelayRetries": 2, "backoffFunction": function,
    }  # fmt: skip
    topic = await sns.topic()
    await subscriber.subscribe(
        sns, topic, DeliveryPolicy=json.dumps({"healthyRetryPolicy": policy})
    )
    phases = delivery_policies.of("", json.dumps({"healthyRetryPolicy": policy})).phases
    subscriber.answers = ["500 No"]
    await sns.publish(TopicArn=topic, Message="hello")
    await sns.world.deliver()
    assert len(subscriber.bodies()) == 3  # The first attempt, and two at once.
    waits = [wait for n in range(3, 10) if (wait := phases.wait_s(n)) is not None]
    assert waits[:2] == [2, 2] and waits[-2:] == [30, 30] and len(waits) == 7
    for n, wait in enumerate(waits, 4):
        sns.world.clock.advance(wait * (1 - retries.JITTER) - 0.01)
        await sns.world.deliver()
        assert len(subscriber.bodies()) == n - 1
        sns.world.clock.advance(wait * retries.JITTER + 0.02)
        await sns.world.deliver()
        assert len(subscriber.bodies()) == n
    sns.world.clock.advance(3600)
    await sns.world.deliver()
    assert len(subscriber.bodies()) == 10


def test_what_failed_together_does_not_come_again_together(sns: Client) -> None:
    waits = {retries.jittered_s(sns.world.caller().begin(), 20.0) for _ in range(50)}
    assert len(waits) == 50 and all(18 <= wait <= 20 for wait in waits)
    assert max(waits) - min(waits) > 1


async def test_the_effective_policy_is_the_subscriptions_over_the_topics_over_the_default(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    of_topic: dict[str, Any] = {
        "defaultHealthyRetryPolicy": {"numRetries": 5, "maxDelayTarget": 40},
        "defaultThrottlePolicy": {"maxReceivesPerSecond": 7},
    }

    async def set_topic() -> None:
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName="DeliveryPolicy",
            AttributeValue=json.dumps({"http": of_topic}),
        )  # fmt: skip

    async def effective(arn: str) -> Any:
        shown = await sns.get_subscription_attributes(SubscriptionArn=arn)
        return json.loads(shown["Attributes"]["EffectiveDeliveryPolicy"])

    default = {
        "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
        "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
    }  # fmt: skip
    arn = await subscriber.subscribe(sns, topic)
    assert (await effective(arn))["healthyRetryPolicy"] == default
    assert (await effective(arn))["throttlePolicy"] is None
    await set_topic()
    assert (await effective(arn))["healthyRetryPolicy"] == {
        **default, "numRetries": 5, "maxDelayTarget": 40,
    }  # fmt: skip
    await sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="DeliveryPolicy",
        AttributeValue=json.dumps({"healthyRetryPolicy": {"numRetries": 1},
                                   "requestPolicy": {"headerContentType": "application/json"}}),
    )  # fmt: skip
    own = await effective(arn)
    assert own["healthyRetryPolicy"] == {**default, "numRetries": 1}
    assert own["throttlePolicy"] == {"maxReceivesPerSecond": 7}
    assert own["requestPolicy"] == {"headerContentType": "application/json"}
    of_topic["disableSubscriptionOverrides"] = True
    await set_topic()
    overridden = await effective(arn)
    assert overridden["healthyRetryPolicy"]["numRetries"] == 5
    assert overridden["requestPolicy"] == {"headerContentType": "text/plain; charset=UTF-8"}


async def test_dead_subscribers_slow_no_other_one(sns: Client, subscriber: Subscriber) -> None:
    topic = await sns.topic()
    async with serving() as hangs, serving() as resets, serving() as fails:
        for one in (subscriber, hangs, resets, fails):
            await one.subscribe(sns, topic)
        hangs.answers, resets.answers, fails.answers = ["hang"], ["reset"], ["503 No"]
        for n in range(8):
            await sns.publish(TopicArn=topic, Message=str(n))
        loop = asyncio.get_running_loop()
        began = loop.time()
        delivering = asyncio.create_task(sns.world.deliver())
        while len(subscriber.bodies()) < 8:
            assert loop.time() - began < SECONDS, "it had to wait for the one that hangs"
            await asyncio.sleep(0.001)
        await delivering
        assert {len(one.bodies()) for one in (resets, fails)} == {8}


async def test_one_that_fails_gets_fewer_at_once_until_it_answers(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    await subscriber.subscribe(
        sns, topic, DeliveryPolicy=json.dumps({"healthyRetryPolicy": {"numRetries": 50}})
    )
    subscriber.answers = ["hang"]
    for n in range(16):
        await sns.publish(TopicArn=topic, Message=str(n))
    at_once = []
    for _ in range(4):
        before = len(subscriber.bodies())
        await sns.world.deliver()
        at_once.append(len(subscriber.bodies()) - before)
        sns.world.clock.advance(20)
    assert at_once == [8, 1, 1, 1]
    subscriber.answers = ["200 OK"]
    for _ in range(6):
        await sns.world.deliver()
        sns.world.clock.advance(20)
    assert {json.loads(b)["Message"] for b in subscriber.bodies()[-16:]} == {
        str(n) for n in range(16)
    }


# -- where no request may go ----------------------------------------------------------------------


def _resolved(*addresses: str) -> list[Any]:
    return [
        (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80))
        for a in addresses
    ]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.0.1", "100.100.100.200", "0.0.0.0", "224.0.0.1", "::",
        "fd00:ec2::254", "fe80::1", "fe80::1%1", "ff02::1", "::ffff:169.254.169.254",
        "::169.254.169.254", "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe",
        "2001:0:4136:e378:8000:63bf:5601:5601",
    ],
)  # fmt: skip
async def test_a_name_that_leads_where_nobody_may_go_is_not_followed(
    sns: Client, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """What the outside world says of a name is the outside world's: so it is made up here."""

    async def look_up(*question: Any, **rest: Any) -> list[Any]:
        return _resolved(address)

    topic, dead = await sns.topic(), await sns.queue("dead")
    arn = await subscriber.subscribe(
        sns, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead})
    )
    await sns.unsubscribe(SubscriptionArn=arn)
    named = subscriber.url.replace("127.0.0.1", "localhost")
    subscriber.url = named
    await subscriber.subscribe(sns, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead}))
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    await sns.publish(TopicArn=topic, Message="hello")
    await sns.world.deliver()
    (buried,) = await sns.messages("dead")
    reason = buried["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert reason == "The endpoint's address is not allowed"


async def test_the_connection_goes_to_the_address_that_was_judged(
    sns: Client, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is one thing when it is judged and another when it is used."""
    questions: list[Any] = []

    async def look_up(*question: Any, **rest: Any) -> list[Any]:
        questions.append(question)
        if len(questions) > 1:
            return _resolved("169.254.169.254")
        # Of several the first that is allowed.
        return _resolved("169.254.169.254", "::ffff:169.254.169.254", "127.0.0.1")

    topic = await sns.topic()
    subscriber.url = subscriber.url.replace("127.0.0.1", "localhost")
    await subscriber.subscribe(sns, topic)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    await sns.publish(TopicArn=topic, Message="hello")
    await sns.world.deliver()
    assert len(questions) == 1 and len(subscriber.bodies()) == 1


@pytest.mark.parametrize(
    "host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.16689662"]
)
async def test_other_spellings_of_an_address_lead_nowhere_either(
    sns: Client, subscriber: Subscriber, host: str
) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError, match=r"internal endpoints|Unreachable Endpoint"):
        await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://{host}/latest")


async def test_a_machine_that_knows_no_names_subscribes_and_waits(
    sns: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(*question: Any, **rest: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    topic = await sns.topic()
    made = await sns.subscribe(
        TopicArn=topic, Protocol="https", Endpoint="https://example.com/hook"
    )
    assert made["SubscriptionArn"] == "pending confirmation"
    await sns.world.deliver()
    shown = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert shown["SubscriptionsPending"] == "1"


# -- names and passwords in URLs ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
     ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")],
)  # fmt: skip
def test_digests_are_those_of_the_rfc(algorithm: str, response: str) -> None:
    """RFC 7616, 3.9.1."""
    challenge = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm},'
        ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
        ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    said = challenges.answer(
        ["Basic realm=x", challenge], "Mufasa", "Circle of Life", "GET", "/dir/index.html",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )  # fmt: skip
    assert said is not None and f'response="{response}"' in said and ", qop=auth, nc=" in said


@pytest.mark.parametrize(
    "challenge",
    ["Digest", "Digest realm=x", 'Digest realm="x", nonce="y", algorithm=MD4',
     'Digest realm="x", nonce="y", qop="auth-int"', "Negotiate", ""],
)  # fmt: skip
def test_challenges_that_are_not_understood_are_not_answered(challenge: str) -> None:
    assert challenges.answer([challenge], "a", "b", "POST", "/", "n") is None


async def test_an_endpoint_that_asks_is_told_the_password_and_nobody_else_is(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    bare = subscriber.url
    subscriber.url = bare.replace("http://", "http://me:se%40cret@")
    arn = await subscriber.subscribe(sns, topic)
    subscriber.answers = ['401 Who\r\nWWW-Authenticate: Basic realm="hook"', "200 OK"]
    await sns.publish(TopicArn=topic, Message="hello")
    await sns.world.deliver()
    (first, _), (second, _) = subscriber.requests[-2:]
    assert "authorization" not in first
    assert second["authorization"] == "Basic bWU6c2VAY3JldA=="
    (listed,) = (await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"]
    assert listed["Endpoint"] == bare.replace("http://", "http://me:****@")
    shown = await sns.get_subscription_attributes(SubscriptionArn=arn)
    assert shown["Attributes"]["Endpoint"] == subscriber.url
    assert "cret@" not in json.dumps(sns.world.ports.traces.get("1-test"), default=str)
    subscriber.answers = ["401 Who\r\nWWW-Authenticate: Basic realm=hook"]
    before = len(subscriber.requests)
    await sns.publish(TopicArn=topic, Message="again")
    await sns.world.deliver()
    assert len(subscriber.requests) == before + 2  # Once with it: then it is for good.

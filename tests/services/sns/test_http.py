"""HTTP/S subscribers: handshake, headers, retries, dead letters, and where no request may go."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ogi.errors import AwsError
from ogi.service import ANONYMOUS
from ogi.services.sns import delivery_policies
from tests.services.sns.conftest import Client
from tests.services.sns.subscriber import Subscriber, serving
from tests.world import World

INTERNAL = r"^Not authorized to subscribe internal endpoints$"


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    async with serving() as made:
        yield made


@pytest.fixture
def sns(world_of: Callable[..., World]) -> Client:
    settings = {"sns_http_s_max": 0.3, "endpoint": "http://127.0.0.1:1"}
    return Client(world_of("sns", "sqs", "kms", settings=settings))


async def _subscribed(sns: Client, subscriber: Subscriber, **attributes: Any) -> tuple[str, str]:
    """(topic, subscription), confirmed by the link in the message that the subscriber got."""
    topic = await sns.topic()
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in attributes.items()}
    made = await sns.subscribe(
        TopicArn=topic, Protocol="http", Endpoint=subscriber.url, Attributes=texts
    )
    assert made["SubscriptionArn"] == "pending confirmation"
    answers, subscriber.answers = subscriber.answers, ["200 OK"]
    await sns.world.deliver()
    subscriber.answers = answers
    message = json.loads(subscriber.bodies("SubscriptionConfirmation")[-1])
    query = parse_qs(urlsplit(message["SubscribeURL"]).query)
    assert query["Action"] == ["ConfirmSubscription"]
    confirmed = await sns.world.call_as(
        sns.world.caller(ANONYMOUS), "sns", "ConfirmSubscription",
        TopicArn=query["TopicArn"][0], Token=query["Token"][0],
    )  # fmt: skip
    arn: str = confirmed["SubscriptionArn"]
    return topic, arn


async def test_an_endpoint_gets_messages_once_it_has_confirmed(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    await sns.publish(TopicArn=topic, Message="too early")
    shown = (await sns.list_subscriptions())["Subscriptions"][0]
    assert shown["SubscriptionArn"] == "PendingConfirmation"
    counts = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert (counts["SubscriptionsPending"], counts["SubscriptionsConfirmed"]) == ("1", "0")
    _, arn = await _subscribed(sns, subscriber)
    counts = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert (counts["SubscriptionsPending"], counts["SubscriptionsConfirmed"]) == ("0", "1")
    sent = await sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
    await sns.world.deliver()
    (body,) = subscriber.bodies()
    assert json.loads(body)["Message"] == "hello"
    headers = subscriber.requests[-1][0]
    assert headers["x-amz-sns-message-id"] == sent["MessageId"]
    assert headers["x-amz-sns-topic-arn"] == topic
    assert headers["x-amz-sns-subscription-arn"] == arn
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["user-agent"] == "Amazon Simple Notification Service Agent"


async def test_raw_delivery_sends_the_text_and_says_so(sns: Client, subscriber: Subscriber) -> None:
    topic, _ = await _subscribed(
        sns, subscriber, RawMessageDelivery="true",
        DeliveryPolicy={"requestPolicy": {"headerContentType": "application/json"}},
    )  # fmt: skip
    await sns.publish(TopicArn=topic, Message='{"a": 1}')
    await sns.world.deliver()
    headers, body = subscriber.requests[-1]
    assert body == '{"a": 1}'
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("answer", ["500 No", "503 No", "429 No", "reset", "hang"])
async def test_what_may_pass_is_tried_again_by_the_policy(
    sns: Client, subscriber: Subscriber, answer: str
) -> None:
    topic, _ = await _subscribed(sns, subscriber)
    subscriber.answers = [answer, answer, "200 OK"]
    await sns.publish(TopicArn=topic, Message="hello")
    await sns.world.deliver()
    assert len(subscriber.bodies()) == 1
    for tries in (2, 3, 3):
        sns.world.clock.advance(20)
        await sns.world.deliver()
        assert len(subscriber.bodies()) == tries


@pytest.mark.parametrize(("answer", "tries"), [("404 No", 1), ("301 Moved", 1), ("500 No", 4)])
async def test_what_fails_for_good_is_buried(
    sns: Client, subscriber: Subscriber, answer: str, tries: int
) -> None:
    dead = await sns.queue("dead")
    topic, _ = await _subscribed(sns, subscriber, RedrivePolicy={"deadLetterTargetArn": dead})
    subscriber.answers = [answer]
    await sns.publish(TopicArn=topic, Message="hello")
    for _ in range(5):
        await sns.world.deliver()
        sns.world.clock.advance(20)
    assert len(subscriber.bodies()) == tries
    (message,) = await sns.messages("dead")
    assert json.loads(message["Body"])["Message"] == "hello"
    assert answer[:3] in message["MessageAttributes"]["ErrorMessage"]["StringValue"]


async def test_what_waits_for_an_endpoint_is_ciphertext(
    sns: Client, subscriber: Subscriber
) -> None:
    topic, _ = await _subscribed(sns, subscriber)
    subscriber.answers = ["500 No", "200 OK"]
    await sns.publish(TopicArn=topic, Message="classified")
    await sns.world.deliver()
    rows = await sns.world.store.read(lambda tx: tx.scan(b"\x00", b"\xff", 1_000))
    assert not any(b"classified" in value for _, value in rows)


async def test_a_token_is_known_to_its_endpoint_alone_and_for_two_days(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    made = await sns.subscribe(
        TopicArn=topic, Protocol="http", Endpoint=subscriber.url, ReturnSubscriptionArn=True
    )
    id = made["SubscriptionArn"].rpartition(":")[2].replace("-", "")
    for guess in ("x", id, id + "0" * 128):
        with pytest.raises(AwsError) as refused:
            await sns.confirm_subscription(TopicArn=topic, Token=guess)
        assert refused.value.message == "Invalid parameter: Token"
    sns.world.clock.advance(2 * 86_400)
    await sns.world.deliver()
    assert (await sns.list_subscriptions())["Subscriptions"] == []


async def test_a_locked_subscription_ends_by_a_signed_request_only(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    await sns.world.deliver()
    token = json.loads(subscriber.bodies("SubscriptionConfirmation")[0])["Token"]
    with pytest.raises(AwsError) as refused:
        await sns.world.call_as(
            sns.world.caller(ANONYMOUS), "sns", "ConfirmSubscription",
            TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true",
        )  # fmt: skip
    assert refused.value.shape == "AuthorizationErrorException"
    arn = (
        await sns.confirm_subscription(
            TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true"
        )
    )["SubscriptionArn"]
    with pytest.raises(AwsError) as refused:
        await sns.world.call_as(
            sns.world.caller(ANONYMOUS), "sns", "Unsubscribe", SubscriptionArn=arn
        )
    assert refused.value.shape == "AuthorizationErrorException"
    await sns.unsubscribe(SubscriptionArn=arn)


async def _leave(sns: Client, arn: str) -> None:
    """By the link, which nobody signs."""
    await sns.world.call_as(sns.world.caller(ANONYMOUS), "sns", "Unsubscribe", SubscriptionArn=arn)


async def test_an_endpoint_that_was_taken_off_by_a_link_is_told_and_may_come_back(
    sns: Client, subscriber: Subscriber
) -> None:
    topic, arn = await _subscribed(sns, subscriber, FilterPolicy={"a": ["x"]})
    await _leave(sns, arn)
    await sns.world.deliver()
    headers, body = subscriber.requests[-1]
    told = json.loads(body)
    assert headers["x-amz-sns-message-type"] == told["Type"] == "UnsubscribeConfirmation"
    assert headers["x-amz-sns-subscription-arn"] == arn
    assert told["Message"] == (
        f"You have chosen to deactivate subscription {arn}.\nTo cancel this operation and restore"
        " the subscription, visit the SubscribeURL included in this message."
    )
    assert parse_qs(urlsplit(told["SubscribeURL"]).query)["Token"] == [told["Token"]]
    assert (await sns.list_subscriptions())["Subscriptions"] == []
    back = await sns.confirm_subscription(TopicArn=topic, Token=told["Token"])
    assert back["SubscriptionArn"] == arn
    shown = (await sns.get_subscription_attributes(SubscriptionArn=arn))["Attributes"]
    assert shown["FilterPolicy"] == '{"a": ["x"]}' and shown["PendingConfirmation"] == "false"
    await sns.unsubscribe(SubscriptionArn=arn)  # The owner himself: nobody need be told.
    await sns.world.deliver()
    assert len(subscriber.bodies("UnsubscribeConfirmation")) == 1


async def test_who_comes_back_too_late_or_has_subscribed_anew_changes_nothing(
    sns: Client, subscriber: Subscriber
) -> None:
    topic, arn = await _subscribed(sns, subscriber)
    await _leave(sns, arn)
    await sns.world.deliver()
    token = json.loads(subscriber.bodies("UnsubscribeConfirmation")[0])["Token"]
    await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    await sns.world.deliver()
    fresh = json.loads(subscriber.bodies("SubscriptionConfirmation")[-1])["Token"]
    anew = (await sns.confirm_subscription(TopicArn=topic, Token=fresh))["SubscriptionArn"]
    assert anew != arn
    again = await sns.confirm_subscription(TopicArn=topic, Token=token)
    assert again["SubscriptionArn"] == anew
    (only,) = (await sns.list_subscriptions())["Subscriptions"]
    assert only["SubscriptionArn"] == anew
    await _leave(sns, anew)
    await sns.world.deliver()
    token = json.loads(subscriber.bodies("UnsubscribeConfirmation")[-1])["Token"]
    sns.world.clock.advance(2 * 86_400)
    await sns.world.deliver()
    with pytest.raises(AwsError, match="Invalid parameter: Token"):
        await sns.confirm_subscription(TopicArn=topic, Token=token)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/", "http://0.0.0.0/",
        "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/", "http://127.0.0.1:1/_ogi/reset",
    ],
)  # fmt: skip
async def test_endpoints_that_must_not_be_reached_are_refused_at_once(
    sns: Client, url: str
) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError, match=INTERNAL) as refused:
        await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    assert refused.value.shape == "AuthorizationErrorException"


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "http://", "http://exa mple.com/", "https://example.com/"]
)
async def test_endpoints_that_are_none_are_refused_at_once(sns: Client, url: str) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError, match=r"^Invalid parameter: Endpoint"):
        await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)


async def test_an_endpoint_where_nobody_answers_is_not_subscribed(
    sns: Client, subscriber: Subscriber
) -> None:
    topic = await sns.topic()
    async with serving() as gone:
        url = gone.url
    for protocol, endpoint in (("http", url), ("https", subscriber.url.replace("http", "https"))):
        with pytest.raises(AwsError, match=r"^Invalid parameter: Unreachable Endpoint$"):
            await sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    assert (await sns.list_subscriptions())["Subscriptions"] == []


async def test_one_that_is_subscribed_may_be_away_when_it_is_subscribed_again(sns: Client) -> None:
    topic = await sns.topic()
    async with serving() as subscriber:
        arn = await subscriber.subscribe(sns, topic)
    again = await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
    assert again["SubscriptionArn"] == arn


async def test_a_setting_says_which_networks_may_be_reached(
    world_of: Callable[..., World], subscriber: Subscriber
) -> None:
    sns = Client(world_of("sns", "sqs", "kms", settings={"sns_networks": "10.0.0.0/8"}))
    topic = await sns.topic()
    for url in (subscriber.url, subscriber.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(AwsError, match=INTERNAL):
            await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    assert subscriber.connections == 0


async def test_an_endpoint_that_hangs_holds_nobody_else_up(
    sns: Client, subscriber: Subscriber
) -> None:
    topic, _ = await _subscribed(sns, subscriber)
    await sns.subscribed(topic)
    subscriber.answers = ["hang"]
    for n in range(20):
        await sns.publish(TopicArn=topic, Message=str(n))
    await sns.world.deliver()
    assert len(subscriber.bodies()) == 8
    assert len(await sns.texts()) == 10
    subscriber.answers = ["200 OK"]
    for _ in range(4):
        sns.world.clock.advance(20)
        await sns.world.deliver()
    assert {json.loads(b)["Message"] for b in subscriber.bodies()} == {str(n) for n in range(20)}


async def test_throttling_spreads_the_postings(sns: Client, subscriber: Subscriber) -> None:
    topic, _ = await _subscribed(
        sns, subscriber, DeliveryPolicy={"throttlePolicy": {"maxReceivesPerSecond": 2}}
    )
    for n in range(6):
        await sns.publish(TopicArn=topic, Message=str(n))
    await sns.world.deliver()
    got = [len(subscriber.bodies())]
    for _ in range(6):
        sns.world.clock.advance(0.5)
        await sns.world.deliver()
        got.append(len(subscriber.bodies()))
    assert got[0] <= 3 and got[-1] == 6 and all(b - a <= 2 for a, b in pairwise(got))


async def test_ogi_is_not_reached_by_any_of_its_machines_addresses(
    world_of: Callable[..., World], subscriber: Subscriber
) -> None:
    port = urlsplit(subscriber.url).port
    assert port is not None
    sns = Client(world_of("sns", "sqs", "kms", settings={"port": port}))
    topic = await sns.topic()
    for host in ("localhost", socket.gethostname()):
        url = f"http://{host}:{port}/_ogi/reset"
        with pytest.raises(AwsError, match=INTERNAL):
            await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    await sns.world.deliver()
    assert subscriber.requests == []


async def test_large_messages_are_not_for_http(sns: Client, subscriber: Subscriber) -> None:
    topic, arn = await _subscribed(sns, subscriber)
    large = {"TopicArn": topic, "AttributeName": "MaximumMessageSize", "AttributeValue": "300000"}
    with pytest.raises(AwsError):
        await sns.set_topic_attributes(**large)
    await sns.unsubscribe(SubscriptionArn=arn)
    await sns.set_topic_attributes(**large)
    with pytest.raises(AwsError):
        await sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)


# -- delivery policies ----------------------------------------------------------------------------


@pytest.mark.parametrize("function", delivery_policies.FUNCTIONS)
def test_the_four_phases_come_in_their_order(function: str) -> None:
    policy = delivery_policies.of("", json.dumps({
        "healthyRetryPolicy": {
            "minDelayTarget": 1, "maxDelayTarget": 60, "numRetries": 20, "numNoDelayRetries": 3,
            "numMinDelayRetries": 2, "numMaxDelayRetries": 5, "backoffFunction": function,
        }
    }))  # fmt: skip
    waits = [policy.phases.wait_s(n) for n in range(1, 22)]
    assert waits[:5] == [0, 0, 0, 1, 1]
    backing = [w for w in waits[5:15] if w is not None]
    assert backing == sorted(set(backing)) and len(backing) == 10
    assert backing[0] == 1 and backing[-1] == pytest.approx(60)
    assert waits[15:] == [60] * 5 + [None]


@pytest.mark.parametrize(
    "policy",
    [
        "[]", "nonsense", {"strange": 1}, {"healthyRetryPolicy": {"numRetries": 101}},
        {"healthyRetryPolicy": {"minDelayTarget": 0}},
        {"healthyRetryPolicy": {"numRetries": 1, "numMinDelayRetries": 2}},
        {"healthyRetryPolicy": {"backoffFunction": "wild"}},
        {"healthyRetryPolicy": {"numRetries": 100, "minDelayTarget": 60, "maxDelayTarget": 60}},
        {"throttlePolicy": {"maxReceivesPerSecond": 0}},
        {"requestPolicy": {"headerContentType": "text/plain\r\nX: y"}},
    ],
)  # fmt: skip
async def test_delivery_policies_that_are_refused(
    sns: Client, subscriber: Subscriber, policy: Any
) -> None:
    topic = await sns.topic()
    text = policy if isinstance(policy, str) else json.dumps(policy)
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(
            TopicArn=topic, Protocol="http", Endpoint=subscriber.url,
            Attributes={"DeliveryPolicy": text},
        )  # fmt: skip
    assert refused.value.message.startswith("Invalid parameter: Attributes Reason: DeliveryPolicy")


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"healthyRetryPolicy": {"minDelayTarget": 20, "maxDelayTarget": 10}},
         "healthyRetryPolicy.maxDelayTarget must be greater than or equal to minDelayTarget"),
        ({"healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 1, "numMinDelayRetries": 1}},
         "healthyRetryPolicy.numRetries must be greater than or equal to total of"
         " numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries"),
        ({"healthyRetryPolicy": {"backoffFunction": "cubic"}},
         "healthyRetryPolicy.backoffFunction the value [cubic] is not a valid backoff function"),
        ({"throttlePolicy": {"maxReceivesPerSecond": 0}},
         "throttlePolicy.maxReceivesPerSecond must be greater than or equal to 1"),
    ],
)  # fmt: skip
async def test_a_delivery_policy_s_refusal_says_what_is_wrong(
    sns: Client, subscriber: Subscriber, policy: dict[str, Any], sentence: str
) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(
            TopicArn=topic, Protocol="http", Endpoint=subscriber.url,
            Attributes={"DeliveryPolicy": json.dumps(policy)},
        )  # fmt: skip
    told = f"Invalid parameter: Attributes Reason: DeliveryPolicy: {sentence}"
    assert refused.value.message == told


async def test_a_delivery_policy_s_refusal_names_the_place(
    sns: Client, subscriber: Subscriber
) -> None:
    """AWS's answers: github.com/awsdocs/amazon-sns-developer-guide/pull/5, and the tests of
    github.com/ballerina-platform/module-ballerinax-aws.sns."""
    topic = await sns.topic()
    own = {"healthyRetryPolicy": {"minDelayTarget": 0, "maxDelayTarget": 0, "numRetries": 0}}
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(
            TopicArn=topic, Protocol="http", Endpoint=subscriber.url,
            Attributes={"DeliveryPolicy": json.dumps(own)},
        )  # fmt: skip
    assert refused.value.message == (
        "Invalid parameter: Attributes Reason: DeliveryPolicy: healthyRetryPolicy.minDelayTarget"
        " must be greater than or equal to 1"
    )
    with pytest.raises(AwsError) as refused:
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName="DeliveryPolicy",
            AttributeValue=json.dumps({"http": {"defaultHealthyRetryPolicy": {"numRetries": 101}}}),
        )  # fmt: skip
    assert refused.value.message == (
        "Invalid parameter: DeliveryPolicy: http.defaultHealthyRetryPolicy.numRetries must be less"
        " than or equal to 100"
    )


async def test_a_topics_policy_is_its_subscriptions_default(
    sns: Client, subscriber: Subscriber
) -> None:
    topic, arn = await _subscribed(sns, subscriber)
    policy = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 5},
                       "disableSubscriptionOverrides": False}}  # fmt: skip
    await sns.set_topic_attributes(
        TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy)
    )
    shown = (await sns.get_subscription_attributes(SubscriptionArn=arn))["Attributes"]
    effective = json.loads(shown["EffectiveDeliveryPolicy"])
    assert effective["healthyRetryPolicy"]["numRetries"] == 5
    await sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="DeliveryPolicy",
        AttributeValue='{"healthyRetryPolicy": {"numRetries": 7}}',
    )  # fmt: skip
    shown = (await sns.get_subscription_attributes(SubscriptionArn=arn))["Attributes"]
    assert json.loads(shown["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["numRetries"] == 7

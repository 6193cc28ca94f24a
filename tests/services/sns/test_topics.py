"""Topics and subscriptions: attributes, pages, tags, permissions, whose they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ogi.errors import AwsError
from ogi.service import Call, Principal
from tests.services.sns.conftest import Client

EVE = Principal(kind="root", account="999988887777", arn="arn:aws:iam::999988887777:root")


async def test_creating_a_topic_again_gives_the_same_topic(sns: Client) -> None:
    first = await sns.topic(DisplayName="News")
    assert await sns.topic(DisplayName="News") == first
    assert await sns.topic() == first
    with pytest.raises(AwsError) as refused:
        await sns.topic(DisplayName="Other")
    assert refused.value.message == (
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    )


async def test_the_default_version_of_signatures_is_shown_to_who_asked_for_it(sns: Client) -> None:
    """getTopicAttributesTest2 of github.com/ballerina-platform/module-ballerinax-aws.sns."""
    shown = (await sns.get_topic_attributes(TopicArn=await sns.topic()))["Attributes"]
    assert "SignatureVersion" not in shown
    asked = await sns.topic("asked", SignatureVersion="1")
    assert await sns.topic("asked") == await sns.topic(SignatureVersion="1", name="asked") == asked
    shown = (await sns.get_topic_attributes(TopicArn=asked))["Attributes"]
    assert shown["SignatureVersion"] == "1"
    assert await sns.topic(SignatureVersion="1") == await sns.topic()


async def test_lists_come_in_pages(sns: Client) -> None:
    for n in range(101):
        await sns.topic(f"t{n:03}")
    first = await sns.list_topics()
    assert len(first["Topics"]) == 100
    rest = await sns.list_topics(NextToken=first["NextToken"])
    assert [t["TopicArn"].rpartition(":")[2] for t in rest["Topics"]] == ["t100"]
    assert "NextToken" not in rest


async def test_subscribing_again_gives_the_same_subscription(sns: Client) -> None:
    topic = await sns.topic()
    first = await sns.subscribed(topic)
    assert await sns.subscribed(topic) == first
    attributes = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert attributes["SubscriptionsConfirmed"] == "1"
    await sns.unsubscribe(SubscriptionArn=first)
    attributes = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert attributes["SubscriptionsConfirmed"] == "0"
    assert attributes["SubscriptionsDeleted"] == "1"


async def test_the_link_in_the_envelope_unsubscribes_without_a_signature(sns: Client) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribed(topic)
    nobody = sns.world.caller(Principal(kind="anonymous", account="", arn="*"))
    await sns.world.call_as(nobody, "sns", "Unsubscribe", SubscriptionArn=subscription)
    with pytest.raises(AwsError) as refused:
        await sns.get_subscription_attributes(SubscriptionArn=subscription)
    assert refused.value.message == "Subscription does not exist"


@pytest.mark.parametrize(
    ("operation", "rest"),
    [
        ("Unsubscribe", {}),
        ("GetSubscriptionAttributes", {}),
        ("SetSubscriptionAttributes",
         {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}),
    ],
)  # fmt: skip
async def test_a_subscription_is_its_owners_and_the_topics_owners(
    sns: Client, operation: str, rest: dict[str, str]
) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribed(topic)
    eve = sns.world.caller(EVE, account=EVE.account)
    with pytest.raises(AwsError) as refused:
        await sns.world.call_as(eve, "sns", operation, SubscriptionArn=subscription, **rest)
    assert refused.value.shape == "AuthorizationErrorException"


async def test_tags_are_kept_and_limited(sns: Client) -> None:
    topic = await sns.topic()
    await sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}])
    assert (await sns.list_tags_for_resource(ResourceArn=topic))["Tags"] == [
        {"Key": "a", "Value": "1"}
    ]
    with pytest.raises(AwsError) as refused:
        await sns.tag_resource(
            ResourceArn=topic, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)]
        )
    assert refused.value.shape == "TagLimitExceededException"
    await sns.untag_resource(ResourceArn=topic, TagKeys=["a"])
    assert (await sns.list_tags_for_resource(ResourceArn=topic))["Tags"] == []


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ([("AWS:x", "x")], "TagKey Reason: The prefix aws: is reserved"),
        ([("a", "1"), ("a", "2")], "Duplicated keys are not allowed."),
        ([("a", "1"), ("a", "1")], "Duplicated keys are not allowed."),
    ],
)
async def test_tags_that_are_refused(
    sns: Client, tags: list[tuple[str, str]], sentence: str
) -> None:
    topic = await sns.topic()
    given = [{"Key": key, "Value": value} for key, value in tags]
    for ask in (
        sns.tag_resource(ResourceArn=topic, Tags=given), sns.create_topic(Name="other", Tags=given)
    ):  # fmt: skip
        with pytest.raises(AwsError) as refused:
            await ask
        assert refused.value.message == f"Invalid parameter: {sentence}"
    assert (await sns.list_tags_for_resource(ResourceArn=topic))["Tags"] == []


async def test_permissions_become_statements_of_the_policy(sns: Client) -> None:
    topic = await sns.topic()
    await sns.add_permission(
        TopicArn=topic, Label="eve", AWSAccountId=["999988887777"], ActionName=["Publish"]
    )
    attributes = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert json.loads(attributes["Policy"])["Statement"][1] == {
        "Sid": "eve",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::999988887777:root"},
        "Action": "SNS:Publish",
        "Resource": topic,
    }
    with pytest.raises(AwsError, match="Statement already exists"):
        await sns.add_permission(
            TopicArn=topic, Label="eve", AWSAccountId=["999988887777"], ActionName=["Publish"]
        )
    for nobody, sentence in (
        ("eve", "A provided account ID is not valid"),
        ("99998888777", "A provided account ID is not valid"),
        ("arn:aws:iam::111122223333:user/nobody", "Policy Error: PrincipalNotFound"),
    ):
        with pytest.raises(AwsError, match=f"^Invalid parameter: {sentence}$"):
            await sns.add_permission(
                TopicArn=topic, Label="x", AWSAccountId=[nobody], ActionName=["Publish"]
            )
    await sns.remove_permission(TopicArn=topic, Label="eve")
    attributes = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert [s["Sid"] for s in json.loads(attributes["Policy"])["Statement"]] == [
        "__default_statement_ID"
    ]


@pytest.mark.parametrize(
    "action",
    ["sns:*", "*", "SNS:CreateTopic", "sns:Set*", "sns:Unsubscribe", "sqs:SendMessage", "sns:Fly"],
)
async def test_a_topics_policy_is_about_actions_on_topics(sns: Client, action: str) -> None:
    topic = await sns.topic()
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["SNS:Publish", action],
                 "Resource": topic}  # fmt: skip
    policy = {"Version": "2012-10-17", "Statement": statement}
    with pytest.raises(AwsError) as refused:
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy)
        )
    sentence = "Invalid parameter: Policy statement action out of service scope!"
    assert refused.value.message == sentence
    if action.lower().startswith("sns:"):
        with pytest.raises(AwsError, match=sentence):
            await sns.add_permission(
                TopicArn=topic, Label="x", AWSAccountId=["999988887777"], ActionName=[action[4:]]
            )
    statement["Action"] = ["SNS:Publish", "sns:gettopic*", "SNS:Receive"]
    await sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy)
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DisplayName", "x" * 101, "DisplayName"),
        ("SignatureVersion", "3", "SignatureVersion: Invalid value. Must be 1 or 2."),
        ("TracingConfig", "Off", "Invalid tracing config value: Off"),
        (
            "SQSSuccessFeedbackSampleRate",
            "500",
            "SQSSuccessFeedbackSampleRate: 500 value provided is not an integer between 0-100",
        ),
    ],
)
async def test_attributes_that_are_refused_say_of_which_request(
    sns: Client, name: str, value: str, sentence: str
) -> None:
    """As real deployments were told: github.com/badmintoncryer/cdk-preflight, rules/sns."""
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.topic("other", **{name: value})
    assert refused.value.message == f"Invalid parameter: Attributes Reason: {sentence}"
    with pytest.raises(AwsError) as refused:
        await sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)
    assert refused.value.message == f"Invalid parameter: {sentence}"


async def test_a_region_knows_its_own_topics_only(sns: Client) -> None:
    topic = await sns.topic()
    arn = await sns.subscribed(topic)
    elsewhere = sns.world.caller(region="us-east-1")

    async def refused(operation: str, **request: Any) -> str:
        with pytest.raises(AwsError) as refused:
            await sns.world.call_as(elsewhere, "sns", operation, **request)
        return refused.value.message

    for operation, more in (
        ("GetTopicAttributes", {}), ("DeleteTopic", {}), ("ListSubscriptionsByTopic", {}),
        ("Publish", {"Message": "x"}), ("ConfirmSubscription", {"Token": "x"}),
        ("Subscribe", {"Protocol": "email", "Endpoint": "jane@example.com"}),
    ):  # fmt: skip
        assert await refused(operation, TopicArn=topic, **more) == "Invalid parameter: TopicArn"
    for operation in ("GetSubscriptionAttributes", "Unsubscribe"):
        told = await refused(operation, SubscriptionArn=arn)
        assert told == "Invalid parameter: SubscriptionArn"
    assert "not exist" in await refused("ListTagsForResource", ResourceArn=topic)
    assert len((await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"]) == 1


async def test_a_subscription_that_waits_is_not_unsubscribed(sns: Client) -> None:
    topic = await sns.topic()
    made = await sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint="jane@example.com", ReturnSubscriptionArn=True
    )
    with pytest.raises(AwsError) as refused:
        await sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
    assert refused.value.message == (
        "Invalid parameter: SubscriptionArn Reason: Cannot unsubscribe a subscription that is"
        " pending confirmation"
    )
    sns.world.clock.advance(2 * 86_400)
    await sns.world.deliver()
    assert (await sns.list_subscriptions())["Subscriptions"] == []


async def test_a_deleted_topic_takes_its_subscriptions_with_it(sns: Client) -> None:
    topic = await sns.topic()
    await sns.subscribed(topic)
    await sns.delete_topic(TopicArn=topic)
    await sns.world.deliver()
    assert (await sns.list_subscriptions())["Subscriptions"] == []


@pytest.mark.parametrize(
    ("protocol", "endpoint", "sentence"),
    [
        ("pigeon", "x", "Invalid parameter: Amazon SNS does not support this protocol string:"
         " pigeon"),
        ("sqs", "inbox", "Invalid parameter: SQS endpoint ARN"),
        ("sqs", "arn:aws:sqs:eu-west-1:111122223333:inbox.fifo",
         "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be"
         " subscribed to standard SNS topics"),
    ],
)  # fmt: skip
async def test_what_cannot_be_subscribed(
    sns: Client, protocol: str, endpoint: str, sentence: str
) -> None:
    topic = await sns.topic()
    with pytest.raises(AwsError) as refused:
        await sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    assert refused.value.message == sentence


async def test_a_topic_made_anew_at_once_does_not_inherit_subscriptions(sns: Client) -> None:
    topic = await sns.topic()
    old = await sns.subscribed(topic)
    await sns.subscribed(topic, "other")
    await sns.delete_topic(TopicArn=topic)
    await sns.topic()
    new = await sns.subscribed(topic)
    assert new != old
    await sns.publish(TopicArn=topic, Message="hello")
    assert await sns.texts() == ["hello"]
    assert await sns.texts("other") == []
    listed = (await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"]
    assert [one["SubscriptionArn"] for one in listed] == [new]
    attributes = (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]
    assert attributes["SubscriptionsConfirmed"] == "1"


@pytest.mark.parametrize("queue", ["theirs", "theirs.fifo"])
async def test_another_accounts_queue_confirms_by_the_message_that_it_gets(
    sns: Client, queue: str
) -> None:
    fifo = {"FifoTopic": "true"} if queue.endswith(".fifo") else {}
    topic = await sns.topic("news.fifo" if fifo else "news", **fifo)
    eve = sns.world.caller(EVE, account=EVE.account)
    await sns.world.call_as(
        eve, "sqs", "CreateQueue", QueueName=queue,
        Attributes={"FifoQueue": "true"} if fifo else {},
    )  # fmt: skip
    endpoint = f"arn:aws:sqs:eu-west-1:{EVE.account}:{queue}"
    asked = await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    assert asked["SubscriptionArn"] == "pending confirmation"
    await sns.world.deliver()
    url = f"https://sqs.eu-west-1.amazonaws.com/{EVE.account}/{queue}"
    eve = sns.world.caller(EVE, account=EVE.account)
    (message,) = (await sns.world.call_as(eve, "sqs", "ReceiveMessage", QueueUrl=url))["Messages"]
    body = json.loads(message["Body"])
    assert body["Type"] == "SubscriptionConfirmation"
    confirmed = await sns.confirm_subscription(TopicArn=topic, Token=body["Token"])
    assert confirmed["SubscriptionArn"].startswith(topic)


async def test_who_subscribes_his_own_queue_to_anothers_topic_has_confirmed(sns: Client) -> None:
    topic = await sns.topic()
    eve = sns.world.caller(EVE, account=EVE.account)
    made = await sns.world.call_as(
        eve, "sns", "Subscribe", TopicArn=topic, Protocol="sqs",
        Endpoint=f"arn:aws:sqs:eu-west-1:{EVE.account}:theirs",
    )  # fmt: skip
    assert made["SubscriptionArn"].startswith(topic)


async def test_a_subscription_is_listed_for_its_owner_wherever_its_topic_is(sns: Client) -> None:
    topics = [await sns.topic("a"), await sns.topic("b")]
    eve = sns.world.caller(EVE, account=EVE.account)

    async def listed(who: Call) -> list[str]:
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = await sns.world.call_as(who, "sns", "ListSubscriptions", **token)
            found += [one["Endpoint"].rpartition(":")[2] for one in page["Subscriptions"]]
            if "NextToken" not in page:
                return found
            token = {"NextToken": page["NextToken"]}

    own = (await sns.world.call_as(eve, "sns", "CreateTopic", Name="own"))["TopicArn"]
    for n in range(105):
        await sns.world.call_as(
            eve, "sns", "Subscribe", TopicArn=[*topics, own][n % 3], Protocol="sqs",
            Endpoint=f"arn:aws:sqs:eu-west-1:{EVE.account}:q{n}",
        )  # fmt: skip
    await sns.subscribed(topics[0], "mine")
    assert await listed(sns.world.caller()) == ["mine"]
    hers = await listed(eve)
    assert len(hers) == 105 and set(hers) == {f"q{n}" for n in range(105)}
    everybody = await sns.list_subscriptions_by_topic(TopicArn=topics[0])
    assert len(everybody["Subscriptions"]) == 36
    await sns.delete_topic(TopicArn=topics[0])
    await sns.world.deliver()
    assert len(await listed(eve)) == 70
    with pytest.raises(AwsError, match="NextToken"):
        await sns.list_subscriptions(NextToken="AAAA")


async def test_tracing_is_refused_by_name_where_it_would_be_active(sns: Client) -> None:
    topic = await sns.topic(TracingConfig="PassThrough")
    with pytest.raises(AwsError, match=r"X-Ray \(the topic attribute TracingConfig"):
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName="TracingConfig", AttributeValue="Active"
        )
    with pytest.raises(AwsError) as refused:
        await sns.set_topic_attributes(
            TopicArn=topic, AttributeName="TracingConfig", AttributeValue="Sometimes"
        )
    assert refused.value.shape == "InvalidParameterException"


async def test_tracing_is_shown_once_it_was_set_and_makes_no_other_topic(sns: Client) -> None:
    async def shown() -> str | None:
        found = await sns.get_topic_attributes(TopicArn=topic)
        value: str | None = found["Attributes"].get("TracingConfig")
        return value

    topic = await sns.topic()
    assert await shown() is None
    assert await sns.topic(TracingConfig="PassThrough") == topic
    assert await shown() is None
    await sns.set_topic_attributes(
        TopicArn=topic, AttributeName="TracingConfig", AttributeValue="PassThrough"
    )
    assert await shown() == "PassThrough"
    assert await sns.topic(TracingConfig="PassThrough") == await sns.topic() == topic

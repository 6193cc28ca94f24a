"""Subscriptions, in AWS's words: docs.aws.amazon.com/sns/latest/api/"""

from __future__ import annotations

from typing import Any

from ogi import arn as arns
from ogi.service import Call, Fields
from ogi.services.sns import (
    confirmations,
    departures,
    endpoints,
    owners,
    pages,
    quotas,
    replays,
    subscribing,
    subscription_attributes,
    subscriptions,
    topics,
)
from ogi.services.sns.errors import (
    AuthorizationErrorException,
    InvalidParameterException,
    NotFoundException,
)
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Reader, Transaction, control


def _keys(tx: Reader, call: Call, request: Fields) -> dict[str, Any]:
    """sns:Protocol and sns:Endpoint (docs: sns-access-policy-language-special-information)."""
    found = topics.owner_keys(tx, call, request)
    found["sns:Protocol"] = request["Protocol"]
    if "Endpoint" in request:
        found["sns:Endpoint"] = request["Endpoint"]
    return found


@SERVICE.operation(on=topics.on_topic, keys=_keys, home=topics.home_of)
async def subscribe(call: Call, request: Fields) -> Fields:
    protocol, endpoint = request["Protocol"], request.get("Endpoint")
    if not endpoint:
        raise InvalidParameterException.of("Endpoint")

    def is_new(tx: Reader) -> bool:
        topic = topics.find(tx, call, request["TopicArn"])
        subscribing.check(tx, call, topic, protocol, endpoint)
        found = subscriptions.of_endpoint(tx, topic, protocol, endpoint)
        return found is None or found.pending

    def body(tx: Transaction, running: Call) -> Subscription:
        topic = topics.find(tx, running, request["TopicArn"])
        attributes = request.get("Attributes", {})
        return subscribing.subscribe(tx, running, topic, protocol, endpoint, attributes)

    if protocol in ("http", "https") and await call.read(is_new):
        await endpoints.reach(call.ports.settings, endpoint)
    homes = [topics.home_of(call, request)]
    owner = owners.home_of(call.principal.account or call.account, call.region)
    if owner not in homes:
        homes.append(owner)
    found = await call.transact(body, *homes)
    if found.pending and not request.get("ReturnSubscriptionArn"):
        return {"SubscriptionArn": "pending confirmation"}
    return {"SubscriptionArn": found.arn}


@SERVICE.operation(open=True, home=topics.home_of)
def confirm_subscription(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Also by the link in the message that asked for it, which nobody signs."""
    topic = topics.look(tx, request["TopicArn"])
    if topic is None:
        raise NotFoundException
    signed = call.principal.kind != "anonymous"
    if signed:
        if topic.region != call.region:
            raise InvalidParameterException.of("TopicArn")
        call.ports.authorise(
            tx, call, SERVICE, ("sns:ConfirmSubscription",), (topic.arn,),
            {**call.context, **topics.owner_keys(tx, call, request)},
        )  # fmt: skip
    locked = request.get("AuthenticateOnUnsubscribe", "").lower() == "true"
    if locked and not signed:
        # "This call requires an AWS signature only when the AuthenticateOnUnsubscribe flag is set
        # to "true"" (the action's page).
        raise AuthorizationErrorException
    found = confirmations.confirm(tx, call, topic, request["Token"], signed, locked)
    return {"SubscriptionArn": found.arn}


def _home_of_subscription(call: Call, request: Fields) -> Home:
    found = arns.parse(request["SubscriptionArn"])
    return call.home if found is None else control(found.account, found.region)


def _owned(tx: Reader, call: Call, request: Fields, operation: str) -> tuple[Topic, Subscription]:
    """A subscription is its owner's and the topic's owner's, whatever an identity's policies say
    of others' (each action's page)."""
    topic, found = subscriptions.find(tx, request["SubscriptionArn"])
    _check_owned(call, topic.arn, (found.owner, topic.account), operation)
    return topic, found


def _check_owned(call: Call, topic_arn: str, owners: tuple[str, ...], operation: str) -> None:
    if topic_arn.split(":")[3] != call.region:
        raise InvalidParameterException.of("SubscriptionArn")
    if call.principal.account not in owners:
        raise AuthorizationErrorException(
            f"User: {call.principal.arn} is not authorized to perform: SNS:{operation}"
            f" on resource: {topic_arn}"
        )


@SERVICE.operation(open=True, home=_home_of_subscription)
def unsubscribe(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Also by the link in each notification, which nobody signs (the action's page).

    Of one that is not there, or is no more, it says nothing: so AWS answered in the tests that are
    told of in github.com/localstack/localstack/pull/7901 and /8458. An ARN of another account is
    refused all the same (the tests of github.com/ballerina-platform/module-ballerinax-aws.sns).
    """
    known = subscriptions.look(tx, request["SubscriptionArn"])
    signed = call.principal.kind != "anonymous"
    if signed:
        call.ports.authorise(tx, call, SERVICE, ("sns:Unsubscribe",), ("*",), call.context)
    if known is None:
        topic_arn = request["SubscriptionArn"].rpartition(":")[0]
        if signed:
            _check_owned(call, topic_arn, (topic_arn.split(":")[4],), "Unsubscribe")
        return {}
    if signed:
        topic, found = _owned(tx, call, request, "Unsubscribe")
    else:
        topic, found = known
        if found.locked:
            raise AuthorizationErrorException
    if found.pending:
        # "You can't delete a subscription that is pending confirmation" (docs:
        # sns-delete-subscription-topic); in these words, says the Terraform provider's code.
        raise InvalidParameterException.of(
            "SubscriptionArn", "Cannot unsubscribe a subscription that is pending confirmation"
        )
    departures.end(tx, call, topic, found)
    return {}


@SERVICE.operation(reads=True)
def get_subscription_attributes(tx: Reader, call: Call, request: Fields) -> Fields:
    topic, found = _owned(tx, call, request, "GetSubscriptionAttributes")
    return {"Attributes": subscription_attributes.shown(topic, found)}


@SERVICE.operation(home=_home_of_subscription)
def set_subscription_attributes(tx: Transaction, call: Call, request: Fields) -> Fields:
    topic, found = _owned(tx, call, request, "SetSubscriptionAttributes")
    name, value = request["AttributeName"], request.get("AttributeValue", "")
    made = subscription_attributes.changed(found, {name: value})
    if made.filter_policy and not found.filter_policy:
        quotas.check(tx, call, topic, new=False, pending=False, filtered=True)
    if name == "ReplayPolicy":
        # Also where the policy is the one that is there: "Starting a replay will replace the
        # existing replay" (message-archiving-and-replay-subscriber).
        made = replays.begin(tx, call, topic, made)
    subscriptions.save(tx, topic, made, found)
    return {}


@SERVICE.operation(reads=True)
def list_subscriptions(tx: Reader, call: Call, request: Fields) -> Fields:
    token = request.get("NextToken")
    found, rest = owners.page(
        tx, call.account, call.region, pages.place(token) if token else None, pages.PAGE
    )
    result = _shown(found)
    if rest is not None:
        result["NextToken"] = pages.token(rest)
    return result


@SERVICE.operation(on=topics.on_topic, keys=topics.owner_keys, reads=True)
def list_subscriptions_by_topic(tx: Reader, call: Call, request: Fields) -> Fields:
    topic = topics.find(tx, call, request["TopicArn"])
    start = pages.start(request.get("NextToken"))
    rows = subscriptions.TABLE.scan(
        tx, topic.control, topic.name, limit=pages.PAGE + 1, start=start
    )
    return _page(rows)


def _page(rows: list[tuple[bytes, Subscription]]) -> Fields:
    result = _shown([s for _, s in rows[: pages.PAGE]])
    if len(rows) > pages.PAGE:
        result["NextToken"] = pages.token(rows[pages.PAGE - 1][0])
    return result


def _shown(found: list[Subscription]) -> Fields:
    return {
        "Subscriptions": [
            {
                "SubscriptionArn": "PendingConfirmation" if s.pending else s.arn,
                "Owner": s.owner,
                "Protocol": s.protocol,
                "Endpoint": s.shown,
                "TopicArn": s.topic_arn,
            }
            for s in found
        ]
    }

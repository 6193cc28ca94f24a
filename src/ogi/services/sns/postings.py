"""Postings: copies that leave the store, to HTTP/S endpoints, functions and mailboxes, tried again
until the delivery policy is exhausted.

Law: what waits to be posted is ciphertext, as it was published; each attempt opens it anew.
docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html#http-header
"""

from __future__ import annotations

from http.client import responses

import msgspec

from ogi import arn as arns
from ogi import deliveries, trace_headers
from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import (
    contents,
    copies,
    dead_letters,
    delivery_policies,
    endpoints,
    envelopes,
    gates,
    retries,
    statuses,
    subscriptions,
    topics,
)
from ogi.services.sns.contents import Content
from ogi.services.sns.envelopes import Envelopes
from ogi.services.sns.gates import Busy
from ogi.services.sns.retries import Phases
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Reader, Transaction

_HTTP = "post_to_endpoint"
_DUTIES = {
    "lambda": "invoke_function",
    "email": "send_mail",
    "email-json": "send_mail",
    "sms": "keep_copy",
    "application": "keep_copy",
}
"""Who brings a message to a subscriber of a protocol; the others are HTTP/S endpoints."""
AGENT = "Amazon Simple Notification Service Agent"
NONCE_BYTES = 16
RAW_TYPE = "text/plain; charset=UTF-8"


def owe(
    tx: Transaction,
    call: Call,
    topic: Topic,
    subscription: Subscription,
    sealed: bytes,
    *,
    notice: Fields | None = None,
) -> None:
    """Owe a published message to an endpoint or a function. `call` is the publisher's.

    notice: what the record of the delivery's status says of the message, if one may be wanted.
    """
    request: Fields = {
        "TopicArn": topic.arn, "SubscriptionArn": subscription.arn, "Sealed": sealed,
    }  # fmt: skip
    if notice is not None:
        request["Notice"] = notice
    _post(tx, call, topic.home, _duty(subscription), request, 0.0, 0)


def post_confirmation(
    tx: Transaction, call: Call, topic: Topic, subscription: Subscription
) -> None:
    request = {
        "TopicArn": topic.arn,
        "SubscriptionArn": subscription.arn,
        "MessageId": call.new_id(),
        "Asked": call.now,
    }
    _post(tx, call, topic.control, _duty(subscription), request, 0.0, 0)


def _duty(subscription: Subscription) -> str:
    return _DUTIES.get(subscription.protocol, _HTTP)


def post_departure(tx: Transaction, call: Call, topic: Topic, left: Subscription) -> None:
    """Tell an endpoint that its subscription ended, and how to have it again."""
    request = {
        "TopicArn": topic.arn,
        "SubscriptionArn": left.arn,
        "MessageId": call.new_id(),
        "Asked": call.now,
        "Departed": True,
    }
    _post(tx, call, topic.control, _duty(left), request, 0.0, 0)


def _post(
    tx: Transaction, call: Call, home: Home, duty: str, request: Fields, wait_s: float, attempt: int
) -> None:
    if attempt:
        request = {**request, "Attempt": attempt}
    deliveries.post(
        tx, call, home, "sns", duty, request, due=call.now + wait_s, attempt=attempt,
        refused=("sns", "unposted"), reference={"Home": str(home), "Duty": duty},
    )  # fmt: skip


@SERVICE.duty(home=topics.home_of_messages)
async def post_to_endpoint(call: Call, request: Fields) -> Fields:
    """One attempt; raises what came of it."""

    def prepare(tx: Reader) -> tuple[Subscription, delivery_policies.Policy, list[tuple[str, str]],
                                     bytes] | None:  # fmt: skip
        known = found(tx, request)
        if known is None:
            return None
        topic, subscription = known
        policy = delivery_policies.of(topic.delivery_policy, subscription.delivery_policy)
        if "Sealed" not in request:
            return subscription, policy, *_confirmation(tx, call, topic, subscription, request)
        content = contents.open_(tx, call, topic, request["Sealed"])
        return subscription, policy, *_notification(tx, call, topic, subscription, content, policy)

    ready = await call.ports.store.read(prepare)
    if ready is None:
        return {}  # Unsubscribed meanwhile.
    subscription, policy, headers, body = ready
    gate = gates.of(call.ports.store)
    async with gate.enter(subscription.arn, call.now, policy.per_second):
        status = await endpoints.post(
            call.ports.settings, subscription.endpoint, headers, body,
            call.entropy(NONCE_BYTES).hex(),
        )  # fmt: skip
    call.note("sns.posted", subscription=subscription.arn, endpoint=subscription.shown)
    if "Notice" in request:
        await _succeeded(call, request, status, responses.get(status, ""))
    return {}


@SERVICE.duty(home=topics.home_of_messages)
async def invoke_function(call: Call, request: Fields) -> Fields:
    """One asynchronous invocation, as the topic; raises Lambda's refusal."""

    def prepare(tx: Reader) -> tuple[Topic, Subscription, bytes, str] | None:
        known = found(tx, request)
        if known is None:
            return None
        topic, subscription = known
        content = contents.open_(tx, call, topic, request["Sealed"])
        event = Envelopes(tx, call, topic, content).for_function(subscription)
        return topic, subscription, event, content.trace_header

    ready = await call.ports.store.read(prepare)
    if ready is None:
        return {}  # Unsubscribed meanwhile.
    topic, subscription, event, header = ready
    function = arns.parse(subscription.endpoint)
    assert function is not None
    sender = call.as_service(copies.PRINCIPAL, topic.arn, topic.account, trace_header=header)
    await sender.in_place(function.account, function.region).request(
        "lambda", "Invoke",
        {"FunctionName": str(function), "InvocationType": "Event", "Payload": event},
    )  # fmt: skip
    if "Notice" in request:
        told = msgspec.json.encode({"lambdaRequestId": call.request_id}).decode()
        await _succeeded(call, request, 202, told)
    return {}


async def _succeeded(call: Call, request: Fields, status: int, response: str) -> None:
    """Owe the record of a success, if the lot falls on this one."""

    def body(tx: Transaction, running: Call) -> None:
        topic = topics.look(tx, request["TopicArn"])
        if topic is not None and statuses.sampled(running, topic, request["Notice"]["protocol"]):
            statuses.succeeded(
                tx, running, topic, topic.home, request["Notice"],
                attempts=request.get("Attempt", 0) + 1, status=status, response=response,
            )  # fmt: skip

    await call.transact(body, Home(request["TopicArn"]))


def found(tx: Reader, request: Fields) -> tuple[Topic, Subscription] | None:
    """Whom a delivery is for, as they are now; None if either is gone."""
    topic = topics.look(tx, request["TopicArn"])
    if topic is None:
        return None
    id = request["SubscriptionArn"].rpartition(":")[2]
    table = subscriptions.DEPARTED if "Departed" in request else subscriptions.TABLE
    known = table.get(tx, topic.control, topic.name, id)
    return None if known is None or known.epoch != topic.epoch else (topic, known)


def _notification(
    tx: Reader,
    call: Call,
    topic: Topic,
    subscription: Subscription,
    content: Content,
    policy: delivery_policies.Policy,
) -> tuple[list[tuple[str, str]], bytes]:
    headers = [
        *_headers("Notification", content.id, topic),
        ("x-amz-sns-subscription-arn", subscription.arn),
        ("Content-Type", policy.content_type),
    ]
    if content.trace_header:
        # Requests to HTTP/S endpoints are traced too (docs: sns-active-tracing), by the header by
        # which X-Ray knows any request (xray-concepts).
        headers.append((trace_headers.NAME, content.trace_header))
    if subscription.raw:
        headers.append(("x-amz-sns-rawdelivery", "true"))
        return headers, content.text_for(subscription.protocol).encode()
    return headers, Envelopes(tx, call, topic, content).for_queue(subscription).encode()


def _confirmation(
    tx: Reader, call: Call, topic: Topic, subscription: Subscription, request: Fields
) -> tuple[list[tuple[str, str]], bytes]:
    id = request["MessageId"]
    kind = envelopes.LEAVING if "Departed" in request else envelopes.JOINING
    text = envelopes.confirmation(tx, call, topic, subscription, id, request["Asked"], kind)
    headers = [*_headers(kind, id, topic), ("Content-Type", RAW_TYPE)]
    if kind == envelopes.LEAVING:
        headers.append(("x-amz-sns-subscription-arn", subscription.arn))
    return headers, text.encode()


def _headers(kind: str, id: str, topic: Topic) -> list[tuple[str, str]]:
    return [
        ("x-amz-sns-message-type", kind),
        ("x-amz-sns-message-id", id),
        ("x-amz-sns-topic-arn", topic.arn),
        ("User-Agent", AGENT),
    ]


def _home_of_report(call: Call, report: Fields) -> Home:
    return Home(report["reference"]["Home"])


@SERVICE.duty(home=_home_of_report)
def unposted(tx: Transaction, call: Call, report: Fields) -> Fields:
    """An attempt failed: owe the next one, or give the message up."""
    request, attempt = report["request"], report["attempt"]
    home, duty = Home(report["reference"]["Home"]), report["reference"]["Duty"]
    known = found(tx, request)
    if known is None:
        return {}
    topic, subscription = known
    if report["code"] == Busy.__name__:
        _post(tx, call, home, duty, request, float(report["message"]), attempt)
        return {}
    if retries.may_pass(report):
        wait_s = _phases(topic, subscription).wait_s(attempt + 1)
        if wait_s is not None:
            wait_s = retries.jittered_s(call, wait_s)
            _post(tx, call, home, duty, request, wait_s, attempt + 1)
            return {}
    give_up(tx, call, home, request, known, report)
    return {}


def give_up(
    tx: Transaction,
    call: Call,
    home: Home,
    request: Fields,
    whom: tuple[Topic, Subscription],
    report: Fields,
) -> None:
    """Tell that a message was not delivered, and give it to the dead-letter queue.

    home: of this transaction.
    """
    topic, subscription = whom
    if "Notice" in request:
        statuses.failed(tx, call, home, request["Notice"], report)
    if "Sealed" not in request:
        return  # A confirmation: whoever subscribes again is asked again.
    try:
        content = contents.open_(tx, call, topic, request["Sealed"])
    except AwsError as error:
        call.note("sns.unreadable", topic=topic.arn, code=error.shape, message=error.message)
        return
    rest = copies.traced(content)
    if subscription.raw:
        body = content.text_for(subscription.protocol)
    else:
        body = Envelopes(tx, call, topic, content).for_queue(subscription)
    reference = {"TopicArn": topic.arn, "SubscriptionArn": subscription.arn}
    dead_letters.bury(tx, call, reference, body, rest, report["code"], report["message"])


def _phases(topic: Topic, subscription: Subscription) -> Phases:
    if subscription.protocol == "lambda":
        return retries.MANAGED
    if subscription.protocol in _DUTIES:
        return retries.CUSTOMERS
    return delivery_policies.of(topic.delivery_policy, subscription.delivery_policy).phases

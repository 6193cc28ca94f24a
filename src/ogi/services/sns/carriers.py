"""Carriers: what would go to phones and devices, on its way to the outbox.

Directly published messages are kept in the publish's own transaction; a topic's copies are owed,
and those that no carrier would have brought are given up as on AWS.
"""

from __future__ import annotations

from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import (
    carrier_statuses,
    contents,
    devices,
    outbox,
    phones,
    postings,
    statuses,
    texting,
    topics,
)
from ogi.services.sns.applications import Application
from ogi.services.sns.contents import Content
from ogi.services.sns.devices import Device
from ogi.services.sns.errors import EndpointDisabledException, InvalidParameterException
from ogi.services.sns.outbox import Letter
from ogi.services.sns.service import SERVICE
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Transaction


def publish_to_phone(tx: Transaction, call: Call, request: Fields) -> Fields:
    number = request["PhoneNumber"]
    if not phones.is_number(number):
        raise InvalidParameterException.of("PhoneNumber", f"{number} is not valid to publish to")
    content = contents.read(call, _direct(call), request)
    texting.check(content)
    letter = texting.letter(tx, call, number, content)
    outbox.keep(tx, call, letter)
    carrier_statuses.of_text(tx, call, texting.defaults(tx, call.home), letter, content)
    return {"MessageId": content.id}


def publish_to_device(
    tx: Transaction, call: Call, arn: str, member: str, request: Fields
) -> Fields:
    found, _, _ = devices.parse(arn, member)
    if found.region != call.region:
        raise InvalidParameterException.of(member)
    known = devices.look(tx, arn, member)
    if known is None:
        raise InvalidParameterException.of(member, "No endpoint found for the target arn specified")
    application, device = known
    if not device.enabled:
        raise EndpointDisabledException
    content = contents.read(call, _direct(call), request, application.platform)
    there = call.in_place(application.account, application.region)
    outbox.keep(tx, there, _push(application, device, content))
    carrier_statuses.of_push(tx, there, application, device, content)
    return {"MessageId": content.id}


def _direct(call: Call) -> Topic:
    """The rules of a message that goes to no topic are a standard topic's."""
    return Topic("", call.account, call.region, "")


def _push(
    application: Application, device: Device, content: Content, topic_arn: str = ""
) -> Letter:
    return Letter(
        kind=application.platform, to=device.arn, text=content.text_for(application.platform),
        subject=content.subject, message_id=content.id, topic_arn=topic_arn, token=device.token,
        attributes={name: value.text for name, value in content.attributes.items() if value.text},
    )  # fmt: skip


def _homes_of_copy(call: Call, request: Fields) -> tuple[Home, ...]:
    found = topics.parse(request["TopicArn"])
    return outbox.home_of(found.account, found.region), Home(request["TopicArn"])


@SERVICE.duty(home=_homes_of_copy)
def keep_copy(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Keep a topic's copy for a phone or a device; give it up if no carrier would bring it."""
    known = postings.found(tx, request)
    if known is None:
        return {}  # Unsubscribed meanwhile.
    topic, subscription = known
    try:
        content = contents.open_(tx, call, topic, request["Sealed"])
    except AwsError as error:
        call.note("sns.unreadable", topic=topic.arn, code=error.shape, message=error.message)
        return {}
    there = call.in_place(topic.account, topic.region)
    carry = _carry_text if subscription.protocol == "sms" else _carry_push
    refused = carry(tx, there, topic, subscription, content)
    if not refused:
        _tell_success(tx, call, topic, subscription, request)
        return {}
    report = {"code": "Undeliverable", "message": refused, "status": 400, "attempt": 0}
    postings.give_up(tx, call, topic.home, request, known, report)
    return {}


def _carry_text(
    tx: Transaction, call: Call, topic: Topic, subscription: Subscription, content: Content
) -> str:
    """Why a phone does not get the message, which is kept in any case; '' if it does."""
    name, number = topic.display_name, phones.dialled(subscription.endpoint)
    letter = texting.letter(tx, call, number, content, topic.arn, name)
    outbox.keep(tx, call, letter)
    carrier_statuses.of_text(tx, call, texting.defaults(tx, call.home), letter, content)
    return letter.refused


def _carry_push(
    tx: Transaction, call: Call, topic: Topic, subscription: Subscription, content: Content
) -> str:
    """Why a device does not get the message; '' if it does."""
    known = devices.look(tx, subscription.endpoint)
    if known is None:
        return "No endpoint found for the target arn specified"
    application, device = known
    refused = "" if device.enabled else "Endpoint is disabled"
    if not refused:
        outbox.keep(tx, call, _push(application, device, content, topic.arn))
    carrier_statuses.of_push(tx, call, application, device, content, refused)
    return refused


def _tell_success(
    tx: Transaction, call: Call, topic: Topic, subscription: Subscription, request: Fields
) -> None:
    if "Notice" in request and statuses.sampled(call, topic, subscription.protocol):
        statuses.succeeded(
            tx, call, topic, topic.home, request["Notice"], attempts=1, status=200, response="{}"
        )

"""Publishing, in AWS's words: docs.aws.amazon.com/sns/latest/api/"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import msgspec

from ogi.errors import AwsError
from ogi.service import Call, Fields
from ogi.services.sns import (
    archives,
    carriers,
    certificates,
    contents,
    devices,
    envelopes,
    fanout,
    groups,
    outbox,
    protections,
    topics,
)
from ogi.services.sns.contents import Content
from ogi.services.sns.errors import (
    AuthorizationErrorException,
    BatchEntryIdsNotDistinctException,
    BatchRequestTooLongException,
    EmptyBatchRequestException,
    InvalidBatchEntryIdException,
    InvalidParameterException,
    InvalidParameterValueException,
    TooManyEntriesInBatchRequestException,
)
from ogi.services.sns.service import SERVICE
from ogi.services.sns.topics import Topic
from ogi.storage import Home, Reader, Transaction

BATCH_MAX: Final = 10
_CODES: Final[dict[type[AwsError], str]] = {
    InvalidParameterException: "InvalidParameter",
    InvalidParameterValueException: "ParameterValueInvalid",
    AuthorizationErrorException: "AuthorizationError",
}
_OF_ENTRIES: Final = tuple(_CODES)
"""What may be wrong with one entry of a batch, and not with the others."""
_BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")

SERVICE.page(certificates.PATH)(certificates.page)


def _target(request: Fields) -> tuple[str, str]:
    """(member, value) of the topic, the device or the phone number that a Publish names."""
    named = [n for n in ("TopicArn", "TargetArn", "PhoneNumber") if request.get(n)]
    if len(named) > 1:
        raise InvalidParameterException.of("TopicArn or TargetArn")
    if not named:
        raise InvalidParameterException.of(
            "TopicArn or TargetArn", "no value for required parameter"
        )
    member = named[0]
    target: str = request[member]
    if member != "PhoneNumber" and not devices.is_arn(target):
        topics.parse(target, member)
    return member, target


def _on_target(tx: Reader, call: Call, request: Fields) -> str:
    member, target = _target(request)
    return "*" if member == "PhoneNumber" else target


def _home_of_target(call: Call, request: Fields) -> Home:
    member, target = _target(request)
    if member == "PhoneNumber":
        return outbox.home_of(call.account, call.region)
    if devices.is_arn(target):
        found, _, _ = devices.parse(target, member)
        return outbox.home_of(found.account, found.region)
    return Home(target)


def _sign_ahead(call: Call, request: Fields) -> asyncio.Future[None] | None:
    """Have the notification signed while others are served.

    Law: the content is the same that the transaction will read: its id is the first that a run
    draws. Should it be another, it is signed there.
    """
    signing, arn = call.ports.signing, request.get("TopicArn") or request.get("TargetArn") or ""
    if signing is None or call.principal.kind == "anonymous" or not signing.wants(arn):
        return None
    tx = call.ports.store.view()
    topic = topics.look(tx, arn)
    if topic is None or topic.fifo or topic.protection:
        return None
    try:
        content = contents.read(call.begin(), topic, request)
    except AwsError:
        return None  # The operation refuses it, if its caller may ask at all.
    text = envelopes.canonical(topic, content, content.text_for("sqs"))
    return certificates.sign_ahead(tx, call, signing, text, topic.signature_version)


@SERVICE.operation(on=_on_target, keys=topics.owner_keys, home=_home_of_target, ahead=_sign_ahead)
def publish(tx: Transaction, call: Call, request: Fields) -> Fields:
    member, target = _target(request)
    if member == "PhoneNumber":
        return carriers.publish_to_phone(tx, call, request)
    if devices.is_arn(target):
        return carriers.publish_to_device(tx, call, target, member, request)
    topic = topics.find(tx, call, target)
    return _publish(tx, call, topic, request)


@SERVICE.operation(
    on=topics.on_topic, keys=topics.owner_keys, action="Publish", home=topics.home_of_messages
)
def publish_batch(tx: Transaction, call: Call, request: Fields) -> Fields:
    entries = _checked(request["PublishBatchRequestEntries"])
    topic = topics.find(tx, call, request["TopicArn"])
    if sum(contents.size_of(entry) for entry in entries) > topic.message_bytes_max:
        raise BatchRequestTooLongException
    for entry in entries if topic.fifo else ():
        contents.check_ordered(topic, entry)
    done: list[Fields] = []
    failed: list[Fields] = []
    for entry in entries:
        try:
            done.append({"Id": entry["Id"], **_publish(tx, call, topic, entry)})
        except _OF_ENTRIES as error:
            failed.append(_failed(entry["Id"], error))
    return {"Successful": done, "Failed": failed}


def _publish(tx: Transaction, call: Call, topic: Topic, request: Fields) -> Fields:
    content = contents.read(call, topic, request)
    if topic.fifo:
        return _publish_in_order(tx, call, topic, content)
    if topic.protection:
        content = protections.incoming(tx, call, topic, content)
    _note(call, topic, content)
    fanout.begin(tx, call, topic, content)
    return {"MessageId": content.id}


def _publish_in_order(tx: Transaction, call: Call, topic: Topic, content: Content) -> Fields:
    seen = groups.duplicate_of(tx, call, topic, content)
    if seen is not None:
        # "Accepted successfully but not delivered" (the action's page).
        return {"MessageId": seen.message_id, "SequenceNumber": seen.sequence}
    content = msgspec.structs.replace(content, sequence=groups.next_sequence(tx, topic))
    sealed = contents.seal(tx, call, topic, content)
    _note(call, topic, content)
    groups.remember(tx, call, topic, content)
    groups.join(tx, call, topic, content, sealed)
    if topic.archive is not None:
        archives.keep(tx, topic, topic.archive, content, sealed)
    return {"MessageId": content.id, "SequenceNumber": content.sequence}


def _note(call: Call, topic: Topic, content: Content) -> None:
    call.note("sns.publish", topic=topic.arn, sns_message_id=content.id, kms_key=topic.kms_key_id)


def _failed(id: str, error: AwsError) -> Fields:
    return {"Id": id, "Code": _CODES[type(error)], "Message": error.message, "SenderFault": True}


def _checked(entries: list[Fields]) -> list[Fields]:
    if not entries:
        raise EmptyBatchRequestException
    if len(entries) > BATCH_MAX:
        raise TooManyEntriesInBatchRequestException
    for entry in entries:
        if not _BATCH_ID.fullmatch(entry["Id"]):
            raise InvalidBatchEntryIdException
    if len({entry["Id"] for entry in entries}) != len(entries):
        raise BatchEntryIdsNotDistinctException
    return entries

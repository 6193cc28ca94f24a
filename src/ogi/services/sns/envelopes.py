"""What a subscriber gets: the notification's JSON, signed, and Lambda's event.

docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html,
docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from ogi.service import Call, Fields
from ogi.services.sns import certificates
from ogi.services.sns.contents import Content
from ogi.services.sns.subscriptions import Subscription
from ogi.services.sns.topics import Topic
from ogi.storage import Reader

JOINING, LEAVING = "SubscriptionConfirmation", "UnsubscribeConfirmation"
_CHOSEN: Final = {
    JOINING: "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription",
    LEAVING: "You have chosen to deactivate subscription {subscription}.\nTo cancel this operation"
    " and restore the subscription",
}

_json: Final = msgspec.json.Encoder().encode


@lru_cache(maxsize=256)
def timestamp(seconds: float) -> str:
    """2012-04-25T21:49:25.719Z"""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def canonical(topic: Topic, content: Content, text: str) -> str:
    """What is signed (docs: sns-verify-signature-of-message)."""
    subject = f"Subject\n{content.subject}\n" if content.subject else ""
    return (
        f"Message\n{text}\nMessageId\n{content.id}\n{subject}"
        f"Timestamp\n{timestamp(content.published)}\nTopicArn\n{topic.arn}\nType\nNotification\n"
    )


def confirmation(
    tx: Reader,
    call: Call,
    topic: Topic,
    subscription: Subscription,
    id: str,
    asked: float,
    kind: str = JOINING,
) -> str:
    """The signed message that asks an endpoint to confirm, or tells it that it was taken off."""
    base = certificates.base_url(call.ports.settings, topic.region)
    url = f"{base}/?Action=ConfirmSubscription&TopicArn={topic.arn}&Token={subscription.token}"
    fields = {
        "Type": kind,
        "MessageId": id,
        "Token": subscription.token,
        "TopicArn": topic.arn,
        "Message": f"{_CHOSEN[kind].format(topic=topic.arn, subscription=subscription.arn)}, visit"
        " the SubscribeURL included in this message.",
        "SubscribeURL": url,
        "Timestamp": timestamp(asked),
    }
    names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    signed = "".join(f"{name}\n{fields[name]}\n" for name in names)
    signature, certificate = certificates.sign(tx, call, signed, topic.signature_version, base)
    fields |= {
        "SignatureVersion": topic.signature_version,
        "Signature": signature,
        "SigningCertURL": certificate,
    }
    return laid_out(fields)


def laid_out(fields: Fields) -> str:
    """The JSON as SNS lays it out: a member a line, with spaces around the colon."""
    return f"{{\n{_lines(fields)}\n}}"


def _lines(fields: Fields) -> str:
    return ",\n".join(f'  "{name}" : {_json(fields[name]).decode()}' for name in fields)


class Envelopes:
    """The envelopes of one message: signed once for all subscribers who get the same text."""

    def __init__(
        self, tx: Reader, call: Call, topic: Topic, content: Content, replayed: bool = False
    ) -> None:
        self._tx = tx
        self._call = call
        self._topic = topic
        self._content = content
        self._base = certificates.base_url(call.ports.settings, topic.region)
        self.replayed = replayed
        """Out of the topic's archive."""
        self._heads: dict[str, Fields] = {}
        self._around: dict[str, tuple[str, str]] = {}

    def for_queue(self, subscription: Subscription) -> str:
        """Only the link differs from one queue to the next: the rest is written once."""
        before, after = self._around_link(subscription.protocol)
        return before + self._unsubscribe(subscription) + after

    def _around_link(self, protocol: str) -> tuple[str, str]:
        text = self._content.text_for(protocol)
        around = self._around.get(text)
        if around is None:
            before = f'{{\n{_lines(self._signed(protocol))},\n  "UnsubscribeURL" : "'
            attributes = self._content.attributes
            more = ",\n" + _lines({"MessageAttributes": self._attributes()}) if attributes else ""
            if self.replayed:
                more += ",\n" + _lines({"Replayed": True})
            around = self._around[text] = (before, f'"{more}\n}}')
        return around

    def for_function(self, subscription: Subscription) -> bytes:
        signed = self._signed(subscription.protocol)
        sns = {
            "Type": "Notification",
            "MessageId": signed["MessageId"],
            "TopicArn": signed["TopicArn"],
            "Subject": self._content.subject or None,
            "Message": signed["Message"],
            "Timestamp": signed["Timestamp"],
            "SignatureVersion": signed["SignatureVersion"],
            "Signature": signed["Signature"],
            "SigningCertUrl": signed["SigningCertURL"],
            "UnsubscribeUrl": self._unsubscribe(subscription),
            "MessageAttributes": self._attributes(),
        }
        record = {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription.arn,
            "Sns": sns,
        }
        return _json({"Records": [record]})

    def _signed(self, protocol: str) -> Fields:
        text = self._content.text_for(protocol)
        head = self._heads.get(text)
        if head is None and self._topic.fifo:
            head = self._heads[text] = self._unsigned(text)
        if head is None:
            topic, content = self._topic, self._content
            if self._call.ports.signing is not None:
                self._call.ports.signing.needed(topic.arn)
            signature, url = certificates.sign(
                self._tx,
                self._call,
                canonical(topic, content, text),
                topic.signature_version,
                self._base,
            )
            head = {
                "Type": "Notification",
                "MessageId": content.id,
                "TopicArn": topic.arn,
                **({"Subject": content.subject} if content.subject else {}),
                "Message": text,
                "Timestamp": timestamp(content.published),
                "SignatureVersion": topic.signature_version,
                "Signature": signature,
                "SigningCertURL": url,
            }
            self._heads[text] = head
        return head

    def _unsigned(self, text: str) -> Fields:
        """A FIFO topic's notification has a number and no signature (fifo-message-delivery)."""
        content = self._content
        return {
            "Type": "Notification",
            "MessageId": content.id,
            "SequenceNumber": content.sequence,
            "TopicArn": self._topic.arn,
            **({"Subject": content.subject} if content.subject else {}),
            "Message": text,
            "Timestamp": timestamp(content.published),
        }

    def _attributes(self) -> Fields:
        return {
            name: {
                "Type": value.type,
                "Value": base64.b64encode(value.binary).decode() if value.binary else value.text,
            }
            for name, value in self._content.attributes.items()
        }

    def _unsubscribe(self, subscription: Subscription) -> str:
        return f"{self._base}/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"

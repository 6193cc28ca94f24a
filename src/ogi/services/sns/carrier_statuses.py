"""What became of messages to phones and devices, as records in Logs, where roles for it are set.

An account's SMS attributes name the role for phones, an application's attributes those for devices.
docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html and
docs.aws.amazon.com/sns/latest/dg/sns-msg-status.html
"""

from __future__ import annotations

from collections.abc import Mapping

from ogi.service import Call, Fields
from ogi.services.sns import feedback, outbox, statuses
from ogi.services.sns.applications import Application
from ogi.services.sns.contents import Content
from ogi.services.sns.devices import Device
from ogi.services.sns.outbox import Letter
from ogi.storage import Transaction

ROLE, RATE = "DeliveryStatusIAMRole", "DeliveryStatusSuccessSamplingRate"
ACCEPTED = "Message has been accepted by phone carrier"
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Each takes the room of two (3GPP TS 23.038)."""


def parts(text: str) -> int:
    """In how many messages a text goes: one takes 160 characters of GSM's alphabet, or any 70."""
    if all(c in _GSM or c in _GSM_EXTENDED for c in text):
        size, alone, joined = len(text) + sum(c in _GSM_EXTENDED for c in text), 160, 153
    else:
        size, alone, joined = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if size <= alone else -(-size // joined)


def of_text(
    tx: Transaction, call: Call, said: Mapping[str, str], letter: Letter, content: Content
) -> None:
    """Owe the record of a message to a phone, in a transaction of the outbox."""
    role = said.get(ROLE)
    if not role or not (letter.refused or _drawn(call, said.get(RATE))):
        return
    delivery: Fields = {
        "numberOfMessageParts": parts(letter.text),
        "destination": letter.to,
        "priceInUSD": 0.0,
        "smsType": letter.attributes["AWS.SNS.SMS.SMSType"],
        "providerResponse": letter.refused or ACCEPTED,
        "dwellTimeMs": _dwelt(call, content),
    }
    arn = letter.topic_arn or call.arn("sns", "DirectPublishToPhoneNumber")
    _owe(tx, call, arn, role, content, delivery, bool(letter.refused))


def of_push(
    tx: Transaction,
    call: Call,
    application: Application,
    device: Device,
    content: Content,
    refused: str = "",
) -> None:
    """Owe the record of a message to a device, in a transaction of the outbox."""
    said = application.attributes
    role = said.get("FailureFeedbackRoleArn" if refused else "SuccessFeedbackRoleArn")
    if not role or not (refused or _drawn(call, said.get("SuccessFeedbackSampleRate"))):
        return
    delivery: Fields = {
        "statusCode": 400 if refused else 200,
        "dwellTimeMs": _dwelt(call, content),
        "token": device.token,
        "attempts": 1,
        "providerResponse": refused or "Kept in the outbox",
        "destination": device.arn,
    }
    _owe(tx, call, application.arn, role, content, delivery, bool(refused))


def _drawn(call: Call, rate: str | None) -> bool:
    """Whether the lot falls on a success."""
    percent = feedback.RATE_DEFAULT if rate is None else int(rate)
    return int.from_bytes(call.entropy(4), "big") % 100 < percent


def _dwelt(call: Call, content: Content) -> int:
    return max(0, int((call.now - content.published) * 1000))


def _owe(
    tx: Transaction,
    call: Call,
    arn: str,
    role: str,
    content: Content,
    delivery: Fields,
    failed: bool,
) -> None:
    notification = {
        "messageId": content.id, "timestamp": statuses.moment(content.published),
    }  # fmt: skip
    record = {
        "notification": notification,
        "delivery": delivery,
        "status": "FAILURE" if failed else "SUCCESS",
    }
    home = outbox.home_of(call.account, call.region)
    statuses.owe(tx, call, home, arn, role, record, failed=failed)

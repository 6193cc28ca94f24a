"""SMS: an account's defaults, what a message's attributes say, and the message as it is kept.

docs.aws.amazon.com/sns/latest/api/API_SetSMSAttributes.html and
docs.aws.amazon.com/sns/latest/dg/sms_publish-to-phone.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ogi.errors import unsupported
from ogi.service import Call
from ogi.services.sns import carrier_statuses, feedback, phones, sandboxes
from ogi.services.sns.contents import Attribute, Content
from ogi.services.sns.errors import InvalidParameterException
from ogi.services.sns.outbox import Letter
from ogi.storage import Home, Reader
from ogi.storage.tables import Table

TEXT_CHARS_MAX = 1_600
"""Of one publish; it goes in as many parts as it takes."""
TYPES = ("Promotional", "Transactional")
SPEND_LIMIT = "1"
"""US dollars a month, where an account has asked for nothing else."""
_NAMES = frozenset(
    {
        "MonthlySpendLimit",
        "DefaultSenderID",
        "DefaultSMSType",
        "UsageReportS3Bucket",
        carrier_statuses.ROLE,
        carrier_statuses.RATE,
    }
)
"""What an account may set; an empty value sets each back, as terraform-provider-aws does it."""
_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]{1,11}")
_PREFIXES = ("AWS.SNS.SMS.", "AWS.MM.SMS.")
_RULES: Mapping[str, re.Pattern[str]] = {
    "AWS.SNS.SMS.SenderID": _SENDER,
    "AWS.SNS.SMS.SMSType": re.compile("|".join(TYPES)),
    "AWS.SNS.SMS.MaxPrice": re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?"),
    "AWS.MM.SMS.OriginationNumber": re.compile(r"\+?[0-9]{5,14}"),
    "AWS.MM.SMS.EntityId": re.compile(r"[A-Za-z0-9]{1,50}"),
    "AWS.MM.SMS.TemplateId": re.compile(r"[A-Za-z0-9]{1,50}"),
}


class Defaults(msgspec.Struct, frozen=True):
    """What SetSMSAttributes has set, by its names."""

    attributes: dict[str, str] = {}


DEFAULTS = Table("sns.sms", Defaults)


def defaults(tx: Reader, home: Home) -> dict[str, str]:
    """As GetSMSAttributes answers them."""
    found = DEFAULTS.get(tx, home) or Defaults()
    return {"MonthlySpendLimit": SPEND_LIMIT, **found.attributes}


def changed(found: Mapping[str, str], attributes: Mapping[str, str], account: str) -> Defaults:
    """An account's defaults with these attributes; raises what SNS refuses."""
    made = dict(found)
    for name, value in attributes.items():
        if not value and name in _NAMES:
            made.pop(name, None)
            continue
        if name == "UsageReportS3Bucket":
            raise unsupported(f"the SMS attribute {name}")
        if name in (carrier_statuses.ROLE, carrier_statuses.RATE):
            feedback.check(account, name, value)
            made[name] = value
            continue
        good = {
            "MonthlySpendLimit": value.isdecimal() and len(value) < 10,
            "DefaultSenderID": _SENDER.fullmatch(value) is not None,
            "DefaultSMSType": value in TYPES,
        }.get(name)
        if good is None:
            raise InvalidParameterException.of("attributes", f"{name} is not an SMS attribute")
        if not good and name == "DefaultSenderID":
            # AWS's answer in the tests of github.com/ballerina-platform/module-ballerinax-aws.sns.
            raise InvalidParameterException(f"{name} is invalid")
        if not good:
            raise InvalidParameterException.of(name)
        made[name] = value
    return Defaults(made)


def check(content: Content) -> None:
    """Raise what SNS refuses of a message to a phone number."""
    if len(content.text_for("sms")) > TEXT_CHARS_MAX:
        raise InvalidParameterException.of("Message too long")
    for name, value in _of_message(content).items():
        if not _RULES[name].fullmatch(value.text):
            raise InvalidParameterException.of(name)


def letter(
    tx: Reader, call: Call, number: str, content: Content, topic_arn: str = "", name: str = ""
) -> Letter:
    """The message for the outbox. name: of a topic, as which it is from; call: in its account."""
    home = call.home
    said = defaults(tx, home)
    attributes = {"AWS.SNS.SMS.SMSType": said.get("DefaultSMSType", TYPES[0])}
    if said.get("DefaultSenderID"):
        attributes["AWS.SNS.SMS.SenderID"] = said["DefaultSenderID"]
    attributes |= {key: value.text for key, value in _of_message(content).items()}
    text = content.text_for("sms")
    return Letter(
        kind="sms",
        to=number,
        # A topic's display name goes before its texts (docs: sms_publish-to-topic).
        text=f"{name}> {text}" if name else text,
        sender=attributes.get("AWS.SNS.SMS.SenderID", ""),
        message_id=content.id,
        topic_arn=topic_arn,
        attributes=attributes,
        refused=_obstacle(tx, call, home, number, content),
    )


def _obstacle(tx: Reader, call: Call, home: Home, number: str, content: Content) -> str:
    """Why a carrier would not bring the message; '' if it would."""
    if phones.is_opted_out(tx, home, number):
        return "Phone number is opted out"
    if call.ports.settings.sms_sandbox and not sandboxes.is_verified(tx, home, number):
        return "Phone number is not verified in the SMS sandbox"
    try:
        check(content)
    except InvalidParameterException as error:
        return error.message
    return ""


def _of_message(content: Content) -> dict[str, Attribute]:
    return {
        name: value
        for name, value in content.attributes.items()
        if name.startswith(_PREFIXES) and name in _RULES
    }

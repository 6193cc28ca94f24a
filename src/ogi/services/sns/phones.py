"""Phone numbers: which are opted out, and what keeps a message from one.

docs.aws.amazon.com/sns/latest/dg/sms_manage.html ("Opting out of receiving SMS messages") and
docs.aws.amazon.com/sns/latest/api/API_OptInPhoneNumber.html
"""

from __future__ import annotations

import re

import msgspec

from ogi.service import Call
from ogi.services.sns import pages
from ogi.services.sns.errors import InvalidParameterException
from ogi.storage import Home, Reader, Transaction
from ogi.storage.tables import Table

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
STOPS = frozenset((
    "ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE",
))  # fmt: skip
"""Replies that opt a number out."""
OPT_IN_EVERY_S = 30 * 86_400
""" "You can opt in a phone number only once every 30 days" (the action's page)."""


class OptedOut(msgspec.Struct, frozen=True):
    number: str
    since: float


class OptedIn(msgspec.Struct, frozen=True):
    at: float


OPTED_OUT = Table("sns.opted_out", OptedOut)
OPTED_IN = Table("sns.opted_in", OptedIn)


def is_number(text: str) -> bool:
    return E164.fullmatch(text) is not None


def dialled(text: str) -> str:
    """A number of a subscription as it is dialled: a dash between two digits is none of it.

    "+63-123-456-7890" is one, as somebody tells of AWS in github.com/getmoto/moto/issues/2529.
    """
    return re.sub(r"(?<=[0-9])-(?=[0-9])", "", text)


def checked(number: str) -> str:
    """The number of a request; raises if it is none, in AWS's words (the tests of
    github.com/ballerina-platform/module-ballerinax-aws.sns)."""
    if not is_number(number):
        raise InvalidParameterException.of("PhoneNumber", "input incorrectly formatted")
    return number


def is_opted_out(tx: Reader, home: Home, number: str) -> bool:
    return OPTED_OUT.get(tx, home, number) is not None


def opted_out(tx: Reader, home: Home, start: bytes | None) -> list[tuple[bytes, OptedOut]]:
    """A page of the numbers that are opted out, and one more."""
    return OPTED_OUT.scan(tx, home, limit=pages.PAGE + 1, start=start)


def reply(tx: Transaction, call: Call, number: str, text: str) -> bool:
    """What the holder of a number answers to a message; whether the number is opted out by it."""
    checked(number)
    if text.strip().upper() not in STOPS:
        return False
    OPTED_OUT.put(tx, OptedOut(number, call.now), call.home, number)
    return True


def opt_in(tx: Transaction, call: Call, number: str) -> None:
    """Messages to the number are delivered again."""
    if not is_opted_out(tx, call.home, checked(number)):
        return
    latest = OPTED_IN.get(tx, call.home, number)
    if latest is not None and latest.at + OPT_IN_EVERY_S > call.now:
        raise InvalidParameterException.of("Cannot opt in right now, latest opt in is too recent")
    OPTED_OUT.delete(tx, call.home, number)
    OPTED_IN.put(tx, OptedIn(call.now), call.home, number)

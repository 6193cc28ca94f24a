"""Phone numbers: which are opted out, and whether a message may go to one.

docs.aws.amazon.com/sns/latest/dg/sms_manage.html (opting out), .../sns-sms-sandbox.html
"""

from __future__ import annotations

import re

import msgspec

from ogi.service import Call
from ogi.services.sns.errors import InvalidParameterException
from ogi.storage import Home, Reader, Transaction
from ogi.storage.tables import Table

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
STOPS = frozenset((
    "ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE",
))  # fmt: skip
"""Replies that opt a number out (docs: sms_manage, "Opting out of receiving SMS messages")."""


class OptedOut(msgspec.Struct, frozen=True):
    number: str
    since: float


OPTED_OUT = Table("sns.opted_out", OptedOut)


def is_number(text: str) -> bool:
    return E164.fullmatch(text) is not None


def is_opted_out(tx: Reader, home: Home, number: str) -> bool:
    return OPTED_OUT.get(tx, home, number) is not None


def reply(tx: Transaction, call: Call, number: str, text: str) -> bool:
    """What the holder of a number answers to a message; whether the number is opted out by it."""
    if not is_number(number):
        raise InvalidParameterException.of("PhoneNumber")
    if text.strip().upper() not in STOPS:
        return False
    OPTED_OUT.put(tx, OptedOut(number, call.now), call.home, number)
    return True

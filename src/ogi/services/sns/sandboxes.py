"""The SMS sandbox: destination numbers that an account has verified by a password for one use.

Which numbers there may be is the model's, and refused before a request comes here.
Ogi's accounts are outside of it unless `sms_sandbox` says otherwise; numbers can be verified in any
case. docs.aws.amazon.com/sns/latest/dg/sns-mobile-phone-number-getting-started.html
"""

from __future__ import annotations

import hmac

import msgspec

from ogi.service import Call
from ogi.services.sns import phones
from ogi.services.sns.errors import (
    OptedOutException,
    ResourceNotFoundException,
    ThrottledException,
    UserErrorException,
)
from ogi.storage import Home, Reader, Transaction
from ogi.storage.tables import Table

VERIFIED_MAX = 10
""" "You can have up to 10 verified destination phone numbers"; those that wait count as well."""
KEPT_S_MIN = 86_400
""" "You can delete destination phone numbers only after a minimum of 24 hours have passed since
verification, or the last verification attempt"."""
SENT_MAX, SENT_S = 5, 86_400
""" "You can send the OTP to the same destination phone number up to five times every 24 hours"
(docs: sns-sms-sandbox-verifying-phone-numbers)."""
PASSWORD_S = 15 * 60
ATTEMPTS_MAX = 5
"""Guesses at one password; it is worth nothing after them."""


class Number(msgspec.Struct, frozen=True):
    number: str
    verified: bool = False
    password: str = ""
    password_until: float = 0.0
    attempts: int = 0
    touched: float = 0.0
    """When it was verified, or verification was last tried; 0: never."""
    sent: tuple[float, ...] = ()
    """When passwords were sent within the last day."""

    @property
    def status(self) -> str:
        return "Verified" if self.verified else "Pending"


NUMBERS = Table("sns.sandbox", Number)


def is_verified(tx: Reader, home: Home, number: str) -> bool:
    found = NUMBERS.get(tx, home, number)
    return found is not None and found.verified


def add(tx: Transaction, call: Call, number: str) -> str:
    """The new password that the number is to be sent."""
    if phones.is_opted_out(tx, call.home, number):
        raise OptedOutException
    found = NUMBERS.get(tx, call.home, number)
    if found is None:
        if len(NUMBERS.scan(tx, call.home, limit=VERIFIED_MAX)) == VERIFIED_MAX:
            raise UserErrorException("The maximum number of verified phone numbers was reached")
        found = Number(number)
    if found.verified:
        raise UserErrorException("The phone number is verified already")
    sent = tuple(at for at in found.sent if at + SENT_S > call.now)
    if len(sent) == SENT_MAX:
        raise ThrottledException
    password = f"{int.from_bytes(call.entropy(8), 'big') % 1_000_000:06}"
    made = Number(
        number, password=password, password_until=call.now + PASSWORD_S, touched=found.touched,
        sent=(*sent, call.now),
    )  # fmt: skip
    NUMBERS.put(tx, made, call.home, number)
    return password


def verify(tx: Transaction, call: Call, number: str, password: str) -> bool:
    """Whether the password was right. Attempts count, so this raises nothing for a wrong one."""
    found = _found(tx, call, number)
    if found.verified:
        return True
    good = found.attempts < ATTEMPTS_MAX and found.password_until > call.now
    right = hmac.compare_digest(found.password.encode(), password.encode())
    change = msgspec.structs.replace
    if good and right:
        made = change(found, verified=True, password="", touched=call.now)
    else:
        made = change(found, attempts=found.attempts + 1, touched=call.now)
    NUMBERS.put(tx, made, call.home, number)
    return made.verified


def remove(tx: Transaction, call: Call, number: str) -> None:
    found = _found(tx, call, number)
    if found.touched + KEPT_S_MIN > call.now:
        raise UserErrorException(
            "A phone number can be deleted 24 hours after its verification or the last attempt"
        )
    NUMBERS.delete(tx, call.home, number)


def _found(tx: Reader, call: Call, number: str) -> Number:
    found = NUMBERS.get(tx, call.home, number)
    if found is None:
        raise ResourceNotFoundException
    return found

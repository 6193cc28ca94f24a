"""The outbox: what would leave by a carrier that is not here: SMS, mobile push, and mails where no
SMTP server is set. `ogi outbox` reads it.

Law: it is bounded and sealed. An account and region keeps its latest messages, the oldest go first,
and none stays longer than a week.
"""

from __future__ import annotations

import msgspec

from ogi import arn as arns
from ogi import deliveries, sealing
from ogi.service import Call, Fields
from ogi.services.sns.service import SERVICE
from ogi.storage import Home, Reader, Transaction
from ogi.storage.tables import Table

LETTERS_MAX = 1_000
"""Messages kept in an account and region."""
KEPT_S = 7 * 86_400
PAGE = 100


class Letter(msgspec.Struct, frozen=True):
    """One message as its recipient would get it."""

    kind: str
    """`email`, `sms`, or the platform of a push: `APNS`, `GCM`, ..."""
    to: str
    """An address, a phone number, or an endpoint's ARN."""
    text: str
    sender: str = ""
    subject: str = ""
    message_id: str = ""
    topic_arn: str = ""
    """'' for what was published to the recipient directly."""
    token: str = ""
    """Of the device, for a push."""
    attributes: dict[str, str] = {}
    refused: str = ""
    """Why the carrier would not have brought it; '' if it would."""


class Entry(msgspec.Struct, frozen=True):
    at: float
    sealed: bytes


class Count(msgspec.Struct, frozen=True):
    kept: int = 0
    """How many there are; while there are any, a sweep is owed."""
    latest: int = 0
    """The number of the latest: they are numbered as they come."""


ENTRIES = Table("sns.outbox", Entry, cached=False)
COUNT = Table("sns.outbox_count", Count)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Letter).decode


def home_of(account: str, region: str) -> Home:
    return Home(arns.make("sns", region, account, "outbox/messages"))


def keep(tx: Transaction, call: Call, letter: Letter) -> None:
    """Keep a message in the outbox of the call's account and region."""
    home = home_of(call.account, call.region)
    count = COUNT.get(tx, home) or Count()
    kept, number = count.kept, count.latest + 1
    if not kept:
        _owe_sweep(tx, call, home, call.now + KEPT_S)
    if kept >= LETTERS_MAX:
        for key, _ in ENTRIES.scan(tx, home, limit=1):
            ENTRIES.delete(tx, home, _number(key))
            kept -= 1
    sealed = sealing.seal(
        tx, call, _encode(letter), purpose=f"sns/{home}", key_id=None, context={},
        bound=number.to_bytes(8, "big"),
    )  # fmt: skip
    ENTRIES.put(tx, Entry(call.now, sealed), home, number)
    COUNT.put(tx, Count(kept + 1, number), home)
    call.note("sns.outbox", to=letter.to, protocol=letter.kind, refused=letter.refused)


def latest(tx: Reader, call: Call, limit: int, after: int = 0) -> list[tuple[int, float, Letter]]:
    """(number, when, message), the newest first; after: the number of the last that was seen."""
    home = home_of(call.account, call.region)
    rows = ENTRIES.scan(tx, home, limit=limit, reverse=True)
    numbered = ((_number(key), entry) for key, entry in rows)
    return [
        (number, entry.at, _opened(tx, call, home, number, entry))
        for number, entry in numbered
        if number > after
    ]


def _opened(tx: Reader, call: Call, home: Home, number: int, entry: Entry) -> Letter:
    return _decode(
        sealing.open(
            tx, call, entry.sealed, purpose=f"sns/{home}", context={},
            bound=number.to_bytes(8, "big"),
        )
    )  # fmt: skip


def _number(key: bytes) -> int:
    return int.from_bytes(key, "big")


def _owe_sweep(tx: Transaction, call: Call, home: Home, due: float) -> None:
    request = {"Account": call.account, "Region": call.region}
    deliveries.post(tx, call, home, "sns", "sweep_outbox", request, due=due)


def _home(call: Call, request: Fields) -> Home:
    return home_of(request["Account"], request["Region"])


@SERVICE.duty(home=_home)
def sweep_outbox(tx: Transaction, call: Call, request: Fields) -> Fields:
    """Drop what is too old, a page at a time, and come back for what is not yet."""
    home = _home(call, request)
    rows = ENTRIES.scan(tx, home, limit=PAGE + 1)
    old = [key for key, entry in rows[:PAGE] if entry.at + KEPT_S <= call.now]
    for key in old:
        ENTRIES.delete(tx, home, _number(key))
    count = COUNT.get(tx, home) or Count()
    COUNT.put(tx, msgspec.structs.replace(count, kept=count.kept - len(old)), home)
    if len(rows) > len(old):
        left = rows[len(old)][1]
        _owe_sweep(tx, call, home, max(call.now, left.at + KEPT_S))
    return {}

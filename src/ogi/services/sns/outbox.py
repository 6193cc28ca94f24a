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
    """How many there are; while there are any, a sweep is owed."""

    number: int = 0


ENTRIES = Table("sns.outbox", Entry, cached=False)
COUNT = Table("sns.outbox_count", Count)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Letter).decode


def home_of(account: str, region: str) -> Home:
    return Home(arns.make("sns", region, account, "outbox/messages"))


def keep(tx: Transaction, call: Call, letter: Letter) -> None:
    """Keep a message in the outbox of the call's account and region."""
    home = home_of(call.account, call.region)
    id = call.new_id()
    sealed = sealing.seal(
        tx, call, _encode(letter), purpose=f"sns/{home}", key_id=None, context={}, bound=id.encode()
    )
    number = (COUNT.get(tx, home) or Count()).number
    if not number:
        _owe_sweep(tx, call, home, call.now + KEPT_S)
    if number >= LETTERS_MAX:
        for key, _ in ENTRIES.scan(tx, home, limit=1):
            _drop(tx, home, key)
            number -= 1
    ENTRIES.put(tx, Entry(call.now, sealed), home, int(call.now * 1000), id)
    COUNT.put(tx, Count(number + 1), home)
    call.note("sns.outbox", to=letter.to, protocol=letter.kind, refused=letter.refused)


def latest(
    tx: Reader, call: Call, limit: int, after: bytes = b""
) -> list[tuple[bytes, float, Letter]]:
    """(key, when, message), the newest first; after: the key of the last one that was seen."""
    home = home_of(call.account, call.region)
    rows = ENTRIES.scan(tx, home, limit=limit, reverse=True)
    if after:
        rows = [row for row in rows if row[0] > after]
    return [(key, entry.at, _opened(tx, call, home, key, entry)) for key, entry in rows]


def _opened(tx: Reader, call: Call, home: Home, key: bytes, entry: Entry) -> Letter:
    return _decode(
        sealing.open(
            tx, call, entry.sealed, purpose=f"sns/{home}", context={}, bound=_id(key).encode()
        )
    )


def _id(key: bytes) -> str:
    """The id behind the eight bytes of the time; a text part ends with two NULs."""
    return key[8:-2].decode()


def _drop(tx: Transaction, home: Home, key: bytes) -> None:
    ENTRIES.delete(tx, home, int.from_bytes(key[:8], "big"), _id(key))


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
        _drop(tx, home, key)
    number = (COUNT.get(tx, home) or Count()).number - len(old)
    COUNT.put(tx, Count(max(number, 0)), home)
    if len(rows) > len(old):
        left = rows[len(old)][1]
        _owe_sweep(tx, call, home, max(call.now, left.at + KEPT_S))
    return {}

"""Owners: whose a subscription is, and where his subscriptions lie.

A subscription lies with its topic, which may be another account's: "a list of the requester's
subscriptions" (the page of ListSubscriptions) looks into his own account, and into those where he
has ever subscribed to a topic.
"""

from __future__ import annotations

import msgspec

from ogi.services.sns import subscriptions
from ogi.services.sns.errors import InvalidParameterException
from ogi.services.sns.subscriptions import ABROAD, Subscription
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.tables import Table

LOOKED_AT_MAX = 1_000
"""Subscriptions that one request looks at, others' among them."""
ACCOUNTS_MAX = 1_000
"""Other accounts that are remembered of an owner."""
_ACCOUNT_CHARS = 12


class Places(msgspec.Struct, frozen=True):
    """The other accounts to whose topics an owner has subscribed in a region."""

    accounts: tuple[str, ...] = ()


PLACES = Table("sns.places", Places)


def remember(tx: Transaction, made: Subscription) -> None:
    """Note where a new subscription's owner finds it. The home of this is the owner's."""
    account = made.topic_arn.split(":")[4]
    home = home_of(made.owner, made.topic_arn.split(":")[3])
    places = PLACES.get(tx, home) or Places()
    if account == made.owner or account in places.accounts:
        return
    PLACES.put(tx, Places((*places.accounts, account)[-ACCOUNTS_MAX:]), home)


def home_of(owner: str, region: str) -> Home:
    return control(owner, region)


def page(
    tx: Reader, owner: str, region: str, after: bytes | None, limit: int
) -> tuple[list[Subscription], bytes | None]:
    """Subscriptions of an owner behind a place, and the place of the last if there may be more."""
    others = (PLACES.get(tx, home_of(owner, region)) or Places()).accounts
    accounts = [owner, *sorted(others)]
    at, rest = owner, b""
    if after is not None:
        at, rest = after[:_ACCOUNT_CHARS].decode("ascii", "replace"), after[_ACCOUNT_CHARS:]
        if at not in accounts:
            raise InvalidParameterException.of("NextToken")
    found: list[Subscription] = []
    left = LOOKED_AT_MAX
    for account in accounts[accounts.index(at) :]:
        start = rest + b"\x00" if rest else None
        rest = b""
        rows = _rows(tx, owner, account, region, left, start)
        left -= len(rows)
        for place, row in rows:
            if row is None or row.owner != owner:
                continue
            found.append(row)
            if len(found) == limit:
                return found, account.encode() + place
        if left <= 0:
            return found, account.encode() + rows[-1][0]
    return found, None


def _rows(
    tx: Reader, owner: str, account: str, region: str, limit: int, start: bytes | None
) -> list[tuple[bytes, Subscription | None]]:
    home = control(account, region)
    if account == owner:
        return list(subscriptions.TABLE.scan(tx, home, limit=limit, start=start))
    rows = ABROAD.scan(tx, home, owner, limit=limit, start=start)
    return [(rest, subscriptions.TABLE.get(tx, home, row.topic, row.id)) for rest, row in rows]

"""The last use of each key: noted in memory and written down now and then; a use writes nothing.

docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html
"""

from __future__ import annotations

import msgspec

from ogi.recorders import Recorder
from ogi.service import Call, Ports
from ogi.services.kms import managed
from ogi.services.kms.records import KEYS, Key
from ogi.storage import Home, Reader, Transaction, control
from ogi.storage.tables import Table
from ogi.uses import KeyUse, Place

PAUSE_S = 5.0
"""Between two rounds of writing."""


class LastUse(msgspec.Struct, frozen=True, array_like=True):
    at: float
    operation: str
    request_id: str


_TABLE = Table("kms.uses", LastUse, cached=False)
"""key id"""


def note(call: Call, operation: str, key: Key) -> None:
    place = (key.account, key.region, key.id)
    call.ports.key_uses.put(place, KeyUse(call.now, operation, call.request_id))


def last(tx: Reader, call: Call, key: Key) -> LastUse | None:
    """The last use of a key, as far as it is known."""
    noted = call.ports.key_uses.get((key.account, key.region, key.id))
    if noted is not None:
        return LastUse(*noted)
    return _TABLE.get(tx, control(key.account, key.region), key.id)


def forget(tx: Transaction, key: Key) -> None:
    _TABLE.delete(tx, control(key.account, key.region), key.id)


def recorder(ports: Ports) -> Recorder[Place, KeyUse]:
    """The worker that writes down what was noted."""
    return Recorder(ports, "kms.uses", ports.key_uses, PAUSE_S, _home, _record)


def _home(place: Place) -> Home:
    account, region, _ = place
    return control(account, region)


def _record(tx: Transaction, place: Place, use: KeyUse) -> None:
    """A key that was deleted meanwhile is left out; AWS-managed ones have no record."""
    account, region, id = place
    home = control(account, region)
    if KEYS.get(tx, home, id) is not None or id in managed.all_of(account, region):
        _TABLE.put(tx, LastUse(*use), home, id)

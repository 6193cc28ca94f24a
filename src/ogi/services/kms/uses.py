"""The last use of each key: noted in memory and written down now and then; a use writes nothing.

docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from ogi.service import Call, Ports
from ogi.services.kms import managed
from ogi.services.kms.records import KEYS, Key
from ogi.storage import Reader, Transaction, control
from ogi.storage.tables import Table
from ogi.uses import KeyUse, Place

PAUSE_S = 5.0
"""Between two rounds of writing; what was noted since the last is lost if the process dies."""
BATCH_MAX = 100
"""Keys in one transaction."""

log = logging.getLogger("ogi.services.kms")


class LastUse(msgspec.Struct, frozen=True, array_like=True):
    at: float
    operation: str
    request_id: str


_TABLE = Table("kms.uses", LastUse, cached=False)
"""key id"""


def note(call: Call, operation: str, key: Key) -> None:
    place = (key.account, key.region, key.id)
    call.ports.key_uses.note(place, KeyUse(call.now, operation, call.request_id))


def last(tx: Reader, call: Call, key: Key) -> LastUse | None:
    """The last use of a key, as far as it is known."""
    noted = call.ports.key_uses.last((key.account, key.region, key.id))
    if noted is not None:
        return LastUse(*noted)
    return _TABLE.get(tx, control(key.account, key.region), key.id)


def forget(tx: Transaction, key: Key) -> None:
    _TABLE.delete(tx, control(key.account, key.region), key.id)


class Recorder:
    """Writes down what was noted."""

    name = "kms.uses"

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._never = asyncio.Event()

    async def work(self) -> bool:
        ports = self._ports
        found = ports.key_uses.first(BATCH_MAX)
        if not found:
            return False
        (account, region, _), _ = found[0]
        home = control(account, region)

        def body(tx: Transaction) -> None:
            for place, use in found:
                _record(tx, place, use)

        await ports.store.transact(body, home)
        ports.key_uses.done(found)
        return ports.key_uses.noted.is_set()

    async def wait(self) -> None:
        """Let uses gather: at most one round in a pause."""
        await self._ports.key_uses.noted.wait()
        clock = self._ports.clock
        await clock.wait(self._never, clock.now() + PAUSE_S)

    async def close(self) -> None:
        """Write what is left: a server that is stopped in order forgets nothing."""
        try:
            while await self.work():
                pass
        except Exception:
            # The rest of the server must be stopped all the same.
            log.exception("last uses of keys are lost")


def _record(tx: Transaction, place: Place, use: KeyUse) -> None:
    """A key that was deleted meanwhile is left out; AWS-managed ones have no record."""
    account, region, id = place
    home = control(account, region)
    if KEYS.get(tx, home, id) is not None or id in managed.all_of(account, region):
        _TABLE.put(tx, LastUse(*use), home, id)

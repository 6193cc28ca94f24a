"""Key material sealed anew under the vault's newest generation, key by key, in every region."""

from __future__ import annotations

from functools import partial

import msgspec

from ogi import rewraps
from ogi.service import Ports, Run
from ogi.services.kms import materials
from ogi.services.kms.records import KEYS, Key, Material
from ogi.storage import Home, Reader
from ogi.storage.keys import after
from ogi.vault import Vault

_PLACES = b"control/"
"""What the names of the control homes of accounts and regions begin with."""


async def rewrap(ports: Ports) -> int:
    """Service.rewrap: how many keys' material was sealed anew."""

    def anew(run: Run, key: Key) -> Key:
        return _rewrapped(ports.vault, run, key)

    changed, begin = 0, _PLACES
    while True:
        home = await ports.store.read(partial(_home_from, begin=begin))
        if home is None:
            return changed
        changed += await rewraps.table(ports, KEYS, home, anew)
        begin = home.encode() + b"\x01"


def _home_from(tx: Reader, begin: bytes) -> Home | None:
    """The first control home whose records lie behind `begin`."""
    for key, _ in tx.scan(begin, after(_PLACES), 1):
        return Home(key.split(b"\x00", 1)[0].decode())
    return None


def _rewrapped(vault: Vault, run: Run, key: Key) -> Key:
    def anew(made: Material) -> Material:
        return materials.rewrapped(vault, run, key.arn, made)

    return msgspec.structs.replace(
        key,
        materials=tuple(map(anew, key.materials)),
        pending=key.pending and anew(key.pending),
    )

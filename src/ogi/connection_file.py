"""How to reach the server, as a file of its data folder: for `ogi env` and for the user.

The store keeps the administrator's secret sealed; this file is its only copy in the clear, readable
by its owner alone. It is written anew at each start. Where the root key lies elsewhere, so that a
stolen folder is worth nothing, the file lies in the user's folder in memory (XDG_RUNTIME_DIR), if
there is one, and the data folder has a link to it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

NAME = "connection.json"
FOLDER = "ogi"
"""Within the folder in memory; a file for each data folder."""


class Connection(msgspec.Struct, frozen=True):
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    authority: str = ""
    """The file of the authority under which the endpoint speaks TLS, if it is Ogi's own."""


def write(data: Path, connection: Connection, memory: Path | None = None) -> None:
    """Keep it at mode 0600; an older file is replaced. `memory`: the folder in memory, if it is to
    lie there."""
    made = data / f"{NAME}.new"
    made.unlink(missing_ok=True)
    if memory is None:
        _create(made, connection)
    else:
        (memory / FOLDER).mkdir(mode=0o700, exist_ok=True)
        digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()
        real = memory / FOLDER / f"{digest[:32]}.json"
        fresh = real.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        _create(fresh, connection)
        fresh.rename(real)
        made.symlink_to(real)
    made.rename(data / NAME)


def _create(path: Path, connection: Connection) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(connection))
        file.flush()
        os.fsync(file.fileno())


def read(data: Path) -> Connection | None:
    """None if the folder has none yet: no server has started there."""
    try:
        raw = (data / NAME).read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(raw, type=Connection)

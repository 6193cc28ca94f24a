"""How to reach the server, as a file of its data folder: for `ogi env` and for the user.

The store keeps the administrator's secret sealed; this file is its only copy in the clear, readable
by its owner alone. It is written anew at each start.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

NAME = "connection.json"


class Connection(msgspec.Struct, frozen=True):
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    authority: str = ""
    """The file of the authority under which the endpoint speaks TLS, if it is Ogi's own."""


def write(data: Path, connection: Connection) -> None:
    """Keep it at mode 0600; an older file is replaced."""
    made = data / f"{NAME}.new"
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(connection))
        file.flush()
        os.fsync(file.fileno())
    made.rename(data / NAME)


def read(data: Path) -> Connection | None:
    """None if the folder has none yet: no server has started there."""
    try:
        raw = (data / NAME).read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(raw, type=Connection)

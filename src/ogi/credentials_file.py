"""The administrator's credentials as a file of the data folder, for `ogi env` and the user.

The store keeps the secret sealed; this file is its only copy in the clear, readable by its owner.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

NAME = "credentials.json"


def write(data: Path, access_key_id: str, secret_access_key: str) -> None:
    """Keep them at mode 0600; an older file is replaced."""
    made = data / f"{NAME}.new"
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump({"access_key_id": access_key_id, "secret_access_key": secret_access_key}, file)
        file.flush()
        os.fsync(file.fileno())
    made.rename(data / NAME)


def read(data: Path) -> tuple[str, str] | None:
    """(access key id, secret), or None if the folder has none yet."""
    try:
        found = json.loads((data / NAME).read_text())
    except FileNotFoundError:
        return None
    return found["access_key_id"], found["secret_access_key"]

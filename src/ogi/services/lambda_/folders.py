"""Unpacked packages: folders that environments see as /var/task, made at the first cold start.

They are plain, so they last as long as the process (ogi.app empties their place).
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from ogi.service import Ports
from ogi.services.lambda_ import archives, packages
from ogi.services.lambda_.uploads import folder_of
from ogi.storage import Blob


class Folders:
    """The folders of one process."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._made: dict[str, asyncio.Task[Path]] = {}

    async def of(self, blob: Blob, key: bytes) -> Path:
        """The folder of a package. Who comes second waits for the first."""
        making = self._made.get(blob.name)
        if making is None or (making.done() and not _good(making)):
            making = asyncio.get_running_loop().create_task(self._make(blob, key))
            self._made[blob.name] = making
        return await asyncio.shield(making)

    async def _make(self, blob: Blob, key: bytes) -> Path:
        folder = folder_of(self._ports, blob.name)
        await asyncio.to_thread(shutil.rmtree, folder, True)
        parts = [piece async for piece in archives.read(self._ports, blob, key)]
        await asyncio.to_thread(packages.unpack, b"".join(parts), folder)
        return folder


def _good(making: asyncio.Task[Path]) -> bool:
    return not making.cancelled() and making.exception() is None and making.result().is_dir()

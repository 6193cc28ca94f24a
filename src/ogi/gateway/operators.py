"""The operator's socket: what the owner of the data folder may ask of a running server.

It lies in the data folder (mode 0600 in a folder of mode 0700), and answers only processes of the
user that runs the server, or root: there is no other way in. A request and its answer are one line
of JSON each.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from pathlib import Path

import msgspec

from ogi import roots
from ogi.gateway import authority
from ogi.keyring import Keyring
from ogi.roots import RootError, Source
from ogi.service import Ports

NAME = "keys.sock"
LINE_BYTES_MAX = 64 * 1024
READ_S_MAX = 10.0
WAITING_MAX = 8
"""Connections at once; more are closed."""

log = logging.getLogger("ogi.keys")


class Asked(msgspec.Struct, frozen=True):
    do: str
    """`status`, `rotate` or `move`."""
    to: str = ""
    """Of `move`: as the setting --root-key."""
    endpoint: str = ""
    region: str = ""
    secret: str | None = None
    """The new passphrase, or the new key of the environment."""

    def __repr__(self) -> str:
        return f"Asked(do={self.do!r}, to={self.to!r})"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    error: str = ""
    kind: str = ""
    generation: int = 0
    settled: bool = True
    rewrapped: int = 0
    """Records whose keys were sealed anew."""


class Operators:
    def __init__(self, ports: Ports, keyring: Keyring) -> None:
        self._ports = ports
        self._keyring = keyring
        self._lock = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self, folder: Path) -> None:
        path = folder / NAME
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        old = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE_BYTES_MAX)
        finally:
            os.umask(old)

    async def close(self) -> None:
        """Answer no more; a rotation in progress goes on to its end."""
        if self._server is not None:
            self._server.close()
        async with self._lock:
            for writer in self._open:
                writer.close()

    async def settle(self) -> int:
        """Seal keys in records under the newest generation, if a process died before it had."""
        keyring, ports, changed = self._keyring, self._ports, 0
        if keyring.settled:
            return 0
        for service in ports.services.values():
            if service.rewrap is not None:
                changed += await service.rewrap(ports)
        changed += await asyncio.to_thread(authority.rewrap, ports.settings.data, ports.vault)
        await asyncio.to_thread(keyring.settle)
        return changed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if len(self._open) <= WAITING_MAX and _is_owner(writer):
                async with asyncio.timeout(READ_S_MAX):
                    line = await reader.readline()
                answer = await self._answer(line)
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            # It went away, was too slow or said too much.
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            asked = msgspec.json.decode(line, type=Asked)
            async with self._lock:
                changed = await self._do(asked)
            keyring = self._keyring
            return Answer(
                kind=keyring.kind,
                generation=keyring.vault.generation,
                settled=keyring.settled,
                rewrapped=changed,
            )
        except (RootError, msgspec.DecodeError, OSError) as error:
            return Answer(error=str(error))
        except Exception:
            log.exception("an operator's request failed")
            return Answer(error="Ogi failed; its log says why. The root key may be the old or the"
                          " new one: keep both until the server has started again.")  # fmt: skip

    async def _do(self, asked: Asked) -> int:
        if asked.do == "status":
            return 0
        if asked.do == "rotate":
            source = self._keyring.source
        elif asked.do == "move":
            source = roots.parse(asked.to, asked.endpoint, asked.region)
        else:
            raise RootError(f"There is no request {asked.do!r}.")
        if source.kind in ("env", "passphrase") and asked.secret is None:
            raise RootError("The new key or passphrase is missing.")
        return await self._renew(source, asked.secret)

    async def _renew(self, source: Source, secret: str | None) -> int:
        # What was left by a rotation before this one comes first: one generation at a time.
        await self.settle()
        await asyncio.to_thread(self._keyring.rotate, source, secret, {})
        self._keyring.use_newest()
        log.warning("the root key was renewed", extra={"kind": self._keyring.kind})
        return await self.settle()


def _is_owner(writer: asyncio.StreamWriter) -> bool:
    """Whether the peer is a process of this user, or root, as the kernel says."""
    if not hasattr(socket, "SO_PEERCRED"):
        # Elsewhere the modes of folder and socket have to do.
        return True
    connection = writer.get_extra_info("socket")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", raw)
    return user in (0, os.getuid())

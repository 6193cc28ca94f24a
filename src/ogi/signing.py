"""Signatures made ahead, by another process, while the event loop goes on.

An RSA signature takes as long as several requests, and the library does not let go of the
interpreter's lock meanwhile. Who will need one asks for it before its transaction begins; who needs
one and finds none makes it where it stands. So nothing depends on the process: it is started when
it is first asked, and if it ends, everything is signed as before.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import OrderedDict
from typing import Final

from ogi.lines import End, framed, spawn
from ogi.signing_process import ASKED

KEPT_MAX: Final = 4_096
"""Signatures kept until somebody asks for them."""
WAITING_MAX: Final = 4_096
"""Digests that wait for the process; more are signed where they are needed. They fit the line."""
WANTED: Final = 64
"""Times that signatures are made ahead for a name until it has to show again that it needs them."""
NAMES_MAX: Final = 4_096
END_S_MAX: Final = 5.0


class Signing:
    """One process, and what it made. All methods are called on one event loop."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._waiting: dict[int, tuple[bytes, asyncio.Future[None]]] = {}
        self._last = 0
        self._line: End | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lost = False
        self._unsent: list[bytes] = []
        self._key = ""
        self._wanted: dict[str, int] = {}

    def wants(self, name: str) -> bool:
        """Whether what has this name needed a signature not long ago; each question counts."""
        left = self._wanted.get(name, 0)
        if left == 0:
            return False
        if left == 1:
            del self._wanted[name]
        else:
            self._wanted[name] = left - 1
        return True

    def needed(self, name: str) -> None:
        """What has this name needed a signature."""
        if len(self._wanted) >= NAMES_MAX:
            self._wanted.clear()
        self._wanted[name] = WANTED

    def find(self, key: str, digest: bytes) -> bytes | None:
        """The signature of a digest, if it was made ahead under this key."""
        return self._kept.get(digest) if key == self._key else None

    def ask(self, key: str, pem: bytes, digest: bytes, version: str) -> asyncio.Future[None] | None:
        """Have a digest signed; done when it can be found, or will not be. None: it will not be.

        key: a name of the private key whose PEM this is. version: SNS's SignatureVersion, which
        says by which hash the digest was made.
        """
        if self._lost or len(self._waiting) >= WAITING_MAX:
            return None
        loop = asyncio.get_running_loop()
        if self._line is None:
            line, self._process = spawn("ogi.signing_process", ())
            self._line = End(loop, line, self._hear, self._end)
        if not self._unsent:
            loop.call_soon(self._send)
        if key != self._key:
            self._key = key
            self._kept.clear()
            self._unsent.append(framed(b"K", pem))
        self._last += 1
        self._unsent.append(framed(b"S", ASKED.pack(self._last, version.encode()) + digest))
        made: asyncio.Future[None] = loop.create_future()
        self._waiting[self._last] = digest, made
        return made

    def clear(self) -> None:
        self._kept.clear()
        self._wanted.clear()

    async def close(self) -> None:
        self._end()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait, END_S_MAX)

    def _send(self) -> None:
        """All that was asked for in this turn of the loop."""
        said, self._unsent = b"".join(self._unsent), []
        if self._line is not None:
            self._line.say(said)

    def _hear(self, letter: bytes, text: bytes) -> None:
        number, _ = ASKED.unpack_from(text)
        digest, made = self._waiting.pop(number)
        if len(self._kept) >= KEPT_MAX:
            self._kept.popitem(last=False)
        self._kept[digest] = text[ASKED.size :]
        if not made.done():
            made.set_result(None)

    def _end(self) -> None:
        """The process is gone, or shall go: nobody waits for it any more."""
        self._lost = True
        line, self._line = self._line, None
        if line is not None:
            line.close()
        waiting, self._waiting = self._waiting, {}
        for _, made in waiting.values():
            if not made.done():
                made.set_result(None)

"""What a store is: an ordered map of bytes with transactions, and files of bytes beside it.

Laws: a transaction writes in the homes that it names and may read control records of any home; its
effect is a list of `(key, value or None)`; `transact` returns when that list is on disk. A body may
be run again, so it has no effect but on its transaction.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType, Protocol, TypeVar

import msgspec

from ogi.storage.beside import Beside

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

Changes = dict[bytes, bytes | None]
"""A write-set: key -> value, or None where the key was deleted."""
Entries = list[tuple[bytes, bytes]]

Done = Callable[[Any, BaseException | None], None]
"""Called once, on the event loop, with the result or the failure."""

Home = NewType("Home", str)
"""Where records live together: `control`, `control/ACCOUNT/REGION`, or a resource's ARN."""

CONTROL = Home("control")
"""Control records whose names are decided globally: identities, access keys, bucket names."""

KEY_BYTES_MAX = 4096
VALUE_BYTES_MAX = 8 * 1024 * 1024


def control(account: str, region: str) -> Home:
    """The home of the control records of one account in one region."""
    return Home(f"control/{account}/{region}")


class StrayWrite(Exception):
    """A transaction wrote outside of the homes that it named: a defect of ours."""


class Reader(Protocol):
    def get(self, key: bytes) -> bytes | None: ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `get` of each, but what has to be fetched is fetched together."""
        ...

    def scan(
        self, begin: bytes, end: bytes, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most `limit` entries with begin <= key < end, in order of the keys."""
        ...


class Transaction(Reader, Protocol):
    def set(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def take(self, changes: Changes, bells: Collection[bytes]) -> None:
        """Write and ring what another transaction over this one did."""
        ...

    def ring(self, bell: bytes) -> None:
        """Wake who listens to `bell`, once this transaction is durable."""
        ...

    def also(self, *homes: Home) -> bool:
        """Write in these homes too; False if they are not all held where this one runs."""
        ...


class Bell(Protocol):
    @property
    def event(self) -> asyncio.Event:
        """Set when the bell has rung since `listen` or the last `clear`."""
        ...

    def clear(self) -> None: ...


class Store(Protocol):
    beside: Beside

    async def transact(self, body: Callable[[Transaction], T], home: Home, *also: Home) -> T:
        """Run atomically; return when durable. May run `body` again.

        What `body` raises is raised here, and nothing of what it wrote remains.
        """
        ...

    def submit(
        self, body: Callable[[Transaction], Any], done: Done, home: Home, *also: Home
    ) -> None:
        """As `transact`, without a task: `done` hears what it would return or raise."""
        ...

    async def read(self, body: Callable[[Reader], T]) -> T:
        """Run on a consistent snapshot of all that is durable; never waits for writers."""
        ...

    def view(self) -> Reader:
        """What `read` would read, good until the event loop goes on."""
        ...

    def listen(self, bell: bytes) -> AbstractContextManager[Bell]:
        """Rings after this line are never missed. A hint: poll as well."""
        ...

    async def reset(self) -> None:
        """Forget everything (ephemeral servers)."""
        ...

    async def lost(self) -> BaseException:
        """Return why nothing can be written any more, once that is so: whoever serves it stops."""
        ...

    async def close(self) -> None: ...


class Blob(msgspec.Struct, frozen=True, array_like=True):
    """A reference to bytes outside of the map."""

    name: str
    size: int


class BlobStore(Protocol):
    """Bytes first, then the reference in the transaction; unreferenced bytes are collected later.

    A blob is durable when `write` returns.
    """

    async def write(self, chunks: AsyncIterator[bytes], name: str | None = None) -> Blob:
        """name: 32 random hex digits that the caller promised, durably, to delete should the blob
        never be referenced: a delivery that the referencing transaction cancels."""
        ...

    def open(
        self, blob: Blob, start: int, stop: int, piece_bytes: int = 1024 * 1024
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to before `stop`, in pieces of `piece_bytes` but for the last.

        Once the first piece has come, deleting the blob does no harm to this reader.
        """
        ...

    async def delete(self, blob: Blob) -> None:
        """Remove it; nothing happens if it is not there."""
        ...

    async def reset(self) -> None: ...


def open(engine: str, folder: Path) -> Store:
    """The store of an engine: `sqlite` (durable, in `folder`; `sqlite-process`: written by a
    process of its own) or `memory` (tests)."""
    if engine in ("sqlite", "sqlite-process"):
        from ogi.storage.sqlite import SqliteStore

        return SqliteStore(folder, process=engine == "sqlite-process")
    if engine == "memory":
        from ogi.storage.memory import MemoryStore

        return MemoryStore()
    raise ValueError(f"no engine is called {engine!r}")

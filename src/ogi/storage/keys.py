"""Keys: bytes whose order is the order of what they were made from.

A key is its home, NUL, then parts. A text part ends with two NULs (a NUL inside is written as
00 FF), a number is eight bytes, big-endian. The agenda lies before all homes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from ogi.storage import Home

AGENDA: Final = b"\x00agenda\x00"
"""What must happen at a time, of all homes: AGENDA + u64(due in ms) + home + NUL + id."""

LEASES: Final = b"\x00leases\x00"
"""Deliveries of the agenda that are being made outside of a transaction: LEASES + what is behind
AGENDA in their key. Who opens the store makes them again at once: nobody else can be at it."""

Part = str | bytes | int

_U64: Final = struct.Struct(">Q")
u64: Final = _U64.pack
"""A number from 0 to 2**64 - 1 as eight bytes whose order is the numbers' order."""


def number(raw: bytes, at: int = 0) -> int:
    """The number that `u64` wrote at offset `at`."""
    return int(_U64.unpack_from(raw, at)[0])


def text(value: str | bytes) -> bytes:
    """A text part: order-preserving, and no text's bytes are the beginning of another's."""
    raw = value.encode() if isinstance(value, str) else value
    if b"\x00" in raw:
        raw = raw.replace(b"\x00", b"\x00\xff")
    return raw + b"\x00\x00"


@lru_cache(maxsize=16_384)
def start(home: Home, table: str) -> bytes:
    """What the keys of a home's table begin with. Kept: hot paths ask for the same few."""
    return home.encode() + b"\x00" + text(table)


def key(home: Home, *parts: Part) -> bytes:
    """The key of `parts` in `home`; also the prefix of all keys that have more parts."""
    return extended(home.encode() + b"\x00", parts)


def extended(prefix: bytes, parts: tuple[Part, ...]) -> bytes:
    """`prefix`, then `parts`."""
    for part in parts:
        prefix += u64(part) if isinstance(part, int) else text(part)
    return prefix


def after(prefix: bytes) -> bytes:
    """The first key behind all keys that begin with `prefix`: the `end` of a scan of them."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def texts(raw: bytes) -> Iterator[str]:
    """The text parts that `raw` consists of (the rest of a key behind its prefix)."""
    at = 0
    while at < len(raw):
        # A NUL inside a text is followed by FF, so the first pair of NULs is the terminator.
        end = raw.index(b"\x00\x00", at)
        yield raw[at:end].replace(b"\x00\xff", b"\x00").decode()
        at = end + 2

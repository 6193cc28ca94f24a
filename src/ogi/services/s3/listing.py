"""Listing keys in order, rolled up at a delimiter: the rolled-up are skipped by seeking.

Law: the work of a page depends on what the page shows, not on how many keys lie under a common
prefix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import quote_plus

import msgspec

from ogi.storage import Home, Reader
from ogi.storage.keys import after, text
from ogi.storage.keys import key as key_of

Row = TypeVar("Row")

KEYS_MAX = 1000
"""Of one page."""
SCAN_MIN, SCAN_MAX = 16, 1024
"""Records read at once: few after a seek, more while keys follow one another."""


class Page(msgspec.Struct, Generic[Row]):
    """What one page shows, in order, and where the next one begins."""

    entries: list[tuple[str, Row]] = []
    prefixes: list[str] = []
    last: str = ""
    """The last key or common prefix of the page."""
    ids: list[str] = []
    """The ids of the entries, in tables that have several rows per key."""
    id: str = ""
    """The id of the last of the page; '' if that is a common prefix."""
    truncated: bool = False


class Place(msgspec.Struct, frozen=True):
    """Where a page begins: behind a key, or behind everything under a common prefix."""

    name: str = ""
    under: bool = False
    id: str = ""
    """Behind this one of the key's rows; '': behind all of them."""


def page(
    tx: Reader,
    home: Home,
    table: str,
    decode: Callable[[bytes], Row],
    *,
    prefix: str,
    delimiter: str,
    place: Place,
    limit: int,
) -> Page[Row]:
    """At most `limit` rows and common prefixes of a table by key, or by key and id."""
    shown: Page[Row] = Page([], [], ids=[])
    if limit <= 0:
        return shown
    root = key_of(home, table)
    begin = root + _raw(prefix)
    end = after(begin)
    if place.name:
        begin = max(begin, _behind(root, place))
    cut = len(root)
    count = 0
    size = min(SCAN_MAX, limit + 1) if not delimiter else SCAN_MIN
    while begin < end:
        entries = tx.scan(begin, end, size)
        skip = b""
        for raw, value in entries:
            if skip and raw.startswith(skip):
                continue
            skip = b""
            name, id = _split(raw[cut:])
            group = _group(name, prefix, delimiter)
            if group and place.name == group:
                # A client that pages by markers continues behind the prefix that it was given.
                skip = root + _raw(group)
                continue
            if count == limit:
                shown.truncated = True
                return shown
            count += 1
            if group:
                shown.prefixes.append(group)
                skip = root + _raw(group)
            else:
                shown.entries.append((name, decode(value)))
                shown.ids.append(id)
            shown.last, shown.id = group or name, "" if group else id
        if len(entries) < size:
            return shown
        begin = after(skip) if skip else entries[-1][0] + b"\x00"
        size = SCAN_MIN if skip else min(SCAN_MAX, size * 2)
    return shown


def _group(name: str, prefix: str, delimiter: str) -> str:
    """The common prefix that a key is rolled up into; '' if it stands for itself."""
    if not delimiter:
        return ""
    at = name.find(delimiter, len(prefix))
    return "" if at < 0 else name[: at + len(delimiter)]


def _raw(name: str) -> bytes:
    """How a key that begins with `name` begins in the store (ogi.storage.keys.text)."""
    return name.encode().replace(b"\x00", b"\x00\xff")


def _behind(root: bytes, place: Place) -> bytes:
    raw = root + _raw(place.name)
    if place.under:
        return after(raw)
    if place.id:
        return raw + b"\x00\x00" + text(place.id) + b"\x00"
    # Behind every row of the key, and before the next key: a NUL in a name is written as 00 FF.
    return raw + b"\x00\x00\xff"


def _split(raw: bytes) -> tuple[str, str]:
    """The key, and the id where rows have one."""
    end = raw.index(b"\x00\x00")
    name = raw[:end].replace(b"\x00\xff", b"\x00").decode()
    return name, raw[end + 2 : -2].decode()


def url(name: str) -> str:
    """A name as encoding-type=url wants it."""
    return quote_plus(name, safe="/*-._")

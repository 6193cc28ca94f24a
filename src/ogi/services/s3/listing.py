"""Listing keys in order, rolled up at a delimiter: the rolled-up are skipped by seeking.

Law: the work of a page depends on what the page shows, not on how many keys lie under a common
prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from urllib.parse import quote_plus

import msgspec

from ogi.storage import Home, Reader
from ogi.storage.keys import after
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
    truncated: bool = False


class Place(msgspec.Struct, frozen=True):
    """Where a page begins: behind a key, or behind everything under a common prefix."""

    name: str = ""
    under: bool = False


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
    """At most `limit` keys and common prefixes of a table whose keys are single texts."""
    shown: Page[Row] = Page([], [])
    if limit <= 0:
        return shown
    root = key_of(home, table)
    begin = root + _raw(prefix)
    end = after(begin)
    if place.name:
        raw = root + _raw(place.name)
        begin = max(begin, after(raw) if place.under else raw + b"\x00\x00\x00")
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
            name = _name(raw[cut:])
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
            shown.last = group or name
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


def _name(raw: bytes) -> str:
    return raw[:-2].replace(b"\x00\xff", b"\x00").decode()


def url(names: Iterator[str] | list[str]) -> list[str]:
    """Names as encoding-type=url wants them."""
    return [quote_plus(name, safe="/*-._") for name in names]

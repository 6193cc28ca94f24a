"""Lookups: where conditions that are no plain values stand in a topic's index. Pure.

The conditions on one path of messages have names there. A name begins with its kind, three
characters, of which a message need only look for those that anybody uses:

    pNN, sNN  texts that begin or end with NN (hexadecimal) given characters
    i00       texts that are equal but for the case
    cNN, dNN  addresses of IPv4 or IPv6 whose first NN bits are given
    nNN       numbers of a range, at the node of an interval tree that is NN bits wide
    e00       whatever has a value here

Law: every value that fulfils a condition opens one of its names. A range stands under its bottom
and under its top at the one node whose middle it contains, so that a number opens, on its way
through the tree, the ranges that it is in and no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

Names = tuple[str, ...]
Span = tuple[str, str]
"""All names from the first to the last of them."""

KIND_CHARS = 3
TEXT_CHARS_MAX = 64
"""Of longer texts the first or the last count: who shares them is tested one by one."""
BITS = 49
_MIDDLE = 1 << (BITS - 1)
_LAST = (1 << BITS) - 1
_HEX = 13
"""Digits of a number of `BITS` bits."""
PRESENT: Names = ("e00",)


def prefix(text: str) -> Names:
    cut = text[:TEXT_CHARS_MAX]
    return (f"p{len(cut):02x}{_hash(cut)}",) if cut else PRESENT


def suffix(text: str) -> Names:
    cut = text[-TEXT_CHARS_MAX:]
    return (f"s{len(cut):02x}{_hash(cut)}",) if cut else PRESENT


def folded(text: str) -> Names:
    """text: in lower case."""
    return (f"i00{_hash(text)}",)


def network(found: IPv4Network | IPv6Network) -> Names:
    return (_of_network(found.version, found.prefixlen, int(found.network_address)),)


def interval(bottom: int, top: int) -> Names:
    """Of whole numbers, both included."""
    low, high = bottom + _MIDDLE, top + _MIDDLE
    if not 0 <= low <= high <= _LAST:
        return PRESENT
    width = (low ^ high).bit_length()
    node = f"n{width:02x}{low >> width:0{_HEX}x}"
    return f"{node}<{low:0{_HEX}x}", f"{node}>{_LAST - high:0{_HEX}x}"


def crowd(name: str) -> str:
    """What the names begin with that a message opens with this one, at worst."""
    return name[: KIND_CHARS + _HEX + 1] if name[0] == "n" else name


def opened(kinds: Iterable[str], value: Any, whole: int | None) -> Iterator[Span]:
    """The names of these kinds that a value opens. whole: the value, if it is a number."""
    text = value if isinstance(value, str) else None
    address = None
    if text is not None and any(kind[0] in "cd" for kind in kinds):
        address = _address(text)
    for kind in kinds:
        letter, size = kind[0], int(kind[1:], 16)
        name = ""
        if letter == "e":
            name = kind
        elif letter == "n" and whole is not None:
            yield _at_node(whole + _MIDDLE, size)
        elif letter in "cd" and address is not None and address.version == (4, 6)[letter == "d"]:
            mask = address.max_prefixlen - size
            name = _of_network(address.version, size, int(address) >> mask << mask)
        elif text is not None and letter == "i":
            name = folded(text.lower())[0]
        elif text is not None and len(text) >= size and letter in "ps":
            name = (prefix(text[:size]) if letter == "p" else suffix(text[-size:]))[0]
        if name:
            yield name, name


def _at_node(number: int, width: int) -> Span:
    """What a number opens at the node of this width that is on its way."""
    number = min(max(number, 0), _LAST)
    node = f"n{width:02x}{number >> width:0{_HEX}x}"
    if width and not number >> (width - 1) & 1:  # Left of the middle: whoever begins by now.
        return f"{node}<", f"{node}<{number:0{_HEX}x}"
    return f"{node}>", f"{node}>{_LAST - number:0{_HEX}x}"


def _of_network(version: int, bits: int, address: int) -> str:
    return f"{'c' if version == 4 else 'd'}{bits:02x}{address:x}"


def _address(text: str) -> Any:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]

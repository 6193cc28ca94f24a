"""Concise Binary Object Representation, RFC 8949, as far as Smithy's RPC v2 uses it.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html: maps with text keys, definite
or indefinite lengths, tag 1 for timestamps; other tags are refused.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from ogi.wire.scalars import Malformed

DEPTH_MAX = 64
"""Nested lists and maps; a body beyond that is an attack."""

_INDEFINITE = 31
_BREAK = 0xFF
_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}


class Timestamp(NamedTuple):
    """Seconds since the epoch, to be written with tag 1."""

    epoch_s: float


def decode(data: bytes) -> Any:
    reader = _Decoder(data)
    value = reader.item(0)
    if reader.at != len(data):
        raise Malformed("Unexpected bytes after the CBOR document")
    return value


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def item(self, depth: int) -> Any:
        if depth > DEPTH_MAX:
            raise Malformed("The CBOR document is nested too deeply")
        first = self._byte()
        major, info = first >> 5, first & 31
        if major == 0:
            return self._length(info)
        if major == 1:
            return -1 - self._length(info)
        if major in (2, 3):
            found = self._string(major, info)
            return found if major == 2 else self._text(found)
        if major == 4:
            return self._array(info, depth)
        if major == 5:
            return self._map(info, depth)
        if major == 6:
            return self._tagged(info, depth)
        return self._simple(info)

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise Malformed("Unexpected end of the CBOR document")
        self.at += 1
        return self.data[self.at - 1]

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise Malformed("Unexpected end of the CBOR document")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def _length(self, info: int) -> int:
        if info < 24:
            return info
        size = _SIZES.get(info)
        if size is None:
            raise Malformed("Invalid CBOR length")
        return int.from_bytes(self._take(size), "big")

    def _at_break(self) -> bool:
        if self.at < len(self.data) and self.data[self.at] == _BREAK:
            self.at += 1
            return True
        return False

    def _string(self, major: int, info: int) -> bytes:
        if info != _INDEFINITE:
            return self._take(self._length(info))
        chunks = []
        while not self._at_break():
            first = self._byte()
            if first >> 5 != major or first & 31 == _INDEFINITE:
                raise Malformed("Invalid chunk of an indefinite CBOR string")
            chunks.append(self._take(self._length(first & 31)))
        return b"".join(chunks)

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Malformed("Invalid UTF-8 in a CBOR string") from None

    def _array(self, info: int, depth: int) -> list[Any]:
        items = []
        if info == _INDEFINITE:
            while not self._at_break():
                items.append(self.item(depth + 1))
            return items
        # Every element takes a byte, so a length that lies ends with the data.
        for _ in range(self._length(info)):
            items.append(self.item(depth + 1))
        return items

    def _map(self, info: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        remaining = -1 if info == _INDEFINITE else self._length(info)
        while remaining != 0:
            if remaining < 0:
                if self._at_break():
                    break
            else:
                remaining -= 1
            key = self.item(depth + 1)
            if type(key) is not str:
                raise Malformed("A CBOR map's key is not a text")
            found[key] = self.item(depth + 1)
        return found

    def _tagged(self, info: int, depth: int) -> Any:
        tag = self._length(info)
        value = self.item(depth + 1)
        if tag != 1 or type(value) not in (int, float):
            raise Malformed("Unsupported CBOR tag")
        return value

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        found = _FLOATS.get(info)
        if found is None:
            raise Malformed("Unsupported CBOR simple value")
        return struct.unpack(found[0], self._take(found[1]))[0]


# -- writing ------------------------------------------------------------------------------------


def encode(value: Any) -> bytes:
    out = bytearray()
    _encode(out, value)
    return bytes(out)


def _head(out: bytearray, major: int, number: int) -> None:
    major <<= 5
    if number < 24:
        out.append(major | number)
    elif number < 1 << 8:
        out += bytes((major | 24, number))
    elif number < 1 << 16:
        out += struct.pack(">BH", major | 25, number)
    elif number < 1 << 32:
        out += struct.pack(">BI", major | 26, number)
    else:
        out += struct.pack(">BQ", major | 27, number)


def _encode(out: bytearray, value: Any) -> None:
    if isinstance(value, str):
        data = value.encode()
        _head(out, 3, len(data))
        out += data
    elif value is None:
        out.append(0xF6)
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        _head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xFB, value)
    elif isinstance(value, Timestamp):
        out.append(0xC1)
        _encode(out, round(float(value.epoch_s), 3))
    elif isinstance(value, bytes):
        _head(out, 2, len(value))
        out += value
    elif isinstance(value, dict):
        _head(out, 5, len(value))
        for key, item in value.items():
            _encode(out, key)
            _encode(out, item)
    else:
        _head(out, 4, len(value))
        for item in value:
            _encode(out, item)

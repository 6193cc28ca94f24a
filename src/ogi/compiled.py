"""The modules that every request runs through, compiled: found here instead of their source.

They are compiled from that source by `python -m ogi.compiling` (mypyc), into this package's folder
`_compiled`, and used only while each source, and each that it imports, is what it was then and the
Python is the same one; all of them or none, since compiled modules call each other without looking.
Without them Ogi is the same, only slower. `OGI_COMPILED=0` leaves them aside.

Every process of Ogi comes through here first, so this imports little: hashlib alone is 4 MB.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

import msgspec

PACKAGE = Path(__file__).parent
FOLDER = PACKAGE / "_compiled"
MANIFEST = FOLDER / "manifest.json"


class Manifest(msgspec.Struct):
    fingerprint: str
    sources: list[str]
    """Paths below this package: of what was compiled, and of what that imports."""
    files: dict[str, str]
    """Names in the folder, by module."""


class Finder:
    """Finds the compiled modules of a manifest; stands before Python's own finders."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(name)
        if file is None:
            return None
        where = str(FOLDER / file)
        return spec_from_file_location(name, where, loader=ExtensionFileLoader(name, where))


def fingerprint(sources: Iterable[str]) -> str:
    """Of the sources (paths below this package), this Python and machine: lengths and CRCs."""
    parts = [sys.implementation.cache_tag, sys.platform, os.uname().machine]
    for source in sorted(sources):
        text = (PACKAGE / source).read_bytes()
        parts.append(f"{source} {len(text)} {zlib.crc32(text):08x}")
    whole = "\n".join(parts).encode()
    return f"{len(whole)} {zlib.crc32(whole):08x} {zlib.adler32(whole):08x}"


def read() -> Manifest:
    """Raises OSError, msgspec.MsgspecError."""
    return msgspec.json.decode(MANIFEST.read_bytes(), type=Manifest)


def install() -> bool:
    """Find modules compiled from now on; False if there are none, or none of these sources."""
    if os.environ.get("OGI_COMPILED") == "0" or active():
        return active()
    try:
        manifest = read()
        if fingerprint(manifest.sources) != manifest.fingerprint:
            return False
    except (OSError, msgspec.MsgspecError):
        return False
    sys.meta_path.insert(0, Finder(manifest.files))
    return True


def active() -> bool:
    """Whether compiled modules are in use."""
    return any(isinstance(finder, Finder) for finder in sys.meta_path)

"""Deployment packages: zip files, checked before they are kept and unpacked with care.

Laws: nothing is written outside of the folder, no more than UNPACKED_BYTES_MAX, and a link leads to
nothing outside; the unpacked folder appears whole or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from ogi.services.lambda_.errors import InvalidParameterValueException

ZIPPED_BYTES_MAX = 50 * 1024 * 1024
"""Uploaded directly (Lambda quotas page)."""
UNPACKED_BYTES_MAX = 262_144_000
"""250 MB (Lambda quotas page)."""
FILES_MAX = 100_000
PIECE_BYTES = 1024 * 1024
_MODE_FILE, _MODE_FOLDER = 0o644, 0o755


class BadPackage(Exception):
    """A package that cannot be unpacked; found when it was checked, so this is a defect."""


def check(zipped: bytes) -> str:
    """The SHA-256 in base64 of a package; raises what CreateFunction raises for a bad one."""
    if not zipped:
        raise InvalidParameterValueException("Uploaded file must be a non-empty zip")
    try:
        with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
            entries = archive.infolist()
            if not entries:
                raise InvalidParameterValueException("Uploaded file must be a non-empty zip")
            size = sum(entry.file_size for entry in entries)
            bad = len(entries) > FILES_MAX or any(_path(e) is None for e in entries)
            bad = bad or any(e.flag_bits & 1 for e in entries)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise _cannot_unzip() from error
    if bad:
        raise _cannot_unzip()
    if size > UNPACKED_BYTES_MAX:
        raise InvalidParameterValueException(
            f"Unzipped size must be smaller than {UNPACKED_BYTES_MAX} bytes"
        )
    return base64.b64encode(hashlib.sha256(zipped).digest()).decode()


def _cannot_unzip() -> InvalidParameterValueException:
    return InvalidParameterValueException(
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    )


def _path(entry: zipfile.ZipInfo) -> PurePosixPath | None:
    """Where an entry goes; None if that is outside."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in entry.filename:
        return None
    return path


def unpack(zipped: bytes, folder: Path) -> None:
    """Unpack into `folder`, which appears when all is there. Blocks: call it in a thread."""
    making = folder.with_name(f"{folder.name}.{os.getpid()}.new")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=_MODE_FOLDER)
    try:
        with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
            left = UNPACKED_BYTES_MAX
            links: list[tuple[Path, str]] = []
            for entry in archive.infolist():
                left -= _unpack(archive, entry, making, left, links)
            # Links come last, so that no file can be written through one.
            for link, to in links:
                if not (link.exists() or link.is_symlink()):
                    link.symlink_to(to)
            for link, _ in links:
                _keep_inside(making, link)
        making.chmod(_MODE_FOLDER)
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def _unpack(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    root: Path,
    left: int,
    links: list[tuple[Path, str]],
) -> int:
    """Write one entry; returns its size."""
    relative = _path(entry)
    if relative is None:
        raise BadPackage(entry.filename)
    path = root / relative
    mode = entry.external_attr >> 16
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True, mode=_MODE_FOLDER)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True, mode=_MODE_FOLDER)
    if stat.S_ISLNK(mode):
        links.append((path, archive.read(entry).decode()))
        return 0
    written = 0
    with archive.open(entry) as source, path.open("wb") as file:
        while piece := source.read(PIECE_BYTES):
            written += len(piece)
            # The directory of a zip file may lie about sizes.
            if written > left:
                raise BadPackage("the package is larger than it says")
            file.write(piece)
    path.chmod(stat.S_IMODE(mode) & 0o755 if stat.S_IMODE(mode) else _MODE_FILE)
    return written


def _keep_inside(root: Path, link: Path) -> None:
    """Remove a link that leads out, by whatever chain."""
    try:
        inside = link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        inside = False
    if link.is_symlink() and not inside:
        link.unlink()

"""Which Python interpreters this machine has, and which of them runs a `python3.x` runtime."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from ogi.sandbox import RuntimeUnavailable

QUERY_S_MAX = 10.0
"""How long an interpreter may take to say what it is."""
OLDEST = (3, 6)
"""The oldest version that the code in `inside` runs on."""
_QUERY = (
    "import sys, json, os; print(json.dumps([list(sys.version_info[:2]), sys.base_prefix, "
    "os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable)]))"
)
_PYTHON = re.compile(r"python3(\.\d+)?$")

Version = tuple[int, int]


class Interpreter(msgspec.Struct, frozen=True):
    """An interpreter, and whether it is the very version that was asked for."""

    path: str
    version: Version
    prefix: str
    exact: bool = True

    @property
    def name(self) -> str:
        return f"python{self.version[0]}.{self.version[1]}"


def version_of(runtime: str) -> Version | None:
    """(3, 6) of `python3.6`; None if it is not a Python 3 runtime."""
    matched = re.fullmatch(r"python(3)\.(\d+)", runtime)
    return None if matched is None else (int(matched[1]), int(matched[2]))


def interpreter_for(runtime: str) -> Interpreter:
    """The interpreter for a runtime: its own version, else the nearest (the newer of two)."""
    wanted = version_of(runtime)
    if wanted is None:
        raise RuntimeUnavailable(f"{runtime} is not a Python runtime")
    found = installed()
    if wanted in found:
        return found[wanted]
    nearest = min(found, key=lambda v: (abs(v[1] - wanted[1]), -v[1]))
    return msgspec.structs.replace(found[nearest], exact=False)


@cache
def installed() -> dict[Version, Interpreter]:
    """The machine's interpreters by version. Asks each once, which takes a moment."""
    found: dict[Version, Interpreter] = {}
    for path in dict.fromkeys(_candidates()):
        interpreter = _query(path)
        if interpreter is not None and interpreter.version >= OLDEST:
            found.setdefault(interpreter.version, interpreter)
    return found


def _candidates() -> Iterator[str]:
    """Ogi's own interpreter first, then PATH, then where version managers keep theirs."""
    yield os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    home = Path.home()
    folders = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep) if p]
    folders += [Path("/usr/bin"), Path("/usr/local/bin"), Path("/opt/homebrew/bin")]
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    for versions in (pyenv / "versions", home / ".local/share/uv/python"):
        if _readable(versions):
            folders += [version / "bin" for version in sorted(versions.iterdir(), reverse=True)]
    for folder in folders:
        # The shims of version managers are shell scripts that run something else each time.
        if "shims" in folder.parts or not _readable(folder):
            continue
        for path in sorted(folder.glob("python3*")):
            if _PYTHON.fullmatch(path.name) and os.access(path, os.X_OK):
                yield os.path.realpath(path)


def _readable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


def _query(path: str) -> Interpreter | None:
    try:
        said = subprocess.run(
            [path, "-I", "-S", "-c", _QUERY], capture_output=True, timeout=QUERY_S_MAX, check=True
        ).stdout
        version, prefix, executable = json.loads(said)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(path=executable, version=(version[0], version[1]), prefix=prefix)

"""Environments for clients that must not live in Ogi's own: made once, kept in .venv/clients."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

CACHE = Path(sys.prefix) / "clients"
INSTALL_S_MAX = 180
HERE = Path(__file__).parent


def python_with(*packages: str) -> Path:
    """The interpreter of a virtual environment with these packages; skips if they are not to be
    had."""
    folder = _folder("-".join(packages))
    program = folder / "bin" / "python"

    def make() -> None:
        venv.create(folder, clear=True, with_pip=True)
        _run([str(program), "-m", "pip", "install", "--quiet", *packages])

    _once(folder, make)
    return program


def packages_in(name: str, *packages: str) -> Path:
    """A folder of Python packages, as one puts them into a function's archive."""
    folder = _folder(name)

    def make() -> None:
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *packages])

    _once(folder, make)
    return folder


def node_with(*packages: str) -> Path:
    """A folder in which Node finds these packages."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine")
    folder = _folder("node-" + "-".join(package.partition("@")[0] for package in packages))

    def make() -> None:
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
        _run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", *packages], folder)

    _once(folder, make)
    return folder


def _folder(name: str) -> Path:
    return CACHE / "".join(c if c.isalnum() or c in "-.=" else "_" for c in name)


def _once(folder: Path, make: Callable[[], None]) -> None:
    """Make a folder unless it is there as a whole; what an earlier run left half done goes."""
    done = folder.with_name(folder.name + ".done")
    if done.exists() and folder.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    make()
    done.touch()


def _run(command: list[str | Path], folder: Path | None = None) -> None:
    try:
        subprocess.run(
            [str(part) for part in command], cwd=folder, check=True, capture_output=True, text=True,
            timeout=INSTALL_S_MAX,
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"cannot be installed here: {error}: {str(error.stderr)[-300:]}")

"""Compiled modules are used as long as they are what their sources say, all of them or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ogi import compiled, compiling

TELL = "import ogi.compiled, ogi.entropy; print(ogi.compiled.active(), ogi.entropy.__file__)"


def told(folder: Path, **variables: str) -> tuple[str, str]:
    """What a new process says of the package in `folder`: (in use, where ogi.entropy came from)."""
    said = subprocess.run(
        [sys.executable, "-c", TELL],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder), **variables},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    active, file = said.stdout.split(maxsplit=1)
    return active, Path(file.strip()).suffix


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package `ogi` with two modules, of which one can be compiled; its folder."""
    (tmp_path / "ogi").mkdir()
    for name in ("__init__", "compiled", "entropy"):
        text = (compiled.PACKAGE / f"{name}.py").read_text()
        (tmp_path / "ogi" / f"{name}.py").write_text(text)
    return tmp_path


BUILD = """
import ogi.compiling as compiling
compiling.MODULES, compiling.SOURCES = ("entropy",), ("entropy.py",)
raise SystemExit(compiling.main())
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(compiling.missing()), reason=compiling.missing() or "-")
def test_a_compiled_module_is_used_until_its_source_changes(package: Path) -> None:
    (package / "ogi" / "compiling.py").write_text(Path(compiling.__file__).read_text())
    (package / "ogi" / "numbers_of_old.py").write_text("BLOCKS = 1\n")
    with (package / "ogi" / "entropy.py").open("a") as entropy:
        entropy.write("\nfrom ogi.numbers_of_old import BLOCKS as BLOCKS  # noqa: E402\n")
    assert told(package) == ("False", ".py")
    subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=package, env={**os.environ, "PYTHONPATH": str(package)}, check=True,
    )  # fmt: skip
    assert told(package) == ("True", ".so")
    assert told(package, OGI_COMPILED="0") == ("False", ".py")
    source = package / "ogi" / "entropy.py"
    before = source.read_text()
    source.write_text(before + "\n# changed\n")
    assert told(package) == ("False", ".py")
    source.write_text(before)
    assert told(package) == ("True", ".so")
    # Its types may have been compiled in.
    imported = package / "ogi" / "numbers_of_old.py"
    imported.write_text("BLOCKS = 2\n")
    assert told(package) == ("False", ".py")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sources": ["gone.py"], "fingerprint": ""}'])
def test_a_manifest_that_says_nothing_is_passed_over(package: Path, text: str) -> None:
    (package / "ogi" / "_compiled").mkdir()
    (package / "ogi" / "_compiled" / "manifest.json").write_text(text)
    assert told(package) == ("False", ".py")


@pytest.mark.skipif(not compiled.MANIFEST.exists(), reason="nothing is compiled here")
def test_every_module_of_the_list_is_compiled() -> None:
    files = json.loads(compiled.MANIFEST.read_bytes())["files"]
    assert {f"ogi.{module.replace('/', '.')}" for module in compiling.MODULES} <= set(files)
    assert all((compiled.FOLDER / file).exists() for file in files.values())

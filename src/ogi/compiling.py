"""Compile the modules that every request runs through: `python -m ogi.compiling`.

Needs mypy and setuptools (the extra `compiled`), a C compiler and Python's headers. What is
compiled is the source that Python would run (mypyc: https://mypyc.readthedocs.io), so nothing is
written twice; decision 21 says what may not stand in such a module.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ogi.compiled import FOLDER, MANIFEST, PACKAGE, Manifest, fingerprint, read

MODULES = (
    "access/authenticate", "access/authorise", "access/conditions", "access/context",
    "access/grants", "access/judgements", "access/patterns", "access/payloads", "access/policy",
    "access/principals", "access/scopes", "access/signing_keys", "access/sigv4",
    "arn", "calls", "deliveries", "entropy", "http", "lines", "memo", "operations", "recording",
    "runs", "sealing", "signing", "traces", "vault",
    "gateway/answers", "gateway/authority", "gateway/bodies", "gateway/connections",
    "gateway/heads", "gateway/pipeline", "gateway/turns",
    "services/sns/api", "services/sns/audiences", "services/sns/checksums", "services/sns/copies",
    "services/sns/departures", "services/sns/envelopes", "services/sns/fanout",
    "services/sqs/api", "services/sqs/batches", "services/sqs/contents",
    "services/sqs/encryption", "services/sqs/fifo", "services/sqs/groups", "services/sqs/ids",
    "services/sqs/lanes", "services/sqs/layout", "services/sqs/ledgers",
    "services/sqs/messages", "services/sqs/queues", "services/sqs/receipts",
    "services/sqs/redrive",
    "storage/bells", "storage/beside", "storage/journal", "storage/keys", "storage/lanes",
    "storage/layers", "storage/order", "storage/sqlite", "storage/tables", "storage/tree",
    "storage/writes",
    "wire/codecs", "wire/documents", "wire/forms", "wire/json", "wire/protocols", "wire/query",
    "wire/routing", "wire/scalars", "wire/validation",
)  # fmt: skip
"""Below this package. What they call in each other costs a call in C."""
SOURCES = tuple(f"{module}.py" for module in MODULES)

_BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
sources = sys.argv[4:]
modules = mypycify(
    ["--config-file=", "--cache-dir=/dev/null", "--ignore-missing-imports", *sources],
    opt_level="2", debug_level="0", target_dir=sys.argv[1],
)
setup(
    name="ogi-compiled", ext_modules=modules,
    script_args=["-q", "build_ext", "--build-lib", sys.argv[2], "--build-temp", sys.argv[3]],
)
"""


def watched() -> list[str]:
    """The compiled sources and all of ours that they import: whose types were compiled in."""
    found, left = set(SOURCES), list(SOURCES)
    while left:
        new = set(_imported(left.pop())) - found
        found |= new
        left += new
    return sorted(found)


def _imported(source: str) -> Iterator[str]:
    """What of this package a source may import: each name as a module, and as a package."""
    for node in ast.walk(ast.parse((PACKAGE / source).read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            package, _, inside = name.replace(".", "/").partition("/")
            if package == PACKAGE.name:
                either = f"{inside}.py", f"{inside}/__init__.py".lstrip("/")
                yield from (file for file in either if (PACKAGE / file).exists())


def missing() -> str:
    """What this machine lacks to compile; '' if nothing."""
    try:
        import mypyc  # noqa: F401
        import setuptools  # noqa: F401
    except ImportError as error:
        return f"{error.name} (pip install 'ogi[compiled]')"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"the C compiler {compiler} (on Debian: apt-get install gcc)"
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    if not headers.exists():
        return f"Python's headers, {headers} (on Debian: apt-get install python3-dev)"
    return ""


def compile_all() -> None:
    """Compile into the folder that `ogi.compiled` looks in. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        made, c, objects = (str(Path(folder) / name) for name in ("made", "c", "objects"))
        sources = [f"{PACKAGE.name}/{source}" for source in SOURCES]
        subprocess.run(
            [sys.executable, "-c", _BUILD, c, made, objects, *sources],
            cwd=PACKAGE.parent, env={**os.environ, "OGI_COMPILED": "0"}, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        shutil.rmtree(FOLDER, ignore_errors=True)
        files = {}
        for library in sorted(Path(made).rglob("*.so")):
            name = ".".join(library.relative_to(made).with_name(library.name.split(".")[0]).parts)
            files[name] = f"{name}{library.suffix}"
            FOLDER.mkdir(exist_ok=True)
            shutil.copy(library, FOLDER / files[name])
    sources = watched()
    manifest = Manifest(fingerprint(sources), sources, files)
    MANIFEST.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))


def is_fresh() -> bool:
    """Whether what was compiled is what would be compiled now."""
    try:
        return read().fingerprint == fingerprint(watched())
    except (OSError, msgspec.MsgspecError):
        return False


def main() -> int:
    if is_fresh():
        return 0
    if lacking := missing():
        print(f"Not compiled, so Ogi is slower than it could be: this machine lacks {lacking}.")
        return 0
    print(f"Compiling {len(MODULES)} modules, which takes a minute or two ...", flush=True)
    try:
        compile_all()
    except subprocess.CalledProcessError as error:
        print(error.stdout, error.stderr, "The modules could not be compiled.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

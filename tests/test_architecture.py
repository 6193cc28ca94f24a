"""The shape of the code holds: who imports whom, how long a file is, and what it begins with."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ogi import compiling

SOURCE = Path(__file__).parents[1] / "src" / "ogi"
FILES = sorted(path for path in SOURCE.rglob("*.py") if "examples" not in path.parts)

LINES_MAX = 450
"""About 400 is the aim; nothing is longer than this."""

RANKS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli", "compiling", "docs"),
    ("app",),
    ("gateway", "lint"),
    ("audit",),
    ("services",),
    ("access", "sandbox", "wire"),
    (
        "courier", "workers", "chunks", "shipping", "mail", "outbound", "recorders",
        "sealed_tables",
    ),
    ("deliveries", "rewraps", "sealing"),
    ("owed",),
    ("service",),
    ("calls",),
    ("operations",),
    ("ports",),
    ("storage",),
    ("keyring",),
    ("signing",),
    ("signing_process",),
    (
        "__init__", "arn", "clock", "connection_file", "entropy", "errors", "http", "lines", "memo",
        "principals", "recording", "roots", "runs", "settings", "trace_headers",
        "traces", "uses", "vault",
    ),
    ("compiled",),
)  # fmt: skip
"""From the top to the ground. A part imports what is below it, never what is above or beside it."""

WIRE_MAY = {"errors", "http"}
"""The wire translates; it knows nothing of stores, policies or services."""

FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "base", "misc", "util", "helper"}

OUTSIDE_WORLD = {
    "random", "secrets", "select", "signal", "socket", "subprocess", "threading",
}  # fmt: skip
"""Modules that services do not import: what is unpredictable or outside comes through `call`."""

READS_OF_THE_WORLD = {
    "datetime.now", "datetime.datetime.now", "datetime.today", "datetime.utcnow", "date.today",
    "os.environ", "os.getenv", "os.urandom", "time.monotonic", "time.perf_counter", "time.sleep",
    "time.time", "uuid.uuid1", "uuid.uuid4", "uuid4", "open", "print", "input",
}  # fmt: skip
"""What no plain `def` of a service does; time is `call.now`, random bytes are `call.entropy`."""

WORLDLY = {
    "services/sns/certificates.py": {"datetime.datetime.now", "os.urandom"},
}
"""Files of services that are the outside world, and what they use of it. The certificate is made
before the first request, by `Service.prepare`."""


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def part(path: Path) -> str:
    """The part of Ogi that a file belongs to: the first name below `ogi`."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each import, but for those that only the type checker sees."""
    package = ("ogi", *path.relative_to(SOURCE).parent.parts)
    for node in _running(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*start, *((node.module,) if node.module else ())))
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, without the bodies of `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def own_imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, part and full name of what is imported from other parts of Ogi."""
    for line, imported in imports(path):
        if imported == "ogi" or imported.startswith("ogi."):
            rest = imported.split(".")[1:]
            target = rest[0] if rest else "__init__"
            target = "__init__" if target.startswith("__version") else target
            if target != part(path):
                yield line, target, imported


def rank(name: str) -> int:
    for number, parts in enumerate(RANKS):
        if name in parts:
            return number
    pytest.fail(f"ogi.{name} has no place in the order of imports: give it one in RANKS")


def test_every_part_has_its_place() -> None:
    for path in FILES:
        rank(part(path))


def test_a_part_imports_only_what_is_below_it() -> None:
    wrong = [
        f"{name(path)}:{line} imports {imported}"
        for path in FILES
        for line, target, imported in own_imports(path)
        if rank(target) <= rank(part(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_wire_knows_only_messages_and_errors() -> None:
    wrong = [
        f"{name(path)}:{line} imports {imported}"
        for path in FILES
        if part(path) == "wire"
        for line, target, imported in own_imports(path)
        if target not in WIRE_MAY
    ]
    assert not wrong, "\n".join(wrong)


def test_services_know_neither_each_other_nor_the_wire() -> None:
    wrong = []
    for path in FILES:
        if part(path) != "services" or path.parent == SOURCE / "services":
            continue
        mine = path.relative_to(SOURCE).parts[1]
        for line, imported in imports(path):
            names = imported.split(".")
            if names[0] != "ogi" or len(names) < 2:
                continue
            if names[1] in ("wire", "gateway") or (names[1] == "services" and names[2] != mine):
                wrong.append(f"{name(path)}:{line} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_storage_knows_no_word_of_aws() -> None:
    wrong = [
        f"{name(path)}:{line} imports {imported}"
        for path in FILES
        if part(path) == "storage"
        for line, imported in imports(path)
        if imported.split(".")[0] in ("boto3", "botocore")
        or imported.startswith(("ogi.arn", "ogi.errors", "ogi.http"))
    ]
    assert not wrong, "\n".join(wrong)


def test_files_are_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in FILES}
    assert not {file: lines for file, lines in lengths.items() if lines > LINES_MAX}


def test_every_file_begins_by_saying_what_it_is() -> None:
    silent = [name(path) for path in FILES if not ast.get_docstring(tree(path))]
    assert not silent


def test_modules_are_named_after_what_they_are() -> None:
    vague = [name(path) for path in FILES if path.stem.strip("_") in FORBIDDEN_NAMES]
    assert not vague


def test_nobody_swallows_what_went_wrong() -> None:
    wrong = [
        f"{name(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]
    assert not wrong


def test_services_do_not_import_the_outside_world() -> None:
    wrong = [
        f"{name(path)}:{line} imports {imported}"
        for path in FILES
        if part(path) in ("services", "sealing", "service")
        for line, imported in imports(path)
        if imported.split(".")[0] in OUTSIDE_WORLD
    ]
    assert not wrong, "\n".join(wrong)


def test_plain_functions_of_services_read_neither_clock_nor_randomness() -> None:
    wrong = []
    for path in FILES:
        if part(path) not in ("services", "sealing"):
            continue
        allowed = WORLDLY.get(name(path), set())
        for node in ast.walk(tree(path)):
            # A `def open` of the file's own is no file.
            own = isinstance(node, ast.Name) and node.id in _defined(path)
            if isinstance(node, ast.Name | ast.Attribute) and not own:
                text = ast.unparse(node)
                if text in READS_OF_THE_WORLD and text not in allowed:
                    wrong.append(f"{name(path)}:{node.lineno} uses {text}")
    assert not wrong, "\n".join(wrong)


@cache
def _defined(path: Path) -> frozenset[str]:
    """What a file defines or imports itself."""
    found = {
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found |= {
        node.arg for node in ast.walk(tree(path)) if isinstance(node, ast.arg | ast.keyword)
        if node.arg is not None
    }  # fmt: skip
    return frozenset(found)


def test_the_exceptions_are_still_needed() -> None:
    """A file that needs its exception no longer loses it."""
    for file, uses in WORLDLY.items():
        path = SOURCE / file
        found = {
            ast.unparse(node)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Name | ast.Attribute)
        }
        assert uses <= found, f"{file} no longer uses {uses - found}"


START = """
import sys
import ogi.app, ogi.cli.serve
from ogi import services
services.load()
print(*sys.modules)
"""
FOR_SOME_ONLY = {
    "aiosmtplib", "boto3", "botocore", "cfnlint", "jwt", "ogi.cli.ca", "ogi.cli.demo", "ogi.lint",
    "re2", "rich", "urllib.request", "yaml",
}  # fmt: skip


def test_a_start_does_not_import_what_only_some_requests_need() -> None:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ogi.services.sqs" in done.stdout.split()
    assert not FOR_SOME_ONLY & set(done.stdout.split())


def test_compiled_modules_hold_nothing_that_compiling_changes() -> None:
    """What waits while an exception is handled leaves it behind, as the context of all that follow.
    mypyc leaves out the keywords of classes (a Struct's `frozen`, `array_like`), what cannot be
    written as a type object of their annotations, and the cause of `raise ... from`; a value in a
    class body is the class's own only as a ClassVar, and an exception's instances may lack it."""
    wrong = []
    for source in compiling.SOURCES:
        for node in ast.walk(tree(SOURCE / source)):
            if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Call | ast.Attribute):
                wrong.append(f"{source}:{node.lineno} raises from {ast.unparse(node.cause)}")
            if isinstance(node, ast.AsyncWith):
                wrong.append(f"{source}:{node.lineno} is an async with: keep it in a file beside")
            if isinstance(node, ast.Try):
                late = [*node.finalbody, *(line for h in node.handlers for line in h.body)]
                for line in late:
                    if any(isinstance(n, ast.Await | ast.Yield) for n in ast.walk(line)):
                        wrong.append(f"{source}:{line.lineno} waits while an exception is handled")
            if not isinstance(node, ast.ClassDef):
                continue
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            if node.keywords or "Struct" in bases:
                wrong.append(f"{source}:{node.lineno} is a Struct: keep it in a file beside")
            if bases & {"AwsError", "Enum", "IntEnum", "NamedTuple", "Protocol"}:
                continue
            for line in node.body:
                shared = isinstance(line, ast.Assign) and ast.unparse(line.targets) != "__slots__"
                if isinstance(line, ast.AnnAssign) and line.value is not None:
                    shared = not ast.unparse(line.annotation).startswith("ClassVar")
                if shared:
                    wrong.append(f"{source}:{line.lineno} is neither __init__'s nor a ClassVar")
    assert not wrong, "\n".join(wrong)


def test_what_tests_change_is_no_constant_of_compiled_modules() -> None:
    """A Final is compiled into its readers: a test that lowers a limit would change nothing."""
    patched = re.compile(r'monkeypatch\.setattr\((\w+), "([A-Z_]+)"')
    wrong = []
    for test in sorted(Path(__file__).parent.rglob("*.py")):
        for module, constant in patched.findall(test.read_text()):
            for source in compiling.SOURCES:
                mine = Path(source).stem == module
                if mine and re.search(rf"^{constant}: Final", (SOURCE / source).read_text(), re.M):
                    wrong.append(f"{source}: {constant} is Final, and {test.name} changes it")
    assert not wrong, "\n".join(wrong)

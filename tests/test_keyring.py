"""The keyring: opened by its root key alone, and never lost, wherever a process dies."""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from ogi import keyring, roots
from ogi.roots import RootError, Source
from ogi.vault import Vault

FILE = Source("file")
PHRASE = {"OGI_PASSPHRASE": "a passphrase of the old days"}
KEY = {"OGI_ROOT_KEY": base64.b64encode(b"k" * 32).decode()}
NEW_PHRASE = {"OGI_PASSPHRASE": "a passphrase of the new days"}
NEW_KEY = {"OGI_ROOT_KEY": (b"n" * 32).hex()}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of a passphrase is a parameter; what is proved here does not depend on it."""
    monkeypatch.setattr(roots, "SCRYPT", (1 << 10, 8, 1))


def secrets(ring: keyring.Keyring) -> list[bytes]:
    """Something of each generation, as the vault derives it."""
    return [ring.vault.key("test", number) for number in range(ring.vault.generation + 1)]


@pytest.mark.parametrize(
    ("source", "environ"),
    [(FILE, {}), (Source("env"), KEY), (Source("passphrase"), PHRASE)],
    ids=["file", "env", "passphrase"],
)
def test_a_keyring_opens_again_with_its_root_key(
    tmp_path: Path, source: Source, environ: dict[str, str]
) -> None:
    made = keyring.open(tmp_path, source, environ, fresh=True)
    again = keyring.open(tmp_path, source, environ, fresh=False)
    assert secrets(made) == secrets(again) and len(secrets(made)) == 1
    assert (tmp_path / "root.key").exists() == (source.kind == "file")
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        for hidden in (*environ.values(), b"k" * 32):
            raw = hidden if isinstance(hidden, bytes) else hidden.encode()
            assert raw not in path.read_bytes()


def test_a_stolen_folder_without_the_passphrase_opens_nothing(tmp_path: Path) -> None:
    keyring.open(tmp_path, Source("passphrase"), PHRASE, fresh=True)
    with pytest.raises(RootError, match="the passphrase is wrong"):
        keyring.open(tmp_path, Source("passphrase"), NEW_PHRASE, fresh=False)
    with pytest.raises(RootError, match="put it into OGI_PASSPHRASE"):
        keyring.open(tmp_path, Source("passphrase"), {}, fresh=False)
    with pytest.raises(RootError, match="start with --root-key passphrase"):
        keyring.open(tmp_path, FILE, {}, fresh=False)


@pytest.mark.parametrize("text", ["", "nothing", "file2", "kms", "kms:", "env;", "FILE"])
def test_what_is_no_source_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(RootError, match="`passphrase:PATH` or `kms:KEY`"):
        roots.parse(text)


@pytest.mark.parametrize("value", ["", "x", "00" * 31, "zz" * 32, base64.b64encode(b"k").decode()])
def test_a_key_that_is_none_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    with pytest.raises(RootError) as caught:
        keyring.open(tmp_path, Source("env"), {"OGI_ROOT_KEY": value}, fresh=True)
    assert len(value) < 2 or value not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["", "short", "x" * 1025])
def test_a_new_passphrase_has_a_length(tmp_path: Path, words: str) -> None:
    with pytest.raises(RootError):
        keyring.open(tmp_path, Source("passphrase"), {"OGI_PASSPHRASE": words}, fresh=True)


def test_passphrase_and_key_may_lie_in_files_elsewhere(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    other.write_text("words in a file of their own\n")
    source = roots.parse(f"passphrase:{other}")
    made = keyring.open(data, source, {}, fresh=True)
    assert secrets(keyring.open(data, source, {}, fresh=False)) == secrets(made)
    shutil.rmtree(data)
    data.mkdir()
    other.write_bytes(b"r" * 32)
    source = roots.parse(f"file:{other}")
    made = keyring.open(data, source, {}, fresh=True)
    assert other.read_bytes() == b"r" * 32, "a key that its owner made is kept"
    assert secrets(made) != secrets(keyring.open(tmp_path, source, {}, fresh=True))
    other.write_bytes(b"s" * 32)
    with pytest.raises(RootError, match="does not open"):
        keyring.open(data, source, {}, fresh=False)
    other.write_bytes(b"s" * 31)
    with pytest.raises(RootError, match="has 31 bytes"):
        keyring.open(data, source, {}, fresh=False)
    other.unlink()
    with pytest.raises(RootError, match="is not there"):
        keyring.open(data, source, {}, fresh=False)


def test_a_folder_that_is_older_than_keyrings_keeps_its_keys(tmp_path: Path) -> None:
    (tmp_path / "root.key").write_bytes(b"r" * 32)
    sealed = Vault(b"r" * 32).seal("p", b"plain", b"n" * 12)
    with pytest.raises(RootError, match="ogi keys move-root"):
        keyring.open(tmp_path, Source("passphrase"), PHRASE, fresh=False)
    ring = keyring.open(tmp_path, FILE, {}, fresh=False)
    ring.rotate(FILE, None, {})
    ring.use_newest()
    assert (tmp_path / "root.key").read_bytes() != b"r" * 32
    again = keyring.open(tmp_path, FILE, {}, fresh=False)
    assert again.vault.open("p", sealed) == b"plain" and not again.settled


def test_data_without_a_keyring_are_not_given_a_new_one(tmp_path: Path) -> None:
    keyring.open(tmp_path, Source("env"), KEY, fresh=True)
    (tmp_path / keyring.NAME).unlink()
    with pytest.raises(RootError, match="Put it back from the backup"):
        keyring.open(tmp_path, Source("env"), KEY, fresh=False)


def test_a_damaged_keyring_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    keyring.open(tmp_path, Source("passphrase"), PHRASE, fresh=True)
    path = tmp_path / keyring.NAME
    whole = path.read_bytes()
    document = msgspec.json.decode(whole)
    changes: list[Callable[[dict[str, Any]], Any]] = [
        lambda d: d["root"].update(n=1 << 30),
        lambda d: d["root"].update(n=1000),
        lambda d: d["root"].update(r=1 << 20),
        lambda d: d["root"].update(salt=""),
        lambda d: d["root"].update(salt=base64.b64encode(b"s" * 16).decode()),
        lambda d: d.update(sealed=""),
        lambda d: d.update(sealed=base64.b64encode(b"x" * 80).decode()),
        lambda d: d.update(format=2),
        lambda d: d.pop("root"),
    ]
    broken = [whole[:-20], b"", b"[]", b"x" * 70_000]
    for change in changes:
        changed = msgspec.json.decode(msgspec.json.encode(document))
        change(changed)
        broken.append(msgspec.json.encode(changed))
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(RootError):
            keyring.open(tmp_path, Source("passphrase"), PHRASE, fresh=False)
        assert path.read_bytes() == content
    path.write_bytes(whole)
    keyring.open(tmp_path, Source("passphrase"), PHRASE, fresh=False)


def test_what_was_sealed_before_a_rotation_opens_and_new_things_need_the_new_generation() -> None:
    old, vault = Vault(b"1" * 32), Vault(b"1" * 32)
    before = vault.seal("p", b"before", b"n" * 12, b"bound")
    vault.renew(b"2" * 32)
    assert not vault.is_newest("p", before, b"bound")
    after = vault.seal("p", b"after", b"m" * 12, b"bound")
    assert vault.is_newest("p", after, b"bound")
    assert vault.open("p", before, b"bound") == b"before"
    assert vault.open("p", after, b"bound") == b"after"
    with pytest.raises(InvalidTag):
        old.open("p", after, b"bound")
    with pytest.raises(InvalidTag):
        vault.is_newest("p", after, b"other")
    for generation in (-1, 2, 255):
        with pytest.raises(InvalidTag):
            vault.cipher("p", generation)


# -- a process that dies --------------------------------------------------------------------------


DIES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""A death leaves files open."""


class Died(BaseException):
    """Stands for the end of a process at one line: nothing of ours catches it."""


def _dies_at(number: int, work: Callable[[], Any]) -> bool:
    """Run `work` and end it at the `number`-th line of the two modules; whether it got that far."""
    files = {keyring.__file__, roots.__file__}
    seen = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            seen += 1
            if seen == number:
                raise Died
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Died:
        return True
    finally:
        sys.settrace(before)
    return False


ENVIRON: dict[str, dict[str, dict[str, str]]] = {
    "file": {"old": {}, "new": {}},
    "env": {"old": KEY, "new": NEW_KEY},
    "passphrase": {"old": PHRASE, "new": NEW_PHRASE},
}


@DIES
@pytest.mark.parametrize(
    ("start", "to"),
    [("file", "file"), ("env", "env"), ("file", "passphrase"), ("passphrase", "file")],
)
def test_a_process_may_die_at_every_line_of_a_rotation(tmp_path: Path, start: str, to: str) -> None:
    """Rotations and moves: the old root key opens or the new one does, with all secrets."""
    base = tmp_path / "base"
    base.mkdir()
    old, new = Source(start), Source(to)
    kept = secrets(keyring.open(base, old, ENVIRON[start]["old"], fresh=True))
    outcomes = set()
    for number in range(1, 1000):
        folder = tmp_path / "case"
        shutil.copytree(base, folder)
        ring = keyring.open(folder, old, ENVIRON[start]["old"], fresh=False)

        def rotate(ring: keyring.Keyring = ring) -> None:
            ring.rotate(new, None, ENVIRON[to]["new"])
            ring.use_newest()
            ring.settle()

        died = _dies_at(number, rotate)
        opened = []
        for which, source in (("old", old), ("new", new)):
            try:
                again = keyring.open(folder, source, ENVIRON[source.kind][which], fresh=False)
            except RootError:
                continue
            assert secrets(again)[:1] == kept, number
            opened.append(which)
            names = {path.name for path in folder.iterdir()}
            assert names == {keyring.NAME} | ({"root.key"} if source.kind == "file" else set())
        assert opened, f"after a death at line {number} nothing opens the folder"
        outcomes.add(opened[0])
        shutil.rmtree(folder)
        if not died:
            assert opened[-1] == "new"
            break
    else:
        pytest.fail("it never ended")
    assert number > 20 and (start == to == "file" or outcomes == {"old", "new"})


@DIES
def test_a_first_start_may_die_at_every_line(tmp_path: Path) -> None:
    for number in range(1, 1000):
        folder = tmp_path / "case"
        folder.mkdir()
        died = _dies_at(number, lambda f=folder: keyring.open(f, FILE, {}, fresh=True))  # type: ignore[misc]
        ring = keyring.open(folder, FILE, {}, fresh=True)
        assert secrets(keyring.open(folder, FILE, {}, fresh=False)) == secrets(ring)
        shutil.rmtree(folder)
        if not died:
            break
    assert number > 15


def test_a_keyring_that_failed_half_way_does_nothing_more(tmp_path: Path) -> None:
    """What is on disk may be the new, so writing what is in memory could lose it."""
    data, gone = tmp_path / "data", tmp_path / "gone"
    data.mkdir()
    ring = keyring.open(data, FILE, {}, fresh=True)
    with pytest.raises(FileNotFoundError):
        ring.rotate(Source("file", str(gone / "root.key")), None, {})
    with pytest.raises(RootError, match="failed half way"):
        ring.rotate(FILE, None, {})
    with pytest.raises(RootError, match="failed half way"):
        ring.settle()
    keyring.open(data, FILE, {}, fresh=False)

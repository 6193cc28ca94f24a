"""The keyring: the file of the vault's secrets, sealed under the root key.

Laws: a file is replaced whole or not at all, and is on disk before the vault uses what it says. A
root key in a file is written beside the old one first, which stays until the keyring is sealed
under the new; whichever of the two opens the keyring is the right one. So a process may die between
any two lines. See docs/decisions/0018-root-keys.md.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ogi import roots
from ogi.roots import Facts, Root, RootError, Source
from ogi.vault import GENERATIONS_MAX, NONCE_BYTES, SECRET_BYTES, Vault

NAME = "keyring.json"
FORMAT = 1
FILE_BYTES_MAX = 64 * 1024


class _File(msgspec.Struct, frozen=True):
    format: int
    root: Facts
    sealed: bytes
    """nonce + ciphertext of _Secrets, bound to `root`."""


class _Secrets(msgspec.Struct, frozen=True, array_like=True):
    generations: tuple[bytes, ...]
    settled: int
    """The generation under which all keys in records are known to be sealed."""


class Keyring:
    """An opened keyring. Its methods return once what they did is on disk."""

    def __init__(self, folder: Path, source: Source, root: Root, secrets: _Secrets) -> None:
        self._folder = folder
        self.source = source
        self._root = root
        self._secrets = secrets
        self.vault = Vault(*secrets.generations)
        self._torn = False
        """Whether a change failed half way, so that what is on disk is not what is here."""

    @property
    def kind(self) -> str:
        return self._root.facts.kind

    @property
    def settled(self) -> bool:
        """Whether all keys in records are sealed under the newest generation."""
        return self._secrets.settled == self.vault.generation

    def rotate(self, source: Source, secret: str | None, environ: Mapping[str, str]) -> Root:
        """A new root key from `source`, and a new generation of the vault, not in use yet."""
        self._require_whole()
        if len(self._secrets.generations) >= GENERATIONS_MAX:
            raise RootError(f"The keyring has {GENERATIONS_MAX} generations and takes no more.")
        root = roots.make(source, secret, environ)
        grown = (*self._secrets.generations, os.urandom(SECRET_BYTES))
        secrets = _Secrets(grown, self._secrets.settled)
        self._torn = True
        _write_all(self._folder, source, root, secrets)
        _forget_file(self._folder, source)
        self._torn = False
        self.source, self._root, self._secrets = source, root, secrets
        return root

    def use_newest(self) -> None:
        """From now on the vault seals under the generation that `rotate` added."""
        for secret in self._secrets.generations[self.vault.generation + 1 :]:
            self.vault.renew(secret)

    def settle(self) -> None:
        """Note that all keys in records are sealed under the newest generation."""
        self._require_whole()
        secrets = _Secrets(self._secrets.generations, self.vault.generation)
        _write(self._folder / NAME, _sealed(self._root, secrets))
        self._secrets = secrets

    def _require_whole(self) -> None:
        if self._torn:
            raise RootError(
                "A rotation of the root key failed half way. Start the server anew, with the old"
                " root key or with the new."
            )


def open(folder: Path, source: Source, environ: Mapping[str, str], fresh: bool) -> Keyring:
    """The keyring of a data folder, made if the store is `fresh` (empty). Raises RootError."""
    path = folder / NAME
    if not path.exists():
        return _first(folder, source, environ, fresh)
    file = _read(path)
    for key in roots.obtain(source, file.root, folder, environ):
        with contextlib.suppress(InvalidTag, ValueError):
            plain = _cipher(key).decrypt(
                file.sealed[:NONCE_BYTES], file.sealed[NONCE_BYTES:], _bound(file.root)
            )
            secrets = msgspec.msgpack.decode(plain, type=_Secrets)
            _settle_files(folder, source, key)
            return Keyring(folder, source, Root(key, file.root), secrets)
    raise RootError(
        f"The root key that was given does not open {path}:"
        f" {_WRONG[source.kind]} Nothing was changed."
    )


_WRONG = {
    "file": "the file is another folder's, or an older backup.",
    "env": "the variable holds another key than the one it was sealed under.",
    "passphrase": "the passphrase is wrong.",
    "kms": "the KMS answered with another key.",
}


def _first(folder: Path, source: Source, environ: Mapping[str, str], fresh: bool) -> Keyring:
    """The keyring of a new folder, or of one that is older than keyrings."""
    older = folder / roots.FILE
    first = os.urandom(SECRET_BYTES)
    if source.kind == "file" and (fresh or not source.where) and _there(source, folder):
        (key, *_) = roots.obtain(source, Facts("file"), folder, environ)
        root = Root(key, Facts("file"))
        if not source.where:
            # Before there were keyrings, everything was sealed under this file itself.
            first = key
    elif fresh:
        root = roots.make(source, None, environ)
    elif older.exists():
        raise RootError(
            f"{folder} was sealed under the root key {older}: start without --root-key, and move it"
            " with `ogi keys move-root`."
        )
    else:
        raise RootError(
            f"{folder} has data, but no {NAME}, without which they cannot be opened. Put it back"
            " from the backup."
        )
    secrets = _Secrets((first,), 0)
    _write_all(folder, source, root, secrets)
    return Keyring(folder, source, root, secrets)


def _there(source: Source, folder: Path) -> bool:
    return roots.path(source, folder).exists()


def _write_all(folder: Path, source: Source, root: Root, secrets: _Secrets) -> None:
    """Keyring and, if it is a file, root key: the old pair opens until the new one does."""
    path = roots.path(source, folder)
    following = roots.following(path)
    changes = source.kind == "file" and not (path.exists() and path.read_bytes() == root.key)
    if changes:
        _write(following, root.key)
    _write(folder / NAME, _sealed(root, secrets))
    if changes:
        following.rename(path)
        _sync(path.parent)


def _settle_files(folder: Path, source: Source, key: bytes) -> None:
    """Finish what a process began that died in `_write_all`: `key` is the one that opens."""
    if source.kind == "file":
        path = roots.path(source, folder)
        following = roots.following(path)
        if following.exists():
            if not path.exists() or path.read_bytes() != key:
                following.rename(path)
            else:
                following.unlink()
            _sync(path.parent)
        _half(following).unlink(missing_ok=True)
    _half(folder / NAME).unlink(missing_ok=True)
    _forget_file(folder, source)


def _forget_file(folder: Path, source: Source) -> None:
    """A root key in the data folder that opens nothing any more is not left there."""
    path = folder / roots.FILE
    if source.kind == "file" and roots.path(source, folder).resolve() == path.resolve():
        return
    for each in (path, roots.following(path), _half(roots.following(path))):
        if each.exists():
            each.unlink()
            _sync(folder)


def _sealed(root: Root, secrets: _Secrets) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    plain = msgspec.msgpack.encode(secrets)
    sealed = nonce + _cipher(root.key).encrypt(nonce, plain, _bound(root.facts))
    return msgspec.json.encode(_File(FORMAT, root.facts, sealed)) + b"\n"


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"ogi/keyring").derive(key))


def _bound(facts: Facts) -> bytes:
    return msgspec.json.encode(facts)


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise RootError(f"{path} is larger than a keyring can be.")
        found = msgspec.json.decode(raw, type=_File)
    except OSError as error:
        raise RootError(f"The keyring cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise RootError(f"{path} is damaged: {error}. Put it back from the backup.") from error
    if found.format != FORMAT:
        raise RootError(
            f"{path} has format {found.format}, this Ogi knows {FORMAT}: use a newer one."
        )
    return found


def _write(path: Path, content: bytes) -> None:
    """In one piece, readable by its owner alone, and on disk when it returns."""
    made = _half(path)
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    made.rename(path)
    _sync(path.parent)


def _half(path: Path) -> Path:
    """Where a file is while it is written."""
    return path.with_name(f"{path.name}.new")


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

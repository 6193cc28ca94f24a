"""Where the root key comes from: a file, an environment variable, a passphrase or another KMS.

The root key opens the keyring and nothing else. What is needed to obtain it again, and is no
secret, stands beside the keyring as `Facts`. See docs/decisions/0018-root-keys.md.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

ROOT_BYTES = 32
FILE = "root.key"
KEY_VARIABLE = "OGI_ROOT_KEY"
PASSPHRASE_VARIABLE = "OGI_PASSPHRASE"
VARIABLES = (KEY_VARIABLE, PASSPHRASE_VARIABLE)
PASSPHRASE_CHARACTERS = (12, 1024)
SALT_BYTES = 16
SCRYPT = (1 << 17, 8, 1)
"""n, r, p: 128 MiB for about half a second. OWASP's recommendation for scrypt:
cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html"""
SCRYPT_N_MAX = 1 << 20
SCRYPT_R_MAX, SCRYPT_P_MAX = 16, 4
KMS_S_MAX = 10.0
KMS_ATTEMPTS_MAX = 3
KMS_CONTEXT = {"ogi": "root-key"}
"""The encryption context of the root key in the other KMS, for its key policy."""
FORMS = "`file`, `file:PATH`, `env`, `env:NAME`, `passphrase`, `passphrase:PATH` or `kms:KEY`"


class RootError(Exception):
    """There is no root key; the message says why, and what to do."""


class Source(msgspec.Struct, frozen=True):
    """Where the root key is to come from, as the settings say it."""

    kind: str
    where: str = ""
    """A path, a variable's name, or a KMS key; '' for the kind's own place."""
    endpoint: str = ""
    region: str = ""


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept, in the clear, to obtain the same root key again."""

    kind: Literal["file", "env", "passphrase", "kms"]
    salt: bytes = b""
    n: int = 0
    r: int = 0
    p: int = 0
    blob: bytes = b""
    """The root key as the other KMS encrypted it."""
    key_arn: str = ""


class Root(msgspec.Struct, frozen=True):
    key: bytes
    facts: Facts

    def __repr__(self) -> str:
        return f"Root(kind={self.facts.kind!r})"


def parse(text: str, endpoint: str = "", region: str = "") -> Source:
    """The setting `--root-key` with its companions; RootError if it is none of the forms."""
    kind, _, where = text.partition(":")
    if kind not in _KINDS or (kind == "kms" and not where):
        raise RootError(f"The root key comes from {FORMS}, not from {text!r}.")
    return Source(kind, where, endpoint, region)


def path(source: Source, folder: Path) -> Path:
    """The file of a root key that is one."""
    return Path(source.where) if source.where else folder / FILE


def make(source: Source, secret: str | None, environ: Mapping[str, str]) -> Root:
    """A new root key. `secret`: what its owner says, instead of where it is read at a start."""
    if source.kind == "file":
        return Root(os.urandom(ROOT_BYTES), Facts("file"))
    if source.kind == "env":
        return Root(_variable(source, secret, environ), Facts("env"))
    if source.kind == "kms":
        return _kms_make(source)
    words = _passphrase(source, secret, environ)
    if not PASSPHRASE_CHARACTERS[0] <= len(words) <= PASSPHRASE_CHARACTERS[1]:
        raise RootError(
            f"A passphrase has {PASSPHRASE_CHARACTERS[0]} to {PASSPHRASE_CHARACTERS[1]} characters."
        )
    facts = Facts("passphrase", os.urandom(SALT_BYTES), *SCRYPT)
    return Root(_stretch(words, facts), facts)


def obtain(source: Source, facts: Facts, folder: Path, environ: Mapping[str, str]) -> list[bytes]:
    """The root key of a keyring with these facts; of a file also the one that is to follow."""
    if source.kind != facts.kind:
        raise RootError(
            f"{folder} was sealed under a root key from {_KINDS[facts.kind]}, not from"
            f" {_KINDS[source.kind]}: start with --root-key {facts.kind}"
            f"{':KEY' if facts.kind == 'kms' else ''}. `ogi keys move-root` moves it."
        )
    if source.kind == "file":
        return _files(path(source, folder))
    if source.kind == "env":
        return [_variable(source, None, environ)]
    if source.kind == "kms":
        return [_kms_open(source, facts)]
    return [_stretch(_passphrase(source, None, environ), facts)]


_KINDS = {
    "file": "a file",
    "env": "an environment variable",
    "passphrase": "a passphrase",
    "kms": "a KMS",
}


# -- files --------------------------------------------------------------------------------------


def following(path: Path) -> Path:
    """Where the next root key lies until the keyring is sealed under it."""
    return path.with_name(f"{path.name}.next")


def _files(path: Path) -> list[bytes]:
    found = []
    for each in (path, following(path)):
        with contextlib.suppress(FileNotFoundError):
            found.append(_read(each))
    if not found:
        raise RootError(f"The file of the root key, {path}, is not there.")
    return found


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RootError(f"The file of the root key cannot be read: {error}") from error
    if len(key) != ROOT_BYTES:
        raise RootError(f"{path} has {len(key)} bytes; a root key has {ROOT_BYTES}.")
    return key


# -- words --------------------------------------------------------------------------------------


def _variable(source: Source, secret: str | None, environ: Mapping[str, str]) -> bytes:
    name = source.where or KEY_VARIABLE
    text = secret if secret is not None else environ.get(name)
    if not text:
        raise RootError(
            f"The environment variable {name} is not set; the root key is to be in it, as"
            f" {ROOT_BYTES} bytes in base64 or hexadecimal (`openssl rand -base64 {ROOT_BYTES}`)."
        )
    text = text.strip()
    with contextlib.suppress(binascii.Error, ValueError):
        key = (
            bytes.fromhex(text)
            if len(text) == 2 * ROOT_BYTES
            else base64.b64decode(text, None, True)
        )
        if len(key) == ROOT_BYTES:
            return key
    raise RootError(f"The root key in {name} is not {ROOT_BYTES} bytes in base64 or hexadecimal.")


def _passphrase(source: Source, secret: str | None, environ: Mapping[str, str]) -> str:
    if secret is not None:
        return secret
    if source.where:
        try:
            return Path(source.where).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise RootError(f"The file of the passphrase cannot be read: {error}") from error
    words = environ.get(PASSPHRASE_VARIABLE)
    if not words:
        raise RootError(
            f"The root key comes from a passphrase: put it into {PASSPHRASE_VARIABLE}, name its"
            " file with --root-key passphrase:PATH, or start on a terminal, where it is asked for."
        )
    return words


def _stretch(words: str, facts: Facts) -> bytes:
    """scrypt (RFC 7914), within bounds: what stands in a file must not cost all memory."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    power = facts.n > 1 and facts.n & (facts.n - 1) == 0
    if not (
        power and facts.n <= SCRYPT_N_MAX
        and 1 <= facts.r <= SCRYPT_R_MAX and 1 <= facts.p <= SCRYPT_P_MAX
        and len(facts.salt) == SALT_BYTES
    ):  # fmt: skip
        raise RootError("The keyring asks for a passphrase with parameters out of bounds.")
    stretched = Scrypt(salt=facts.salt, length=ROOT_BYTES, n=facts.n, r=facts.r, p=facts.p)
    return stretched.derive(words.encode())


# -- another KMS --------------------------------------------------------------------------------


def _kms_make(source: Source) -> Root:
    made = _ask(source, "generate_data_key", KeyId=source.where, KeySpec="AES_256")
    facts = Facts("kms", blob=made["CiphertextBlob"], key_arn=made["KeyId"])
    return Root(made["Plaintext"], facts)


def _kms_open(source: Source, facts: Facts) -> bytes:
    found = _ask(source, "decrypt", KeyId=facts.key_arn, CiphertextBlob=facts.blob)
    key: bytes = found["Plaintext"]
    if len(key) != ROOT_BYTES:
        raise RootError(f"What {facts.key_arn} decrypted is no root key.")
    return key


def _ask(source: Source, operation: str, **request: Any) -> Any:
    """One request, with the credentials of botocore's chain: environment, profile, instance."""
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    place = source.endpoint or "AWS"
    try:
        client = botocore.session.get_session().create_client(
            "kms",
            region_name=source.region or _region_of(source.where),
            endpoint_url=source.endpoint or None,
            config=Config(
                connect_timeout=KMS_S_MAX,
                read_timeout=KMS_S_MAX,
                retries={"total_max_attempts": KMS_ATTEMPTS_MAX, "mode": "standard"},
            ),
        )
        return getattr(client, operation)(EncryptionContext=KMS_CONTEXT, **request)
    except ClientError as error:
        raise RootError(f"The KMS at {place} refuses the root key: {error}") from error
    except (BotoCoreError, ValueError) as error:
        raise RootError(f"The root key cannot be asked of the KMS at {place}: {error}") from error


def _region_of(key: str) -> str | None:
    """An ARN says it; else botocore's own configuration does."""
    parts = key.split(":")
    return parts[3] if len(parts) > 5 and parts[0] == "arn" else None

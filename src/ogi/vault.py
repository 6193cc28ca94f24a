"""The vault: what Ogi itself keeps secret is sealed under a root key that is not in the data.

Keys for a purpose are derived from the root key with HKDF-SHA256; sealing is AES-256-GCM. A nonce
is given by the caller, who draws it from the call, so that sealing is a plain function.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROOT_BYTES = 32
NONCE_BYTES = 12


class Vault:
    """Seals and opens under keys derived from one root key."""

    def __init__(self, root: bytes) -> None:
        if len(root) != ROOT_BYTES:
            raise ValueError(f"the root key has {len(root)} bytes, not {ROOT_BYTES}")
        self._root = root
        self.cipher = lru_cache(maxsize=4096)(self._cipher)

    def key(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, e.g. `sqs/arn:aws:sqs:...`."""
        return HKDF(SHA256(), 32, salt=None, info=b"ogi/" + purpose.encode()).derive(self._root)

    def _cipher(self, purpose: str) -> AESGCM:
        return AESGCM(self.key(purpose))

    def seal(self, purpose: str, plain: bytes, nonce: bytes, bound: bytes = b"") -> bytes:
        """nonce + ciphertext; `bound` must be given again to open it. The nonce is used once."""
        return nonce + self.cipher(purpose).encrypt(nonce, plain, bound)

    def open(self, purpose: str, sealed: bytes, bound: bytes = b"") -> bytes:
        """What was sealed; raises cryptography.exceptions.InvalidTag if it was tampered with."""
        return self.cipher(purpose).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)


def load(path: Path) -> Vault:
    """The vault whose root key is the file `path` (mode 0600), made at the first start."""
    if not path.exists():
        made = path.with_suffix(".new")
        fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(os.urandom(ROOT_BYTES))
            file.flush()
            os.fsync(file.fileno())
        made.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return Vault(path.read_bytes())

"""The vault: what Ogi itself keeps secret is sealed under secrets that are not in the data.

There is one secret per generation; a rotation adds the next (ogi.keyring keeps them). Keys for a
purpose are derived from a generation's secret with HKDF-SHA256; sealing is AES-256-GCM under the
newest, opening tries the newest first. A nonce is given by the caller, who draws it from the call,
so that sealing is a plain function.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
GENERATIONS_MAX: Final = 255
"""What is sealed under a key of a day names its generation in one byte (ogi.sealing)."""


class Vault:
    """Seals and opens under keys derived from one secret per generation."""

    def __init__(self, *secrets: bytes) -> None:
        self._secrets: list[bytes] = []
        self.generation = -1
        """The newest, counted from 0."""
        for secret in secrets:
            self.renew(secret)
        self.cipher = lru_cache(maxsize=4096)(self._cipher)

    def renew(self, secret: bytes) -> None:
        """From now on seal under `secret`; what was sealed before still opens."""
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"a secret of the vault has {len(secret)} bytes, not {SECRET_BYTES}")
        if len(self._secrets) >= GENERATIONS_MAX:
            raise ValueError(f"the vault has {GENERATIONS_MAX} generations already")
        self._secrets.append(secret)
        self.generation += 1

    def key(self, purpose: str, generation: int) -> bytes:
        """A 32-byte key for one purpose, e.g. `sqs/arn:aws:sqs:...`, the same for ever.

        Raises InvalidTag for a generation that has never been: what names it was not sealed here.
        """
        if not 0 <= generation <= self.generation:
            raise InvalidTag
        info = b"ogi/" + purpose.encode()
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._secrets[generation])

    def _cipher(self, purpose: str, generation: int) -> AESGCM:
        return AESGCM(self.key(purpose, generation))

    def seal(self, purpose: str, plain: bytes, nonce: bytes, bound: bytes = b"") -> bytes:
        """nonce + ciphertext; `bound` must be given again to open it. The nonce is used once."""
        return nonce + self.cipher(purpose, self.generation).encrypt(nonce, plain, bound)

    def open(self, purpose: str, sealed: bytes, bound: bytes = b"") -> bytes:
        """What was sealed; raises cryptography.exceptions.InvalidTag if it was tampered with."""
        nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for generation in range(self.generation, 0, -1):
            try:
                return self.cipher(purpose, generation).decrypt(nonce, body, bound)
            except InvalidTag:
                continue
        return self.cipher(purpose, 0).decrypt(nonce, body, bound)

    def is_newest(self, purpose: str, sealed: bytes, bound: bytes = b"") -> bool:
        """Whether it was sealed under the newest generation; InvalidTag if under none."""
        nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            self.cipher(purpose, self.generation).decrypt(nonce, body, bound)
        except InvalidTag:
            self.open(purpose, sealed, bound)
            return False
        return True

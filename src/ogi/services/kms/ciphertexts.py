"""Ciphertext blobs of symmetric keys: AES-256-GCM under a key that is derived for each blob.

A blob is: format (1), key id (16), account (6), material version (4), salt (16), nonce (12),
ciphertext and tag. The whole head and the encryption context are authenticated. Deriving a key per
blob, as AWS does, lets one KMS key encrypt without a limit that random nonces would set:
docs.aws.amazon.com/kms/latest/cryptographic-details/crypto-primitives.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ogi.sealing import canonical
from ogi.service import Call
from ogi.services.kms import materials
from ogi.services.kms.errors import InvalidCiphertextException
from ogi.services.kms.records import Key

FORMAT = b"\x01"
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
CONTEXT_BYTES_MAX = 8192

_NAMES = 1 + 16 + 6 + 4
_HEAD = _NAMES + SALT_BYTES + NONCE_BYTES


class Names(msgspec.Struct, frozen=True):
    """What a blob says of itself; true only once it has opened."""

    account: str
    key_id: str
    version: int


def encrypt(call: Call, key: Key, plain: bytes, context: Mapping[str, str]) -> bytes:
    version = materials.current(call.ports.vault, key)
    drawn = call.entropy(SALT_BYTES + NONCE_BYTES)
    head = b"".join((
        FORMAT, uuid.UUID(key.id).bytes, int(key.account).to_bytes(6, "big"),
        version.to_bytes(4, "big"), drawn,
    ))  # fmt: skip
    cipher = _cipher(call, key, version, drawn[:SALT_BYTES])
    return head + cipher.encrypt(drawn[SALT_BYTES:], plain, head + canonical(context))


def names(blob: bytes) -> Names:
    """Which key a blob is said to be of."""
    if len(blob) < _HEAD + TAG_BYTES or blob[:1] != FORMAT:
        raise InvalidCiphertextException
    hexed = blob[1:17].hex()
    key_id = f"{hexed[:8]}-{hexed[8:12]}-{hexed[12:16]}-{hexed[16:20]}-{hexed[20:]}"
    return Names(
        f"{int.from_bytes(blob[17:23], 'big'):012d}", key_id, int.from_bytes(blob[23:27], "big")
    )


def decrypt(call: Call, key: Key, blob: bytes, context: Mapping[str, str]) -> bytes:
    """The plaintext; InvalidCiphertextException if anything of blob or context differs."""
    named = names(blob)
    if named.version > materials.current(call.ports.vault, key):
        raise InvalidCiphertextException
    head = blob[:_HEAD]
    salt, nonce = head[_NAMES : _NAMES + SALT_BYTES], head[_NAMES + SALT_BYTES :]
    cipher = _cipher(call, key, named.version, salt)
    try:
        return cipher.decrypt(nonce, blob[_HEAD:], head + canonical(context))
    except InvalidTag:
        raise InvalidCiphertextException from None


def _cipher(call: Call, key: Key, version: int, salt: bytes) -> AESGCM:
    secret = materials.secret(call.ports.vault, key, version)
    return AESGCM(HKDFExpand(SHA256(), 32, b"ogi/kms/blob/" + salt).derive(secret))

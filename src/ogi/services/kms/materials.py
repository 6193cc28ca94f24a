"""Key material: made from the call's entropy, kept sealed by the vault, opened for use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from ogi.service import Call, Run
from ogi.services.kms import managed
from ogi.services.kms.records import Key, Material
from ogi.vault import NONCE_BYTES, Vault

SYMMETRIC_BYTES = 32
_PURPOSE = "kms/material"
_SECRET_BYTES: Mapping[str, int] = {
    "SYMMETRIC_DEFAULT": SYMMETRIC_BYTES,
    "HMAC_224": 28,
    "HMAC_256": 32,
    "HMAC_384": 48,
    "HMAC_512": 64,
}
OPENED_MAX = 1024
"""Materials kept in the clear in memory."""


def secret_bytes(spec: str) -> int:
    """How long the material of a key without a pair is."""
    return _SECRET_BYTES[spec]


def make(call: Call, key_arn: str, kind: str, secret: bytes) -> Material:
    """A record of `secret`, sealed so that it opens for this key only."""
    return seal(call, key_arn, call.entropy(32).hex(), kind, secret)


def seal(call: Call, key_arn: str, id: str, kind: str, secret: bytes) -> Material:
    sealed = call.ports.vault.seal(_PURPOSE, secret, call.entropy(NONCE_BYTES),
                                   _bound(key_arn, id))  # fmt: skip
    return Material(id, call.now, kind, sealed)


def rewrapped(vault: Vault, run: Run, key_arn: str, made: Material) -> Material:
    """The same material under the vault's newest generation; itself if it is already."""
    bound = _bound(key_arn, made.id)
    if not made.sealed or vault.is_newest(_PURPOSE, made.sealed, bound):
        return made
    plain = vault.open(_PURPOSE, made.sealed, bound)
    sealed = vault.seal(_PURPOSE, plain, run.entropy(NONCE_BYTES), bound)
    return msgspec.structs.replace(made, sealed=sealed)


def secret(vault: Vault, key: Key, version: int) -> bytes:
    """The material in the clear: bytes of a symmetric key, DER of a private key."""
    if key.manager == "AWS":
        return managed.material(vault, key.arn, version)
    material = key.materials[version]
    return _open(vault, key.arn, material.id, material.sealed)


def current(vault: Vault, key: Key) -> int:
    """The version that encrypts: the newest."""
    return vault.generation if key.manager == "AWS" else len(key.materials) - 1


def id(vault: Vault, key: Key, version: int) -> str:
    """What AWS shows of a version."""
    if key.manager != "AWS":
        return key.materials[version].id
    first = key.materials[0].id
    return hashlib.sha256(f"{first}/{version}".encode()).hexdigest() if version else first


@lru_cache(maxsize=OPENED_MAX)
def _open(vault: Vault, key_arn: str, id: str, sealed: bytes) -> bytes:
    return vault.open(_PURPOSE, sealed, _bound(key_arn, id))


def _bound(key_arn: str, id: str) -> bytes:
    return f"{key_arn}/{id}".encode()

"""Imported key material: how it comes in wrapped, and its life in a key of origin EXTERNAL.

The wrapping key travels inside the import token, sealed by the vault, so that asking for one writes
nothing. docs.aws.amazon.com/kms/latest/developerguide/importing-keys.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from ogi.service import Call, Fields
from ogi.services.kms import keys, materials, pairs
from ogi.services.kms.errors import (
    ExpiredImportTokenException,
    IncorrectKeyMaterialException,
    InvalidCiphertextException,
    InvalidImportTokenException,
    KMSInvalidStateException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
)
from ogi.services.kms.records import Key, Material
from ogi.storage import Transaction
from ogi.vault import NONCE_BYTES, Vault

VALID_S = 24 * 3600
"""Of a wrapping key and its token: API_GetParametersForImport."""
LIFE_S_MAX = 365 * 86_400
"""Until material expires: API_ImportKeyMaterial, ValidTo."""
WRAPPED_AES_BYTES = (16, 24, 32)

ALGORITHMS: Mapping[str, hashes.HashAlgorithm] = {
    "RSAES_OAEP_SHA_1": hashes.SHA1(),
    "RSAES_OAEP_SHA_256": hashes.SHA256(),
    "RSA_AES_KEY_WRAP_SHA_1": hashes.SHA1(),
    "RSA_AES_KEY_WRAP_SHA_256": hashes.SHA256(),
}
WRAPPING_SPECS = frozenset({"RSA_2048", "RSA_3072", "RSA_4096"})

_TOKENS = "kms/import-token"
_IDS = "kms/imported-id"


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What an import token carries."""

    algorithm: str
    private: bytes
    """The wrapping key, DER (PKCS #8)."""
    valid_to: float


class Wanted(msgspec.Struct, frozen=True):
    """One import, in its importer's words."""

    secret: bytes
    public: bytes
    new: bool | None
    """None: not said."""
    id: str
    description: str | None
    expires: float | None


# -- on the way in ------------------------------------------------------------------------------


def require_wrapping(key: Key, algorithm: str, spec: str) -> None:
    """Refuse an algorithm or wrapping key with which this key's material cannot come.

    docs.aws.amazon.com/kms/latest/developerguide/importing-keys-get-public-key-and-token.html
    """
    if algorithm not in ALGORITHMS or spec not in WRAPPING_SPECS:
        raise UnsupportedOperationException
    direct = not algorithm.startswith("RSA_AES")
    if direct and (
        key.spec.startswith("RSA_") or (key.spec == "ECC_NIST_P521" and spec == "RSA_2048")
    ):
        raise UnsupportedOperationException(
            f"{algorithm} with a wrapping key of {spec} cannot wrap key material of {key.spec}."
        )


def token(call: Call, key: Key, algorithm: str, private: bytes, valid_to: float) -> bytes:
    """The wrapping key, sealed so that it serves for this KMS key only."""
    plain = msgspec.msgpack.encode(Token(algorithm, private, valid_to))
    return call.ports.vault.seal(_TOKENS, plain, call.entropy(NONCE_BYTES), key.arn.encode())


def read_token(call: Call, key: Key, raw: bytes) -> Token:
    try:
        plain = call.ports.vault.open(_TOKENS, raw, key.arn.encode())
    except (InvalidTag, ValueError):
        raise InvalidImportTokenException from None
    found = msgspec.msgpack.decode(plain, type=Token)
    if call.now >= found.valid_to:
        raise ExpiredImportTokenException
    return found


def unwrap(token: Token, wrapped: bytes) -> bytes:
    """The material; InvalidCiphertextException if it was not wrapped for this token."""
    key = pairs.private(token.private)
    assert isinstance(key, rsa.RSAPrivateKey)
    hashing = ALGORITHMS[token.algorithm]
    oaep = padding.OAEP(mgf=padding.MGF1(hashing), algorithm=hashing, label=None)
    # RSA_AES_KEY_WRAP is PKCS #11's CKM_RSA_AES_KEY_WRAP: an AES key under RSA, then the material
    # under the AES key (RFC 5649).
    size = key.key_size // 8 if token.algorithm.startswith("RSA_AES") else len(wrapped)
    try:
        opened = key.decrypt(wrapped[:size], oaep)
        if not token.algorithm.startswith("RSA_AES"):
            return opened
        if len(opened) not in WRAPPED_AES_BYTES:
            raise InvalidCiphertextException
        return aes_key_unwrap_with_padding(opened, wrapped[size:])
    except (ValueError, InvalidUnwrap):
        raise InvalidCiphertextException from None


def read(key: Key, material: bytes) -> tuple[bytes, bytes]:
    """What is kept of unwrapped material, and its public key; IncorrectKeyMaterialException.

    docs.aws.amazon.com/kms/latest/developerguide/importing-keys-conceptual.html
    """
    if key.spec not in pairs.SPECS:
        if len(material) != materials.secret_bytes(key.spec):
            raise IncorrectKeyMaterialException
        return material, b""
    try:
        pair = pairs.read(key.spec, material)
    except ValueError:
        raise IncorrectKeyMaterialException from None
    return pair.private, pair.public


# -- in the key ---------------------------------------------------------------------------------


def material_id(vault: Vault, key_arn: str, secret: bytes) -> str:
    """The same for the same material in the same key, and of no use to guess the material by.

    Of the vault's first generation: it outlives rotations of the root key.
    """
    body = len(key_arn).to_bytes(2, "big") + key_arn.encode() + secret
    return hmac.new(vault.key(_IDS, 0), body, hashlib.sha256).hexdigest()


def put(tx: Transaction, call: Call, key: Key, wanted: Wanted) -> Material:
    """Keep the material: again where it was, or as the key's first or next one."""
    keys.require_present(key)
    id = material_id(call.ports.vault, key.arn, wanted.secret)
    known = [*key.materials, *((key.pending,) if key.pending else ())]
    again = next((made for made in known if made.id == id), None)
    new = wanted.new if wanted.new is not None else not key.materials
    _require_expected(key, wanted, id, new, again)
    made = materials.seal(call, key.arn, id, "IMPORTED", wanted.secret)
    made = msgspec.structs.replace(
        made,
        description=wanted.description or "",
        expires=wanted.expires,
    )
    if again is not None:
        made = msgspec.structs.replace(
            made,
            kind=again.kind,
            made=again.made,
            description=again.description if wanted.description is None else made.description,
        )
    key = msgspec.structs.replace(_with(key, made, again), public=wanted.public)
    keys.put(tx, keys.settled(key))
    return made


def _require_expected(key: Key, wanted: Wanted, id: str, new: bool, again: Material | None) -> None:
    """API_ImportKeyMaterial: ImportType and KeyMaterialId."""
    if wanted.id and id != wanted.id:
        raise IncorrectKeyMaterialException
    if new == (again is not None):
        raise IncorrectKeyMaterialException
    if new and key.materials:
        if key.spec != "SYMMETRIC_DEFAULT":
            raise IncorrectKeyMaterialException
        if key.pending is not None:
            raise KMSInvalidStateException(
                f"{key.arn} already has key material that is pending rotation."
            )


def _with(key: Key, made: Material, again: Material | None) -> Key:
    if again is None and not key.materials:
        return msgspec.structs.replace(key, materials=(made,))
    if again is None or again == key.pending:
        return msgspec.structs.replace(key, pending=made)
    every = tuple(made if old.id == made.id else old for old in key.materials)
    return msgspec.structs.replace(key, materials=every)


def delete(tx: Transaction, key: Key, id: str) -> Material | None:
    """Forget one material, the current one if none is named; returns what it was.

    Material that waits for its rotation is not associated with the key for good, so nothing of it
    remains: docs.aws.amazon.com/kms/latest/developerguide/importing-keys-delete-key-material.html
    """
    if not id and not key.materials:
        return None
    wanted = id or key.materials[-1].id
    if key.pending is not None and key.pending.id == wanted:
        keys.put(tx, msgspec.structs.replace(key, pending=None))
        return key.pending
    found = next((made for made in key.materials if made.id == wanted), None)
    if found is None:
        raise NotFoundException(f"Key material {wanted} is not associated with {key.arn}.")
    if found.sealed:
        gone = msgspec.structs.replace(found, sealed=b"", expires=None)
        every = tuple(gone if made is found else made for made in key.materials)
        keys.put(tx, keys.settled(msgspec.structs.replace(key, materials=every)))
    return found


def expire(tx: Transaction, key: Key, id: str, due: float) -> bool:
    """Forget material that was to be kept until `due`, unless it came anew since."""
    known = [*key.materials, *((key.pending,) if key.pending else ())]
    if not any(made.id == id and made.expires == due and made.sealed for made in known):
        return False
    delete(tx, key, id)
    return True


def expiration(made: Material) -> Fields:
    """The members that say whether and when material expires."""
    if made.expires is None:
        return {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    return {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": made.expires}


def required_expiry(request: Fields, now: float) -> float | None:
    """API_ImportKeyMaterial: ExpirationModel and ValidTo."""
    expires = request.get("ExpirationModel", "KEY_MATERIAL_EXPIRES") == "KEY_MATERIAL_EXPIRES"
    valid_to: float | None = request.get("ValidTo")
    if expires != (valid_to is not None):
        raise ValidationException(
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES."
            if expires
            else "A validTo date must not be set if the ExpirationModel is"
            " KEY_MATERIAL_DOES_NOT_EXPIRE."
        )
    if valid_to is not None and not now < valid_to <= now + LIFE_S_MAX:
        raise ValidationException(
            "The validTo date must be in the future and at most 365 days from now."
        )
    return valid_to

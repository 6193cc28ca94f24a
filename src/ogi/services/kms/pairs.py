"""Key pairs, RSA, elliptic curves, ML-DSA and ML-KEM: made, and read again from their DER."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

READ_MAX = 256
"""Keys kept in memory as objects; reading an RSA key checks it, which takes long."""

_RSA_BITS: Mapping[str, int] = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}
PrivateSigner = (
    ed25519.Ed25519PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
PublicSigner = (
    ed25519.Ed25519PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)
PrivateDecapsulator = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
PublicEncapsulator = mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | PrivateSigner | PrivateDecapsulator
Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | PublicSigner | PublicEncapsulator

_OTHERS: Mapping[str, Callable[[], Private]] = {
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate,
    "ML_DSA_44": mldsa.MLDSA44PrivateKey.generate,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey.generate,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey.generate,
    "ML_KEM_768": mlkem.MLKEM768PrivateKey.generate,
    "ML_KEM_1024": mlkem.MLKEM1024PrivateKey.generate,
}
"""The library has no ML-KEM-512."""
IMPORTABLE = frozenset({*_RSA_BITS, *_CURVES})
"""Specs whose private keys may come from outside."""
SPECS = frozenset({*IMPORTABLE, *_OTHERS})


class Pair(msgspec.Struct, frozen=True):
    private: bytes
    """DER, PKCS #8."""
    public: bytes
    """DER, SubjectPublicKeyInfo."""


def make(spec: str) -> Pair:
    """A new pair, of the system's randomness."""
    made: Private
    if spec in _RSA_BITS:
        made = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[spec])
    elif spec in _CURVES:
        made = ec.generate_private_key(_CURVES[spec])
    else:
        made = _OTHERS[spec]()
    return _pair(made)


def _pair(made: Private) -> Pair:
    return Pair(
        made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )


def read(spec: str, der: bytes) -> Pair:
    """The pair of a private key in PKCS #8; ValueError if it is not one of this spec."""
    if not _is_pkcs8(der):
        raise ValueError("not PKCS #8")
    try:
        key = load_der_private_key(der, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if isinstance(key, rsa.RSAPrivateKey):
        right = key.key_size == _RSA_BITS.get(spec)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        right = spec in _CURVES and key.curve.name == _CURVES[spec].name
    else:
        right = False
    if not right:
        raise ValueError(f"not a key of {spec}")
    assert isinstance(key, Private)
    return _pair(key)


def _is_pkcs8(der: bytes) -> bool:
    """Whether a sequence (the algorithm) stands behind the version: RFC 5208, section 5.

    The library reads older encodings of private keys as well; KMS asks for this one.
    """
    head = 2 if der[1:2] < b"\x80" else 2 + (der[1] & 0x7F)
    return der[:1] == b"\x30" and der[head + 3 : head + 4] == b"\x30"


@lru_cache(maxsize=READ_MAX)
def private(der: bytes) -> Private:
    key = load_der_private_key(der, password=None)
    assert isinstance(key, Private)
    return key


@lru_cache(maxsize=READ_MAX)
def public(der: bytes) -> Public:
    key = load_der_public_key(der)
    assert isinstance(key, Public)
    return key

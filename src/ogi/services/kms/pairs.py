"""Key pairs, RSA and elliptic curves: made, and read again from their DER."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
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
SPECS = frozenset({*_RSA_BITS, *_CURVES})

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


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
    else:
        made = ec.generate_private_key(_CURVES[spec])
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

"""Signatures, codes, agreements and encryption of key pairs and HMAC keys, by the library.

PSS and OAEP draw their salt from the system. Nothing of it is written, so that running an operation
again does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import constant_time, hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ogi.services.kms import pairs
from ogi.services.kms.errors import (
    InvalidCiphertextException,
    KMSInvalidMacException,
    KMSInvalidSignatureException,
    ValidationException,
)

_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "SHA_1": hashes.SHA1(),
    "SHA_224": hashes.SHA224(),
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}


MU_BYTES = 64
"""What stands for a message in ML-DSA: FIPS 204, section 6.2."""
KINDS: Mapping[str, tuple[str, ...]] = {
    "ED25519_SHA_512": ("RAW",),
    "ML_DSA_SHAKE_256": ("RAW", "EXTERNAL_MU"),
}
"""Kinds of messages of algorithms that do not take RAW and DIGEST: API_Sign, MessageType."""


def sign(private_der: bytes, algorithm: str, message: bytes, kind: str) -> bytes:
    """ECDSA is deterministic (RFC 6979). `kind`: as the member MessageType says it."""
    key = pairs.private(private_der)
    _require_kind(algorithm, message, kind)
    if isinstance(key, pairs.PrivateSigner):
        if kind == "EXTERNAL_MU" and not isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign_mu(message)
        return key.sign(message)
    hashing = _hashing(algorithm, message, kind == "DIGEST")
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, _signing_padding(algorithm), hashing)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(message, ec.ECDSA(hashing, deterministic_signing=True))


def verify(public_der: bytes, algorithm: str, message: bytes, kind: str, signature: bytes) -> None:
    """Raises KMSInvalidSignatureException if it is not the signature of this message."""
    key = pairs.public(public_der)
    _require_kind(algorithm, message, kind)
    try:
        if isinstance(key, pairs.PublicSigner):
            if kind == "EXTERNAL_MU" and not isinstance(key, ed25519.Ed25519PublicKey):
                key.verify_mu(signature, message)
            else:
                key.verify(signature, message)
            return
        hashing = _hashing(algorithm, message, kind == "DIGEST")
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _signing_padding(algorithm), hashing)
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            key.verify(signature, message, ec.ECDSA(hashing))
    except InvalidSignature:
        raise KMSInvalidSignatureException from None


def encrypt(public_der: bytes, spec: str, algorithm: str, plain: bytes) -> bytes:
    key = pairs.public(public_der)
    assert isinstance(key, rsa.RSAPublicKey)
    # RFC 8017, section 7.1.1; API_Encrypt has the same numbers.
    largest = key.key_size // 8 - 2 * _HASHES[algorithm[algorithm.index("SHA_") :]].digest_size - 2
    if len(plain) > largest:
        raise ValidationException(
            f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than"
            f" {largest} bytes."
        )
    return key.encrypt(plain, _oaep(algorithm))


def decrypt(private_der: bytes, algorithm: str, blob: bytes) -> bytes:
    key = pairs.private(private_der)
    assert isinstance(key, rsa.RSAPrivateKey)
    try:
        return key.decrypt(blob, _oaep(algorithm))
    except ValueError:
        raise InvalidCiphertextException from None


def agree(private_der: bytes, peer_der: bytes) -> bytes:
    """The shared secret of ECDH with a peer's public key on the same curve."""
    key = pairs.private(private_der)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    try:
        peer = pairs.public(peer_der)
        if not isinstance(peer, ec.EllipticCurvePublicKey):
            raise ValueError("not a point of a curve")
        return key.exchange(ec.ECDH(), peer)
    except (ValueError, AssertionError):
        raise ValidationException(
            "The public key is not one of an elliptic curve key pair of the same key spec."
        ) from None


def encapsulate(public_der: bytes) -> tuple[bytes, bytes]:
    """A new shared secret, and what the holder of the private key makes it of (FIPS 203)."""
    key = pairs.public(public_der)
    assert isinstance(key, pairs.PublicEncapsulator)
    return key.encapsulate()


def decapsulate(private_der: bytes, blob: bytes) -> bytes:
    """The shared secret; another one, and no error, for a blob of the right size that is wrong."""
    key = pairs.private(private_der)
    assert isinstance(key, pairs.PrivateDecapsulator)
    try:
        return key.decapsulate(blob)
    except ValueError:
        raise InvalidCiphertextException from None


def mac(secret: bytes, algorithm: str, message: bytes) -> bytes:
    code = hmac.HMAC(secret, _HASHES[algorithm.removeprefix("HMAC_")])
    code.update(message)
    return code.finalize()


def verify_mac(secret: bytes, algorithm: str, message: bytes, code: bytes) -> None:
    """Raises KMSInvalidMacException if it is not the code of this message."""
    if not constant_time.bytes_eq(mac(secret, algorithm, message), code):
        raise KMSInvalidMacException


def _require_kind(algorithm: str, message: bytes, kind: str) -> None:
    if kind not in KINDS.get(algorithm, ("RAW", "DIGEST")):
        raise ValidationException(f"MessageType {kind} is not valid for {algorithm}.")
    if kind == "EXTERNAL_MU" and len(message) != MU_BYTES:
        raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.")


def _hashing(algorithm: str, message: bytes, digested: bool) -> hashes.HashAlgorithm | Prehashed:
    hashing = _HASHES[algorithm[algorithm.index("SHA_") :]]
    if not digested:
        return hashing
    if len(message) != hashing.digest_size:
        raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.")
    return Prehashed(hashing)


def _signing_padding(algorithm: str) -> padding.AsymmetricPadding:
    if algorithm.startswith("RSASSA_PKCS1"):
        return padding.PKCS1v15()
    hashing = _HASHES[algorithm[algorithm.index("SHA_") :]]
    # KMS's salt is as long as the digest: docs.aws.amazon.com/kms/latest/developerguide/
    # symm-asymm-choose-key-spec.html
    return padding.PSS(mgf=padding.MGF1(hashing), salt_length=hashing.digest_size)


def _oaep(algorithm: str) -> padding.OAEP:
    hashing = _HASHES[algorithm.removeprefix("RSAES_OAEP_")]
    return padding.OAEP(mgf=padding.MGF1(hashing), algorithm=hashing, label=None)

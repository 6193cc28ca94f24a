"""Key specs: what each can be used for, and with which algorithms.

docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
"""

from __future__ import annotations

from collections.abc import Mapping

_RSA_ENCRYPTION = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGNING = (
    "RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
)  # fmt: skip
_RSA: Mapping[str, tuple[str, ...]] = {
    "ENCRYPT_DECRYPT": _RSA_ENCRYPTION,
    "SIGN_VERIFY": _RSA_SIGNING,
}

SPECS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "SYMMETRIC_DEFAULT": {"ENCRYPT_DECRYPT": ("SYMMETRIC_DEFAULT",)},
    "RSA_2048": _RSA,
    "RSA_3072": _RSA,
    "RSA_4096": _RSA,
    "ECC_NIST_P256": {"SIGN_VERIFY": ("ECDSA_SHA_256",), "KEY_AGREEMENT": ("ECDH",)},
    "ECC_NIST_P384": {"SIGN_VERIFY": ("ECDSA_SHA_384",), "KEY_AGREEMENT": ("ECDH",)},
    "ECC_NIST_P521": {"SIGN_VERIFY": ("ECDSA_SHA_512",), "KEY_AGREEMENT": ("ECDH",)},
    "ECC_SECG_P256K1": {"SIGN_VERIFY": ("ECDSA_SHA_256",)},
    "ECC_NIST_EDWARDS25519": {"SIGN_VERIFY": ("ED25519_SHA_512",)},
    "ML_DSA_44": {"SIGN_VERIFY": ("ML_DSA_SHAKE_256",)},
    "ML_DSA_65": {"SIGN_VERIFY": ("ML_DSA_SHAKE_256",)},
    "ML_DSA_87": {"SIGN_VERIFY": ("ML_DSA_SHAKE_256",)},
    "ML_KEM_768": {"ENCAPSULATE_DECAPSULATE": ("ML_KEM",)},
    "ML_KEM_1024": {"ENCAPSULATE_DECAPSULATE": ("ML_KEM",)},
    "HMAC_224": {"GENERATE_VERIFY_MAC": ("HMAC_SHA_224",)},
    "HMAC_256": {"GENERATE_VERIFY_MAC": ("HMAC_SHA_256",)},
    "HMAC_384": {"GENERATE_VERIFY_MAC": ("HMAC_SHA_384",)},
    "HMAC_512": {"GENERATE_VERIFY_MAC": ("HMAC_SHA_512",)},
}
"""spec -> usage -> algorithms"""

ALGORITHMS_MEMBER: Mapping[str, str] = {
    "ENCRYPT_DECRYPT": "EncryptionAlgorithms",
    "SIGN_VERIFY": "SigningAlgorithms",
    "GENERATE_VERIFY_MAC": "MacAlgorithms",
    "KEY_AGREEMENT": "KeyAgreementAlgorithms",
    "ENCAPSULATE_DECAPSULATE": "EncapsulationAlgorithms",
}
"""The member of KeyMetadata that lists the algorithms of a usage."""


def algorithms(spec: str, usage: str) -> tuple[str, ...]:
    return SPECS[spec][usage]

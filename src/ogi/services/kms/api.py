"""KMS's operations, in AWS's words; importing this registers them all."""

from __future__ import annotations

from ogi.services.kms import (
    api_aliases,
    api_crypto,
    api_grants,
    api_imports,
    api_keys,
    api_pairs,
    api_rotations,
)

__all__ = [
    "api_aliases",
    "api_crypto",
    "api_grants",
    "api_imports",
    "api_keys",
    "api_pairs",
    "api_rotations",
]

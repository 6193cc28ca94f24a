"""The operations of IAM, by noun; importing this module registers them."""

from __future__ import annotations

from ogi.services.iam import (
    accounts,
    groups,
    holders,
    policies,
    profiles,
    providers,
    roles,
    simulations,
    users,
)

__all__ = [
    "accounts",
    "groups",
    "holders",
    "policies",
    "profiles",
    "providers",
    "roles",
    "simulations",
    "users",
]

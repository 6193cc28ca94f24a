"""The operations of IAM, by noun; importing this module registers them."""

from __future__ import annotations

from ogi.services.iam import (
    absences,
    accessed,
    accounts,
    groups,
    holders,
    policies,
    profiles,
    providers,
    reports,
    roles,
    simulations,
    users,
)

__all__ = [
    "absences",
    "accessed",
    "accounts",
    "groups",
    "holders",
    "policies",
    "profiles",
    "providers",
    "reports",
    "roles",
    "simulations",
    "users",
]

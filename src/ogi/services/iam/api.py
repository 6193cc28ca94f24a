"""The operations of IAM, by noun; importing this module registers them."""

from __future__ import annotations

from ogi.services.iam import groups, holders, policies, profiles, roles, users

__all__ = ["groups", "holders", "policies", "profiles", "roles", "users"]

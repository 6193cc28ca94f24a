"""The Principal element: whom a statement of a resource policy speaks of.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any, Final

from ogi.service import Principal

KINDS: Final = ("AWS", "Service", "Federated", "CanonicalUser")
_ACCOUNT: Final = re.compile(r"\d{12}")
_ROOT: Final = re.compile(r"arn:[a-z-]+:iam::(\d{12}):root")


class Named(IntEnum):
    """How a statement names a principal; it decides what else can limit an allow."""

    NOT = 0
    ACCOUNT = 1
    """Its account: the account's own policies decide further."""
    ROLE = 2
    """The role of the session: boundary and session policies still limit it."""
    DIRECTLY = 3
    """The user or session itself, or everyone."""


class Principals:
    """Compiled Principal or NotPrincipal. A malformed one raises ValueError.

    `arns`: ARNs of users, roles and sessions; unique ids of those that are bound to one.
    """

    __slots__ = (
        "accounts",
        "anyone",
        "arns",
        "bare",
        "entries",
        "federated",
        "negated",
        "services",
    )

    def __init__(self, element: Any, negated: bool) -> None:
        self.negated = negated
        self.bare = element == "*"
        """Written as "*", not as a map."""
        self.entries = _entries(element)
        self.anyone = ("AWS", "*") in self.entries
        # A principal is kept as `ARN ID` once it is bound to who had the ARN (ogi.access.trusts).
        parts = [(kind, *value.partition(" ")[::2]) for kind, value in self.entries]
        self.entries = tuple((kind, value) for kind, value, _ in parts)
        aws = [(value, id) for kind, value, id in parts if kind == "AWS"]
        self.accounts = frozenset(a for a in (account_of(v) for v, _ in aws) if a is not None)
        self.arns = frozenset(id or value for value, id in aws if account_of(value) is None)
        self.services = frozenset(v for k, v in self.entries if k == "Service")
        self.federated = frozenset(v for k, v in self.entries if k == "Federated")

    def names(self, principal: Principal, region: str) -> Named:
        """How the element names `principal`; a NotPrincipal names whom it does not list."""
        if self.negated:
            return Named.NOT if self._lists_wholly(principal, region) else Named.DIRECTLY
        if self.anyone:
            return Named.DIRECTLY
        if principal.kind == "service":
            return Named.DIRECTLY if self._lists_service(principal.arn, region) else Named.NOT
        if principal.kind == "anonymous":
            return Named.NOT
        if principal.kind == "web-identity":
            return Named.DIRECTLY if principal.arn in self.federated else Named.NOT
        if principal.arn in self.arns or principal.id in self.arns:
            return Named.DIRECTLY
        if principal.kind == "root" and principal.account in self.accounts:
            return Named.DIRECTLY
        if principal.role_arn and (
            principal.role_arn in self.arns or principal.id.partition(":")[0] in self.arns
        ):
            return Named.ROLE
        return Named.ACCOUNT if principal.account in self.accounts else Named.NOT

    def _lists_service(self, name: str, region: str) -> bool:
        if name in self.services or "*" in self.services:
            return True
        # Some services are named with the region: logs.eu-west-1.amazonaws.com.
        host, _, domain = name.partition(".")
        return bool(self.services) and f"{host}.{region}.{domain}" in self.services

    def _lists_wholly(self, principal: Principal, region: str) -> bool:
        """Whether all that the principal is, is listed.

        "If the NotPrincipal element contained only Bob's ARN, the effect of the policy might be
        to explicitly deny access to the AWS account that contains the user Bob."
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
        """
        if self.anyone:
            return True
        if principal.kind == "service":
            return self._lists_service(principal.arn, region)
        if principal.kind == "web-identity":
            return principal.arn in self.federated
        if principal.kind == "anonymous" or principal.account not in self.accounts:
            return False
        if principal.kind == "root":
            return True
        role_id = principal.id.partition(":")[0]
        if principal.role_arn and self.arns.isdisjoint((principal.role_arn, role_id)):
            return False
        return principal.arn in self.arns or principal.id in self.arns


def account_of(entry: str) -> str | None:
    """The account that an AWS entry names as a whole."""
    if _ACCOUNT.fullmatch(entry):
        return entry
    found = _ROOT.fullmatch(entry)
    return found[1] if found else None


def _entries(element: Any) -> tuple[tuple[str, str], ...]:
    if element == "*":
        return (("AWS", "*"),)
    if not isinstance(element, dict) or not element:
        raise ValueError("Principal is neither * nor a map")
    entries: list[tuple[str, str]] = []
    for kind, value in element.items():
        values = value if isinstance(value, list) else [value]
        if kind not in KINDS or not values or not all(isinstance(v, str) for v in values):
            raise ValueError("unknown principal")
        entries.extend((kind, v) for v in values)
    return tuple(entries)
